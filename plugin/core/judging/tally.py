"""What the rounds that count came to, for one class or for the whole dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..review.round import ClassCount
from ..review.rounds import Rounds
from ..review.scope import Scope
from .yields import RoundYield


def round_yields(rounds: Rounds, class_of_interest: str | None) -> list[RoundYield]:
    """Return what each round tells of a class, or of the whole dataset.

    Of a class, every round tells that has judged labels of it. Controls of the whole dataset are as
    good as any: those among them that are of the class are a random sample of it.

    Of the whole dataset, the controls of its own rounds tell. Rounds of a class come in as parts:
    wrong labels that they found are no longer there. Without a round of the whole dataset there is
    nothing to tell.

    Parameters
    ----------
    rounds : Rounds
    class_of_interest : str or None
        None for the whole dataset.
    """
    if class_of_interest is not None:
        return [
            _yield(round_.pools[class_of_interest], count)
            for round_ in rounds.counted
            if (count := rounds.counts(round_).get(class_of_interest)) and count.reviewed
        ]
    counted = [(round_, rounds.total(round_)) for round_ in rounds.counted]
    whole = [k for k, (round_, _) in enumerate(counted) if round_.scope is Scope.DATASET]
    if not whole:
        return []
    # A round of a class knows the size of its class only.
    first = whole[0]
    left = sum(counted[first][0].pools.values()) + sum(c.reviewed for _, c in counted[:first])
    found = []
    for round_, count in counted:
        if of_part := round_.scope is not Scope.DATASET:
            pool = left
        else:
            pool = sum(round_.pools.values())
        found.append(_yield(pool, count, of_part))
        left = pool - count.reviewed
    return found


def _yield(pool: int, count: ClassCount, of_part: bool = False) -> RoundYield:
    return RoundYield(
        pool=pool,
        reviewed=count.reviewed,
        errors=count.errors,
        n_controls=count.n_controls,
        control_errors=count.control_errors,
        of_part=of_part,
    )


@dataclass(frozen=True, slots=True)
class ImportanceBar:
    """Reviewed labels of like importance, and what they turned out to be.

    Attributes
    ----------
    low, high : float
        Importance when they were pushed.
    wrong, right : int
    """

    low: float
    high: float
    wrong: int
    right: int


def importance_bars(rounds: Rounds, n_bars: int = 12) -> list[ImportanceBar]:
    """Return what reviewed labels turned out to be, by their importance, the lowest first.

    The bars are of equal width in the logarithm of importance. Where the score is worth something,
    what was wrong stands to the right of what was right. Controls show the left part.

    Parameters
    ----------
    rounds : Rounds
    n_bars : int, default 12

    Returns
    -------
    list of ImportanceBar
        Of all bars from the lowest importance to the highest; empty when nothing was judged.
    """
    importance, wrong = [], []
    for round_ in rounds.counted:
        states = rounds.judged(round_)
        for item in round_.batch:
            state = states.get(item.sample_id)
            if state and state.outcome.decides and item.importance > 0:
                importance.append(item.importance)
                wrong.append(state.outcome.is_error)
    if not importance:
        return []
    low, high = min(importance), max(importance)
    if low == high:
        return [ImportanceBar(low, high, sum(wrong), len(wrong) - sum(wrong))]
    edges = np.geomspace(low, high, n_bars + 1)
    code = np.clip(np.searchsorted(edges, importance, side="right") - 1, 0, n_bars - 1)
    total = np.bincount(code, minlength=n_bars)
    bad = np.bincount(code, weights=np.array(wrong, dtype=float), minlength=n_bars).astype(int)
    return [
        ImportanceBar(float(edges[k]), float(edges[k + 1]), int(bad[k]), int(total[k] - bad[k]))
        for k in range(n_bars)
    ]
