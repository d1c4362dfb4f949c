"""When another round is not worth it: a pure rule, with its reasons in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..review.scope import Scope
from .estimates import lift
from .evaluation import AurocEvaluation, AurocScores
from .plan import Plan
from .proposal import Proposal, propose

_SAME = 1e-4  # AUROC values closer than this differ by the tolerance of the fits


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """One round, as the stop rule sees it.

    Attributes
    ----------
    round : int
        Its number.
    reviewed, errors_found : int
        Answered samples, and those relabeled or deleted; controls included.
    n_controls, control_errors : int
        The same, of the controls.
    evaluation : AurocEvaluation or None
        What was measured after it.
    scope : Scope, default Scope.CLASS
        What it was drawn from.
    class_of_interest : str, default ""
        The class under review; of several, the first.
    """

    round: int
    reviewed: int
    errors_found: int
    n_controls: int
    control_errors: int
    evaluation: AurocEvaluation | None
    scope: Scope = Scope.CLASS
    class_of_interest: str = ""


@dataclass(frozen=True, slots=True)
class StopDecision:
    """Whether to go on, and why.

    Attributes
    ----------
    continue_ : bool
        False when one of the rules says stop.
    reasons : tuple of str
        One sentence a rule that spoke, and what the plan says.
    proposal : Proposal or None, default None
        Where the next reviews are worth most, be it in the queue of the last round or elsewhere.
        After a stop: where they still pay, if anywhere and the budget is not spent.
    """

    continue_: bool
    reasons: tuple[str, ...]
    proposal: Proposal | None = None

    @property
    def advice(self) -> str:
        """The decision in two words: a stop that leaves wrong labels behind is one "here"."""
        if self.continue_:
            return "Go on"
        return "Stop here" if self.proposal else "Stop"

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as JSON-able values."""
        where = self.proposal
        return {
            "continue": self.continue_,
            "reasons": list(self.reasons),
            "proposal": where and {"scope": where.scope.value, "class": where.class_of_interest},
        }


def next_step(
    history: Sequence[RoundSummary],
    *,
    baseline: AurocEvaluation | None = None,
    plateau_rounds: int = 2,
    min_gain: float = 0.001,
    min_reviewed: int = 50,
    budget: int | None = None,
    plan: Plan | None = None,
) -> StopDecision:
    """Decide whether another round is worth it.

    Parameters
    ----------
    history : sequence of RoundSummary
        All rounds that count, oldest first.
    baseline : AurocEvaluation, optional
        Before the first round.
    plateau_rounds : int, default 2
        Stop when AUROC has not risen over this many rounds: the 95 % interval of the paired
        held-out difference is not above 0, its mean is below `min_gain`, and cross-validated AUROC
        gained less than that or no more than blind deletion does. Without a test split the
        cross-validated number decides alone. It is also the number of rounds whose yield counts.
        After the scope has changed, as many rounds of the new one are needed first, and what was
        drawn from the whole dataset is judged by the AUROC of all classes.
    min_gain : float, default 0.001
        A small test split can't tell small gains from 0; those of this size still count.
    min_reviewed : int, default 50
        Reviewed samples before yield or plateau may stop.
    budget : int, optional
        Stop when this many samples are reviewed.
    plan : Plan, optional
        What as many reviews as a round has will find. Stop when they hardly pay anywhere; say where
        they pay most, after a stop too: a class that is given up is not all there is.

    Returns
    -------
    StopDecision
    """
    if not history:
        return _go_on(("No round has been reviewed yet.",), propose(plan) if plan else None)
    last, reviewed = history[-1], sum(row.reviewed for row in history)
    if budget is not None and reviewed >= budget:
        return StopDecision(
            False, (f"The budget is spent: {reviewed} of {budget} samples are reviewed.",)
        )
    # What rounds of another scope found and changed says little of the queue that comes next.
    of_scope = list(takewhile(lambda row: row.scope is last.scope, reversed(history)))
    nothing: list[str] = []
    flat: list[str] = []
    if reviewed >= min_reviewed and len(of_scope) >= plateau_rounds:
        nothing = _yield_reasons(history[-plateau_rounds:], plateau_rounds)
        flat = _plateau_reasons(history, baseline, plateau_rounds, min_gain)
    where = None
    if plan:
        where = propose(plan, last.scope, last.class_of_interest, given_up=bool(nothing))
    if nothing or flat:
        return _stop((*nothing, *flat), where)
    found = "1 wrong label" if last.errors_found == 1 else f"{last.errors_found} wrong labels"
    reasons = (
        f"Round {last.round} found {found} in {last.reviewed} samples.",
        *_trap(last.evaluation, baseline, last.scope),
    )
    if where and where.exhausted and reviewed >= min_reviewed:
        return _stop(reasons, where)
    return _go_on(reasons, where)


