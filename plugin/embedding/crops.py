"""Boxes in image files through a network: each file is decoded once, however many boxes it has."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..core.scoring.rows import thread_count
from .any_model import embed_images, in_embedding_mode
from .extractor import (
    Batch,
    Forward,
    checked,
    chosen_device,
    default_batch_size,
    sizes_to_try,
)
from .images import Array, opened, reason_of, to_rgb, upright
from .networks import Network, Preprocessing

# On each side of a box, as a share of its longer side: a little of what is around it tells a wheel
# from a plate, much of it makes all objects of an image alike.
MARGIN = 0.1
# Pixels of a box's shorter side below which nothing can be seen in it.
SMALLEST = 4
# Of one image in memory at a time: at 224 pixels a side, 1,024 crops take 150 MB.
_MOST_CROPS = 1_024

TOO_SMALL = "the box is under"  # how the reason begins: such a box is not looked at again

Boxes = tuple[str, Array]
Part = tuple[float, float, float, float]  # left, top, right, bottom in pixels
_Pixels = list[Array | str]


def square_around(box: Sequence[float], width: int, height: int) -> Part | str:
    """Return what is cut out for a box: a square around it with a margin, within the image.

    Where the image is narrower than the square, what is cut out is as wide as the image; it is
    never wider than the image, and only then not a square.

    Parameters
    ----------
    box : sequence of 4 float
        Left, top, width and height as shares of the image.
    width, height : int
        Pixels of the image.

    Returns
    -------
    tuple of 4 float or str
        Left, top, right and bottom in pixels; or why nothing can be cut out.
    """
    if not np.isfinite(box).all():
        return "there is no box"
    left, right = np.clip([box[0], box[0] + box[2]], 0, 1) * width
    top, bottom = np.clip([box[1], box[1] + box[3]], 0, 1) * height
    if right <= left or bottom <= top:
        return "the box lies outside of the image"
    if min(right - left, bottom - top) < SMALLEST:
        size = f"{right - left:.0f} x {bottom - top:.0f}"
        return f"{TOO_SMALL} {SMALLEST} pixels high or wide: {size}"
    side = max(right - left, bottom - top) * (1 + 2 * MARGIN)
    left, right = _span((left + right) / 2, min(side, width), width)
    top, bottom = _span((top + bottom) / 2, min(side, height), height)
    return float(left), float(top), float(right), float(bottom)


def _span(middle: float, length: float, limit: float) -> tuple[float, float]:
    start = min(max(middle - length / 2, 0.0), limit - length)
    return start, start + length


def decode_crops(path: str, boxes: Array, preprocessing: Preprocessing) -> _Pixels:
    """Decode one image file and cut its boxes out, each as a square that the network reads.

    Returns
    -------
    list of uint8 array of shape (crop, crop, 3), or of str
        For each box; a text says why there is nothing to see.
    """
    side = preprocessing.crop

    def shrunk(parts: Sequence[Part]) -> float:
        # So much smaller an image may be decoded that the smallest crop keeps twice the pixels.
        return min(1.0, 2 * side / min(min(p[2] - p[0], p[3] - p[1]) for p in parts))

    def resized(image: Image.Image, part: Part) -> Array:
        resampling = Image.Resampling(preprocessing.resampling)
        return np.asarray(image.resize((side, side), resampling, box=part))

    return _cut(path, boxes, shrunk, resized)


def decode_whole_crops(path: str, boxes: Array) -> _Pixels:
    """Decode one image file and cut its boxes out in full size; otherwise as `decode_crops`."""

    def cut(image: Image.Image, part: Part) -> Array:
        left, top, right, bottom = (round(edge) for edge in part)
        return np.asarray(image.crop((left, top, right, bottom)))

    return _cut(path, boxes, lambda parts: 1.0, cut)


def _cut(
    path: str,
    boxes: Array,
    shrunk: Callable[[Sequence[Part]], float],
    cut: Callable[[Image.Image, Part], Array],
) -> _Pixels:
    try:
        with opened(path) as file:
            size = file.size
            if _lies_on_its_side(file):
                size = size[::-1]
            parts = [square_around(box, *size) for box in boxes]
            there = [part for part in parts if not isinstance(part, str)]
            if not there:
                return [str(part) for part in parts]
            share = shrunk(there)
            file.draft(None, (int(file.width * share) + 1, int(file.height * share) + 1))
            image = to_rgb(upright(file))
        scale = np.divide(image.size, size)
        factors = np.array([*scale, *scale])
        return [
            part
            if isinstance(part, str)
            else cut(image, _inside(np.multiply(part, factors), image))
            for part in parts
        ]
    except Exception as error:  # PIL's readers raise whatever broken bytes lead them to
        return [reason_of(path, error)] * len(boxes)


def _inside(part: Array, image: Image.Image) -> Part:
    limits = np.array([*image.size, *image.size])
    left, top, right, bottom = np.clip(part, 0, limits).tolist()
    return left, top, right, bottom


def _lies_on_its_side(image: Image.Image) -> bool:
    try:
        return image.getexif().get(0x0112, 1) in range(5, 9)
    except Exception:  # broken EXIF: viewers show such a file as it is, and so do we
        return False


class CropExtraction(Iterator[Batch]):
    """The boxes of image files as embeddings, batch by batch; as `extractor.Extraction`.

    Positions are those of the boxes, counted through all images.

    Parameters
    ----------
    network : Network
    images : sequence of (str, float array of shape (n, 4))
        Files, and the boxes to cut out of each: see `square_around`.
    batch_size : int, optional
        Crops computed and yielded at a time. Default: as for images.
    device : torch.device, optional
        Default: the GPU when there is one.

    Attributes
    ----------
    precision : str
        Known after the first batch.
    """

    def __init__(
        self,
        network: Network,
        images: Sequence[Boxes],
        batch_size: int | None = None,
        device: str | torch.device | None = None,
        forward: Forward | None = None,
    ) -> None:
        self.device = chosen_device(device)
        self.precision = "float32"
        size = batch_size or default_batch_size(self.device)
        trials = () if batch_size else sizes_to_try(self.device)
        self._forward = forward or Forward(network, self.device, trials)
        ahead = self.device.type == "cuda"
        self._batches = self._run(_batches(network.preprocessing, images, size, ahead))

    def __next__(self) -> Batch:
        return next(self._batches)

    def _run(
        self, batches: Iterable[tuple[list[Array], list[int], list[tuple[int, str]]]]
    ) -> Generator[Batch, None, None]:
        for pixels, positions, failures in batches:
            if not pixels:
                yield np.empty(0, np.int64), np.empty((0, 0), np.float32), failures
                continue
            vectors = self._forward(torch.from_numpy(np.stack(pixels)))
            self.precision = self._forward.precision
            yield checked(np.asarray(positions, np.int64), vectors, failures, "network")


def embed_crops_with(
    model: Any, images: Sequence[Boxes], batch_size: int | None = None
) -> Iterator[Batch]:
    """Embed boxes as `CropExtraction` does, with a given model; see `any_model.embed_with`."""
    with in_embedding_mode(model):
        cuts = _in_parts(images)
        decoded = (decode_whole_crops(path, boxes) for path, boxes in cuts)
        for crops, positions, failures in _rebatched(decoded, batch_size or 16):
            vectors = embed_images(model, crops)
            yield checked(np.asarray(positions, np.int64), vectors, failures, "model")


def _in_parts(images: Iterable[Boxes]) -> Iterator[Boxes]:
    """Split what would not fit into memory; such an image is decoded again for each part."""
    for path, boxes in images:
        for start in range(0, len(boxes), _MOST_CROPS):
            yield path, boxes[start : start + _MOST_CROPS]


def _batches(
    preprocessing: Preprocessing, images: Sequence[Boxes], size: int, ahead: bool
) -> Iterator[tuple[list[Array], list[int], list[tuple[int, str]]]]:
    threads = thread_count()
    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(1) as waiting:

        def decode(image: Boxes) -> _Pixels:
            return decode_crops(*image, preprocessing=preprocessing)

        def decoded() -> Iterator[_Pixels]:
            group: list[Boxes] = []
            for image in _in_parts(images):
                group.append(image)
                # Enough for every thread, but hardly more crops than a batch has.
                if sum(len(boxes) for _, boxes in group) >= size:
                    yield from pool.map(decode, group)
                    group = []
            yield from pool.map(decode, group)

        batches = _rebatched(decoded(), size)
        if not ahead:
            # The network's threads and these take turns: see `extractor`.
            yield from batches
            return
        pending: Future[Any] = waiting.submit(next, batches, None)
        while (batch := pending.result()) is not None:
            pending = waiting.submit(next, batches, None)
            yield batch


def _rebatched(
    decoded: Iterable[_Pixels], size: int
) -> Iterator[tuple[list[Array], list[int], list[tuple[int, str]]]]:
    """Put crops together to batches of one size, whatever image they are of."""
    pixels: list[Array] = []
    positions: list[int] = []
    failures: list[tuple[int, str]] = []
    position = 0
    for crops in decoded:
        for crop in crops:
            if isinstance(crop, str):
                failures.append((position, crop))
            else:
                pixels.append(crop)
                positions.append(position)
            position += 1
            if len(pixels) == size:
                yield pixels, positions, failures
                pixels, positions, failures = [], [], []
    if pixels or failures:
        yield pixels, positions, failures
