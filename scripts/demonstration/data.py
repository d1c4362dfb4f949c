"""The demo's data sets: real images in a FiftyOne dataset, and what a reviewer knows about them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image

from coreset_cleaning.core.errors import DataError

LABEL_FIELD = "ground_truth"
TRUTH_FIELD = "true_label"
TEST_TAG = "test"

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
FASHION_MNIST = Path(__file__).resolve().parents[2] / ".cache" / "fashion-mnist"
FASHION_MNIST_ROWS = 6_000


@dataclass(frozen=True)
class DemoImage:
    """One image of a demo.

    Attributes
    ----------
    path : Path
        Image file.
    label : str
        The label to be checked.
    true_label : str or None
        What the simulated reviewer knows; None when nobody knows.
    test : bool
        Whether it belongs to the test split.
    box : tuple of float, optional
        Of an object: left, top, width and height as shares of the image.
    """

    path: Path
    label: str
    true_label: str | None
    test: bool
    box: tuple[float, float, float, float] | None = None


def digits(folder: Path, seed: int, wrong: float, limit: int | None) -> list[DemoImage]:
    """Write scikit-learn's 1,797 handwritten digits as images; a fifth is the test split."""
    from sklearn.datasets import load_digits

    data = load_digits()
    # 8 x 8 pixels with 17 grey levels; dark ink on light paper, large enough to look at.
    keep = subset(len(data.target), limit, seed)
    pixels = (255 - data.images[keep] * (255 / 16)).astype(np.uint8)
    names = [str(name) for name in data.target_names]
    return _with_flips(folder, pixels, data.target[keep], names, seed, wrong, scale=8)


