"""Objects with known label errors: handwritten digits pasted on photographs, as `Detections`.

The boxes are true; of the classes outside the test split, some are what people would mix up. Images
and digits are real, and small: `Pixels` tells digits apart without a network's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .digits import CONFUSED

WIDTH, HEIGHT = 320, 240
SIDE = 48  # of a digit, in pixels
PER_IMAGE = 5
WRONG = 0.08
FIELD = "ground_truth"


@dataclass
class Objects:
    """A dataset, and the right class of each of its objects; clones keep the objects' ids."""

    dataset: Any
    truth: dict[str, str]

    def given(self) -> dict[str, str]:
        """Return id to the class it has."""
        ids, classes = self.dataset.values([f"{FIELD}.detections.id", f"{FIELD}.detections.label"])
        return dict(zip(chain(*ids), chain(*classes), strict=True))

    @property
    def wrong(self) -> set[str]:
        """The objects whose class is not the right one."""
        return {i for i, label in self.given().items() if label != self.truth[i]}

    def clone(self) -> Objects:
        """Return the same as a dataset of its own."""
        return Objects(self.dataset.clone(), self.truth)


class Pixels:
    """A model by FiftyOne's interface whose embedding of an image is the image, small and grey."""

    has_embeddings = True

    def embed_all(self, images: list[np.ndarray]) -> np.ndarray:
        """Return 144 numbers for each image."""
        from PIL import Image

        small = [Image.fromarray(i).convert("L").resize((12, 12)) for i in images]
        return np.stack([np.asarray(image, np.float32).ravel() / 255 for image in small])


def make_objects(folder: Path, n_images: int = 100) -> Objects:
    """Write images of five digits each and make a dataset of them; a fifth is the test split."""
    import fiftyone as fo
    from PIL import Image
    from sklearn.datasets import load_digits, load_sample_images

    rng = np.random.default_rng(0)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    data = load_digits()
    rows = iter(np.flatnonzero(np.isin(data.target, [int(digit) for digit in CONFUSED])))
    samples, truths = [], []
    for k in range(n_images):
        left = int(rng.integers(0, photos[0].width - WIDTH))
        top = int(rng.integers(0, photos[0].height - HEIGHT))
        image = photos[k % 2].crop((left, top, left + WIDTH, top + HEIGHT))
        test = k % 5 == 0
        objects = []
        for place in rng.permutation(12)[:PER_IMAGE]:
            row = next(rows)
            tile = Image.fromarray((255 - data.images[row] * (255 / 16)).astype(np.uint8))
            x, y = place % 4 * 80 + int(rng.integers(0, 32)), place // 4 * 80 + 16
            image.paste(tile.resize((SIDE, SIDE)).convert("RGB"), (x, y))
            true = str(data.target[row])
            wrong = not test and rng.random() < WRONG
            objects.append(
                fo.Detection(
                    label=CONFUSED[true] if wrong else true,
                    bounding_box=[x / WIDTH, y / HEIGHT, SIDE / WIDTH, SIDE / HEIGHT],
                    ink=float(data.images[row].sum()),
                    tags=["mine"],
                )
            )
            truths.append(true)
        path = folder / f"{k:04d}.png"
        image.save(path)
        sample = fo.Sample(filepath=str(path), tags=["test" if test else "train"])
        sample[FIELD] = fo.Detections(detections=objects)
        samples.append(sample)
    dataset = fo.Dataset()
    dataset.add_samples(samples, dynamic=True)
    ids = chain(*dataset.values(f"{FIELD}.detections.id"))
    return Objects(dataset, dict(zip(ids, truths, strict=True)))
