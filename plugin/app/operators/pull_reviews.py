"""Operator: the reviewers' answers back into the dataset."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for, server_for
from .base import Answer, LoopOperator
from .fields import add_label_field, add_split, check_server, refuse


class PullReviews(LoopOperator):
    """Fetch the answers and write them to labels, tags and weights."""

    name = "pull_reviews"
    label = "Label cleaning: pull reviews"
    description = (
        "Fetch reviewers' answers from Label Studio and apply them to labels, tags and weights; "
        "repeat as often as you like"
    )
    icon = "cloud_download"
    risk = "MEDIUM"
    changes_labels = True
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the label field."""
        if not check_server(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        add_split(ctx, inputs)
        if not loop_for(ctx).history():
            refuse(inputs, "no_round", "There is no round yet", "Push one first.")
        inputs.bool(
            "rescore",
            label="Score again",
            description="What the answers teach changes the order of the queue",
            default=False,
            view=types.CheckboxView(),
        )

    def run(self, ctx: Any) -> Answer:
        """Pull."""
        loop = loop_for(ctx)
        report = loop.pull_reviews(server_for(ctx), rescore=bool(ctx.params.get("rescore")))
        if report.open_round is None:
            following = "evaluate the round."
        else:
            left = report.total - report.answered
            following = f"{left} tasks of round {report.open_round} are still to be answered."
        number = report.open_round or max(report.closed, default=0)
        return Answer(
            str(report),
            following,
            view=loop.round_view_name(number) if number else "",
            report=report.to_dict(),
        )
