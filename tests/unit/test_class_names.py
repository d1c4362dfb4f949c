"""Names that look the same on a button."""

from __future__ import annotations

import pytest

from coreset_cleaning.core.review.class_names import look_alikes


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
