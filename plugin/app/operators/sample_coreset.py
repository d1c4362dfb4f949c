"""Operator: a weighted coreset."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator
from .fields import add_label_field, check_scored


class SampleCoreset(LoopOperator):
    """Tag a weighted subset that stands for the whole."""

    name = "sample_coreset"
    label = "Label cleaning: sample a coreset"
    description = "For training: tag a small weighted subset that stands for the whole dataset"
    icon = "bubble_chart"
    risk = "MEDIUM"

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the size."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        inputs.int(
            "m",
            label="Draws",
            description="With replacement: the coreset holds at most this many samples",
            default=min(5000, max(1, ctx.dataset.count() // 10)),
            min=1,
            required=True,
        )

    def run(self, ctx: Any) -> Answer:
        """Draw."""
        report = loop_for(ctx).sample_coreset(ctx.params["m"])
        ctx.ops.set_view(name=report.view)
        return Answer(
            str(report), "train with the field coreset_weight as weights.", report=report.to_dict()
        )
