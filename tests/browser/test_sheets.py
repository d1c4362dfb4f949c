"""A reviewer answers sheets in a real Chromium, and then what was marked without a class."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from chromium import open_browser
from coreset_cleaning import CleaningLoop, LabelStudioServer
from review_page import ReviewPage, SheetPage


def test_two_sheets_and_the_second_stage(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any
) -> None:
    pushed = loop.push_round(server, n=8, controls=0, class_of_interest="3", sheet=5)
    batch = loop.rounds.load(1).batch
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        review, sheet = ReviewPage(page, label_studio.url), SheetPage(page)
        review.log_in(label_studio.admin_email, label_studio.admin_password)
        review.start(pushed.url)
        sheet.shows(5)
        # Whole images, all of them on the screen, in the order of the round.
        places = [sheet.picture(slot).bounding_box() for slot in range(1, 6)]
        assert all(box and box["y"] + box["height"] < 900 - 50 for box in places)
        assert sheet.captions()[0] == (
            f"→ {batch[0].suggested_label} ({batch[0].suggested_probability:.0%})"
        )
        page.keyboard.press("1")
        page.keyboard.press("3")
        page.keyboard.press("3")  # and taken back
        sheet.picture(2).click()
        sheet.chip(2, "another").click()
        sheet.picture(4).click()
        sheet.chip(4, "delete").click()
        sheet.picture(5).click()
        sheet.chip(5, "second guess").click()
        assert sheet.marked() == ["1", "2", "4", "5"]
        page.keyboard.press("Control+Enter")
        sheet.shows(3)
        page.keyboard.press("Control+Enter")  # all right
        review.is_done()
        report = loop.pull_reviews(server)
        assert (report.new_answers, report.unnamed, report.problems) == (7, 1, [])
        review.start(report.unnamed_url)
        review.shows("Image 2 of 8")
        expect(page.get_by_text("Labeled: 3")).to_be_visible()
        expect(page.locator(".shown-examples .examples")).to_have_count(2)
        review.press("3", "e", "Control+Enter")  # the third class of 3, 8, 9
        review.is_done()
    assert loop.pull_reviews(server).closed == [1]
    reviews = [loop.samples.dataset[item.sample_id].cleaning_review.verdict for item in batch]
    assert reviews == ["relabeled", "relabeled", "kept", "deleted", "relabeled", *["kept"] * 3]
    assert loop.samples.dataset[batch[1].sample_id].ground_truth.label == "9"
    [third] = {"3", "8", "9"} - {"3", batch[4].suggested_label}
    assert loop.samples.dataset[batch[4].sample_id].ground_truth.label == third
    assert all(event.lead_time for event in loop.rounds.load(1).events)
