"""Operator: end a round that reviewers don't finish, and tidy up in Label Studio."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.review.states import open_row
from ..context import KEY, URL, loop_for, server_for
from .base import Answer, LoopOperator
from .fields import add_label_field, add_split, refuse, warn


class CloseRound(LoopOperator):
    """End the open round; what has no answer may be served again."""

    name = "close_round"
    label = "Label cleaning: close a round"
    description = (
        "End the open round early although answers are missing: pulls the last ones from Label "
        "Studio, and deletes unanswered tasks there only if asked to"
    )
    icon = "done_all"
    risk = "HIGH"
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask what to tidy up; without a server only the dataset is changed."""
        add_label_field(ctx, inputs)
        add_split(ctx, inputs)
        row = open_row(loop_for(ctx).history())
        if row is None:
            refuse(inputs, "no_round", "There is no open round", "There is nothing to close.")
            return
        if not _has_server(ctx):
            warn(
                inputs,
                "no_server",
                "No Label Studio server is set",
                "The last answers are not pulled, and the round's tab stays.",
            )
            return
        inputs.bool(
            "delete_tasks",
            label="Delete its tasks that nobody has answered, skipped or begun",
            description=f"Round {row['round']}. Its last answers are pulled first, and its tab "
            "in Label Studio is deleted.",
            default=False,
            view=types.CheckboxView(),
        )

    def run(self, ctx: Any) -> Answer:
        """Close."""
        server = server_for(ctx) if _has_server(ctx) else None
        report = loop_for(ctx).close_round(
            server, delete_tasks=ctx.params.get("delete_tasks", False)
        )
        return Answer(str(report), "evaluate, or push the next round.", report=report.to_dict())


def _has_server(ctx: Any) -> bool:
    return bool(ctx.secret(URL) and ctx.secret(KEY))
