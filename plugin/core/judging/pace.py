"""What some answers cost and what they found, and times in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .estimates import Estimate, wilson_interval


@dataclass(frozen=True, slots=True)
class Pace:
    """What some answers cost, and what they found.

    Attributes
    ----------
    images : int
        Labels that were answered, gold images left out.
    timed : int
        Those of them whose time is known.
    seconds : float
        People's time for these.
    errors : int
        Wrong labels among these.
    left_open : int
        Answers whose time was absurd and is counted as the median.
    gold_answered, gold_noticed : int
        Gold images answered, and those not taken for right.
    """

    images: int = 0
    timed: int = 0
    seconds: float = 0.0
    errors: int = 0
    left_open: int = 0
    gold_answered: int = 0
    gold_noticed: int = 0

    @property
    def seconds_per_image(self) -> float | None:
        """Seconds an image; None when no time is known."""
        return self.seconds / self.timed if self.timed else None

    @property
    def seconds_per_error(self) -> float | None:
        """Seconds a wrong label found; None when no time is known, or none was found."""
        return self.seconds / self.errors if self.errors else None

    @property
    def noticed(self) -> Estimate | None:
        """Share of gold images that were noticed; None when none was answered."""
        return (
            wilson_interval(self.gold_noticed, self.gold_answered) if self.gold_answered else None
        )

    def plus(self, other: Pace) -> Pace:
        """Return the pace of both, which share no label."""
        return Pace(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))

    def to_dict(self) -> dict[str, Any]:
        """Return the pace as JSON-able values."""
        return {
            "images": self.images,
            "timed": self.timed,
            "seconds": round(self.seconds, 1),
            "errors": self.errors,
            "left_open": self.left_open,
            "seconds_per_image": _rounded(self.seconds_per_image),
            "seconds_per_error": _rounded(self.seconds_per_error),
            "gold_answered": self.gold_answered,
            "gold_noticed": self.gold_noticed,
            "gold_noticed_share": interval(self.noticed),
        }


def interval(estimate: Estimate | None) -> dict[str, float | None] | None:
    """Return an estimate as JSON-able values; an end that is infinite is None."""
    if estimate is None:
        return None
    return {name: _rounded(getattr(estimate, name)) for name in ("value", "low", "high")}


def seconds(value: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> seconds(0.85), seconds(12.4), seconds(500)
    ('0.9 s', '12 s', '8 min')
    """
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
