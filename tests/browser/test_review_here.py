"""A round that is reviewed in the App's grid, clicked through in a real Chromium."""

from __future__ import annotations

import getpass

import pytest
from playwright.sync_api import expect

from chromium import open_browser
from coreset_cleaning import AppDesk, CleaningLoop
from fiftyone_app import ReviewGrid, serve_app


@pytest.fixture
def grid(tmp_path):
    expect.set_options(timeout=60_000)
    with serve_app(tmp_path / "app") as url, open_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        yield ReviewGrid(page, url)


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
