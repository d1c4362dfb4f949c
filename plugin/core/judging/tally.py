"""What the rounds that count came to, for one class or for the whole dataset."""

from __future__ import annotations

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
