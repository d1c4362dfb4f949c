"""What the reports say: what happened, and what there is to do about it."""

from __future__ import annotations

import pytest

from coreset_cleaning.reports import Coverage, PullReport


@pytest.mark.parametrize(("skips", "says"), [({3: {"a": 17}}, True), ({}, False)])
def test_skipped_tasks_name_the_way_to_end_the_round(
    skips: dict[int, dict[str, int]], says: bool
) -> None:
    report = PullReport(
        new_answers=1, withdrawn=0, changed=1, outcomes={}, open_round=3,
        answered=8, total=10, skipped=1, skips=skips,
    )  # fmt: skip
    assert ("round 3 waits for 1 skipped tasks (17)" in str(report)) is says
    assert ("`coreset-cleaning close`" in str(report)) is says


def test_a_pull_says_what_the_reviews_have_come_to_so_far() -> None:
    report = PullReport(
        new_answers=3, withdrawn=0, changed=3, outcomes={"kept": 2, "relabeled": 1},
        open_round=None, answered=3, total=3,
    )  # fmt: skip
    assert str(report) == (
        "3 new answers, 3 labels updated; 3 of 3 answered; so far 2 kept, 1 relabeled."
    )


def test_coverage_names_what_brings_the_rest_in() -> None:
    assert Coverage(10, 0, 0, 0).fix == ""
    assert str(Coverage(10, 0, 0, 0)) == "All 10 samples outside the test split take part."
    assert str(Coverage(10, 1, 0, 2)) == (
        "3 of 10 samples are left out: 1 have no label, 2 have no importance."
    )
    assert Coverage(10, 1, 0, 0).fix == "Give the unlabeled ones a label."
    assert Coverage(10, 0, 2, 0).fix == (
        "Compute the embeddings again, then compute the importance again."
    )
