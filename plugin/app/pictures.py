"""Pictures in forms and panels."""

from __future__ import annotations

from urllib.parse import quote

from fiftyone.operators import types


def picture(inputs: types.Object, name: str, filepath: str, width: str) -> None:
    """Add a picture of a width in CSS units, through FiftyOne's own media route."""
    inputs.str(
        name,
        default=f"/media?filepath={quote(filepath, safe='')}",
        view=types.ImageView(width=width, read_only=True),
    )
