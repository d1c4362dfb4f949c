"""Embeddings of real files in a real database: killed and resumed, unreadable, by any model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from coreset_cleaning import CleaningLoop
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.embedding.networks import load_network
from coreset_cleaning.store.vectors import read_vectors

FIELD = "resnet18_embedding"
N, BATCH = 40, 4


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Any]:
    dataset = fo.Dataset()
    add_images(dataset, tmp_path, N)
    yield dataset
    dataset.delete()


def add_images(dataset: Any, folder: Path, n: int) -> None:
    rng = np.random.default_rng(len(dataset))
    samples = []
    for _ in range(n):
        path = folder / f"{len(dataset) + len(samples):03d}.png"
        Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((48, 40)).save(path)
        samples.append(
            fo.Sample(
                filepath=str(path),
                uri=path.as_uri(),
                ground_truth=fo.Classification(label="a"),
            )
        )
    dataset.add_samples(samples)


# Counts every image that goes through the network and dies inside the sixth batch.
KILLED = """
import os, signal, sys
import fiftyone as fo
from coreset_cleaning import CleaningLoop
from coreset_cleaning.embedding import extractor

name, weights, count = sys.argv[1:]
call = extractor.Forward.__call__

def counted(self, pixels):
    done = os.path.getsize(count) if os.path.exists(count) else 0
    with open(count, "a") as file:
        file.write("x" * len(pixels))
    vectors = call(self, pixels)
    if done >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return vectors

extractor.Forward.__call__ = counted
CleaningLoop(fo.load_dataset(name)).compute_embeddings(
    weights=weights, image_size=32, batch_size=4)
"""


def test_a_killed_run_goes_on_where_it_was(
    images: Any, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coreset_cleaning.embedding import extractor

    count = tmp_path / "count"
    command = [sys.executable, "-c", KILLED, images.name, str(weights), str(count)]
    assert subprocess.run(command, check=False, env=os.environ).returncode == -signal.SIGKILL
    images.reload()
    _, before, missing = read_vectors(images, FIELD)
    # Five batches are in the database; the sixth was computed and lost.
    assert (count.stat().st_size, int((~missing).sum())) == (24, 20)

    passed = []
    call = extractor.Forward.__call__
    monkeypatch.setattr(
        extractor.Forward, "__call__", lambda self, p: passed.append(len(p)) or call(self, p)
    )
    options = {"weights": weights, "image_size": 32, "batch_size": BATCH}
    report = CleaningLoop(images).compute_embeddings(**options)
    assert (report.computed, report.present) == (N - 20, 20)
    assert count.stat().st_size + sum(passed) == N + BATCH
    _, after, missing = read_vectors(images, FIELD)
    assert not missing.any()
    np.testing.assert_array_equal(after[:20], before[:20])
    CleaningLoop(images, embeddings_field="whole").compute_embeddings(**options)
    np.testing.assert_allclose(after, read_vectors(images, "whole")[1], rtol=1e-5, atol=1e-6)

    passed.clear()
    add_images(images, tmp_path, 3)
    report = CleaningLoop(images).compute_embeddings(**options)
    assert (report.computed, report.present, sum(passed)) == (3, N, 3)


def test_unreadable_images_are_skipped_counted_named_and_tagged(images: Any, weights: Path) -> None:
    paths = images.values("filepath")
    whole = Path(paths[1]).read_bytes()
    Path(paths[0]).write_bytes(b"")
    Path(paths[1]).write_bytes(whole[: len(whole) // 2])
    Path(paths[2]).write_text("no image")
    Path(paths[3]).unlink()
    Image.new("CMYK", (9, 9)).save(paths[4], format="JPEG")
    Image.new("I;16", (1, 1), 40_000).save(paths[5])
    Image.new("P", (20_000, 2)).save(paths[6])
    loop = CleaningLoop(images)
    report = loop.compute_embeddings(weights=weights, image_size=32)
    assert (report.computed, report.present) == (N - 4, 0)
    assert [path for path, _ in report.unreadable] == paths[:4]
    assert "4 images are unreadable (tag cleaning:unreadable)" in str(report)
    assert images.match_tags("cleaning:unreadable").values("filepath") == paths[:4]
    assert read_vectors(images, FIELD)[2].nonzero()[0].tolist() == [0, 1, 2, 3]
    # Once the files are mended, they alone are computed, and the tag goes.
    for path in paths[:4]:
        Image.new("RGB", (40, 40)).save(path)
    report = loop.compute_embeddings(weights=weights, image_size=32)
    assert (report.computed, report.present, report.unreadable) == (4, N - 4, [])
    assert not len(images.match_tags("cleaning:unreadable"))


def test_what_decides_the_vectors_is_on_record_and_nothing_else_mixes_in(
    images: Any, weights: Path
) -> None:
    loop = CleaningLoop(images)
    loop.compute_embeddings(weights=weights, image_size=32)
    record = loop.recorded_network()
    network = load_network("resnet18", weights, 32)
    assert {key: record[key] for key in network.describe()} == network.describe()
    assert record["precision"] in ("float32", "bfloat16")
    with pytest.raises(DataError, match=r"holds vectors of resnet18 .* must not be mixed in"):
        loop.compute_embeddings(weights=weights, image_size=64)
    loop.compute_embeddings(weights=weights, image_size=32)
    assert loop.recorded_network() == record
    loop.compute_embeddings(weights=weights, image_size=64, overwrite=True)
    assert loop.recorded_network() != record
    images.set_values("mine", [np.ones(3)] * N)
    with pytest.raises(DataError, match="vectors of a source that is not on record"):
        CleaningLoop(images, embeddings_field="mine").compute_embeddings(weights=weights)


def test_images_at_uris(images: Any, weights: Path) -> None:
    options = {"weights": weights, "image_size": 32}
    CleaningLoop(images).compute_embeddings(**options)
    images.set_field("filepath", "nowhere.png").save()
    CleaningLoop(images, embeddings_field="uris").compute_embeddings(path_field="uri", **options)
    np.testing.assert_array_equal(read_vectors(images, "uris")[1], read_vectors(images, FIELD)[1])
    with pytest.raises(DataError, match=r"must be a string field, got 'url' \(its string fields"):
        CleaningLoop(images).compute_embeddings(path_field="url", **options)


def zoo_like_model(dataset: Any) -> Any:
    """A model of FiftyOne's own class, as its zoo gives them, without a download."""
    from fiftyone.utils.torch import TorchImageModel, TorchImageModelConfig

    torch.manual_seed(0)
    return TorchImageModel(
        TorchImageModelConfig(
            {
                "model": models.resnet18(weights=None).eval(),
                "image_size": [32, 32],
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
                "embeddings_layer": "<fc",
            }
        )
    )


