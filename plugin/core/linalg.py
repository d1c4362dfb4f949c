"""Chunked linear algebra: standardising, hashing and factorising without a second copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

CHUNK_BYTES = 32 * 2**20  # of one float32 temporary: fits memory limits, keeps BLAS busy


def row_chunks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of rows whose float32 block of `width` columns stays near `CHUNK_BYTES`."""
    step = max(64, CHUNK_BYTES // (4 * max(1, width)))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def moments(X: NDArray[Any], weight: Float) -> tuple[Float, Float]:
    """Weighted mean and standard deviation of each column over rows with weight > 0.

    Two passes, so that a large mean does not drown a small spread. A constant column gets scale 1.
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


def standardise(X: NDArray[Any], mean: Float, scale: Float) -> Float32:
    """Rows of X as float32 features: standardised columns, then a column of ones."""
    features = np.empty((X.shape[0], X.shape[1] + 1), dtype=np.float32)
    np.subtract(X, mean.astype(np.float32), out=features[:, :-1], casting="same_kind")
    features[:, :-1] /= scale.astype(np.float32)
    features[:, -1] = 1.0
    return features


def gram(features: Float32, weight: Float) -> Float:
    """Weighted Gram matrix ΦᵀWΦ, shape (d, d)."""
    total = np.zeros((features.shape[1],) * 2)
    for rows in row_chunks(*features.shape):
        block = features[rows] * np.sqrt(weight[rows, None]).astype(np.float32)
        total += block.T @ block
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
        values, vectors = eigh(0.5 * gram(features, weight))
        return cls(np.maximum(values, 0), vectors)

    def factor(self, penalty: float) -> Float:
        """R of shape (d, d) with M(penalty)⁻¹ = R Rᵀ."""
        factor: Float = self.vectors / np.sqrt(self.values + penalty)
        return factor


def row_hash(X: NDArray[Any], seed: int, n_columns: int = 64) -> NDArray[np.uint64]:
    """One pseudo-random 64-bit number a row, from the row's content and the seed only.

    Used wherever rows are split or drawn: the result does not depend on the order of the rows, and
    identical rows always land on the same side.
    """
    columns = np.unique(np.linspace(0, X.shape[1] - 1, min(n_columns, X.shape[1])).astype(int))
    rng = np.random.default_rng(seed)
    factors = rng.integers(1, 2**63, size=len(columns), dtype=np.uint64) | np.uint64(1)
    result = np.empty(X.shape[0], dtype=np.uint64)
    for rows in row_chunks(X.shape[0], 2 * X.shape[1]):
        values = np.ascontiguousarray(X[rows][:, columns], dtype=np.float32) + np.float32(0)
        bits = values.view(np.uint32).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        result[rows] = (_mix(bits) * factors).sum(axis=1, dtype=np.uint64)
    return _mix(result)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
