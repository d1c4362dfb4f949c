"""Pages of a round in the App's grid: what comes next, and what marks mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import RoundError
from coreset_cleaning.core.review.grid import (
    Mark,
    around,
    check_marks,
    grid_page,
    last_page,
    read_page,
    unsaid,
)
from coreset_cleaning.core.review.ledger import new_events
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.core.review.rounds import Rounds
from coreset_cleaning.desks.app import read_verdicts

CLASSES = ("cat", "dog", "fox")
OPTIONS = {"desk": "app", "reviewers_per_task": 1, "hide_suggestion": False}
MARKS = st.sampled_from([None, Mark.SUGGESTION, Mark.OTHER])
OTHERS = st.sampled_from([("relabel", "fox"), "delete", "unsure"])


def a_round(n: int) -> Round:
    batch = [BatchItem(f"s{i}", i, 1.0, "cat", 1.0, False, "dog", 0.6) for i in range(n)]
    config = {"options": OPTIONS, "created_at": "2026-01-01T00:00:00+00:00"}
    return Round(1, "ground_truth", "cat", "dog", config, batch)


def page_of(round_: Round, size: int) -> Any:
    return grid_page(Rounds([round_]), round_, size, round_.sample_ids)


def answer(round_: Round, verdicts: dict[str, Any], at: str) -> Round:
    reviews = read_verdicts(verdicts, CLASSES, round_=1, reviewer="ann", at=at)
    return round_.with_events(new_events(round_.events, reviews, [], at))


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02d}.000000+00:00"


@given(n=st.integers(1, 12), size=st.integers(1, 5), data=st.data())
def test_pages_show_each_label_once_and_every_mark_is_recorded_as_it_was_meant(n, size, data):
    round_, seen, meant = a_round(n), [], {}
    for number in range(1, n + 1):
        page = page_of(round_, size)
        if not page.label_ids:
            break
        assert (page.number, page.of) == (number, -(-n // size))
        assert (page.answered, page.total) == (len(seen), n)
        marks = {i: m for i in page.label_ids if (m := data.draw(MARKS))}
        others = {i: data.draw(OTHERS) for i, m in marks.items() if m is Mark.OTHER}
        verdicts = read_page(page.label_ids, page.suggestions, marks, others)
        for i in page.label_ids:
            mark = marks.get(i)
            meant[i] = others.get(i) or ("keep" if mark is None else ("relabel", "dog"))
        assert {i: verdicts[i] for i in page.label_ids} == {i: meant[i] for i in page.label_ids}
        round_ = answer(round_, verdicts, at(number))
        assert {key[1]: mark for key, mark in last_page(round_).items()} == {
            i: marks.get(i) for i in page.label_ids
        }
        seen += page.label_ids
    assert seen == [f"s{i}" for i in range(n)]
    assert not page_of(round_, size).label_ids
    assert sum(page_of(round_, size).outcomes.values()) == n


def test_labels_that_are_gone_from_the_dataset_are_on_no_page():
    round_ = a_round(4)
    page = grid_page(Rounds([round_]), round_, 3, {"s1", "s3"})
    assert (page.label_ids, page.of, page.total) == (("s1", "s3"), 1, 2)


@pytest.mark.parametrize("others", [{}, {"s0": None}])
def test_what_is_wrong_in_another_way_needs_an_answer(others):
    with pytest.raises(RoundError, match="1 images are marked as wrong without a class: s0"):
        read_page(["s0", "s1"], {"s0": "dog", "s1": "dog"}, {"s0": Mark.OTHER}, others)


def test_a_mark_outside_of_the_page_is_refused():
    with pytest.raises(RoundError, match="1 marked images are not on this page: s9"):
        read_page(["s0"], {"s0": "dog"}, {"s9": Mark.SUGGESTION}, {})


def test_the_next_question_is_the_next_that_waits_and_at_the_end_the_first():
    order = ["a", "b", "c", "d"]
    assert around(order, {"a", "d"}, "b") == ("a", "d")
    assert around(order, {"b", "d"}, "d") == ("c", "b")
    assert around(order, {"a"}, "a") == (None, None)


def test_a_page_that_is_saved_twice_is_recorded_once_and_never_over_another_answer() -> None:
    page = {"s0": "keep", "s1": ("relabel", "dog")}
    reviews = read_verdicts(page, CLASSES, round_=1, reviewer="ann", at=at(2))
    asked = a_round(3)
    assert unsaid(Rounds([asked]), asked, reviews) == reviews
    half = answer(asked, {"s0": "keep"}, at(1))
    assert unsaid(Rounds([half]), half, reviews) == reviews[1:]
    whole = answer(asked, page, at(1))
    assert unsaid(Rounds([whole]), whole, reviews) == []
    by_another = read_verdicts(page, CLASSES, round_=1, reviewer="bob", at=at(2))
    assert unsaid(Rounds([whole]), whole, by_another) == []
    for reviewer in ("ann", "bob"):
        other = {**page, "s1": "delete"}
        later = read_verdicts(other, CLASSES, round_=1, reviewer=reviewer, at=at(2))
        with pytest.raises(RoundError, match="1 of 2 images have another answer already: s1"):
            unsaid(Rounds([whole]), whole, later)


def test_a_mark_must_say_what_the_label_says() -> None:
    verdicts = {"s0": "keep", "s1": ("relabel", "fox")}
    check_marks(verdicts, {"s1": "fox"})
    with pytest.raises(RoundError, match=r"1 images are marked and were given .*: s1"):
        check_marks(verdicts, {"s1": "dog"})
