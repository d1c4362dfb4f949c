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
        Why it is this one, in words.
    left : tuple of str
        What stays wrong there when nobody goes on, in words; none where it is exhausted.
    """

    scope: Scope
    class_of_interest: str | None
    elsewhere: bool
    exhausted: bool
    reasons: tuple[str, ...]
    left: tuple[str, ...]


def propose(
    plan: Plan,
    scope: Scope | None = None,
    class_of_interest: str = "",
    *,
    given_up: bool = False,
) -> Proposal | None:
    """Say where to review next: where it was, unless that is exhausted or another queue has more.

    Parameters
    ----------
    plan : Plan
        Of as many reviews as a round has.
    scope : Scope, optional
        What the last round was drawn from. Default: there was none.
    class_of_interest : str, default ""
        Its class.
    given_up : bool, default False
        Whether that queue found nothing, whatever the plan says of it: then it is another one.

    Returns
    -------
    Proposal or None
        None where nothing is unreviewed, or the whole dataset was given up.
    """
    here = plan.whole if scope is Scope.DATASET else plan.of_class(class_of_interest)
    best = plan.best_but(here) if given_up else plan.best
    if not best.unreviewed or (given_up and here is plan.whole):
        return None
    reasons = []
    if given_up:
        chosen = best
    elif here is None:
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
    effort = (
        f"To find nine in ten of the {chosen.left_words} wrong labels left there takes about "
        f"{chosen.reviews_for_most} reviews."
    )
    left = (f"Wrong labels are left in {chosen.words}: {_promise(chosen)}.", effort)
    return Proposal(
        scope=chosen.scope,
        class_of_interest=chosen.name if chosen.scope is Scope.CLASS else None,
        elsewhere=elsewhere,
        exhausted=chosen.exhausted,
        reasons=(*reasons, effort),
        left=() if chosen.exhausted else left,
    )


def _promise(row: QueuePlan) -> str:
    return f"of its next {row.reviews} labels {row.found_words} are expected to be wrong"
