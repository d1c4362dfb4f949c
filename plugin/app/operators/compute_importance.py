"""Operator: importance of every label."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from .. import settings
from ..context import loop_for, progress_for
from .base import Answer, LoopOperator
from .fields import add_embeddings_field, add_label_field, add_split, add_test_tag


class ComputeImportance(LoopOperator):
    """Score how much each sample's label sways the classifier."""

    name = "compute_importance"
    label = "Label cleaning: compute importance"
    description = (
        "Second step, and again after each round: score how suspicious every label is, and "
        "store the score and a suggested class on the dataset"
    )
    icon = "sort"
    risk = "MEDIUM"
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the fields."""
        inputs.view_target(ctx)
        add_label_field(ctx, inputs)
        add_embeddings_field(ctx, inputs)
        add_test_tag(ctx, inputs)
        add_split(ctx, inputs)
        inputs.str(
            "probabilities_field",
            label="Your own predictions",
            description="A Classification field with logits, or a vector field of probabilities, "
            "best of a network that has not seen these labels. Leave it empty if there are none.",
        )

    def run(self, ctx: Any) -> Answer:
        """Score."""
        loop = loop_for(ctx, ctx.target_view())
        report = loop.compute_importance(
            progress=progress_for(ctx),
            probabilities_field=ctx.params.get("probabilities_field") or None,
        )
        found = [] if loop.history() else loop.check_data()
        settings.remember_findings(ctx.dataset, loop.label_field, found)
        warnings = "".join(f"\n\n⚠ **{f['name']}**: {f['detail']}" for f in found if f["fix"])
        return Answer(
            str(report) + warnings,
            "find the most confused classes, or open the panel “Label cleaning”.",
            report=report.to_dict(),
        )
