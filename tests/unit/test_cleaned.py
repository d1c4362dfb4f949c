"""What reviewers changed about labels, as it leaves the project."""

from __future__ import annotations

from dataclasses import replace

from coreset_cleaning.core.review.cleaned import CHANGE_COLUMNS, CleanedLabel, changes
from coreset_cleaning.core.review.marks import ReviewMark
from coreset_cleaning.core.review.queue import BatchItem


def test_changes_are_what_was_relabeled_or_deleted_and_say_why() -> None:
    mark = ReviewMark(2, "relabeled", ("ann",), "2026-01-01T00:00:00+00:00", ("a",), "a dog")
    asked = BatchItem("s1", 4, 0.5, "cat", 1.0, False, "dog", 0.7)
    untouched = CleanedLabel("s0", "0.png", "train", "cat")
    relabeled = CleanedLabel("s1", "1.png", "train", "dog", 1.0, "cat", mark, asked)
    deleted = replace(
        relabeled,
        id="s2",
        label="cat",
        weight=0.0,
        original=None,
        review=replace(mark, verdict="deleted"),
        asked=None,
    )
    kept = replace(deleted, id="s3", weight=1.0, review=replace(mark, verdict="kept"))
    first, second = changes([untouched, relabeled, deleted, kept])
    assert tuple(first) == tuple(second) == CHANGE_COLUMNS
    assert (first["id"], first["from"], first["to"]) == ("s1", "cat", "dog")
    assert (first["round"], first["rank"], first["suggested_label"]) == (2, 4, "dog")
    assert (first["reviewers"], first["comment"]) == (["ann"], "a dog")
    assert (second["id"], second["from"], second["to"], second["rank"]) == ("s2", "cat", None, None)
    assert (second["change"], second["weight"]) == ("deleted", 0.0)
