"""Chunked linear algebra: standardising, hashing and factorising without a second copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from .rows import Float, Float32, Int, Partial, RowStore, map_rows, row_chunks, run_rows

__all__ = [
    "Bound",
    "Float",
    "Float32",
    "Int",
    "gram",
    "moments",
    "row_hash",
    "standardise",
    "unit_rows",
]


def moments(X: Any, weight: Float) -> tuple[Float, Float]:
    """Weighted mean and standard deviation of each column over rows with weight > 0.

    Two passes, so that a large mean does not drown a small spread. A constant column gets an
    infinite scale, which standardises it to 0.
    """
    total = weight.sum()
    (mean,), _ = run_rows(_weighted_sum, X, (weight,))
    mean /= total
    (variance,), _ = run_rows(_weighted_squares, X, (weight,), (mean,))
    scale = np.sqrt(variance / total)
    # Rounding leaves a constant column with a spread of about eps * |mean|.
    scale[scale <= 1e-6 * np.abs(mean) + 1e-12] = np.inf
    return mean, scale


def _weighted_sum(block: NDArray[Any], weight: Float) -> Partial:
    live = weight > 0
    return (weight[live] @ np.asarray(block[live], dtype=np.float64),), ()


def _weighted_squares(block: NDArray[Any], weight: Float, mean: Float) -> Partial:
    live = weight > 0
    centred = np.asarray(block[live], dtype=np.float64) - mean
    return (weight[live] @ np.square(centred, out=centred),), ()


def standardise(X: Any, mean: Float, scale: Float, rows: Int | slice | None = None) -> Any:
    """Rows of X as float32 features: standardised columns, then a column of ones.

    Of an array, an array; of a row store, another one, whose rows lie where its rows do.
    """
    chosen = np.arange(X.shape[0])[rows if rows is not None else slice(None)]
    if isinstance(X, RowStore):
        return X.derive(standardise, (mean, scale), chosen)
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


def gram(features: Any, weight: Float) -> Float:
    """Weighted Gram matrix ΦᵀWΦ, shape (d, d)."""
    (total,), _ = run_rows(_gram, features, (weight,))
    return total


def _gram(features: Float32, weight: Float) -> Partial:
    block = features * np.sqrt(weight[:, None]).astype(np.float32)
    return (block.T @ block,), ()


def unit_rows(X: NDArray[Any], directions: Float32 | None = None) -> Float32:
    """Rows, in the given directions, scaled to length 1; a zero row stays zero."""
    width = X.shape[1] if directions is None else directions.shape[1]
    result = np.empty((len(X), width), dtype=np.float32)
    for part in row_chunks(len(X), X.shape[1]):
        block = np.asarray(X[part], dtype=np.float32)
        # Scaling by the largest entry first keeps the squares from overflowing.
        peak = np.abs(block).max(axis=1, keepdims=True)
        block = block / np.where(peak > 0, peak, 1)
        block = block if directions is None else block @ directions
        norm = np.sqrt(np.einsum("ij,ij->i", block, block))
        result[part] = block / np.where(norm > 0, norm, 1)[:, None]
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Böhning's bound M(λ) = ½ΦᵀWΦ + λI on the softmax Hessian, factorised once for every λ.

    Coordinates u with θ = u·Rᵀ, where R Rᵀ = M(λ)⁻¹, remove the conditioning of the features.

    Attributes
    ----------
    values : array of shape (d,)
        Eigenvalues of ½ΦᵀWΦ.
    vectors : array of shape (d, d) or None
        Its eigenvectors, in columns; None where the features lie along them.
    """

    values: Float
    vectors: Float | None

    @classmethod
    def of(cls, features: Any, weight: Float) -> Bound:
        """The bound of weighted features, shapes (n, d) and (n,)."""
        values, vectors = eigh(0.5 * gram(features, weight), check_finite=False)
        return cls(np.maximum(values, 0), vectors)

    def along(self, features: Float32) -> Float32:
        """Features in the directions of the eigenvectors."""
        return features if self.vectors is None else features @ self.vectors.astype(np.float32)

    def to_scaled(self, coef: Float, penalty: float) -> Float:
        """Coordinates of coefficients, shape (K, d)."""
        turned = coef if self.vectors is None else coef @ self.vectors
        scaled: Float = turned * np.sqrt(self.values + penalty)
        return scaled

    def from_scaled(self, scaled: Float, penalty: float) -> Float:
        """Coefficients at some coordinates, shape (K, d)."""
        turned: Float = scaled / np.sqrt(self.values + penalty)
        return turned if self.vectors is None else turned @ self.vectors.T

    def scaled_gradient(self, gradient: Float, penalty: float) -> Float:
        """Gradient in the coordinates, of one in the coefficients."""
        turned = gradient if self.vectors is None else gradient @ self.vectors
        scaled: Float = turned / np.sqrt(self.values + penalty)
        return scaled


def row_hash(X: Any, seed: int) -> NDArray[np.uint64]:
    """One pseudo-random 64-bit number a row, from the row's content and the seed only.

    Used wherever rows are split or drawn: the result does not depend on the order of the rows, and
    identical rows always land on the same side. Multilinear hash of the float32 bits (Carter and
    Wegman 1979), then the finaliser of splitmix64 (Steele, Lea, Flood 2014).
    """
    factors = np.random.default_rng(seed).integers(0, 2**63, size=X.shape[1], dtype=np.uint64)
    factors = 2 * factors + np.uint64(1)
    result: NDArray[np.uint64]
    _, (result,) = run_rows(_multilinear, X, (), (factors,), width=2 * X.shape[1])
    result = (result ^ (result >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    result = (result ^ (result >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = result ^ (result >> np.uint64(31))
    return mixed


def _multilinear(block: NDArray[Any], factors: NDArray[np.uint64]) -> Partial:
    values = block.astype(np.float32) + np.float32(0)  # −0 and 0 are the same number
    return (), ((values.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64),)
