"""Operator: what the images are that were marked on a page without the suggestion."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ...core.errors import CleaningError
from ...core.review.grid import asked_for
from .. import grid
from ..context import loop_for
from ..pictures import picture
from .base import Answer, LoopOperator

_DELETE, _UNSURE, _WRONG_BOX = "delete", "unsure", "wrong_box"
_CLASS = "class "
_WIDTH = "160px"


class NameMarked(LoopOperator):
    """Ask what the images are that are wrong in another way, and save the page."""

    name = "name_marked"
    label = "Label cleaning: save the page"
    description = (
        "A part of reviewing in the App: say what the images marked with Alt+click are, and "
        "save the page"
    )
    icon = "done_all"
    risk = "HIGH"
    unlisted = True  # the panel opens it
    changes_labels = True
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Show each image that was marked, with the classes to choose from."""
        loop = loop_for(ctx)
        label_ids, marks = grid.read(ctx, loop)
        asked = asked_for(label_ids, marks)
        images = loop.page_pictures(asked)
        # The grid shows the page: samples, or objects that are no samples of the dataset.
        labels = dict(zip(*ctx.view.values(["id", f"{loop.label_field}.label"]), strict=True))
        answers = {f"{_CLASS}{name}": name for name in loop.label_choices()}
        answers |= {_DELETE: "Delete it: it is none of these", _UNSURE: "Can't tell"}
        if loop.of_objects:
            answers[_WRONG_BOX] = "The box is wrong: it is to be drawn again"
        if not asked:
            inputs.md("Nothing is marked with Alt+click: the page is saved as it is.", name="none")
        together = False
        if len(asked) > 1:
            inputs.bool(
                "same", label="The same answer for all", default=False, view=types.CheckboxView()
            )
            together = bool(ctx.params.get("same"))
        if together:
            shelf = inputs.h_stack("pictures", gap=1)
            for number, label_id in enumerate(asked):
                picture(shelf, f"picture_{number}", images.get(label_id), _WIDTH)
            _ask(inputs, "all", "What are they?", answers)
            return
        for number, label_id in enumerate(asked):
            picture(inputs, f"picture_{number}", images.get(label_id), _WIDTH)
            asks = f"Labeled “{labels[label_id]}”. What is it?"
            _ask(inputs, f"answer_{number}", asks, answers)

    # Nothing to read and close afterwards: the next page is the answer.
    resolve_output = foo.Operator.resolve_output

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Save the page; what goes wrong is raised, since no output would show it."""
        answer = super().execute(ctx)
        if "error" in answer:
            raise CleaningError(answer["what"], answer["fix"])
        return answer

    def run(self, ctx: Any) -> Answer:
        """Save the page."""
        loop = loop_for(ctx)
        label_ids, marks = grid.read(ctx, loop)
        asked = asked_for(label_ids, marks)
        same = bool(ctx.params.get("same")) and len(asked) > 1
        names = ["all" if same else f"answer_{number}" for number in range(len(asked))]
        others = {i: _verdict(ctx.params.get(name)) for i, name in zip(asked, names, strict=True)}
        report = loop.commit_page(label_ids, marks, others, seconds=grid.seconds(ctx))
        return Answer(f"The page is saved: {len(label_ids)} labels.", report=report.to_dict())


def _ask(inputs: types.Object, name: str, label: str, answers: dict[str, str]) -> None:
    view = types.AutocompleteView() if len(answers) > 12 else types.DropdownView()
    for value, text in answers.items():
        view.add_choice(value, label=text)
    inputs.enum(name, list(answers), label=label, required=True, view=view)


def _verdict(answer: str | None) -> Any:
    if answer and answer.startswith(_CLASS):
        return ("relabel", answer.removeprefix(_CLASS))
    return answer
