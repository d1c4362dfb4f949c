"""Operator: the one button above the grid, which opens the panel."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types


class OpenLabelCleaning(foo.Operator):  # type: ignore[misc]
    """Open the panel: the button above the grid."""

    @property
    def config(self) -> foo.OperatorConfig:
        """Unlisted: the button and the "+" menu lead to the panel."""
        return foo.OperatorConfig(
            name="open_label_cleaning",
            label="Clean labels",
            unlisted=True,
            icon="cleaning_services",
            risk_level="LOW",
        )

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """Show a button above the grid."""
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Clean labels", icon="cleaning_services", prompt=False),
        )

    def execute(self, ctx: Any) -> None:
        """Open it beside the grid."""
        ctx.ops.open_panel("label_cleaning", layout="horizontal", is_active=True)
