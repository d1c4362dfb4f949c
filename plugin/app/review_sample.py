"""The panel "Verdict" beside an opened sample: one label at a time, for the hard ones."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories

from ..core.errors import CleaningError
from . import layout
from .context import loop_for
from .loop_panel import LoopPanel
from .pictures import picture

_IMAGE_WIDTH = "280px"
_EXAMPLE_WIDTH = "96px"


class ReviewSamplePanel(LoopPanel):
    """Asks about the label of the opened sample, if the round that is open here shows it."""

    @property
    def config(self) -> foo.PanelConfig:
        """How the App lists the panel."""
        return foo.PanelConfig(
            name="review_sample",
            label="Verdict",
            icon="gavel",
            surfaces="modal",
            category=Categories.CURATE,
            help_markdown="Judge the label of this sample, if the round that is open in the App "
            "shows it.",
        )

    # ---- events

    def on_load(self, ctx: Any) -> None:
        """Read what is asked about the opened sample."""
        self._read(ctx)

    def on_change_current_sample(self, ctx: Any) -> None:
        """Read what is asked about the sample that is opened now."""
        self._read(ctx)

    def keep(self, ctx: Any) -> None:
        """Say that the label is right."""
        self._answer(ctx, "keep")

    def accept(self, ctx: Any) -> None:
        """Say that the suggestion is right."""
        self._answer(ctx, ("relabel", ctx.panel.get_state("asked")["suggested_label"]))

    def relabel(self, ctx: Any) -> None:
        """Say which class is right."""
        self._answer(ctx, ("relabel", ctx.params["value"]))

    def delete(self, ctx: Any) -> None:
        """Say that it is of no class."""
        self._answer(ctx, "delete")

    def unsure(self, ctx: Any) -> None:
        """Say that nobody could tell."""
        self._answer(ctx, "unsure")

    def wrong_box(self, ctx: Any) -> None:
        """Say that the box has to be drawn again."""
        self._answer(ctx, "wrong_box")

    def go_back(self, ctx: Any) -> None:
        """Open the sample before."""
        ctx.ops.open_sample(id=ctx.panel.get_state("asked")["previous"])

    def go_on(self, ctx: Any) -> None:
        """Open the next sample that waits."""
        ctx.ops.open_sample(id=ctx.panel.get_state("asked")["next"])

    def _answer(self, ctx: Any, verdict: Any) -> None:
        asked = ctx.panel.get_state("asked")
        try:
            loop_for(ctx).record_verdicts({asked["label_id"]: verdict})
        except CleaningError as error:
            ctx.ops.notify(str(error), variant="error")
            return
        if asked["next"]:
            ctx.ops.open_sample(id=asked["next"])
        else:
            ctx.ops.notify(f"Round {asked['round']} is answered.", variant="success")
            self._read(ctx)

    def _read(self, ctx: Any) -> None:
        """Read what is asked about the opened sample; what goes wrong is shown in the panel."""

        def read() -> dict[str, Any]:
            if not ctx.current_sample:
                return {}
            try:
                loop = loop_for(ctx)
                found = loop.question(ctx.current_sample)
                return {**found.to_dict(), "classes": loop.label_choices()} if found else {}
            except CleaningError as error:
                return {"error": str(error)}

        self.draw(ctx, "asked", read)

    # ---- layout

    def render(self, ctx: Any) -> types.Property:
        """Lay the question out; nothing is read here."""
        panel = types.Object()
        body = layout.body(panel)
        asked = ctx.panel.get_state("asked") or {}
        if asked.get("error"):
            body.view("error", types.Error(label="It did not work", description=asked["error"]))
        elif not asked:
            body.md("No round that is open here asks about this sample.", name="nothing")
        else:
            self._question(body, asked)
        return types.Property(panel, view=types.GridView(width="100%"))

    def _question(self, body: types.Object, asked: dict[str, Any]) -> None:
        picture(body, "image", asked["image"], _IMAGE_WIDTH)
        share, doubt = asked["disagreement"], asked["suggested_probability"]
        things = "objects" if asked["of_object"] else "images"
        similar = "" if share is None else f" {share:.0%} of similar {things} have another label."
        again = (
            "\n\nIt has an answer already; another one replaces it." if asked["answered"] else ""
        )
        body.md(
            f"##### Is it “{asked['label']}”?\n\nOr “{asked['suggested_label']}” "
            f"({doubt:.0%})?{similar}{again}",
            name="question",
        )
        answers = body.v_stack("answers", gap=1, columns=1)
        for name, label, event in (
            ("keep", f"“{asked['label']}” is right", self.keep),
            ("accept", f"“{asked['suggested_label']}” is right", self.accept),
        ):
            answers.btn(name, label, on_click=event, variant="contained")
        choices = types.AutocompleteView()
        for name in asked["classes"]:
            choices.add_choice(name, label=name)
        body.enum(
            "another", asked["classes"], label="Another class", view=choices, on_change=self.relabel
        )
        rest = layout.row(body, "rest")
        rest.btn("delete", "Delete it", on_click=self.delete, variant="outlined")
        rest.btn("unsure", "Can't tell", on_click=self.unsure, variant="outlined")
        if asked["of_object"]:
            rest.btn("wrong_box", "The box is wrong", on_click=self.wrong_box, variant="outlined")
        if asked["previous"]:
            rest.btn("previous", "Back", on_click=self.go_back, variant="outlined")
        if asked["next"]:
            rest.btn("next", "Later", on_click=self.go_on, variant="outlined")
        for number, (name, images) in enumerate(asked["examples"].items()):
            if images:
                body.md(f"Surely “{name}”:", name=f"sure_{number}")
                shelf = layout.row(body, f"examples_{number}")
                for i, image in enumerate(images):
                    picture(shelf, f"example_{number}_{i}", image, _EXAMPLE_WIDTH)
