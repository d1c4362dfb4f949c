"""Objects for the demo: a COCO JSON with its images."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from coreset_cleaning.core.errors import DataError
from demonstration.data import DemoImage, seeded_fifth, subset


def coco(file: Path, seed: int, wrong: float, limit: int | None) -> list[DemoImage]:
    """Read objects; their classes are taken to be true, and a share of them is made wrong.

    A fifth of the images is the test split. Crowds are left out, as their boxes hold many objects.

    Parameters
    ----------
    file : Path
        The JSON; the images are beside it, or in a folder ``images`` or ``data`` there.
    seed : int
    wrong : float
        Share of the classes outside the test split that become another class of the same image,
        or of the data set where the image has no other.
    limit : int, optional
        So many images at most.
    """
    content = json.loads(file.read_text())
    try:
        names = {category["id"]: category["name"] for category in content["categories"]}
        images = sorted(content["images"], key=lambda image: image["id"])
        of_image = defaultdict(list)
        for found in content["annotations"]:
            if not found.get("iscrowd"):
                of_image[found["image_id"]].append((found["bbox"], names[found["category_id"]]))
    except (KeyError, TypeError) as error:
        raise DataError(
            f"--data file {file.name} must be a COCO JSON with images, annotations and categories "
            f"({type(error).__name__}: {error}).",
            "Export it as COCO detection data.",
        ) from error
    images = [image for image in images if of_image[image["id"]]]
    images = [images[k] for k in subset(len(images), limit, seed)]
    rng = np.random.default_rng(seed)
    objects = []
    for image, test in zip(images, seeded_fifth(len(images), seed), strict=True):
        path = _image_file(file.parent, image["file_name"])
        here = of_image[image["id"]]
        for (x, y, w, h), true in here:
            others = sorted({name for _, name in here} - {true}) or sorted(
                {*names.values()} - {true}
            )
            flipped = not test and others and rng.random() < wrong
            width, height = image["width"], image["height"]
            objects.append(
                DemoImage(
                    path,
                    str(rng.choice(others)) if flipped else true,
                    true,
                    bool(test),
                    (x / width, y / height, w / width, h / height),
                )
            )
    return objects


def _image_file(folder: Path, name: str) -> Path:
    places = [folder / name, folder / "images" / name, folder / "data" / name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DataError(
            f"image {name} of the COCO JSON must be beside it, or in images or data there.",
            "Put them there.",
        )
    return found.resolve()


def samples_of(objects: list[DemoImage], label_field: str, test_tag: str) -> list[Any]:
    """Return a sample for each image, with its objects."""
    import fiftyone as fo

    by_path: dict[Path, list[DemoImage]] = defaultdict(list)
    for found in objects:
        by_path[found.path].append(found)
    samples = []
    for path, here in by_path.items():
        sample = fo.Sample(filepath=str(path), tags=[test_tag if here[0].test else "train"])
        sample[label_field] = fo.Detections(
            detections=[
                fo.Detection(label=o.label, bounding_box=list(o.box or ()), true_class=o.true_label)
                for o in here
            ]
        )
        samples.append(sample)
    return samples
