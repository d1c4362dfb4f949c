"""Operator: what so many reviews will find, and where they are worth most."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator
from .fields import add_label_field, add_split, check_scored

_ROWS = 20  # classes that are listed


class PlanReviews(LoopOperator):
    """Say how many wrong labels the next reviews will find, by class."""

    name = "plan_reviews"
    label = "Label cleaning: plan reviews"
    description = (
        "Before a round: predict how many wrong labels a number of reviews will find, class by "
        "class"
    )
    icon = "insights"
    risk = "LOW"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the budget."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        add_split(ctx, inputs)
        inputs.int("budget", label="Reviews", default=300, min=1)

    def run(self, ctx: Any) -> Answer:
        """Plan."""
        plan = loop_for(ctx).plan(int(ctx.params.get("budget", 300)))
        rows = [
            f"| {row.name} | {row.share} | {row.found_words} | {row.left_words} |"
            for row in plan.classes[:_ROWS]
        ]
        more = len(plan.classes) - _ROWS
        table = "\n".join(
            [
                f"| class | of these | found in {plan.budget} of it | left |",
                "|---|---|---|---|",
                *rows,
            ]
        )
        return Answer(
            f"{plan.headline}\n\n{table}" + (f"\n\nand {more} more classes" if more > 0 else ""),
            f"review {plan.best.words}." if plan.best.unreviewed else "evaluate.",
            report=plan.to_dict(),
        )
