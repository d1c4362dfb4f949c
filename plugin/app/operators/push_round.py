"""Operator: the next batch to Label Studio."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.review.sheets import LARGEST
from ...core.review.states import open_row
from ..context import URL, loop_for, progress_for, server_for
from .base import Answer, LoopOperator
from .fields import (
    add_label_field,
    add_round_size,
    add_split,
    add_what,
    asked,
    check_scored,
    check_server,
    tell,
    warn,
    warn_if_not_persistent,
)

_IMAGES = {
    "upload": "Upload copies to Label Studio",
    "local": "Label Studio reads the same disk",
    "url": "The sample's own URL",
}
_LEAVES = {
    "upload": "Copies of the images go",
    "local": "The paths of the images go",
    "url": "The addresses of the images go",
}


class PushRound(LoopOperator):
    """Send the next batch to the reviewers, or complete the round that is open."""

    name = "push_round"
    label = "Label cleaning: push a round"
    description = (
        "Ask people outside the App: sends a batch of labels, and with the default copies of "
        "their images, to the Label Studio server at LABEL_STUDIO_URL"
    )
    icon = "cloud_upload"
    risk = "HIGH"
    changes_labels = True
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for scope, class and size; an open round is completed instead."""
        if not (check_scored(ctx, inputs) and check_server(ctx, inputs)):
            return
        add_label_field(ctx, inputs)
        add_split(ctx, inputs)
        tell(inputs, "destination", "What leaves this machine", _what_leaves(ctx))
        warn_if_not_persistent(ctx, inputs)
        history = loop_for(ctx).history()
        row = open_row(history)
        if row is not None:
            warn(
                inputs,
                "open_round",
                f"Round {row['round']} ({row['class_of_interest']}) is still open",
                "Its missing tasks are sent. A new round starts once this one is answered and "
                "pulled, or closed.",
            )
            return
        add_what(ctx, inputs, history[-1]["scope"] if history else "class")
        add_round_size(ctx, inputs, 50)
        inputs.int(
            "gold",
            label="Gold images beside them",
            description="Shown under a label that they don't have, to see how many wrong labels "
            "reviewers miss; nothing is written to the dataset",
            default=0,
            min=0,
        )
        images = types.DropdownView()
        for value, label in _IMAGES.items():
            images.add_choice(value, label=label)
        inputs.enum("images", images.values(), label="Images", default="upload", view=images)
        inputs.int(
            "sheet",
            label="Images on a page",
            description="Of one class, to be judged at a glance; 20 is a good number, 0 shows one "
            "at a time",
            default=0,
            min=0,
            max=LARGEST,
        )
        inputs.int(
            "examples",
            label="Example images of the class beside them",
            default=4,
            min=0,
        )
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
            **asked(ctx.params),
            gold=ctx.params.get("gold", 0),
            images=ctx.params.get("images", "upload"),
            reviewers_per_task=ctx.params.get("reviewers_per_task", 1),
            hide_suggestion=ctx.params.get("hide_suggestion", False),
            sheet=ctx.params.get("sheet", 0),
            examples=ctx.params.get("examples", 4),
            progress=progress_for(ctx),
        )
        return Answer(
            f"Round {report.round}, {'' if report.scope == 'dataset' else 'class '}"
            f"**{report.class_of_interest}**: {report.created} tasks sent, {report.existing} were "
            "there.",
            "answer the tasks in Label Studio, then pull the reviews.",
            report.url,
            loop.round_view_name(report.round),
            report.to_dict(),
        )


def _what_leaves(ctx: Any) -> str:
    """Say what goes to which server: whoever sends the form agrees to that."""
    what = _LEAVES.get(str(ctx.params.get("images")), _LEAVES["upload"])
    return (
        f"{what} to the Label Studio server at {ctx.secret(URL)}, with the labels and the "
        "suggested classes. Whoever has an account there can see them."
    )
