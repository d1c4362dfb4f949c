"""A plan as it is kept on record: small, and only as long as it is about what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..review.rounds import Rounds
from ..review.scope import Scope
from .estimates import Estimate
from .plan import Plan, QueuePlan

MOST_CLASSES = 20  # on record; who wants all of them plans anew


def position(rounds: Rounds, scored_at: str) -> dict[str, Any]:
    """Return what a plan rests on: the scores, and how far the ledger has come.

    Parameters
    ----------
    rounds : Rounds
    scored_at : str
        When the labels were scored.
    """
    return {
        "scored_at": scored_at,
        "rounds": len(rounds),
        "closed": sum(round_.closed_at is not None for round_ in rounds),
        "events": len(rounds.events),
    }


def to_record(plan: Plan, *classes: str) -> dict[str, Any]:
    """Return a plan with the classes that have the most to find, and with these, as JSON."""
    kept = [row for k, row in enumerate(plan.classes) if k < MOST_CLASSES or row.name in classes]
    left_out = len(plan.classes) - len(kept)
    return replace(plan, classes=tuple(kept), more_classes=left_out).to_dict()


def from_record(data: dict[str, Any]) -> Plan:
    """Return the plan that `to_record` or `Plan.to_dict` wrote."""
    return Plan(
        data["budget"],
        _queue(data["whole"]),
        tuple(_queue(row) for row in data["classes"]),
        data["n_verdicts"],
        data["n_controls"],
        data["left_out"],
        data["more_classes"],
    )


def _queue(row: dict[str, Any]) -> QueuePlan:
    found, left = (Estimate(**row[name]) for name in ("found", "left"))
    values = {k: v for k, v in row.items() if k not in ("scope", "found", "left", "exhausted")}
    return QueuePlan(**values, scope=Scope(row["scope"]), found=found, left=left)
