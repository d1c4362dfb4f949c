"""What keeps the panel as narrow as its half of the window: rows that wrap, tables that fit."""

from __future__ import annotations

from collections.abc import Mapping

from fiftyone.operators import types

# For a stack of one column: what is wider than the panel scrolls by itself and widens nothing else.
NO_WIDER = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)"}}}
# For a row of buttons.
WRAPPED = {
    "grid": {
        "sx": {
            "display": "flex",
            "flexDirection": "row",
            "flexWrap": "wrap",
            "& > *": {"width": "auto"},
        }
    }
}
# The App's tables are at least 650 pixels wide and have wide cells; half a window leaves 570.
_NARROW = {"table": {"sx": {"minWidth": 0, "& th, & td": {"px": 1}}}}


def table(columns: Mapping[str, str]) -> types.TableView:
    """Return a table of such keys and headings."""
    view = types.TableView(size="small", componentsProps=_NARROW)
    for key, label in columns.items():
        view.add_column(key, label=label)
    return view
