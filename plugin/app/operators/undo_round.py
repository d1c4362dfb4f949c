"""Operator: take a round's answers back, or apply them again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from fiftyone.operators import types

from ...core.errors import RoundError
from ...core.review.states import RoundState
from ..context import loop_for
from .base import Answer, LoopOperator
from .fields import add_label_field, add_split, refuse, warn

if TYPE_CHECKING:
    from ...loop import CleaningLoop


class Action(str, Enum):
    """What becomes of a round's answers."""

    UNDO = "undo"
    REDO = "redo"


_LABELS = {
    Action.UNDO: "Undo: restore the labels as if the round had never been",
    Action.REDO: "Redo: apply the round's answers again",
}
_DONE = {Action.UNDO: "undone", Action.REDO: "applied again"}


class UndoRound(LoopOperator):
    """Restore labels and weights to what they would be without a round, or apply it again."""

    name = "undo_round"
    label = "Label cleaning: undo or redo a round"
    description = (
        "Take back what a round changed on the dataset, as if it had never been, or apply it again"
    )
    icon = "undo"
    risk = "MEDIUM"
    changes_labels = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the round, and what to do with it: the default follows its state."""
        add_label_field(ctx, inputs)
        add_split(ctx, inputs)
        history = loop_for(ctx).history()
        if not history:
            refuse(inputs, "no_round", "There is no round yet", "There is nothing to undo.")
            return
        rounds = types.DropdownView()
        for row in history:
            state = "undone" if _is_undone(history, row["round"]) else f"{row['reviewed']} reviewed"
            rounds.add_choice(
                row["round"], label=f"Round {row['round']}, {row['class_of_interest']}, {state}"
            )
        last = history[-1]["round"]
        inputs.enum(
            "round", rounds.values(), label="Round", default=last, required=True, view=rounds
        )
        chosen = ctx.params.get("round", last)
        undone = _is_undone(history, chosen)
        default = Action.REDO if undone else Action.UNDO
        actions = types.RadioGroup(orientation="vertical")
        for action, label in _LABELS.items():
            actions.add_choice(action.value, label=label)
        inputs.enum("action", actions.values(), label="", default=default.value, view=actions)
        if ctx.selected:
            inputs.bool(
                "selected_only",
                label=f"Only the {len(ctx.selected)} selected samples",
                description="Take back, or apply, what was answered about them in that round",
                default=False,
                view=types.CheckboxView(),
            )
        elif ctx.params.get("action", default.value) != default.value:
            title = f"Round {chosen} is {_already(undone)}"
            warn(inputs, "already", title, "Nothing will change.")

    def run(self, ctx: Any) -> Answer:
        """Undo or redo; twice is the same as once."""
        loop, number = loop_for(ctx), int(ctx.params["round"])
        action = Action(ctx.params.get("action", Action.UNDO.value))
        report = {"round": number, "action": action.value, "redo": action is Action.REDO}
        if ctx.params.get("selected_only"):
            changed = _change_samples(loop, number, action, ctx.selected)
            return Answer(
                f"{len(ctx.selected)} samples of round {number} {_DONE[action]}: {changed} "
                "changed.",
                "compute importance, or push a round.",
                report={**report, "changed": changed},
            )
        undone = _is_undone(loop.history(), number)
        view = loop.round_view_name(number)
        if undone is (action is Action.UNDO):
            return Answer(
                f"Round {number} is {_already(undone)}: nothing has changed.",
                view=view,
                report={**report, "changed": 0},
            )
        changed = (loop.undo_round if action is Action.UNDO else loop.redo_round)(number)
        other = Action.REDO if action is Action.UNDO else Action.UNDO
        return Answer(
            f"Round {number} {_DONE[action]}: {changed} labels updated.",
            f"choose “{other.value.capitalize()}” here to turn it back.",
            view=view,
            report={**report, "changed": changed},
        )


def _is_undone(history: list[dict[str, Any]], number: int) -> bool:
    states = {row["round"]: RoundState.of(row) for row in history}
    return states.get(number) is RoundState.UNDONE


def _already(undone: bool) -> str:
    return "undone already" if undone else "not undone"


def _change_samples(loop: CleaningLoop, number: int, action: Action, sample_ids: list[str]) -> int:
    """Undo or redo a round for some of its samples; all of them must be its own."""
    foreign = set(sample_ids) - loop.sample_ids(number)
    if foreign:
        raise RoundError(
            f"{len(foreign)} of the {len(sample_ids)} selected samples are not in round {number}.",
            f"Select samples of the saved view {loop.round_view_name(number)!r} only.",
        )
    change = loop.undo_sample if action is Action.UNDO else loop.redo_sample
    return sum(change(number, sample_id) for sample_id in sample_ids)
