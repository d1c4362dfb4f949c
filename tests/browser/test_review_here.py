"""Rounds that are reviewed in the App's grid, clicked through in a real Chromium."""

from __future__ import annotations

import getpass

from playwright.sync_api import expect

from coreset_cleaning import AppDesk, CleaningLoop
from fiftyone_app import overhang
from review_page import ReviewPage, SheetPage
from support.objects import FIELD, Pixels, make_objects


def test_a_round_by_the_page(grid, confused_scored):
    dataset = confused_scored.dataset
    dataset.persistent = True  # another process shows it
    before = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
    grid.open(dataset.name)
    grid.begin(Samples=12, Controls_among_them=2, Images_on_a_page=6)
    loop = CleaningLoop(dataset)
    order = [item.sample_id for item in loop.rounds.load(1).batch]
    grid.wait_for_page("Page 1 of 2", order[:6])
    suggested = loop.next_page(6).suggestions

    grid.mark(order[0])
    grid.mark(order[1], other=True)
    grid.mark(order[2], other=True)
    grid.mark(order[2])  # thought better of it
    grid.save()
    grid.answer("Delete it: it is none of these")
    grid.wait_for_page("Page 2 of 2", order[6:])
    expect(grid.panel).to_contain_text("6 of 12 left; 4 kept, 1 relabeled, 1 deleted")
    dataset.reload()
    assert dataset[order[0]].ground_truth.label == suggested[order[0]]
    assert dataset[order[1]].sample_weight == 0

    grid.judge_opened(order[6], "is right")  # beside the opened sample: no longer on the page
    grid.save()
    expect(grid.panel).to_contain_text("No round is open")
    assert [row["state"] for row in loop.history()] == ["closed"]

    grid.take_back()
    grid.wait_for_page("Page 2 of 2", order[7:])
    grid.take_back()  # what was judged beside the opened sample
    grid.wait_for_page("Page 2 of 2", order[6:])
    grid.take_back()
    grid.wait_for_page("Page 1 of 2", order[:6])
    dataset.reload()
    after = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
    assert after == before
    grid.save()  # with the marks of before, which came back
    grid.answer("Can't tell")
    grid.wait_for_page("Page 2 of 2", order[6:])
    dataset.reload()
    assert dataset[order[0]].ground_truth.label == suggested[order[0]]
    assert loop.history()[0]["unsure"] == 1

    classes = dataset.distinct("ground_truth.label")
    wanted = next(
        c for c in classes if c not in (before[order[6]], loop.next_page(6).suggestions[order[6]])
    )
    grid.edit_opened(order[6], wanted)  # in FiftyOne's own annotation
    assert loop.pull_reviews(AppDesk()).new_answers == 1
    state = loop.rounds.all().states[order[6]]
    assert (state.outcome.value, state.new_label) == ("relabeled", wanted)
    assert state.reviewers == (getpass.getuser(),)
    dataset.reload()
    assert dataset[order[6]].original_label.label == before[order[6]]
    assert loop.next_page(6).label_ids == tuple(order[7:])


def test_objects_at_both_desks(grid, label_studio, server, tmp_path):
    objects = make_objects(tmp_path, 60)
    dataset, before = objects.dataset, objects.given()
    dataset.persistent = True  # another process shows it
    loop = CleaningLoop(dataset)
    loop.compute_embeddings(Pixels())
    loop.compute_importance()
    grid.open(dataset.name)
    grid.begin(Samples=8, Controls_among_them=0, Images_on_a_page=6)
    order = [item.sample_id for item in loop.rounds.load(1).batch]
    grid.wait_for_page("Page 1 of 2", order[:6])
    suggested = loop.next_page(6).suggestions
    grid.mark(order[0])
    grid.mark(order[1], other=True)
    grid.save()
    grid.answer("The box is wrong: it is to be drawn again")
    grid.wait_for_page("Page 2 of 2", order[6:])
    assert overhang(grid.panel) <= 0
    question = grid.open_question(order[6])
    assert overhang(question) <= 0
    # FiftyOne's annotation would say so if it could not show what we have put on the objects.
    expect(grid.page.get_by_text("invalid label schema")).to_have_count(0)
    grid.close_sample()
    grid.judge_opened(order[6], "is right")
    grid.save()
    expect(grid.panel).to_contain_text("No round is open")
    dataset.reload()
    assert objects.given() == {**before, order[0]: suggested[order[0]]}
    assert dataset.load_saved_view("cleaning wrong_box").values("id") == [order[1]]

    asked = before[order[0]]  # all of a sheet have one label
    pushed = loop.push_round(server, n=5, controls=0, class_of_interest=asked, sheet=5)
    order = [item.sample_id for item in loop.rounds.load(2).batch]
    page = grid.page.context.browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(60_000)
    review, sheet = ReviewPage(page, label_studio.url), SheetPage(page)
    review.log_in(label_studio.admin_email, label_studio.admin_password)
    review.start(pushed.url)
    sheet.shows(5)
    sheet.picture(2).click()
    page.keyboard.press("Control+Enter")
    review.is_done()
    given = objects.given()
    suggestion = loop.rounds.load(2).batch[1].suggested_label
    assert loop.pull_reviews(server).closed == [2]
    dataset.reload()
    assert objects.given() == {**given, order[1]: suggestion}
    assert [row["state"] for row in loop.history()] == ["closed", "closed"]
    assert dataset.count(f"{FIELD}.detections") == len(before)
