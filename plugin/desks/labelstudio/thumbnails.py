"""Photographs scaled down for pages with many of them: twenty large ones take seconds to paint."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

# Longer side in pixels, twice the cell of a sheet: enough for screens with small pixels.
SIDE = 640
_QUALITY = 88


def thumbnail(content: bytes) -> bytes:
    """Return an image with a longer side of at most `SIDE` pixels.

    What is small already, or can't be scaled (vector graphics, animations, damaged files), is
    returned as it is.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if max(image.size) <= SIDE or getattr(image, "is_animated", False):
                return content
            # JPEG decoders can skip most of the work when they know that less is wanted.
            image.draft("RGB", (SIDE, SIDE))
            # Browsers turn a photograph as its camera says; a new file says nothing.
            upright = ImageOps.exif_transpose(image)
            transparent = "A" in upright.getbands() or "transparency" in upright.info
            scaled = upright.convert("RGBA" if transparent else "RGB")
            scaled.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return content
    into = io.BytesIO()
    if transparent:
        scaled.save(into, "PNG")
    else:
        scaled.save(into, "JPEG", quality=_QUALITY)
    return into.getvalue()
