"""Operator: AUROC now, beside its controls."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator
from .fields import add_embeddings_field, add_label_field, add_test_tag, check_scored


class EvaluateRound(LoopOperator):
    """Measure AUROC and say whether another round is worth it."""

    name = "evaluate_round"
    label = "Label cleaning: evaluate"
    description = (
        "After a round: measure AUROC beside honest controls and say whether to go on or to stop"
    )
    icon = "show_chart"
    risk = "LOW"
    takes_long = True
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the fields and the budget."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        add_embeddings_field(ctx, inputs)
        add_test_tag(ctx, inputs)
        inputs.int("budget", label="Images to review at most", description="Empty: no limit", min=1)

    def run(self, ctx: Any) -> Answer:
        """Measure and decide."""
        loop = loop_for(ctx)
        report = loop.evaluate_round()
        budget = ctx.params.get("budget")
        decision = loop.next_step(**({"budget": budget} if budget else {}))
        return Answer(
            str(report).replace("\n", "\n\n"),
            f"{decision.advice.lower()}. {' '.join(decision.reasons)}",
            report={**report.to_dict(), **decision.to_dict()},
        )