def test_a_model_of_fiftyone_gives_what_fiftyone_computes_with_it(images: Any) -> None:
    model = zoo_like_model(images)
    Path(images.first().filepath).write_bytes(b"")
    report = CleaningLoop(images).compute_embeddings(model)
    assert (report.model, report.computed) == ("TorchImageModel", N - 1)
    assert report.unreadable == [(images.first().filepath, "the file is empty (0 bytes)")]
    images[1:].compute_embeddings(model, embeddings_field="theirs")
    ours = read_vectors(images[1:], FIELD)[1]
    theirs = read_vectors(images[1:], "theirs")[1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    record = CleaningLoop(images).recorded_network()
    assert len(record["weights_hash"]) == 16
    assert "Normalize" in record["preprocessing"]
    with torch.no_grad():
        model._model.fc.bias += 1
    with pytest.raises(DataError, match="must not be mixed in"):
        CleaningLoop(images).compute_embeddings(model)


class Mean:
    """The least a model needs."""

    def embed(self, image: np.ndarray) -> np.ndarray:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        return image.mean(axis=(0, 1))


def test_an_object_with_embed_will_do_and_others_are_refused(images: Any) -> None:
    loop = CleaningLoop(images, embeddings_field="mean")
    assert loop.compute_embeddings(Mean(), batch_size=7).computed == N
    pixels = np.asarray(Image.open(images.last().filepath), np.float32)
    np.testing.assert_allclose(read_vectors(images, "mean")[1][-1], pixels.mean((0, 1)), rtol=1e-6)
    with pytest.raises(DataError, match="or an object with embed or embed_all"):
        loop.compute_embeddings(3)
    with pytest.raises(DataError, match="weights must be used with the name of a network"):
        loop.compute_embeddings(Mean(), "weights.pth")
    with pytest.raises(DataError, match="engine=ray must be used with the name of a network"):
        loop.compute_embeddings(Mean(), engine="ray")
