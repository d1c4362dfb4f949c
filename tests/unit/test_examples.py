"""Example images: which are picked, and how they stand on a page."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.examples import pick_examples
from coreset_cleaning.core.scoring.duplicates import DUPLICATE_COSINE
from coreset_cleaning.desks.base import Example
from coreset_cleaning.desks.labelstudio.examples import Strips


@given(
    arrays(np.float64, (12, 3), elements=st.floats(-1, 1)),
    arrays(bool, 12),
    st.integers(0, 6),
)
def test_examples_differ_and_verified_ones_come_first(
    vectors: np.ndarray, verified: np.ndarray, n: int
) -> None:
    picked = pick_examples(vectors, verified, n)
    assert len(set(picked)) == len(picked) <= n
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    likeness = unit[picked] @ unit[picked].T - 2 * np.eye(len(picked))
    assert (likeness < DUPLICATE_COSINE).all()
    by_people = verified[picked].tolist()
    assert by_people == sorted(by_people, reverse=True)
    if len(picked) < n:
        # Whatever is left is like one of them.
        left = np.setdiff1d(np.arange(12), picked)
        assert not n or (unit[left] @ unit[picked].T >= DUPLICATE_COSINE).any(axis=1).all()


def test_the_surest_opens_and_no_candidates_are_no_examples() -> None:
    assert pick_examples(np.eye(4), [False] * 4, 2)[0] == 0
    assert pick_examples(np.empty((0, 3)), [], 4) == []


class Source:
    """Where images are sent, without a server; one of them can't be read."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def check(self, images: dict[str, str], connect: bool = True) -> None:
        if "gone" in images:
            raise DataError("it is gone.", "Restore it.")

    def addresses(self, images: dict[str, str]) -> dict[str, str]:
        self.sent += images
        return {i: f"/data/{path}" for i, path in images.items()}


def test_a_strip_shows_what_can_be_shown_and_names_are_text() -> None:
    source = Source()
    name = "<b>$x</b>"
    found = (Example("a", 'x".png'), Example("gone", "gone.png"))
    strips = Strips(source, {name: found})  # type: ignore[arg-type]
    assert source.sent == []  # a push that sends no page sends no example either
    html = strips.html_of(name)
    assert html.count("<img") == 1
    assert "&lt;b&gt;$x&lt;/b&gt;" in html
    assert 'src="/data/x&quot;.png"' in html
    assert strips.html_of(name) == html
    assert strips.html_of("another class") == ""
    assert source.sent == ["a"]
