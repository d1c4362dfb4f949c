"""Chunked linear algebra: standardising, hashing and factorising without a second copy."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.intp]
Result = TypeVar("Result")

CHUNK_BYTES = 4 * 2**20  # of one float32 temporary: stays in the cache, large enough for BLAS


def row_chunks(n_rows: int, width: int, n_bytes: int = CHUNK_BYTES) -> Iterator[slice]:
    """Slices of rows whose float32 block of `width` columns stays near `n_bytes`."""
    step = max(64, n_bytes // (4 * max(1, width)))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def map_rows(
    function: Callable[[slice], Result], n_rows: int, width: int, n_bytes: int = CHUNK_BYTES
) -> Iterator[Result]:
    """Results of a function of `row_chunks`, in order, computed by one thread a core.

    Faster than threads inside BLAS, which leave the work between two products to one core; call it
    with BLAS limited to one thread. A few chunks are in flight at a time, so memory stays bounded.
    """
    chunks = list(row_chunks(n_rows, width, n_bytes))
    n_threads = min(thread_count(), len(chunks))
    if n_threads <= 1:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[Result]] = deque()
        for rows in chunks:
            pending.append(pool.submit(function, rows))
            if len(pending) > n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def thread_count() -> int:
    """Cores this process may use, or fewer when OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores or 1, int(wanted)) if wanted.isdigit() and int(wanted) else cores or 1


def moments(X: NDArray[Any], weight: Float) -> tuple[Float, Float]:
    """Weighted mean and standard deviation of each column over rows with weight > 0.

    Two passes, so that a large mean does not drown a small spread. A constant column gets an
    infinite scale, which standardises it to 0.
    """
    total = weight.sum()
    mean = np.zeros(X.shape[1])
    for rows in row_chunks(*X.shape):
        live = weight[rows] > 0
        mean += weight[rows][live] @ np.asarray(X[rows][live], dtype=np.float64)
    mean /= total
    variance = np.zeros(X.shape[1])
    for rows in row_chunks(*X.shape):
        live = weight[rows] > 0
        centred = np.asarray(X[rows][live], dtype=np.float64) - mean
        variance += weight[rows][live] @ np.square(centred, out=centred)
    scale = np.sqrt(variance / total)
    # Rounding leaves a constant column with a spread of about eps * |mean|.
    scale[scale <= 1e-6 * np.abs(mean) + 1e-12] = np.inf
    return mean, scale


def standardise(
    X: NDArray[Any], mean: Float, scale: Float, rows: Int | slice | None = None
) -> Float32:
    """Rows of X as float32 features: standardised columns, then a column of ones."""
    chosen = np.arange(X.shape[0])[rows if rows is not None else slice(None)]
    features = np.empty((len(chosen), X.shape[1] + 1), dtype=np.float32)
    mean32, inverse = mean.astype(np.float32), (1 / scale).astype(np.float32)

    def fill(part: slice) -> None:
        block = features[part, :-1]
        np.subtract(X[chosen[part]], mean32, out=block, dtype=np.float32, casting="same_kind")
        block *= inverse

    for _ in map_rows(fill, len(chosen), X.shape[1]):
        pass
    features[:, -1] = 1.0
    return features


def gram(features: Float32, weight: Float) -> Float:
    """Weighted Gram matrix ΦᵀWΦ, shape (d, d)."""
    total = np.zeros((features.shape[1],) * 2)

    def product(rows: slice) -> Float32:
        block = features[rows] * np.sqrt(weight[rows, None]).astype(np.float32)
        return np.asarray(block.T @ block)

    for part in map_rows(product, *features.shape):
        total += part
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Böhning's bound M(λ) = ½ΦᵀWΦ + λI on the softmax Hessian, factorised once for every λ.

    Attributes
    ----------
    values : array of shape (d,)
        Eigenvalues of ½ΦᵀWΦ.
    vectors : array of shape (d, d)
        Its eigenvectors, in columns.
    """

    values: Float
    vectors: Float

    @classmethod
    def of(cls, features: Float32, weight: Float) -> Bound:
        """The bound of weighted features, shapes (n, d) and (n,)."""
        values, vectors = eigh(0.5 * gram(features, weight), check_finite=False)
        return cls(np.maximum(values, 0), vectors)

    def factor(self, penalty: float) -> Float:
        """R of shape (d, d) with M(penalty)⁻¹ = R Rᵀ."""
        factor: Float = self.vectors / np.sqrt(self.values + penalty)
        return factor

    def inverse_factor(self, penalty: float) -> Float:
        """R⁻¹, see `factor`."""
        inverse: Float = np.sqrt(self.values + penalty)[:, None] * self.vectors.T
        return inverse


def row_hash(X: NDArray[Any], seed: int) -> NDArray[np.uint64]:
    """One pseudo-random 64-bit number a row, from the row's content and the seed only.

    Used wherever rows are split or drawn: the result does not depend on the order of the rows, and
    identical rows always land on the same side. Multilinear hash of the float32 bits (Carter and
    Wegman 1979), then the finaliser of splitmix64 (Steele, Lea, Flood 2014).
    """
    factors = np.random.default_rng(seed).integers(0, 2**63, size=X.shape[1], dtype=np.uint64)
    factors = 2 * factors + np.uint64(1)
    result: NDArray[np.uint64] = np.empty(X.shape[0], dtype=np.uint64)
    for rows in row_chunks(X.shape[0], 2 * X.shape[1]):
        values = X[rows].astype(np.float32) + np.float32(0)  # −0 and 0 are the same number
        result[rows] = (values.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64)
    result = (result ^ (result >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    result = (result ^ (result >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return result ^ (result >> np.uint64(31))
