"""Pictures in forms and panels."""

from __future__ import annotations

from urllib.parse import quote

from fiftyone.operators import types


def picture(inputs: types.Object, name: str, image: str | None, width: str) -> None:
    """Add a picture of a width in CSS units, if there is one.

    Files come through FiftyOne's own media route; a `data:` address is the picture itself.
    """
    if not image:
        return
    address = image if image.startswith("data:") else f"/media?filepath={quote(image, safe='')}"
    inputs.str(
        name,
        default=address,
        view=types.ImageView(width=width, read_only=True),
    )
