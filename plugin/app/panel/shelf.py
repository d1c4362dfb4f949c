"""The panel's charts, as many beside each other as fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fiftyone.operators import types

from ...core.review.states import RoundState
from . import charts, plan_card

_NO_BAR = {"displayModeBar": False, "responsive": True}
# As many charts beside each other as fit: one in half a window, two or three in a whole one.
_CHARTS = {
    "display": "grid",
    "gridTemplateColumns": "repeat(auto-fit, minmax(min(480px, 100%), 1fr))",
}
# Plotly follows the window's size only: a chart that has become too wide must not cover another.
_CUT = {"container": {"sx": {"overflow": "hidden", "minWidth": 0}}}


def show(body: types.Object, facts: dict[str, Any], open_cell: Callable[[Any], None]) -> None:
    """Show the charts of whatever is known; `open_cell` is called for a click into the matrix."""
    shelf = body.grid("charts", gap=2, componentsProps={"grid": {"sx": _CHARTS}})
    if facts["confusion"]:
        _confusion(shelf, facts["confusion"], open_cell)
    if facts.get("auroc"):
        what = facts["auroc"][-1]["what"]
        note = "Held-out is the one to trust; blind deletion alone raises the others."
        _chart(shelf, "auroc", f"AUROC, {what}", note, charts.auroc(facts["auroc"]))
    if facts.get("budget"):
        _chart(
            shelf,
            "budget",
            "Yield of the budget",
            facts["yields"],
            charts.budget(facts["budget"]),
        )
    if facts.get("importance"):
        note = "Wrong labels belong on the right: so much is the order of the queue worth."
        chart = charts.importance(facts["importance"])
        _chart(shelf, "importance", "Importance of right and wrong labels", note, chart)
    plan_card.show(shelf, facts.get("plan"))
    reviewed = [
        row
        for row in facts.get("rounds", [])
        if row["reviewed"] and row["state"] != RoundState.UNDONE.value
    ]
    if reviewed:
        _chart(shelf, "verdicts", "What the reviewers decided", "", charts.verdicts(reviewed))


def _confusion(
    shelf: types.Object, found: dict[str, Any], open_cell: Callable[[Any], None]
) -> None:
    shown = len(found["classes"])
    some = "" if shown == found["n_classes"] else f" (the {shown} most confused classes)"
    _chart(
        shelf,
        "confusion",
        f"Confusion{some}",
        f"{found['rate']:.1%} of “{found['rival']}” is taken for "
        f"“{found['class_of_interest']}”. Click a cell to open the queue of the predicted "
        "class, most suspicious labels first.",
        charts.confusion(found),
        on_click=open_cell,
    )


def _chart(
    shelf: types.Object, name: str, title: str, text: str, chart: charts.Chart, **events: Any
) -> None:
    """Add a chart under its title, so that the two stay together in any layout."""
    frame = shelf.v_stack(f"{name}_frame", gap=0, columns=1, width="100%", componentsProps=_CUT)
    frame.md(f"###### {title}" + (f"\n\n{text}" if text else ""), name=f"{name}_title")
    _plot(frame, name, *chart, **events)


def _plot(body: types.Object, name: str, data: Any, layout: Any, **events: Any) -> None:
    # By itself a plot's frame is as high as the whole panel.
    frame = {"container": {"sx": {"height": f"{layout['height']}px", "width": "100%"}}}
    body.plot(
        name,
        data=data,
        layout=layout,
        config=_NO_BAR,
        width="100%",
        componentsProps=frame,
        **events,
    )
