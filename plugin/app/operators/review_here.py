"""Operator: a round that is reviewed here, in the App's grid."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.review.states import open_row
from ...desks.app import AppDesk
from .. import grid
from ..context import loop_for, progress_for
from .base import Answer, LoopOperator
from .fields import (
    add_label_field,
    add_round_size,
    add_what,
    asked,
    check_scored,
    refuse,
    warn_if_not_persistent,
)

_MOST = 60  # images on a page


class ReviewHere(LoopOperator):
    """Begin a round in the App, or go on with it."""

    name = "review_here"
    label = "Label cleaning: review here"
    description = (
        "Let the person at the screen judge a batch in the App's own grid, page by page, "
        "without a server"
    )
    icon = "rule"
    risk = "MEDIUM"
    changes_labels = True
    changes_samples = False  # reloading would undo the layout

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for scope and size, unless a round is open here."""
        if not check_scored(ctx, inputs):
            return
        add_label_field(ctx, inputs)
        warn_if_not_persistent(ctx, inputs)
        history = loop_for(ctx).history()
        row = open_row(history)
        if row is not None and row["desk"] != AppDesk.name:
            refuse(
                inputs,
                "other_desk",
                f"Round {row['round']} is open in Label Studio",
                "Finish it there and pull the reviews, or close it.",
            )
            return
        if row is not None:
            inputs.md(
                f"Round {row['round']} ({row['class_of_interest']}) goes on: {row['reviewed']} of "
                f"{row['size']} are answered.",
                name="open_round",
            )
        else:
            add_what(ctx, inputs, history[-1]["scope"] if history else "dataset")
            add_round_size(ctx, inputs, 100)
        inputs.int(
            "page_size",
            label="Images on a page",
            description="As many as you see without scrolling",
            default=grid.page_size(ctx),
            min=1,
            max=_MOST,
        )

    def run(self, ctx: Any) -> Answer:
        """Push the round to the desk here, and show its next page."""
        loop = loop_for(ctx)
        size = int(ctx.params.get("page_size") or grid.page_size(ctx))
        grid.set_page_size(ctx, size)
        page = loop.next_page(size)
        if page is None:
            loop.push_round(
                AppDesk(),
                ctx.params.get("n", 100),
                ctx.params.get("controls", 5),
                **asked({"scope": "dataset", **ctx.params}),
                progress=progress_for(ctx),
            )
            page = loop.next_page(size)
        assert page is not None
        grid.lay_out(ctx)
        if page.label_ids:
            grid.show(ctx, loop, page)
        return Answer(
            f"Round {page.round}, page {page.number} of {page.of}: {len(page.label_ids)} images "
            "are in the grid.",
            "click the top edge of an image whose label is wrong and whose suggestion is right, "
            "Alt+click one that is wrong in another way, and save the page in the panel beside. "
            "What has no mark counts as right.",
            report=page.to_dict(),
        )

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """Show a button above the grid."""
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Review labels here", icon=self.icon, prompt=True),
        )
