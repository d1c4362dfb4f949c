"""A reviewer in a real Chromium: the round's link, a log-in, answers by key and by mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from chromium import open_browser
from coreset_cleaning.desks.labelstudio.project import find_or_create_project
from coreset_cleaning.desks.labelstudio.pull import pull_answers
from coreset_cleaning.desks.labelstudio.push import ReviewTask, push_tasks
from review_page import ReviewPage

# pragma: allowlist nextline secret
REVIEWER, PASSWORD = "in-the-browser@example.com", "correct horse"


@pytest.fixture(scope="module")
def review(label_studio):
    """A page of the reviewer's own browser, logged in."""
    label_studio.add_user(REVIEWER, PASSWORD)
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 820})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        review = ReviewPage(page, label_studio.url)
        review.log_in(REVIEWER, PASSWORD)
        yield review


def test_three_answers_by_keyboard_and_one_by_mouse(loop, server, review):
    pushed = loop.push_round(server, n=4, controls=1, class_of_interest="3")
    batch = [item.sample_id for item in loop.rounds.load(1).batch]
    review.open(pushed.url)
    expect(review.page.get_by_text("Labeled: 3")).to_be_visible()

    review.shows("Image 1 of 4")
    review.press("1", "Control+Enter")
    review.shows("Image 2 of 4")
    review.press("4", "Control+Enter")
    review.shows("Image 3 of 4")
    review.press("3", "e", "Control+Enter")  # the third class of 3, 8, 9
    review.shows("Image 4 of 4")
    review.click("Another class")
    review.click("8")
    review.comment("two rings")
    review.submit()
    review.is_done()

    report = loop.pull_reviews(server)
    assert (report.new_answers, report.problems, report.closed) == (4, [], [1])
    rows = [loop.samples.dataset[i] for i in batch]
    assert [row.cleaning_review.verdict for row in rows] == [
        "kept",
        "deleted",
        "relabeled",
        "relabeled",
    ]
    assert [row.ground_truth.label for row in rows] == ["3", "3", "9", "8"]
    assert rows[3].cleaning_review.comment == "two rings"
    assert {name for row in rows for name in row.cleaning_review.reviewers} == {REVIEWER}
    assert all(event.lead_time > 0 for event in loop.rounds.load(1).events)


def test_an_answer_is_required_and_so_is_the_class(loop, server, review):
    pushed = loop.push_round(server, n=1, controls=0, class_of_interest="3")
    review.open(pushed.url)
    review.press("3", "Control+Enter")
    expect(review.page.get_by_text("Choose the right class first.")).to_be_visible()
    review.page.get_by_role("button", name="OK").click()
    assert loop.pull_reviews(server).new_answers == 0
    review.press("w", "Control+Enter")
    review.is_done()
    assert loop.pull_reviews(server).closed == [1]


def test_one_class_of_a_thousand_is_found_by_typing(label_studio, server, review, tmp_path):
    classes = [f"class {i:04d}" for i in range(998)] + ["🦓 <striped> & “wild”", "حمار وحشي $"]
    path = Path(tmp_path / "a.png")
    Image.new("RGB", (40, 90), "teal").save(path)
    own = {"dataset_id": "thousand", "label_field": "ground_truth"}
    project = find_or_create_project(server, dataset_name="thousand", classes=classes, **own)
    tasks = [
        ReviewTask(f"s{i}", str(path), i, 3, classes[-1], classes[-2], 0.5, "A note.")
        for i in range(3)
    ]
    pushed = push_tasks(server, project, tasks, round=1, **own)
    review.open(pushed.url)
    for i, (typed, shown) in enumerate(
        [("0777", "class 0777"), ("wild", "🦓 <striped> & “wild”"), ("حمار", "حمار وحشي")]
    ):
        review.shows(f"Image {i + 1} of 3")
        expect(review.page.get_by_text("Labeled: حمار وحشي $")).to_be_visible()
        expect(review.page.get_by_text("Suggested: 🦓 <striped> & “wild” (50%)")).to_be_visible()
        review.press("3")
        review.search(typed, shown)
        review.submit()
    review.is_done()
    answers = pull_answers(
        server, project.id, classes=classes, rounds={1: {"s0", "s1", "s2"}}, **own
    )
    assert answers.problems == []
    given = {r.sample_id: r.new_label for r in answers.reviews}
    assert given == {"s0": "class 0777", "s1": classes[-2], "s2": classes[-1]}
