"""What reviews will find: in the next so many, in what is left, and where they are worth most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..review.queue import class_codes
from ..review.scope import WHOLE_DATASET, Scope
from ..scoring.linalg import Float, Int
from .estimates import Estimate
from .odds import Odds, log_odds

WORTH = 0.1  # a queue of which fewer are wrong than that is called exhausted
MOST = 0.9  # the share of the wrong labels left that "most of them" means
_DRAWS = 2_000
_BINS = 72  # of log-odds: within one, labels are alike
_EDGES = np.linspace(-9.0, 9.0, _BINS + 1)
_CENTERS = (_EDGES[1:] + _EDGES[:-1]) / 2


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """What reviews of one queue will find: that of a class, or of the whole dataset.

    Attributes
    ----------
    name : str
        The class, or "whole dataset".
    scope : Scope
        Which of the two.
    unreviewed : int
        Labels in the queue.
    reviews : int
        The budget, or as many as there are.
    found : Estimate
        Wrong labels among the next `reviews` of this queue: a range for just these.
    left : Estimate
        Wrong labels in the whole queue.
    share : int
        How many of the next reviews of the whole dataset are of this class.
    reviews_for_most : int
        Reviews, in the order of the queue, until nine in ten of `left` are found.
    """

    name: str
    scope: Scope
    unreviewed: int
    reviews: int
    found: Estimate
    left: Estimate
    share: int
    reviews_for_most: int

    @property
    def exhausted(self) -> bool:
        """Whether further reviews of it hardly pay: fewer than one in ten is wrong."""
        return self.found.value < WORTH * self.reviews or not self.reviews

    @property
    def found_words(self) -> str:
        """`found` in words: how many, and the range."""
        return _range(self.found)

    @property
    def left_words(self) -> str:
        """`left` in words."""
        return _range(self.left)

    @property
    def words(self) -> str:
        """The queue in words."""
        return "the whole dataset" if self.scope is Scope.DATASET else f"class {self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a budget of reviews will bring.

    Attributes
    ----------
    budget : int
        Reviews that are planned.
    whole : QueuePlan
        When they are spent on the whole dataset, most important labels first.
    classes : tuple of QueuePlan
        When they are spent on one class, the class with the most to find first.
    n_verdicts, n_controls : int
        Answers that the numbers rest on beside the scores; none before the first round.
    left_out : int
        Labels that have an importance and no probability of being wrong: scored before there was
        one.
    more_classes : int
        Classes that a plan on record leaves out, because others have more to find.
    """

    budget: int
    whole: QueuePlan
    classes: tuple[QueuePlan, ...]
    n_verdicts: int = 0
    n_controls: int = 0
    left_out: int = 0
    more_classes: int = 0

    def of_class(self, name: str) -> QueuePlan | None:
        """Return what is planned of a class; None when nothing of it is unreviewed."""
        return next((row for row in self.classes if row.name == name), None)

    @property
    def best(self) -> QueuePlan:
        """The queue with the most to find: the whole dataset, unless a class has more."""
        return self.best_but(None)

    def best_but(self, without: QueuePlan | None) -> QueuePlan:
        """Return the same, one class left aside."""
        rows = (self.whole, *(row for row in self.classes if row is not without))
        return max(rows, key=lambda row: row.found.value)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able values."""
        return {
            "budget": self.budget,
            "n_verdicts": self.n_verdicts,
            "n_controls": self.n_controls,
            "left_out": self.left_out,
            "more_classes": self.more_classes,
            "whole": _to_dict(self.whole),
            "classes": [_to_dict(row) for row in self.classes],
        }

    @property
    def headline(self) -> str:
        """What the budget brings in the whole dataset, in words."""
        whole = self.whole
        if not whole.unreviewed:
            return "Everything has been reviewed."
        return (
            f"{whole.reviews} reviews of {whole.words} find {_range(whole.found)} wrong labels. "
            f"{_range(whole.left)} are left in {whole.unreviewed} unreviewed labels; to find nine "
            f"in ten of them takes about {whole.reviews_for_most} reviews."
        )

    def __str__(self) -> str:
        if not self.whole.unreviewed:
            return self.headline
        lines = [
            self.headline,
            f"{'class':<20} {'of these':>8} {f'found in {self.budget}':>20} {'left':>20} "
            f"{'reviews for 9 in 10':>20}",
        ]
        for row in self.classes:
            note = "  exhausted" if row.exhausted else ""
            lines.append(
                f"{row.name[:20]:<20} {row.share:>8} {_range(row.found):>20} "
                f"{_range(row.left):>20} {row.reviews_for_most:>20}{note}"
            )
        rests = f"{self.n_verdicts} verdicts, {self.n_controls} of them on controls"
        lines.append(
            f"By the scores and {rests}." if self.n_verdicts else "By the scores; no verdict yet."
        )
        if self.left_out:
            lines.append(
                f"Left out: {self.left_out} labels without a probability of being wrong. Score "
                "again: `coreset-cleaning score`."
            )
        return "\n".join(lines)


def make_plan(
    wrong_probability: ArrayLike,
    classes: Sequence[str],
    odds: Odds,
    budget: int = 300,
    random_state: int = 0,
    *,
    left_out: int = 0,
) -> Plan:
    """Plan reviews of a queue.

    Parameters
    ----------
    wrong_probability : array of shape (n,)
        Of the unreviewed labels, by the scores, in the order of the queue.
    classes : sequence of str, length n
        Their classes.
    odds : Odds
        How far off the scores are, from `fit_odds`.
    budget : int, default 300
        Reviews.
    random_state : int, default 0
        Seed.
    left_out : int, default 0
        Labels that are not among these; for the report.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        When the budget is below 1, or the lengths differ.
    """
    if budget < 1:
        raise DataError(f"budget must be at least 1, got {budget}.", "Plan one review or more.")
    x = log_odds(wrong_probability)
    if len(x) != len(classes):
        raise DataError(
            f"classes: must be one for each of {len(x)} labels, got {len(classes)}.",
            "Pass both in the order of the queue.",
        )
    codes = class_codes(classes)
    bins: Int = np.clip(np.searchsorted(_EDGES, x, side="right") - 1, 0, _BINS - 1)
    rng = np.random.default_rng(random_state)
    curves, told = odds.draw(_DRAWS, rng)
    chance: Float = np.zeros(len(x))  # of each label, the mean of all draws
    rates_left, rates_next = np.zeros(_DRAWS), np.zeros(_DRAWS)
    rows = []
    names = list(dict.fromkeys(classes))  # in the order of their codes
    by_class = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    for name, mine in sorted(zip(names, by_class, strict=False), key=lambda pair: pair[0]):
        if name in odds.classes:
            of_class = told[:, odds.classes.index(name)]
        else:
            of_class = odds.unseen_class(_DRAWS, rng)
        used, place = np.unique(bins[mine], return_inverse=True)
        rates = odds.rates(_CENTERS[used], curves, of_class)
        chance[mine] = rates.mean(axis=0)[place]

        def expected(
            some: NDArray[np.intp],
            place: NDArray[np.intp] = place,
            rates: Float = rates,
        ) -> Float:
            total: Float = rates @ np.bincount(place[some], minlength=rates.shape[1])
            return total

        everything = np.arange(len(mine))
        now = np.flatnonzero(mine < budget)  # of the whole dataset's next reviews
        rates_left += expected(everything)
        rates_next += expected(now)
        rows.append(
            QueuePlan(
                name=name,
                scope=Scope.CLASS,
                unreviewed=len(mine),
                reviews=min(budget, len(mine)),
                found=_estimate(expected(everything[:budget]), min(budget, len(mine)), rng),
                left=_estimate(expected(everything), len(mine), rng),
                share=len(now),
                reviews_for_most=_reviews_for_most(chance[mine]),
            )
        )
    whole = QueuePlan(
        name=WHOLE_DATASET,
        scope=Scope.DATASET,
        unreviewed=len(x),
        reviews=min(budget, len(x)),
        found=_estimate(rates_next, min(budget, len(x)), rng),
        left=_estimate(rates_left, len(x), rng),
        share=min(budget, len(x)),
        reviews_for_most=_reviews_for_most(chance),
    )
    rows.sort(key=lambda row: (-row.found.value, row.name))
    return Plan(budget, whole, tuple(rows), odds.n_verdicts, odds.n_controls, left_out)


def expected_errors(
    wrong_probability: ArrayLike, classes: Sequence[str], odds: Odds, random_state: int = 0
) -> Estimate:
    """Return how many of some labels are wrong, in any order."""
    return make_plan(wrong_probability, classes, odds, 1, random_state).whole.left


def _estimate(expected: Float, n: int, rng: np.random.Generator) -> Estimate:
    """Return the range of a count: the doubt about how many to expect, and chance.

    Chance is that of n labels which are all as likely wrong. Where some are likelier than others
    it is less, so the range errs on the wide side.
    """
    if not n:
        return Estimate(0.0, 0.0, 0.0)
    found = np.sort(rng.binomial(n, np.clip(expected / n, 0.0, 1.0)))
    value = float(expected.mean())
    low, high = (float(found[round(q * (len(found) - 1))]) for q in (0.025, 0.975))
    return Estimate(value, min(low, value), max(high, value))


def _reviews_for_most(chance: Float) -> int:
    """Return how many labels of a queue hold most of its wrong ones."""
    total = np.cumsum(chance)
    return int(np.searchsorted(total, MOST * total[-1]) + 1) if len(total) else 0


def _range(found: Estimate) -> str:
    return f"{found.value:.0f} ({found.low:.0f} to {found.high:.0f})"


def _to_dict(row: QueuePlan) -> dict[str, Any]:
    return {
        "name": row.name,
        "scope": row.scope.value,
        "unreviewed": row.unreviewed,
        "reviews": row.reviews,
        "found": {"value": row.found.value, "low": row.found.low, "high": row.found.high},
        "left": {"value": row.left.value, "low": row.left.low, "high": row.left.high},
        "share": row.share,
        "reviews_for_most": row.reviews_for_most,
        "exhausted": row.exhausted,
    }
