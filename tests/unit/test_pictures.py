"""What reviewers see of an object: what is around it, and its box, drawn outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coreset_cleaning.usecases.pictures import draw_object


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A red object of 100 x 50 pixels on grey, at (300, 200) of 800 x 600."""
    pixels = np.full((600, 800, 3), 128, np.uint8)
    pixels[200:250, 300:400] = (255, 0, 0)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return str(path)


BOX = [300 / 800, 200 / 600, 100 / 800, 50 / 600]


def red(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture).astype(int)
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60)


def test_a_crop_is_enlarged_and_the_box_hides_nothing_of_the_object(photo: str) -> None:
    picture = draw_object(photo, BOX)
    # Half of the longer side, all around: 200 x 150, enlarged until it can be looked at.
    assert picture.size == (480, 360)
    rows, columns = np.nonzero(red(picture))
    box = (columns.min(), columns.max(), rows.min(), rows.max())
    assert box == pytest.approx((120, 359, 120, 239), abs=2)
    assert red(picture).sum() == pytest.approx(240 * 120, rel=0.03)
    pixels = np.asarray(picture)
    assert (pixels[180, 117:120] > 230).all(axis=-1).any()  # white, beside it
    assert (pixels[180, 113:118] < 30).all(axis=-1).any()  # black, around that


def test_the_whole_image_is_shown_no_larger_than_a_screen(photo: str, tmp_path: Path) -> None:
    assert draw_object(photo, BOX, whole=True).size == (800, 600)
    large = tmp_path / "large.jpg"
    with Image.open(photo) as image:
        image.resize((4000, 3000)).save(large)
    picture = draw_object(str(large), BOX, whole=True)
    assert picture.size == (1600, 1200)
    rows, columns = np.nonzero(red(picture))
    assert (columns.min(), rows.min()) == pytest.approx((600, 400), abs=3)


def test_a_box_at_the_edge_is_shown_up_to_the_edge(photo: str) -> None:
    picture = draw_object(photo, [0.0, 0.0, 0.1, 0.1])
    assert picture.size == (480, 400)  # 120 x 100
