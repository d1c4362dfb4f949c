"""Where a label field stands: what was measured, and all that a front end shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.judging.evaluation import AurocEvaluation, leading_scores
from ..core.judging.meter import Meter
from ..core.judging.plan import Plan
from ..core.judging.stopping import StopDecision
from ..core.judging.tally import ImportanceBar
from ..core.judging.yields import YieldReport
from ..core.review.scope import OTHER_YARDSTICK, Scope
from .report import Report


@dataclass(frozen=True)
class EvaluationReport(Report):
    """What `evaluate_round` measured.

    Attributes
    ----------
    round : int
        The round after which it was measured; 0 before the first.
    evaluation : AurocEvaluation
        Now.
    baseline : AurocEvaluation or None
        Before the first round.
    scope : str, default "class"
        That of the round: with "dataset" the scores of all classes lead.
    test_changes : int, default 0
        Labels of the test split that its own rounds have changed so far.
    """

    round: int
    evaluation: AurocEvaluation
    baseline: AurocEvaluation | None
    scope: str = Scope.CLASS.value
    test_changes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "round": self.round,
            "scope": self.scope,
            "test_changes": self.test_changes,
            "evaluation": self.evaluation.to_dict(),
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }

    def __str__(self) -> str:
        lines = [f"AUROC after round {self.round}:" if self.round else "AUROC before cleaning:"]
        first = leading_scores(self.evaluation.pair is not None, Scope(self.scope))
        for name in sorted(("all_classes", "pair"), key=lambda name: name != first):
            now = getattr(self.evaluation, name)
            if now is None:
                continue
            was = getattr(self.baseline, name) if self.baseline else None
            parts = []
            for kind in ("cv", "frozen", "heldout"):
                value, before = getattr(now, kind), getattr(was, kind, None)
                if value is None:
                    continue
                change = f" ({value - before:+.4f})" if self.round and before is not None else ""
                parts.append(f"{kind} {value:.4f}{change}")
            lines.append(f"  {name.replace('_', ' ')}: " + ", ".join(parts))
        if self.test_changes:
            lines.append(
                f"  {self.test_changes} labels of the test split were changed by rounds of its "
                f"own. {OTHER_YARDSTICK}"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Overview(Report):
    """Where a label field stands, from one look at the database.

    Attributes
    ----------
    history : list of dict
        Rows of `CleaningLoop.history`.
    baseline : dict or None
        Evaluation before the first round.
    yields : YieldReport or None
        Of what was reviewed last; None when no answer counts.
    decision : StopDecision
        Whether another round is worth it.
    next_round : int
        Number of the next round.
    meter : Meter or None
        What the reviews cost; None when no answer counts.
    plan : Plan or None
        Of the next round, as it is on record; None while a round is open, or where the scores do
        not tell.
    importance : list of ImportanceBar
        What reviewed labels turned out to be, by importance; empty when no answer counts.
    """

    history: list[dict[str, Any]]
    baseline: dict[str, Any] | None
    yields: YieldReport | None
    decision: StopDecision
    next_round: int
    meter: Meter | None = None
    plan: Plan | None = None
    importance: list[ImportanceBar] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the overview as JSON-able values."""
        meter = self.meter.to_dict() if self.meter else None
        plan = self.plan.to_dict() if self.plan else None
        return {**asdict(replace(self, meter=None, plan=None)), "meter": meter, "plan": plan}

    def leading(self, evaluation: Mapping[str, Any]) -> str:
        """Return which scores of an evaluation lead: "pair" or "all_classes"."""
        standing = [row["scope"] for row in self.history if not row["undone"]]
        scope = Scope(standing[-1]) if standing else Scope.CLASS
        return leading_scores(bool(evaluation.get("pair")), scope)
