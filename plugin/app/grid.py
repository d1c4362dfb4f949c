"""A page of the open round in the App's grid: showing it, and reading what was marked on it.

What the grid shows is the page itself: nothing is remembered but its size and when it came up.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from ..core.review.grid import Mark

if TYPE_CHECKING:
    from ..core.review.grid import GridPage
    from ..loop import CleaningLoop

PANEL = "review_page"
SIZE = 20  # images that fit beside the panel, see docs/app.md
_STORE = "label_cleaning_page"
_GRID_SHARE = 0.8
# A cross for "wrong, the suggestion is right", a pin for "wrong in another way".
_ICONS = {"default": "x", "alt": "pin"}


def page_size(ctx: Any) -> int:
    """Return how many images a page holds."""
    return int(ctx.store(_STORE).get("size") or SIZE)


def set_page_size(ctx: Any, size: int) -> None:
    """Remember how many images a page holds."""
    ctx.store(_STORE).set("size", size)


def lay_out(ctx: Any) -> None:
    """Give the grid most of the window, and the panel the rest."""
    samples, panel = fo.Panel(type="Samples", pinned=True), fo.Panel(type=PANEL)
    ctx.ops.hide_sidebar()
    # Without an active child the grid would be lost.
    parts = [fo.Space(children=[p], active_child=p.component_id) for p in (samples, panel)]
    sizes = [_GRID_SHARE, 1 - _GRID_SHARE]
    ctx.ops.set_spaces(fo.Space(children=parts, orientation="horizontal", sizes=sizes))


def show(ctx: Any, loop: CleaningLoop, page: GridPage) -> None:
    """Show a page in the grid, without marks."""
    ctx.store(_STORE).set("shown_at", time.time())
    ctx.ops.clear_selected_samples()
    ctx.ops.set_sample_selection_style(**_ICONS)
    ctx.ops.set_active_fields(loop.page_fields())
    ctx.ops.set_view(view=loop.page_view(page.label_ids, page.suggestions))


def leave(ctx: Any) -> None:
    """Give the grid back as it was."""
    ctx.ops.clear_selected_samples()
    ctx.ops.clear_sample_selection_style()
    ctx.ops.clear_view()
    ctx.ops.show_sidebar()


def seconds(ctx: Any) -> float | None:
    """Return how long the page has been on the screen; None when that is not known."""
    shown_at = ctx.store(_STORE).get("shown_at")
    return None if shown_at is None else max(0.0, time.time() - shown_at)


def read(ctx: Any, loop: CleaningLoop) -> tuple[list[str], dict[str, Mark]]:
    """Return the ids of the labels in the grid that wait for an answer, and the marks on them.

    Raises
    ------
    RoundError
        When the grid shows something else than the page: nobody has looked at the rest.
    """
    shown = ctx.view.values("id")
    waiting = loop.waiting_on_page(shown)
    marks = {sample["id"]: Mark(sample["type"]) for sample in ctx.selected_samples}
    return waiting, {i: mark for i, mark in marks.items() if i in waiting or i not in shown}
