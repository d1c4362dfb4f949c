"""Embeddings and importance on a real Ray cluster of two workers, some of which are killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from coreset_cleaning import CleaningLoop
from coreset_cleaning.core.errors import CleaningError, DataError
from coreset_cleaning.core.scoring.linalg import moments
from coreset_cleaning.core.scoring.rows import gather, take
from coreset_cleaning.ray.cluster import Database
from coreset_cleaning.ray.rows import RayRows, aligned, even_bounds
from coreset_cleaning.store.vectors import read_vectors
from ray_cluster import RayCluster
from support.benchmarks import run_tiny

N, D, K = 2_500, 512, 12  # three chunks of rows, so that two actors share them unevenly
SCORES = ("coreset_importance", "knn_disagreement", "training_influence")


def test_the_benchmark_runs_tiny(tmp_path: Path) -> None:
    """The first of all: its cluster must not meet that of the others."""
    run_tiny("ray", tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster(num_cpus=2) as running:
        yield running


@pytest.fixture(scope="module")
def vectors() -> Iterator[Any]:
    rng = np.random.default_rng(0)
    centres, true = rng.standard_normal((K, D)), rng.integers(0, K, N)
    given = np.where(rng.random(N) < 0.1, (true + 1) % K, true)
    # Nothing negative: what the score sees of activations is computed where the rows are.
    X = np.exp(0.3 * centres[true] + 1.2 * rng.standard_normal((N, D))).astype(np.float32)
    dataset = fo.Dataset()
    dataset.add_samples(
        fo.Sample(filepath=f"{i}.jpg", ground_truth=fo.Classification(label=f"c{label}"), vector=x)
        for i, (x, label) in enumerate(zip(X, given, strict=True))
    )
    yield dataset
    dataset.delete()


def scored(dataset: Any, **options: Any) -> tuple[CleaningLoop, dict[str, np.ndarray]]:
    loop = CleaningLoop(dataset, embeddings_field="vector")
    loop.compute_importance(**options)
    return loop, {field: np.array(dataset.values(field)) for field in SCORES}


def kill_one(cluster: RayCluster, title: str, killed: list[int]) -> None:
    workers = cluster.workers(title)
    assert workers, f"no worker {title}"
    workers[0].kill()
    workers[0].wait(timeout=30)
    killed.append(workers[0].pid)


def test_importance_is_that_of_one_machine_although_a_worker_is_killed(
    cluster: RayCluster, vectors: Any
) -> None:
    here, expected = scored(vectors)
    killed: list[int] = []

    def progress(fraction: float, message: str) -> None:
        if message in ("fitting", "scoring"):
            kill_one(cluster, "Shard", killed)

    vectors.reload()
    there, found = scored(vectors, engine="ray", num_workers=2, progress=progress)
    assert len(killed) == 2
    for field in SCORES:
        np.testing.assert_allclose(found[field], expected[field], rtol=1e-4, atol=1e-7)
    # The next call starts from the last fit there as here.
    there.compute_importance(engine="ray", num_workers=2)
    again = np.array(vectors.values("coreset_importance"))
    here.compute_importance()
    np.testing.assert_allclose(again, vectors.values("coreset_importance"), rtol=1e-4, atol=1e-7)
    assert not cluster.workers("Shard")


def test_rows_come_back_in_order_and_as_they_are(cluster: RayCluster, vectors: Any) -> None:
    ids, X, _ = read_vectors(vectors, "vector")
    rows = RayRows.of_field(vectors, "vector", ids, num_workers=2)
    try:
        assert rows.shape == X.shape
        order = np.random.default_rng(1).permutation(N)[:700]
        np.testing.assert_array_equal(gather(rows, order), X[order])
        few = np.flatnonzero(np.random.default_rng(2).random(N) < 0.6)
        part = take(take(rows, few), np.arange(0, len(few), 3))
        np.testing.assert_array_equal(gather(part, np.arange(part.shape[0])), X[few[::3]])
        everywhere, here = moments(rows, np.ones(N)), moments(X, np.ones(N))
        np.testing.assert_allclose(everywhere, here, rtol=1e-12)
    finally:
        rows.close()


def test_rows_are_cut_where_chunks_end() -> None:
    assert even_bounds(10_000, 2, 1024).tolist() == [0, 5120, 10_000]
    assert even_bounds(500, 8, 1024).tolist() == [0, 500]
    assert even_bounds(3_000, 8, 1024).tolist() == [0, 1024, 2048, 3000]
    assert aligned(np.array([0, 700, 1800]), 1024).tolist() == [0, 1024, 1800]


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(600):
        path = tmp_path / f"{i:03d}.png"
        Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((48, 40)).save(path)
        samples.append(fo.Sample(filepath=str(path), ground_truth=fo.Classification(label="a")))
    (tmp_path / "007.png").write_bytes(b"")
    dataset = fo.Dataset()
    dataset.add_samples(samples)
    yield dataset
    dataset.delete()


def test_embeddings_are_complete_and_right_although_a_worker_is_killed(
    cluster: RayCluster, images: Any, weights: Path
) -> None:
    killed: list[int] = []

    def progress(fraction: float, message: str) -> None:
        if not killed:
            kill_one(cluster, "MapWorker", killed)

    options = {"weights": weights, "image_size": 32}
    loop = CleaningLoop(images)
    report = loop.compute_embeddings(**options, engine="ray", num_workers=2, progress=progress)
    assert len(killed) == 1
    assert (report.computed, report.present, len(report.unreadable)) == (599, 0, 1)
    assert report.unreadable[0][0].endswith("007.png")
    assert images.match_tags("cleaning:unreadable").values("filepath") == [report.unreadable[0][0]]
    record = loop.recorded_network()
    assert record["weights_hash"]
    assert record["precision"] in ("float32", "bfloat16")

    CleaningLoop(images, embeddings_field="here").compute_embeddings(**options)
    _, there, missing = read_vectors(images, loop.labels.embeddings_field)
    _, here, _ = read_vectors(images, "here")
    assert missing.sum() == 1
    there, here = there[~missing], here[~missing]
    cosine = (there * here).sum(1) / np.linalg.norm(there, axis=1) / np.linalg.norm(here, axis=1)
    assert cosine.min() > 0.9999

    again = loop.compute_embeddings(**options, engine="ray", num_workers=2)
    assert (again.computed, again.present) == (0, 599)


def test_an_error_in_a_worker_is_told_as_here(cluster: RayCluster, vectors: Any) -> None:
    with pytest.raises(DataError, match="lost their vector in 'vector', or were deleted"):
        RayRows.of_field(vectors, "vector", [vectors.first().id, "f" * 24] * 800, num_workers=2)


def test_a_cluster_that_is_not_there_is_named(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from coreset_cleaning.ray.cluster import connect

    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(CleaningError, match=r"there is none at RAY_ADDRESS=127\.0\.0\.1:1"):
        connect()


def test_the_database_address_is_not_shown(cluster: RayCluster) -> None:
    database = Database({"FIFTYONE_DATABASE_URI": "mongodb://user:secret@127.0.0.1"})
    assert "secret" not in repr(database)
    assert os.environ["RAY_ADDRESS"] == cluster.address


def test_engine_and_model_are_checked_first(vectors: Any) -> None:
    loop = CleaningLoop(vectors, embeddings_field="vector")
    with pytest.raises(DataError, match="engine must be one of local, ray, got 'spark'"):
        loop.compute_importance(engine="spark")
    with pytest.raises(DataError, match="engine must be one of local, ray, got 'spark'"):
        loop.compute_embeddings(engine="spark")
