"""The panel "Review": the page of images in the grid beside it, saved with one button."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories

from ..core.errors import CleaningError
from ..core.review.grid import asked_for
from . import grid, layout
from .context import PLUGIN, loop_for
from .loop_panel import LoopPanel

_HOW = (
    "Each image shows its label, then the suggestion.\n\n"
    "Click the top edge of an image: **wrong, the suggestion is right** (a cross).\n\n"
    "Alt+click: **wrong in another way** (a pin); you are asked which.\n\n"
    "What has no mark counts as right."
)


class ReviewPagePanel(LoopPanel):
    """The open round, a page at a time; the marks are the grid's selection."""

    @property
    def config(self) -> foo.PanelConfig:
        """How the App lists the panel."""
        return foo.PanelConfig(
            name=grid.PANEL,
            label="Review labels",
            icon="rule",
            surfaces="grid",
            category=Categories.CURATE,
            help_markdown="Review the most suspicious labels here, a page of images at a time.",
        )

    # ---- events

    def on_load(self, ctx: Any) -> None:
        """Read where the round stands; the grid stays as it is."""
        self._read(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        """Read where the new dataset stands."""
        self._read(ctx)

    def on_change_view(self, ctx: Any) -> None:
        """Put the marks of a page back that was taken back, now that the grid shows it."""
        marks = ctx.panel.get_state("marks")
        if marks:
            ctx.panel.set_state("marks", {})
            ctx.ops.set_selected_samples([{"id": i, "type": m} for i, m in marks.items()])

    def begin(self, ctx: Any) -> None:
        """Open the form that begins a round, or goes on with it."""
        ctx.prompt(f"{PLUGIN}/review_here", on_success=self.refresh)

    def refresh(self, ctx: Any) -> None:
        """Read where the round stands."""
        self._read(ctx)

    def show_again(self, ctx: Any) -> None:
        """Show the page that is next."""
        self._read(ctx, show=True)

    def save(self, ctx: Any) -> None:
        """Save the page; what was marked with Alt+click is asked for first."""
        try:
            loop = loop_for(ctx)
            label_ids, marks = grid.read(ctx, loop)
            if asked_for(label_ids, marks):
                ctx.prompt(f"{PLUGIN}/name_marked", on_success=self.show_again)
                return
            loop.commit_page(label_ids, marks, seconds=grid.seconds(ctx))
        except CleaningError as error:
            ctx.ops.notify(str(error), variant="error")
            self._read(ctx)
            return
        self._read(ctx, show=True)

    def take_back(self, ctx: Any) -> None:
        """Take the last page back, and show it with its marks."""
        try:
            marks = loop_for(ctx).take_back_page()
        except CleaningError as error:
            ctx.ops.notify(str(error), variant="error")
            return
        ctx.panel.set_state("marks", {i: mark for i, mark in marks.items() if mark})
        self._read(ctx, show=True)

    def leave(self, ctx: Any) -> None:
        """Give the grid back; the round stays open."""
        grid.leave(ctx)

    def _read(self, ctx: Any, *, show: bool = False) -> None:
        """Read where the round stands; whatever goes wrong is shown in the panel.

        With `show`, the grid shows the next page too, or is given back when there is none.
        """

        def read() -> dict[str, Any]:
            if not ctx.dataset:
                return {}
            try:
                loop = loop_for(ctx)
                page = loop.next_page(grid.page_size(ctx))
                if show and page and page.label_ids:
                    grid.show(ctx, loop, page)
                elif show:
                    grid.leave(ctx)
            except CleaningError as error:
                if show:
                    ctx.ops.notify(str(error), variant="error")
                return {"error": str(error)}
            return page.to_dict() if page else {}

        self.draw(ctx, "page", read)

    # ---- layout

    def render(self, ctx: Any) -> types.Property:
        """Lay the page's facts out; nothing is read here."""
        panel = types.Object()
        body = layout.body(panel)
        page = ctx.panel.get_state("page") or {}
        if page.get("error"):
            body.view(
                "error",
                types.Error(label="Review is not possible here now", description=page["error"]),
            )
        elif not page:
            body.md(
                "##### No round is open\n\nA round holds the labels that are most likely wrong. "
                "You go through them here, a page of images at a time.",
                name="status",
            )
            _button(body, "begin", "Begin a round", self.begin, primary=True)
            _button(body, "take_back", "Take back the last page", self.take_back)
        else:
            left = page["total"] - page["answered"]
            found = ", ".join(f"{n} {outcome}" for outcome, n in page["outcomes"].items())
            body.md(
                f"##### Page {page['number']} of {page['of']}\n\nRound {page['round']}: {left} of "
                f"{page['total']} left" + (f"; {found}" if found else ""),
                name="status",
            )
            body.md(_HOW, name="how")
            _button(body, "save", "Save this page", self.save, primary=True)
            _button(body, "take_back", "Take back the last page", self.take_back)
            _button(body, "again", "Show the page again", self.show_again)
            _button(body, "leave", "Leave the review", self.leave)
        return types.Property(panel, view=types.GridView(width="100%"))


def _button(
    body: types.Object, name: str, label: str, on_click: Any, *, primary: bool = False
) -> None:
    body.btn(name, label, on_click=on_click, variant="contained" if primary else "outlined")
