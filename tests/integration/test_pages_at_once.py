"""Pages of the App's grid while others are at work: nothing is answered twice or overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.core.review.grid import Mark
from support.neighbours import OURS, documents, labels_of, loop_of, push, refusal, tiny

WRONG, OTHERWISE = Mark.SUGGESTION.value, Mark.OTHER.value


@pytest.fixture
def loop() -> CleaningLoop:
    loop = loop_of(tiny(30))
    loop.compute_importance()
    return loop


def edit(loop: CleaningLoop, label_id: str, label: str) -> None:
    loop.samples.dataset.set_values("a.label", {label_id: label}, key_field="id")


def first_labels(loop: CleaningLoop) -> list[str]:
    dataset: Any = loop.samples.dataset
    dataset.reload()
    name = f"{OURS.original}.label"
    return dataset.exists(name).values("id") if dataset.has_field(OURS.original) else []


def test_a_page_that_another_window_has_saved_is_not_saved_over_it(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, *_ = push(loop, n=4)
    other = loop_of(dataset)
    loop.commit_page([one, two], {one: WRONG})
    before = documents(dataset)
    error = refusal(other.commit_page, [one, two], {})
    assert f"1 of 2 images have another answer already: {one}" in error.what
    assert documents(dataset) == before
    # A double click says the same again, and that is no second answer.
    again = other.commit_page([one, two], {one: WRONG}, seconds=99.0)
    assert (again.new_answers, again.changed, again.answered) == (0, 0, 2)
    assert documents(dataset)["runs"] == before["runs"]


def test_of_a_page_that_is_answered_in_part_the_rest_is_recorded(loop: CleaningLoop) -> None:
    one, two, *_ = push(loop, n=4)
    loop.record_verdicts({one: "keep"}, reviewer="ann")
    report = loop.commit_page([one, two], {}, reviewer="bob")
    assert (report.new_answers, report.answered) == (1, 2)
    [reviewers] = loop.samples.dataset.values(["cleaning_review.reviewers"])
    ids = loop.samples.dataset.values("id")
    assert [reviewers[ids.index(i)] for i in (one, two)] == [["ann"], ["bob"]]


def test_each_of_two_people_answers_a_page_that_wants_two_answers(loop: CleaningLoop) -> None:
    one, two = push(loop, n=2, reviewers_per_task=2)
    assert loop.commit_page([one, two], {one: WRONG}, reviewer="ann").answered == 0
    assert loop.pull_reviews(AppDesk()).new_answers == 0  # ann's class is nobody else's edit
    assert loop.commit_page([one, two], {}, reviewer="bob").outcomes == {"conflict": 1, "kept": 1}


def test_a_page_that_is_refused_has_changed_nothing(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, three, _ = push(loop, n=4)
    edit(loop, three, "B")
    before = documents(dataset)
    others = {one: ("relabel", "nonsense")}
    assert "'nonsense'" in refusal(loop.commit_page, [one, two], {one: OTHERWISE}, others).what
    assert documents(dataset) == before


def test_an_edit_of_another_page_waits_for_that_page(loop: CleaningLoop) -> None:
    one, two, three, four = push(loop, n=4)
    edit(loop, three, "B")
    assert loop.commit_page([one, two], {}).answered == 2
    assert first_labels(loop) == []  # no event has put one there
    loop.commit_page([three, four], {})
    assert first_labels(loop) == [three]
    loop.undo_round(1)
    assert first_labels(loop) == []
    assert labels_of(loop.samples.dataset)[three] == "A"


def test_a_mark_and_an_edit_that_contradict_each_other_are_refused(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, *_ = push(loop, n=4, new_classes=["C"])
    edit(loop, one, "C")
    before = documents(dataset)
    error = refusal(loop.commit_page, [one, two], {one: WRONG})  # the suggestion is B
    assert f"1 images are marked and were given another class by hand: {one}" in error.what
    assert documents(dataset) == before
    agreed = loop.commit_page([one, two], {one: OTHERWISE}, {one: ("relabel", "C")})
    assert agreed.outcomes == {"relabeled": 1, "kept": 1}
    assert labels_of(dataset)[one] == "C"
