"""Rows for the benchmarks: embeddings, the labels to check, and what is known to be true."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LabeledRows:
    """Embeddings with labels of known quality.

    Attributes
    ----------
    name : str
    embeddings : float array of shape (n, d)
    labels : int array of shape (n,)
        To be checked.
    wrong : bool array of shape (n,)
    judged : bool array of shape (n,)
        Rows whose true label is known; only they count in a measure.
    true : int array of shape (n,)
        The true class, of several the first; -1 where it is not known or no label names it.
    """

    name: str
    embeddings: np.ndarray
    labels: np.ndarray
    wrong: np.ndarray
    judged: np.ndarray
    true: np.ndarray


def rows_of(name: str, embeddings: np.ndarray, labels: Any, true: Any) -> LabeledRows:
    """Compare labels with true ones: several separated by "|" are all right, "" is not known."""
    given, accepted = np.asarray(labels).astype(str), np.asarray(true).astype(str)
    judged = accepted != ""
    pairs = zip(given, accepted, strict=True)
    wrong = np.array([label not in truth.split("|") for label, truth in pairs]) & judged
    classes, labels = np.unique(given, return_inverse=True)
    first = np.array([truth.split("|")[0] for truth in accepted])
    place = np.minimum(np.searchsorted(classes, first), len(classes) - 1)
    true_class = np.where(classes[place] == first, place, -1)
    return LabeledRows(name, embeddings, labels, wrong, judged, true_class)


def digits_with_noise(rate: float = 0.1) -> list[LabeledRows]:
    """Scikit-learn's digits, pixels as embeddings, with three kinds of made-up label noise."""
    from sklearn.datasets import load_digits

    X, true = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    sets = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        flipped = rng.random(len(true)) < rate
        pair = np.where(flipped, (true + 1) % 10, true)
        shift = rng.integers(1, 10, len(true))
        symmetric = np.where(rng.random(len(true)) < rate, (true + shift) % 10, true)
        for kind, labels in (
            ("pair", pair),
            ("symmetric", symmetric),
            ("instance", _instance_noise(X, true, 1.5 * rate, rng)),
        ):
            sets.append(rows_of(f"digits, {kind} noise, seed {seed}", X, labels, true))
    return sets


def _instance_noise(
    X: np.ndarray, true: np.ndarray, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """Labels that go wrong depending on the image: after Xia et al. 2020, algorithm 2."""
    features = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    n_classes = int(true.max()) + 1
    flip = np.clip(rng.normal(rate, 0.1, len(true)), 0, 1)
    projection = rng.standard_normal((n_classes, X.shape[1], n_classes))
    labels = true.copy()
    for i, t in enumerate(true):
        logit = features[i] @ projection[t]
        logit[t] = -np.inf
        share = np.exp(logit - logit.max())
        if rng.random() < flip[i]:
            labels[i] = rng.choice(n_classes, p=share / share.sum())
    return labels


def embed_parquet(data: Path, weights: Path | None, image_size: int | None) -> np.ndarray:
    """ResNet18 embeddings of the JPEGs in a parquet file's column `jpeg`, in its order."""
    import pyarrow.parquet as pq
    from tqdm import tqdm

    from coreset_cleaning.embedding.extractor import extract
    from coreset_cleaning.embedding.networks import load_network

    network = load_network("resnet18", weights=weights, image_size=image_size)
    jpegs = pq.read_table(data, columns=["jpeg"]).column("jpeg").to_pylist()
    vectors = np.empty((len(jpegs), network.dim), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{i}.jpg") for i in range(len(jpegs))]
        for path, jpeg in zip(paths, jpegs, strict=True):
            Path(path).write_bytes(jpeg)
        with tqdm(total=len(paths), desc="Embedding", unit="image") as bar:
            for indices, batch, failures in extract(network, paths):
                if failures:
                    raise SystemExit(f"{data}, row {failures[0][0]}: {failures[0][1]}")
                vectors[indices] = batch
                bar.update(len(indices))
    return vectors


def read_columns(data: Path, *names: str) -> list[np.ndarray]:
    """Columns of an NPZ or a parquet file."""
    if data.suffix == ".npz":
        with np.load(data) as arrays:
            missing = [name for name in names if name not in arrays]
            if missing:
                raise SystemExit(f"{data}: holds {', '.join(arrays)}; got {', '.join(missing)}")
            return [arrays[name] for name in names]
    import pyarrow.parquet as pq

    table = pq.read_table(data, columns=list(names))
    return [np.asarray(table.column(name).to_pylist()) for name in names]
