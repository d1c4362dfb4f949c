"""Image files decoded to the square of pixels a network reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from .networks import Preprocessing  # imports torch, which those who cut pictures don't need

Array = np.ndarray[Any, np.dtype[Any]]

# A side this many times longer than the other is cropped before resizing: a strip of 1 x 20,000
# pixels would otherwise become 256 x 5,120,000 on its way to 224 x 224.
_LONGEST_SHAPE = 8


def decode_batch(
    paths: Sequence[str],
    preprocessing: Preprocessing,
    apply: Callable[..., Iterable[Array | str]] = map,
) -> tuple[Array, list[int], list[tuple[int, str]]]:
    """Decode image files; a file that can't be decoded is named, never replaced.

    Parameters
    ----------
    paths : sequence of str
    preprocessing : Preprocessing
    apply : callable, default=map
        Applies a function to every path, in order; a thread pool's ``map`` decodes in parallel, as
        PIL does its work without holding Python's lock.

    Returns
    -------
    pixels : uint8 array of shape (b, crop, crop, 3)
        Of the files that could be decoded, b <= len(paths).
    positions : list of int
        Their positions in `paths`.
    failures : list of (int, str)
        Position and reason of the others.
    """
    pixels: list[Array] = []
    positions: list[int] = []
    failures: list[tuple[int, str]] = []
    decoded = apply(partial(_decode_or_reason, preprocessing=preprocessing), paths)
    for position, result in enumerate(decoded):
        if isinstance(result, str):
            failures.append((position, result))
        else:
            pixels.append(result)
            positions.append(position)
    side = preprocessing.crop
    stacked = np.stack(pixels) if pixels else np.empty((0, side, side, 3), np.uint8)
    return stacked, positions, failures


def decode(path: str, preprocessing: Preprocessing) -> Array:
    """Decode one image file the way the network's weights expect it.

    The same numbers as torchvision's own transform of the RGB image. Of an animation the first
    frame is taken; transparency lies on white; 16 bits are scaled to 8; EXIF rotation is applied.

    Parameters
    ----------
    path : str
        A file, or a URI that pyarrow opens (``s3://``, ``gs://``, ``hdfs://``, ``file://``).
    preprocessing : Preprocessing

    Returns
    -------
    uint8 array of shape (crop, crop, 3)
    """
    with opened(path) as file:
        # JPEGs are decoded at 1/2, 1/4 or 1/8 where that leaves twice the pixels needed.
        file.draft(None, (2 * preprocessing.resize, 2 * preprocessing.resize))
        image = to_rgb(upright(file))
    width, height = image.size
    longest = _LONGEST_SHAPE * min(width, height)
    if max(width, height) > longest:
        image = _center_crop(image, min(width, longest), min(height, longest))
        width, height = image.size
    size = (
        (preprocessing.resize, int(preprocessing.resize * height / width))
        if width <= height
        else (int(preprocessing.resize * width / height), preprocessing.resize)
    )
    image = image.resize(size, Image.Resampling(preprocessing.resampling))
    return np.asarray(_center_crop(image, preprocessing.crop, preprocessing.crop))


def decode_whole(paths: Sequence[str]) -> tuple[list[Array], list[int], list[tuple[int, str]]]:
    """Decode image files in full size, as uint8 RGB arrays; otherwise as `decode_batch`."""
    images: list[Array] = []
    positions: list[int] = []
    failures: list[tuple[int, str]] = []
    for position, path in enumerate(paths):
        try:
            with opened(path) as file:
                images.append(np.asarray(to_rgb(upright(file))))
        except Exception as error:  # PIL's readers raise whatever broken bytes lead them to
            failures.append((position, reason_of(path, error)))
        else:
            positions.append(position)
    return images, positions, failures


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """Open a file, or what lies at a URI such as ``s3://bucket/key``."""
    if "://" not in path:
        with Image.open(path) as image:
            yield image
        return
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise OSError(f"URIs need pyarrow: pip install pyarrow ({error})") from error
    system, key = FileSystem.from_uri(path)
    with system.open_input_file(key) as stream, Image.open(stream) as image:
        yield image


def _decode_or_reason(path: str, preprocessing: Preprocessing) -> Array | str:
    try:
        return decode(path, preprocessing)
    except Exception as error:  # PIL's readers raise whatever broken bytes lead them to
        return reason_of(path, error)


def _center_crop(image: Image.Image, width: int, height: int) -> Image.Image:
    left = round((image.width - width) / 2)
    top = round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF data say."""
    try:
        rotated = image.getexif().get(0x0112, 1) in range(2, 9)
    except Exception:  # broken EXIF: viewers show such a file as it is, and so do we
        return image
    return ImageOps.exif_transpose(image) if rotated else image


def to_rgb(image: Image.Image) -> Image.Image:
    """Load an image as RGB: transparency on white, 16 bits scaled to 8."""
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_wide(np.asarray(image, dtype=np.float64)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image).convert("RGB")
    return image.convert("RGB")


def _from_wide(values: Array) -> Image.Image:
    """Scale grey values of more than 8 bits: PIL's own conversion clips them at 255."""
    if values.min() < 0 or values.max() > 65535 or values.max() <= 1:  # not a 16-bit range
        low, high = values.min(), values.max()
        values = (values - low) * (65535 / (high - low) if high > low else 0)
    return Image.fromarray(np.round(values / 257).astype(np.uint8))


def reason_of(path: str, error: Exception) -> str:
    """Say in words why a file can't be decoded."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "not an image format that PIL reads"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels: PIL takes it for a bomb"
    return " ".join(f"{error or type(error).__name__}".split())[:200]
