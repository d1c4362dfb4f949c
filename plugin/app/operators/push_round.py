"""Operator: the next batch to Label Studio."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.review.states import open_row
from ..context import loop_for, progress_for, server_for
from .base import (
    Answer,
    LoopOperator,
    add_class,
    add_label_field,
    check_scored,
    check_server,
    warn,
    warn_if_not_persistent,
)

_IMAGES = {
    "upload": "Upload copies to Label Studio",
    "local": "Label Studio reads the same disk",
    "url": "The sample's own URL",
}


class PushRound(LoopOperator):
    """Send the next batch to the reviewers, or complete the round that is open."""

    name = "push_round"
    label = "Label cleaning: push a round"
    description = "Send the next batch of a class's queue to Label Studio for review"
    icon = "cloud_upload"
    risk = "MEDIUM"
    changes_labels = True
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for class and size; an open round is completed instead."""
        if not (check_scored(ctx, inputs) and check_server(ctx, inputs)):
            return
        add_label_field(ctx, inputs)
        warn_if_not_persistent(ctx, inputs)
        row = open_row(loop_for(ctx).history())
        if row is not None:
            warn(
                inputs,
                "open_round",
                f"Round {row['round']} ({row['class_of_interest']}) is still open",
                "Its missing tasks are sent. A new round starts once this one is answered and "
                "pulled, or closed.",
            )
            return
        add_class(
            ctx,
            inputs,
            None,
            required=False,
            description="Empty: that of the last round, or at first the most confused class",
        )
        inputs.list(
            "more_classes",
            types.String(),
            label="Further classes",
            description="The round is split evenly among all of them",
        )
        inputs.int("n", label="Samples", default=50, min=1)
        inputs.int(
            "controls",
            label="Controls among them",
            description="Random samples, to estimate how many errors the class holds",
            default=5,
            min=0,
        )
        if ctx.params.get("controls", 5) > ctx.params.get("n", 50):
            prop = inputs.get_property("controls")
            prop.invalid = True
            prop.error_message = "There can't be more controls than samples."
        images = types.DropdownView()
        for value, label in _IMAGES.items():
            images.add_choice(value, label=label)
        inputs.enum("images", images.values(), label="Images", default="upload", view=images)
        inputs.int("reviewers_per_task", label="Answers wanted per task", default=1, min=1)
        inputs.bool(
            "hide_suggestion",
            label="Hide the suggested class from reviewers",
            default=False,
            view=types.CheckboxView(),
        )

    def run(self, ctx: Any) -> Answer:
        """Push."""
        loop = loop_for(ctx)
        report = loop.push_round(
            server_for(ctx),
            ctx.params.get("n", 50),
            ctx.params.get("controls", 5),
            class_of_interest=_classes(ctx.params),
            images=ctx.params.get("images", "upload"),
            reviewers_per_task=ctx.params.get("reviewers_per_task", 1),
            hide_suggestion=ctx.params.get("hide_suggestion", False),
            progress=progress_for(ctx),
        )
        return Answer(
            f"Round {report.round}, class **{report.class_of_interest}**: {report.created} tasks "
            f"sent, {report.existing} were there.",
            "answer the tasks in Label Studio, then pull the reviews.",
            report.url,
            loop.round_view_name(report.round),
            report.to_dict(),
        )


def _classes(params: dict[str, Any]) -> list[str] | None:
    """Return the classes of the form; None when it leaves the choice to the loop."""
    asked = [params.get("class_of_interest"), *(params.get("more_classes") or ())]
    return [name for name in asked if name] or None
