"""The states of a round, as the rows of `CleaningLoop.history` tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any


class RoundState(str, Enum):
    """Where a round stands: waiting for answers, finished, or left out of everything."""

    OPEN = "open"
    CLOSED = "closed"
    UNDONE = "undone"

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> RoundState:
        """Return the state that a row of the history tells; undone beats open.

        Examples
        --------
        >>> RoundState.of({"undone": True, "closed_at": None}).value
        'undone'
        """
        if row["undone"]:
            return cls.UNDONE
        return cls.OPEN if row["closed_at"] is None else cls.CLOSED


def open_row(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row of the round that waits for answers, or None."""
    waiting = [row for row in history if RoundState.of(row) is RoundState.OPEN]
    return waiting[-1] if waiting else None
