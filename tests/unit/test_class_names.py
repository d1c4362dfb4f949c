"""Names that look the same on a button."""

from __future__ import annotations

import pytest

from coreset_cleaning.core.review.class_names import likely_typos, look_alikes


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (["3", "3 ", "8"], [("3", "3 ")]),
        (["Cat", "cat", " CAT"], [(" CAT", "Cat", "cat")]),
        (["a  b", "a b", "ab"], [("a  b", "a b")]),
        (["\u00e9t\u00e9", "e\u0301te\u0301"], [("e\u0301te\u0301", "\u00e9t\u00e9")]),
        (["cat", "cat", "dog"], []),
    ],
)
def test_look_alikes(names: list[str], same: list[tuple[str, ...]]) -> None:
    assert look_alikes(names) == same


@pytest.mark.parametrize(
    ("counts", "typos"),
    [
        ({"horse": 400, "hosre": 2}, [("hosre", "horse")]),  # swapped
        ({"horse": 400, "hors": 20}, [("hors", "horse")]),  # left out
        ({"horse": 400, "hoorse": 1}, [("hoorse", "horse")]),  # put in
        ({"horse": 400, "h0rse": 1}, []),  # different digits
        ({"horse": 400, "house": 390}, []),  # none is rare
        ({"horse": 400, "house": 20}, [("house", "horse")]),  # just rare enough
        ({"horse": 400, "house": 21}, []),
        ({"digit 3": 400, "digit 8": 1}, []),
        ({"cat": 400, "car": 1}, []),  # too short to tell
        ({"fire truck": 400, "fire_truck": 300}, [("fire_truck", "fire truck")]),
        ({"Horse": 400, "horse ": 3}, []),  # look_alikes says so
        ({"horse": 400, "ohrse": 1, "horsee": 2}, [("horsee", "horse"), ("ohrse", "horse")]),
        ({"abcd": 400, "bcde": 1}, []),  # one letter left out of each, at different ends
        ({}, []),
    ],
)
def test_likely_typos(counts: dict[str, int], typos: list[tuple[str, str]]) -> None:
    assert likely_typos(counts) == typos
