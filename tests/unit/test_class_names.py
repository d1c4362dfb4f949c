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
        (["caf\u00e9", "cafe\u0301"], [("cafe\u0301", "caf\u00e9")]),
        (["cat", "cat", "dog"], []),
    ],
)
def test_look_alikes(names: list[str], same: list[tuple[str, ...]]) -> None:
    assert look_alikes(names) == same
