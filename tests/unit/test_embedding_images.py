from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision import models
from torchvision.transforms import functional as transforms

from coreset_cleaning.embedding.images import decode, decode_batch, decode_whole
from coreset_cleaning.embedding.networks import Preprocessing

STEPS = Preprocessing(64, 56, 2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def photo(width: int = 120, height: int = 90) -> Image.Image:
    """A smooth scene: colours that change over the whole width and height."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 9)], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def saved(tmp_path, image: Image.Image, name: str, **options) -> str:
    image.save(tmp_path / name, **options)
    return str(tmp_path / name)


@pytest.mark.parametrize("size", [(120, 90), (90, 121), (64, 64), (57, 201)])
def test_same_pixels_as_torchvisions_own_transform(tmp_path, size):
    image = photo(*size)
    path = saved(tmp_path, image, "a.png")
    weights = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    steps = Preprocessing(256, 224, 2, tuple(weights.mean), tuple(weights.std))
    expected = transforms.center_crop(
        transforms.resize(image, weights.resize_size, interpolation=weights.interpolation), 224
    )
    np.testing.assert_array_equal(decode(path, steps), np.asarray(expected))


def test_exif_rotation_is_applied(tmp_path):
    upright = Image.new("RGB", (80, 80), RED)
    upright.paste(BLUE, (0, 40, 80, 80))  # red above blue
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to view"
    path = saved(tmp_path, upright.rotate(90), "a.jpg", exif=exif, quality=95)
    plain = saved(tmp_path, upright, "b.jpg", quality=95)
    difference = decode(path, STEPS).astype(int) - decode(plain, STEPS)
    assert np.abs(difference).mean() < 2


def test_broken_exif_does_not_cost_the_image(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (80, 80), RED), "a.jpg", exif=b"Exif\0\0garbage")
    assert np.abs(decode(path, STEPS).astype(int) - RED).max() < 4


def test_cmyk(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (80, 80), RED).convert("CMYK"), "a.jpg", quality=95)
    assert np.abs(decode(path, STEPS).astype(int) - RED).max() < 8


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 90, dtype=np.uint16)[None].repeat(90, axis=0)
    path = saved(tmp_path, Image.fromarray(ramp), f"a.{suffix}")
    row = decode(path, STEPS)[0, :, 0]
    assert (np.diff(row.astype(int)) >= 0).all()
    assert row[0] < 30
    assert 120 < row[28] < 136
    assert row[-1] > 225


def test_float_grey_is_scaled(tmp_path):
    ramp = np.linspace(0, 1, 90, dtype=np.float32)[None].repeat(90, axis=0)
    row = decode(saved(tmp_path, Image.fromarray(ramp), "a.tif"), STEPS)[0, :, 0]
    assert row[0] < 30
    assert row[-1] > 225


def test_palette_with_transparency_lies_on_white(tmp_path):
    image = Image.new("RGBA", (80, 80), (*GREEN, 255))
    image.paste((0, 0, 0, 0), (0, 0, 80, 40))
    pixels = decode(saved(tmp_path, image.quantize(), "a.png"), STEPS)
    assert pixels[5].min() > 250
    assert np.abs(pixels[-5].astype(int) - GREEN).max() < 8


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (80, 80), colour) for colour in (RED, BLUE)]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert np.abs(decode(path, STEPS).astype(int) - RED).max() < 8


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (20_000, 30)])
def test_extreme_shapes(tmp_path, size):
    pixels = decode(saved(tmp_path, Image.new("RGB", size, BLUE), "a.png"), STEPS)
    assert pixels.shape == (56, 56, 3)
    assert (pixels == BLUE).all()


def test_a_large_jpeg_decoded_small_looks_the_same(tmp_path):
    image = photo(2000, 1500)
    large = decode(saved(tmp_path, image, "a.jpg", quality=95), STEPS)
    exact = decode(saved(tmp_path, image, "a.png"), STEPS)
    assert np.abs(large.astype(int) - exact).mean() < 2


def test_files_that_give_no_image_are_named_with_a_reason(tmp_path, monkeypatch):
    good = saved(tmp_path, photo(), "good.jpg")
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("not an image")
    bomb = saved(tmp_path, Image.new("1", (400, 400)), "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    names = ["none.jpg", "empty.jpg", "cut.jpg", "text.jpg"]
    paths = [good, *(str(tmp_path / name) for name in names), bomb, str(tmp_path), good]

    pixels, positions, failures = decode_batch(paths, STEPS)

    assert positions == [0, 7]
    assert pixels.shape == (2, 56, 56, 3)
    reasons = dict(failures)
    assert reasons[1] == "there is no such file"
    assert reasons[2] == "the file is empty (0 bytes)"
    assert "truncated" in reasons[3]
    assert reasons[4] == "not an image format that PIL reads"
    assert reasons[5] == "more than 80,000 pixels: PIL takes it for a bomb"
    assert "directory" in reasons[6]


def test_whole_images_are_upright_rgb_and_files_may_be_uris(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(tmp_path, photo(40, 20), "a.jpg", exif=exif)
    grey = saved(tmp_path, Image.new("L", (1, 1), 7), "grey.png")
    uri = (tmp_path / "grey.png").as_uri()
    paths = [turned, grey, str(tmp_path / "none.png"), uri, "nowhere://bucket/a.jpg"]
    images, positions, failures = decode_whole(paths)
    assert positions == [0, 1, 3]
    assert [image.shape for image in images] == [(40, 20, 3), (1, 1, 3), (1, 1, 3)]
    assert (images[2] == 7).all()
    assert [position for position, _ in failures] == [2, 4]
    assert "nowhere" in failures[1][1]
    np.testing.assert_array_equal(decode(uri, STEPS), decode(grey, STEPS))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "P"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = saved(tmp_path, Image.new("RGB", (60, 60), "white").convert(mode), "a.png")
    assert decode(path, STEPS).shape == (56, 56, 3)
    assert decode(path, STEPS).min() > 250


def test_sixteen_bits_of_colour(tmp_path):
    ramp = np.linspace(0, 65535, 60, dtype=np.uint16)
    pixels = np.stack([np.tile(ramp, (60, 1))] * 3, axis=2)
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    row = decode(str(tmp_path / "a.png"), STEPS)[0, :, 0].astype(int)
    assert row[0] < 20
    assert abs(row[28] - 128) < 8
    assert row[-1] > 235
