"""The states of rounds, as the history tells them."""

from __future__ import annotations

from typing import Any

import pytest

from coreset_cleaning.core.review.states import RoundState, open_row

CLOSED = "2026-01-01T00:00:00+00:00"


def row(number: int, *, closed_at: str | None = None, undone: bool = False) -> dict[str, Any]:
    return {"round": number, "closed_at": closed_at, "undone": undone}


@pytest.mark.parametrize(
    ("closed_at", "undone", "state"),
    [
        (None, False, RoundState.OPEN),
        (CLOSED, False, RoundState.CLOSED),
        (None, True, RoundState.UNDONE),
        (CLOSED, True, RoundState.UNDONE),
    ],
)
def test_a_round_is_open_closed_or_undone(
    closed_at: str | None, undone: bool, state: RoundState
) -> None:
    assert RoundState.of(row(1, closed_at=closed_at, undone=undone)) is state


def test_the_last_open_round_is_the_one_that_waits() -> None:
    assert open_row([]) is None
    assert open_row([row(1, closed_at=CLOSED), row(2, undone=True)]) is None
    first, second = row(1), row(2)
    assert open_row([first, second, row(3, closed_at=CLOSED)]) is second
