"""Where to review next, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import sentence
from ..review.scope import Scope
from .plan import Plan, QueuePlan


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where to review next.

    Attributes
    ----------
    scope : Scope
    class_of_interest : str or None
        The class; None with the whole dataset.
    elsewhere : bool
        Whether that is another queue than the one reviewed last.
    exhausted : bool
        Whether there is nothing left that pays.
    reasons : tuple of str
        In words.
    """

    scope: Scope
    class_of_interest: str | None
    elsewhere: bool
    exhausted: bool
    reasons: tuple[str, ...]


def propose(plan: Plan, scope: Scope | None = None, class_of_interest: str = "") -> Proposal | None:
    """Say where to review next: where it was, unless that is exhausted or another queue has more.

    Parameters
    ----------
    plan : Plan
        Of as many reviews as a round has.
    scope : Scope, optional
        What the last round was drawn from. Default: there was none.
    class_of_interest : str, default ""
        Its class.

    Returns
    -------
    Proposal or None
        None where nothing is unreviewed.
    """
    best = plan.best
    if not best.unreviewed:
        return None
    here = plan.whole if scope is Scope.DATASET else plan.of_class(class_of_interest)
    reasons = []
    if here is None:
        if scope is Scope.CLASS:
            reasons.append(f"All labels of class {class_of_interest} are reviewed.")
        chosen = best
    elif here.exhausted and best.exhausted:
        chosen = here
    elif here.exhausted or here.found.high < best.found.low:
        verb = "is exhausted" if here.exhausted else "holds less"
        reasons.append(f"{sentence(here.words)} {verb}: {_promise(here)}.")
        chosen = best
    else:
        chosen = here
    elsewhere = chosen.name != (here.name if here else class_of_interest) and scope is not None
    if chosen.exhausted:
        reasons.append(f"Further reviews of {chosen.words} hardly pay: {_promise(chosen)}.")
    else:
        where = "Go on with" if elsewhere else "Review" if scope is None else "Go on in"
        reasons.append(f"{where} {chosen.words}: {_promise(chosen)}.")
    reasons.append(
        f"To find nine in ten of the {chosen.left_words} wrong labels left there takes about "
        f"{chosen.reviews_for_most} reviews."
    )
    return Proposal(
        chosen.scope,
        chosen.name if chosen.scope is Scope.CLASS else None,
        elsewhere,
        chosen.exhausted,
        tuple(reasons),
    )


def _promise(row: QueuePlan) -> str:
    return f"of its next {row.reviews} labels {row.found_words} are expected to be wrong"
