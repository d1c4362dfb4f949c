"""What keeps a panel as narrow as its part of the window: rows that wrap, tables that fit."""

from __future__ import annotations

from collections.abc import Mapping

from fiftyone.operators import types

# What is wider than the panel scrolls by itself and widens nothing else.
_NO_WIDER = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)"}}}
_WRAPPED = {
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


def body(panel: types.Object) -> types.Object:
    """Return the one column that everything in a panel stands in."""
    return panel.v_stack(
        "body", gap=2, columns=1, width="100%", px=2, py=1, componentsProps=_NO_WIDER
    )


def row(parent: types.Object, name: str) -> types.Object:
    """Return a row of buttons or pictures that goes on in the next line where it is too long."""
    return parent.h_stack(name, gap=1, componentsProps=_WRAPPED)


def table(columns: Mapping[str, str]) -> types.TableView:
    """Return a table of such keys and headings."""
    view = types.TableView(size="small", componentsProps=_NARROW)
    for key, label in columns.items():
        view.add_column(key, label=label)
    return view
