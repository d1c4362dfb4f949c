"""Operator: leave a round's answers out, or take them in again."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator, add_label_field, refuse


class UndoRound(LoopOperator):
    """Restore labels and weights to what they would be without a round."""

    name = "undo_round"
    label = "Label cleaning: undo a round"
    description = "Leave a round's answers out, as if it had never been, or take them in again"
    icon = "undo"
    risk = "MEDIUM"
    changes_labels = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the round; an undone one can be redone."""
        add_label_field(ctx, inputs)
        history = loop_for(ctx).history()
        if not history:
            refuse(inputs, "no_round", "There is no round yet", "There is nothing to undo.")
            return
        rounds = types.DropdownView()
        for row in history:
            state = "undone: take it in again" if row["undone"] else f"{row['reviewed']} reviewed"
            rounds.add_choice(
                row["round"], label=f"Round {row['round']}, {row['class_of_interest']}, {state}"
            )
        inputs.enum(
            "round",
            rounds.values(),
            label="Round",
            default=history[-1]["round"],
            required=True,
            view=rounds,
        )
        if ctx.selected:
            inputs.bool(
                "selected_only",
                label=f"Only the {len(ctx.selected)} selected samples",
                description="Leave out what was answered about them in that round",
                default=False,
                view=types.CheckboxView(),
            )

    def run(self, ctx: Any) -> Answer:
        """Undo, or redo what is undone."""
        from ...store import names

        loop, number = loop_for(ctx), int(ctx.params["round"])
        if ctx.params.get("selected_only"):
            changed = sum(loop.undo_sample(number, sample_id) for sample_id in ctx.selected)
            return Answer(
                f"{len(ctx.selected)} samples of round {number} undone: {changed} changed.",
                "they may be served again.",
                report={"round": number, "changed": changed, "redo": False},
            )
        undone = any(row["undone"] for row in loop.history() if row["round"] == number)
        changed = loop.redo_round(number) if undone else loop.undo_round(number)
        done = "taken in again" if undone else "undone"
        return Answer(
            f"Round {number} {done}: {changed} samples changed.",
            "run it again to turn it back.",
            view=names.round_view_name(number),
            report={"round": number, "changed": changed, "redo": undone},
        )
