"""Real handwritten digits with known label errors, as FiftyOne datasets.

Two kinds: `make_three_classes` with a fixed test split, whose labels are wrong at random, and
`make_confused`, four digits whose wrong labels are what people would mix up. Fixtures build each
once, score it once, and give every test a clone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

THREE = ("3", "8", "9")
N_TRAIN, N_TEST = 240, 80
WRONG = 0.15
CONFUSED = {"1": "8", "8": "1", "3": "5", "5": "3"}  # what a wrong label turns a digit into
N_CONFUSED = 400
PIXELS = "pixels"
EMBEDDING = "resnet18_embedding"
TRUE_DIGIT = "true_digit"


@dataclass
class Digits:
    """A dataset, and the right label of each of its samples; clones keep the samples' ids."""

    dataset: Any
    truth: dict[str, str]

    @property
    def wrong(self) -> set[str]:
        """The samples whose label is not the right one."""
        given = dict(zip(*self.dataset.values(["id", "ground_truth.label"]), strict=True))
        return {i for i, label in given.items() if label != self.truth[i]}

    def clone(self) -> Digits:
        """Return the same as a dataset of its own."""
        return Digits(self.dataset.clone(), self.truth)


class DigitImage(NamedTuple):
    """A file of 64 x 64 pixels, its digit, and the 8 x 8 pixels it was made of."""

    path: Path
    digit: str
    pixels: np.ndarray


def write_images(folder: Path, digits: Iterable[str], n: int) -> list[DigitImage]:
    """Write the first `n` images of these digits."""
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    found = []
    for row in np.flatnonzero(np.isin(data.target, [int(digit) for digit in digits]))[:n]:
        path = folder / f"{row:04d}.png"
        pixels = (255 - data.images[row] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(path)
        vector = data.data[row].astype(np.float32)
        found.append(DigitImage(path, str(data.target[row]), vector))
    return found


def make_three_classes(images: list[DigitImage]) -> Digits:
    """240 training images, 15 % of them labeled as another class, and 80 right test images."""
    import fiftyone as fo

    rng = np.random.default_rng(0)
    samples = []
    for index, image in enumerate(images):
        test = index >= N_TRAIN
        given = image.digit
        if not test and rng.random() < WRONG:
            given = str(rng.choice([digit for digit in THREE if digit != image.digit]))
        samples.append(
            fo.Sample(
                filepath=str(image.path),
                tags=["test" if test else "train", "mine"],
                ground_truth=fo.Classification(label=given, source="camera 2"),
                pixels=image.pixels,
            )
        )
    return _dataset(samples, [image.digit for image in images])


def make_confused(images: list[DigitImage]) -> Digits:
    """400 images labeled "digit 1" and so on, 3 in 10 for tests, a tenth of the others wrong."""
    import fiftyone as fo

    rng = np.random.default_rng(0)
    samples = []
    for image in images:
        test = rng.random() < 0.3
        wrong = not test and rng.random() < 0.1
        given = CONFUSED[image.digit] if wrong else image.digit
        sample = fo.Sample(
            filepath=str(image.path),
            tags=["test" if test else "train"],
            ground_truth=fo.Classification(label=f"digit {given}"),
        )
        sample[TRUE_DIGIT] = f"digit {image.digit}"
        sample[PIXELS] = [float(value) for value in image.pixels]
        samples.append(sample)
    return _dataset(samples, [f"digit {image.digit}" for image in images])


def add_embeddings(digits: Digits) -> None:
    """Add the pixels once more, as the vectors that all defaults expect."""
    import fiftyone as fo

    dataset = digits.dataset
    dataset.add_sample_field(EMBEDDING, fo.VectorField)
    dataset.set_values(EMBEDDING, [np.float32(v) for v in dataset.values(PIXELS)])


def _dataset(samples: list[Any], truths: list[str]) -> Digits:
    import fiftyone as fo

    dataset = fo.Dataset()
    ids = dataset.add_samples(samples)
    return Digits(dataset, dict(zip(ids, truths, strict=True)))