def fashion_mnist(folder: Path, seed: int, wrong: float, limit: int | None) -> list[DemoImage]:
    """Write Fashion-MNIST as images, from Debian's package when installed, else downloaded."""
    from torchvision.datasets import FashionMNIST

    raw = FASHION_MNIST / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    if DEBIAN_FASHION_MNIST.is_dir():
        for archive in DEBIAN_FASHION_MNIST.glob("*.gz"):
            # Unpacked: packed anew by Debian, they are not the archives that torchvision expects.
            (raw / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
    try:
        data = FashionMNIST(str(FASHION_MNIST), train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            "Fashion-MNIST can't be downloaded here.",
            "On Debian and Ubuntu, run apt-get install dataset-fashion-mnist, or use the default "
            "data.",
        ) from error
    keep = subset(len(data.targets), limit or FASHION_MNIST_ROWS, seed)
    pixels, target = data.data.numpy()[keep], data.targets.numpy()[keep]
    names = [name.replace("/", " or ") for name in data.classes]
    return _with_flips(folder, pixels, target, names, seed, wrong, scale=4)


def image_folder(folder: Path, seed: int, limit: int | None) -> list[DemoImage]:
    """Read a folder with one subfolder a class; nobody knows the true labels."""
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (path, cls.name)
        for cls in classes
        for path in sorted(cls.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if len({label for _, label in files}) < 2:
        raise DataError(
            f"--data folder {folder} must hold at least two subfolders with images, one for each "
            f"class; it holds {len(classes)} subfolders and {len(files)} images.",
            "Choose a folder whose subfolders are named after the classes.",
        )
    keep = subset(len(files), limit, seed)
    test = seeded_fifth(len(keep), seed)
    return [
        DemoImage(files[i][0].resolve(), files[i][1], None, bool(is_test))
        for i, is_test in zip(keep, test, strict=True)
    ]


def parquet(
    file: Path,
    folder: Path,
    seed: int,
    limit: int | None,
    label: str,
    true_label: str | None,
    split: str | None,
) -> list[DemoImage]:
    """Read a Parquet file with image bytes in the column `jpeg` and labels in others.

    Where the true labels are known, the test split carries them: what is measured on it is then
    not blurred by the label errors that are being searched for.
    """
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    wanted = ["jpeg", label, *filter(None, [true_label, split])]
    absent = [name for name in wanted if name not in schema.names]
    if absent:
        raise DataError(
            f"--data file {file.name} must have the columns {', '.join(wanted)}; "
            f"{', '.join(absent)} missing. It has: {', '.join(schema.names)}.",
            "Name them with --label, --true-label and --split.",
        )
    table = pq.read_table(file, columns=wanted)
    table = table.take(subset(table.num_rows, limit, seed))
    columns = {name: table.column(name).to_pylist() for name in wanted}
    truths = columns[true_label] if true_label else [None] * table.num_rows
    if split:
        test = np.array([value == "test" for value in columns[split]])
    else:
        test = seeded_fifth(table.num_rows, seed)
    folder.mkdir(parents=True)  # images of another run must not mix with these
    images = []
    for i, jpeg in enumerate(columns["jpeg"]):
        path = folder / f"{i:06d}.jpg"
        path.write_bytes(jpeg)
        given = truths[i] if test[i] and truths[i] is not None else columns[label][i]
        images.append(DemoImage(path, str(given), truths[i], bool(test[i])))
    return images


def build_dataset(name: str, images: list[DemoImage]) -> Any:
    """Make a persistent FiftyOne dataset of the images, of another name if there is this one."""
    import fiftyone as fo

    taken = fo.dataset_exists(name)
    dataset = fo.Dataset(f"{name}-{uuid4().hex[:8]}" if taken else name, persistent=True)
    dataset.classes = {LABEL_FIELD: sorted({image.label for image in images})}
    if images[0].box is None:
        dataset.add_samples(_samples(images), num_samples=len(images))
    else:
        from demonstration.coco import samples_of

        dataset.add_samples(samples_of(images, LABEL_FIELD, TEST_TAG), dynamic=True)
    return dataset


def truths(dataset: Any, images: list[DemoImage]) -> dict[str, str]:
    """Return label id to what the simulated reviewer knows."""
    if images[0].box is None:
        ids, known = dataset.values(["id", f"{TRUTH_FIELD}.label"])
    else:
        fields = [f"{LABEL_FIELD}.detections.{name}" for name in ("id", "true_class")]
        ids, known = dataset.values(fields, unwind=True)
    return dict(zip(ids, known, strict=True))


def _samples(images: list[DemoImage]) -> Iterator[object]:
    import fiftyone as fo

    for image in images:
        sample = fo.Sample(filepath=str(image.path), tags=[TEST_TAG if image.test else "train"])
        sample[LABEL_FIELD] = fo.Classification(label=image.label)
        if image.true_label is not None:
            sample[TRUTH_FIELD] = fo.Classification(label=image.true_label)
        yield sample


def _with_flips(
    folder: Path,
    pixels: np.ndarray,
    target: np.ndarray,
    names: list[str],
    seed: int,
    wrong: float,
    scale: int,
) -> list[DemoImage]:
    """Write the images; a share `wrong` of the training labels says what the image looks like."""
    test = seeded_fifth(len(target), seed)
    given = target.copy()
    train = np.flatnonzero(~test)
    flipped = np.random.default_rng(seed).choice(train, round(wrong * len(train)), replace=False)
    given[flipped] = _most_similar_other_class(pixels, target)[flipped]
    folder.mkdir(parents=True)  # images of another run must not mix with these
    images = []
    for i, image in enumerate(pixels):
        path = folder / f"{i:06d}.png"
        size = (image.shape[1] * scale, image.shape[0] * scale)
        Image.fromarray(image).resize(size, Image.Resampling.BICUBIC).save(path)
        images.append(DemoImage(path, names[given[i]], names[target[i]], bool(test[i])))
    return images


def _most_similar_other_class(pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return for each image the class, other than its own, that a classifier finds likeliest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    X = pixels.reshape(len(pixels), -1) / 255.0
    probability = cross_val_predict(
        LogisticRegression(C=0.1, max_iter=1000), X, target, method="predict_proba", cv=3
    )
    probability[np.arange(len(target)), target] = 0
    return probability.argmax(axis=1)


def subset(n: int, limit: int | None, seed: int) -> np.ndarray:
    """Return the rows of a seeded sample, in their order."""
    if limit is None or limit >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))


def seeded_fifth(n: int, seed: int) -> np.ndarray:
    """Return which rows are the test split."""
    test = np.zeros(n, dtype=bool)
    test[np.random.default_rng(seed + 1).choice(n, n // 5, replace=False)] = True
    return test
