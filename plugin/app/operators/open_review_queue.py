"""Operator: a class's samples in the grid, most important first."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for, show_queue
from .base import Answer, LoopOperator, add_class, add_label_field, check_scored


class OpenReviewQueue(LoopOperator):
    """Show a class's unreviewed samples, most important first."""

    name = "open_review_queue"
    label = "Label cleaning: open review queue"
    description = "Show a class's unreviewed samples, the most suspicious labels first"
    icon = "filter_list"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the class."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        add_class(ctx, inputs, None)
        inputs.int("limit", label="Samples at most", description="Empty: all", min=1)

    def run(self, ctx: Any) -> Answer:
        """Set the view."""
        name = ctx.params["class_of_interest"]
        n = show_queue(ctx, loop_for(ctx), name, ctx.params.get("limit"))
        return Answer(
            f"{n} unreviewed samples labeled {name}, most important first.",
            "push a round of them to Label Studio.",
            report={"class_of_interest": name, "samples": n},
        )

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """Show a button above the grid."""
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Open review queue", icon=self.icon, prompt=True),
        )
