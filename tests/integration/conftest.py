"""Real handwritten digits in a real database, and a real Label Studio server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image
from pymongo.collection import Collection
from sklearn.datasets import load_digits

from coreset_cleaning import LabelStudioServer

N_TRAIN, N_TEST = 240, 80
WRONG = 0.15


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from label_studio_server import LabelStudioProcess

    folder = tmp_path_factory.mktemp("label-studio")
    with LabelStudioProcess(folder / "data") as process:
        yield process


@pytest.fixture(scope="session")
def server(label_studio: Any) -> LabelStudioServer:
    return LabelStudioServer(label_studio.url, label_studio.admin_token)


@pytest.fixture(scope="session")
def reviewer_token(label_studio: Any) -> str:
    return str(label_studio.add_user("reviewer@example.com"))


@dataclass
class Digits:
    """A dataset of threes, eights and nines with known label errors."""

    dataset: Any
    truth: dict[str, str]

    @property
    def wrong(self) -> set[str]:
        given = dict(zip(*self.dataset.values(["id", "ground_truth.label"]), strict=True))
        return {i for i, label in given.items() if label != self.truth[i]}


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    rows = np.flatnonzero(np.isin(data.target, [3, 8, 9]))[: N_TRAIN + N_TEST]
    files = []
    for row in rows:
        path = folder / f"{row:04d}.png"
        pixels = (255 - data.images[row] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(path)
        files.append((path, str(data.target[row]), data.data[row].astype(np.float32)))
    return files


@pytest.fixture
def digits(digit_files: list[tuple[Path, str, np.ndarray]]) -> Iterator[Digits]:
    """240 training images, 15 % of them labeled as another class, and 80 right test images."""
    import fiftyone as fo

    rng = np.random.default_rng(0)
    dataset = fo.Dataset(f"test-{uuid4().hex}")
    samples, truths = [], []
    for index, (path, label, vector) in enumerate(digit_files):
        test = index >= N_TRAIN
        given = label
        if not test and rng.random() < WRONG:
            given = rng.choice([name for name in ("3", "8", "9") if name != label])
        samples.append(
            fo.Sample(
                filepath=str(path),
                tags=["test" if test else "train", "mine"],
                ground_truth=fo.Classification(label=str(given), source="camera 2"),
                pixels=vector,
            )
        )
        truths.append(label)
    ids = dataset.add_samples(samples)
    yield Digits(dataset, dict(zip(ids, truths, strict=True)))
    dataset.delete()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state dict of a ResNet18 that has learned nothing."""
    import torch
    from torchvision import models

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return path


class KilledError(BaseException):
    """Stands for the death of the process: nothing but this file catches it."""


_WRITES = (
    "insert_one",
    "insert_many",
    "update_one",
    "update_many",
    "replace_one",
    "bulk_write",
    "delete_one",
    "delete_many",
)
KilledAtWrite = Callable[[int], AbstractContextManager[list[str]]]


@pytest.fixture
def killed_at_write() -> KilledAtWrite:
    """Return a context in which the process dies at a database write.

    It takes the number of the write, from 0, and gives a list that says which one that was; the
    list stays empty when there are fewer. The lock is let go as usual: a process that is dead
    holds it for minutes, and nobody wants to wait.
    """

    @contextmanager
    def context(step: int) -> Iterator[list[str]]:
        calls = itertools.count()
        killed: list[str] = []

        def dying(name: str) -> Any:
            write = getattr(Collection, name)

            def call(self: Any, *args: Any, **options: Any) -> Any:
                if self.name != "execution_store" and next(calls) >= step:
                    killed.append(f"{name} in {self.name}")
                    raise KilledError
                return write(self, *args, **options)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in _WRITES:
                patch.setattr(Collection, name, dying(name))
            try:
                yield killed
            except KilledError:
                assert killed

    return context
