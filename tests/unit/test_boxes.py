"""Whether an object is where reviewers saw it, by the boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.review.boxes import is_moved, overlap

SIDES = st.floats(0.05, 0.5)
BOXES = st.tuples(SIDES, SIDES, SIDES, SIDES)


@given(BOXES, BOXES)
def test_overlap_is_a_share_that_does_not_depend_on_the_order(
    one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert 0 <= overlap(one, other) <= 1 + 1e-9
    assert overlap(one, one) == pytest.approx(1)


@given(BOXES, st.floats(0.01, 1))
def test_boxes_side_by_side_share_nothing(box: tuple[float, ...], gap: float) -> None:
    left, top, width, height = box
    beside = (left + width + gap, top, width, height)
    assert overlap(box, beside) == 0
    assert is_moved(box, beside)


@given(BOXES, st.floats(0.75, 1))
def test_a_box_that_is_tightened_has_not_moved(box: tuple[float, ...], share: float) -> None:
    left, top, width, height = box
    tighter = (left, top, share * width, share * height)
    assert overlap(box, tighter) == pytest.approx(share**2)
    assert not is_moved(box, tighter)


def test_boxes_without_area_and_labels_without_a_box() -> None:
    assert overlap([0, 0, 0, 0], [0, 0, 0, 0]) == 0
    assert not is_moved([0.1, 0.1, 0, 0], [0.1, 0.1, 0, 0])
    assert not is_moved([], [])
    assert is_moved([], [0.1, 0.1, 0.2, 0.2])
    assert is_moved([0.1, 0.1, 0.2, 0.2], [])
