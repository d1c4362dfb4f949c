"""Operator: the samples of a class or of the whole dataset in the grid, most important first."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for, show_queue
from .base import Answer, LoopOperator
from .fields import add_class, add_label_field, add_scope, check_scored


class OpenReviewQueue(LoopOperator):
    """Show unreviewed samples, most important first."""

    name = "open_review_queue"
    label = "Label cleaning: open review queue"
    description = (
        "Only look: filter the grid to unreviewed samples, suspicious ones first; nothing is "
        "recorded"
    )
    icon = "filter_list"
    risk = "LOW"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for scope and class."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        if add_scope(ctx, inputs, "class") == "class":
            add_class(ctx, inputs, None)
        inputs.int("limit", label="Samples at most", description="Empty: all", min=1)

    def run(self, ctx: Any) -> Answer:
        """Set the view."""
        whole = ctx.params.get("scope") == "dataset"
        name = None if whole else ctx.params["class_of_interest"]
        n = show_queue(ctx, loop_for(ctx), name, ctx.params.get("limit"))
        which = "of all classes" if whole else f"labeled {name}"
        return Answer(
            f"{n} unreviewed samples {which}, most important first.",
            "push a round of them to Label Studio.",
            report={"class_of_interest": name, "samples": n},
        )

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """Show a button above the grid."""
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Open review queue", icon=self.icon, prompt=True),
        )