def _go_on(reasons: tuple[str, ...], where: Proposal | None) -> StopDecision:
    return StopDecision(True, (*reasons, *(where.reasons if where else ())), where)


def _stop(reasons: tuple[str, ...], where: Proposal | None) -> StopDecision:
    """Stop, and say what is left: labels are worth fixing although AUROC stands still."""
    if where is None or where.exhausted:
        return StopDecision(False, (*reasons, *(where.reasons if where else ())))
    return StopDecision(False, (*reasons, *where.left), where)


def _yield_reasons(recent: Sequence[RoundSummary], needed: int) -> list[str]:
    """Stop when the queue is no better than the controls, or finds nothing."""
    rounds = f"round {recent[-1].round}" if needed == 1 else f"the last {needed} rounds"
    errors, reviewed = (sum(getattr(r, k) for r in recent) for k in ("errors_found", "reviewed"))
    if reviewed and not errors:
        return [f"No wrong label was found in {rounds} ({reviewed} samples): nothing was gained."]
    control_errors = sum(r.control_errors for r in recent)
    n_controls = sum(r.n_controls for r in recent)
    gain = lift(errors - control_errors, reviewed - n_controls, control_errors, n_controls)
    if n_controls and gain.high <= 1.0:
        return [
            f"In {rounds} the queue found no more wrong labels than random samples did "
            f"({gain.value:.1f} times as many, 95 % interval {gain.low:.1f} to {gain.high:.1f})."
        ]
    if n_controls and gain.value <= 1.0:
        return [
            f"In {rounds} the queue found {gain.value:.1f} times as many wrong labels as random "
            f"samples did: no better than chance."
        ]
    return []


def _plateau_reasons(
    history: Sequence[RoundSummary], baseline: AurocEvaluation | None, needed: int, min_gain: float
) -> list[str]:
    """Stop when neither held-out nor honest cross-validated AUROC has risen for some rounds."""
    measured, scope = [baseline, *(row.evaluation for row in history)], history[-1].scope
    now, before = _main(measured[-1], scope), _main(measured[-needed - 1], scope)
    if now is None or before is None:
        return []
    gained = now.cv - before.cv
    difference = _paired(now, before)
    mean = gained if difference is None else float(np.nanmean(difference))
    low = -np.inf if difference is None else float(np.nanpercentile(difference, 2.5))
    if difference is not None and (low > 0 or mean >= min_gain):
        return []
    # The cross-validated number counts only as far as blind deletion can't do the same.
    if gained >= min_gain and _beats_blind(now):
        return []
    warning = _trap(measured[-1], baseline, scope)
    if difference is None:
        if gained >= min_gain:
            return warning
        return [
            f"Cross-validated AUROC changed by {gained:+.4f} over the last {needed} rounds, less "
            f"than {min_gain:g}.",
            *warning,
        ]
    high = float(np.nanpercentile(difference, 97.5))
    return [
        f"Held-out AUROC changed by {mean:+.4f} over the last {needed} rounds, which is no gain "
        f"(95 % interval {low:+.4f} to {high:+.4f}).",
        *warning,
    ]


def _trap(now: AurocEvaluation | None, baseline: AurocEvaluation | None, scope: Scope) -> list[str]:
    """Warn when the cross-validated number rose and blind deletion raises it as well."""
    scores, start = _main(now, scope), _main(baseline, scope)
    if scores is None or start is None or scores.blind_deletion is None or scores.cv <= start.cv:
        return []
    difference = _paired(scores, start)
    gained = difference is not None and np.nanpercentile(difference, 2.5) > 0
    if gained or _beats_blind(scores):
        return []
    return [
        f"By AUROC nothing was gained so far: the cross-validated one rose from {start.cv:.4f} to "
        f"{scores.cv:.4f}, but deleting as many samples blindly by importance gives "
        f"{scores.blind_deletion.cv:.4f}."
    ]


def _beats_blind(scores: AurocScores) -> bool:
    return scores.blind_deletion is not None and scores.cv > scores.blind_deletion.cv + _SAME


def _main(evaluation: AurocEvaluation | None, scope: Scope) -> AurocScores | None:
    return None if evaluation is None else evaluation.leading(scope)


def _paired(now: AurocScores | None, before: AurocScores | None) -> NDArray[np.float64] | None:
    """Differences of bootstrap replicates; None when they were not drawn alike."""
    if now is None or before is None or not now.heldout_replicates:
        return None
    if len(now.heldout_replicates) != len(before.heldout_replicates):
        return None
    return np.subtract(now.heldout_replicates, before.heldout_replicates)
