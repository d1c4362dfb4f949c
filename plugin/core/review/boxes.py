"""Whether an object is still where it was when reviewers saw it."""

from __future__ import annotations

from collections.abc import Sequence

# Boxes that overlap less than this, as intersection over union, show different things.
_SAME = 0.5


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the intersection over the union of two boxes.

    Parameters
    ----------
    one, other : sequence of 4 float
        Left, top, width and height.

    Examples
    --------
    >>> overlap([0, 0, 2, 1], [1, 0, 2, 1])
    0.3333333333333333
    """
    shared = 1.0
    for axis in (0, 1):
        end = min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        shared *= max(0.0, end - max(one[axis], other[axis]))
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else 0.0


def is_moved(shown: Sequence[float], now: Sequence[float]) -> bool:
    """Tell whether a box shows something else than it did; tightening it a little does not.

    Examples
    --------
    >>> is_moved([0.1, 0.1, 0.4, 0.4], [0.12, 0.1, 0.36, 0.38])
    False
    >>> is_moved([0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4])
    True
    """
    if len(shown) != 4 or len(now) != 4:
        return len(shown) != len(now)
    return list(shown) != list(now) and overlap(shown, now) < _SAME
