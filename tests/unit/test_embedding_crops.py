"""What is cut out for a box: a square with a margin, within the image, decoded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coreset_cleaning.embedding import crops
from coreset_cleaning.embedding.crops import MARGIN, SMALLEST, decode_crops, square_around
from coreset_cleaning.embedding.networks import Preprocessing

SIDE = 8
STEPS = Preprocessing(SIDE, SIDE, 2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
shares = st.floats(-0.5, 1.5)
sizes = st.integers(1, 5_000)


@given(st.tuples(shares, shares, shares, shares), sizes, sizes)
def test_what_is_cut_out_lies_within_the_image_and_holds_the_box(
    box: tuple[float, ...], width: int, height: int
) -> None:
    cut = square_around(box, width, height)
    if isinstance(cut, str):
        assert "box" in cut
        return
    left, top, right, bottom = cut
    rounding = 1e-6 * max(width, height)
    assert left >= 0
    assert top >= 0
    assert right <= width + rounding
    assert bottom <= height + rounding
    shown = np.clip([box[0], box[1], box[0] + box[2], box[1] + box[3]], 0, 1)
    x0, y0, x1, y1 = shown * [width, height, width, height]
    assert left <= x0 + rounding
    assert top <= y0 + rounding
    assert right >= x1 - rounding
    assert bottom >= y1 - rounding
    # A square, but for an image that is narrower than it.
    side = max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN)
    assert right - left == pytest.approx(min(side, width))
    assert bottom - top == pytest.approx(min(side, height))


def test_a_margin_is_on_all_sides_but_where_the_image_ends() -> None:
    assert square_around([0.4, 0.4, 0.2, 0.1], 100, 100) == pytest.approx((38, 33, 62, 57))
    assert square_around([0.0, 0.4, 0.2, 0.1], 100, 100) == pytest.approx((0, 33, 24, 57))


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([np.nan] * 4, "there is no box"),
        ([1.2, 0.1, 0.3, 0.3], "the box lies outside of the image"),
        ([0.2, 0.1, 0.0, 0.3], "the box lies outside of the image"),
        ([0.2, 0.1, 0.03, 0.3], f"the box is under {SMALLEST} pixels high or wide: 3 x 30"),
    ],
)
def test_boxes_without_anything_to_see_are_named(box: list[float], why: str) -> None:
    assert square_around(box, 100, 100) == why


def quarters(path: Path, size: int, **options: Any) -> str:
    """Write an image of four colours."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[: size // 2, : size // 2] = (250, 0, 0)
    pixels[: size // 2, size // 2 :] = (0, 250, 0)
    pixels[size // 2 :, : size // 2] = (0, 0, 250)
    pixels[size // 2 :, size // 2 :] = (250, 250, 250)
    Image.fromarray(pixels).save(path, **options)
    return str(path)


CORNERS = np.array(
    [[0.1, 0.1, 0.3, 0.3], [0.6, 0.1, 0.3, 0.3], [0.1, 0.6, 0.3, 0.3], [0.6, 0.6, 0.3, 0.3]]
)


@pytest.mark.parametrize("size", [64, 1_000])  # the larger one is decoded at a quarter
@pytest.mark.parametrize("turned", [None, 6])
def test_each_box_shows_what_is_in_it(tmp_path: Path, size: int, turned: int | None) -> None:
    exif = Image.Exif()
    if turned:
        exif[0x0112] = turned  # shown a quarter further clockwise: boxes are of what is shown
    path = quarters(tmp_path / "image.jpg", size, exif=exif, quality=95)
    found = decode_crops(path, CORNERS, STEPS)
    colours = [np.asarray(crop).reshape(-1, 3).mean(axis=0).round(-1).tolist() for crop in found]
    expected = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250]]
    order = [2, 0, 3, 1] if turned else [0, 1, 2, 3]
    np.testing.assert_allclose(colours, [expected[k] for k in order], atol=10)
    assert {np.shape(crop) for crop in found} == {(SIDE, SIDE, 3)}


def test_an_image_is_decoded_once_however_many_boxes_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def spy(path: str) -> Any:
        opened.append(path)
        return original(path)

    original = crops.opened
    monkeypatch.setattr(crops, "opened", spy)
    paths = [quarters(tmp_path / f"{k}.png", 64) for k in range(3)]
    model = type("Mean", (), {"embed_all": lambda self, images: [i.mean((0, 1)) for i in images]})()
    batches = [*crops.embed_crops_with(model, [(path, CORNERS) for path in paths], 5)]
    assert [len(indices) for indices, _, _ in batches] == [5, 5, 2]
    assert np.concatenate([indices for indices, _, _ in batches]).tolist() == [*range(12)]
    assert opened == paths


def test_a_crowd_is_decoded_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "_MOST_CROPS", 3)
    path = quarters(tmp_path / "image.png", 64)
    parts = [*crops._in_parts([(path, np.tile(CORNERS, (2, 1)))])]
    assert [len(boxes) for _, boxes in parts] == [3, 3, 2]


def test_the_network_sees_every_box_with_its_position(tmp_path: Path) -> None:
    from torch import nn

    from coreset_cleaning.embedding.networks import Network

    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    network = Network("mean", module, STEPS, 3, "none", "0" * 16)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    images = [
        (quarters(tmp_path / "a.png", 64), CORNERS),
        (str(broken), CORNERS[:2]),
        (quarters(tmp_path / "b.png", 64), CORNERS[2:]),
    ]
    extraction = crops.CropExtraction(network, images, batch_size=5, device="cpu")
    found: dict[int, list[float]] = {}
    failed: dict[int, str] = {}
    for indices, vectors, failures in extraction:
        found |= dict(zip(indices.tolist(), vectors.tolist(), strict=True))
        failed |= dict(failures)
    assert sorted(found) == [0, 1, 2, 3, 6, 7]
    assert failed == dict.fromkeys([4, 5], "the file is empty (0 bytes)")
    np.testing.assert_allclose(found[2], found[6], atol=0.01)
    assert extraction.precision in ("float32", "bfloat16")
