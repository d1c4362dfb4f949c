"""Softmax regression, with or without a label noise channel, by preconditioned L-BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array

from .linalg import Bound, Float, Float32, Int
from .rows import Partial, gather, run_rows

SHRINKAGE = 0.1  # of the within-class variance, as share of that of an average direction
SCALE_ROWS = 4_000  # that choose the scale of a discriminant
SCALES = (-5.0, 2.0)  # natural logarithms
TINY = np.finfo(np.float32).tiny


def softmax(logits: Float32) -> Float32:
    """Row-wise softmax, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def loss_and_gradient(
    features: Any, labels: Int, weight: Float, coef: Float, channel: Float | None
) -> tuple[float, Float]:
    """Weighted negative log-likelihood of the given labels and its gradient.

    Without a channel p(given y | x) = p_θ(y|x); with one it is Σ_t p_θ(t|x)·T[t, y], whose gradient
    is that of the EM step at the current θ: Σ w (p − q) φ.

    Parameters
    ----------
    features : array or RowStore of shape (n, d)
    labels : int array of shape (n,), in 0..K-1
    weight : array of shape (n,)
    coef : array of shape (K, d)
    channel : array of shape (K, K), rows true and columns given class, or None
    """
    coef32 = coef.astype(np.float32)
    by_given = None if channel is None else np.ascontiguousarray(channel.T, dtype=np.float32)
    (loss, gradient), _ = run_rows(
        _loss_and_gradient,
        features,
        (labels, weight),
        (coef32, by_given),
        width=max(features.shape[1], len(coef)),
    )
    return float(loss), gradient


def _loss_and_gradient(
    block: Float32, given: Int, weight: Float, coef: Float32, by_given: Float32 | None
) -> Partial:
    p = softmax(block @ coef.T)
    index = np.arange(len(given))
    if by_given is None:
        likelihood = p[index, given]
        p[index, given] -= 1.0
    else:
        q = by_given[given]
        q *= p
        likelihood = q.sum(axis=1)
        q /= np.maximum(likelihood, TINY)[:, None]
        p -= q
    p *= weight[:, None].astype(np.float32)
    log_likelihood = np.log(np.maximum(likelihood, TINY).astype(np.float64))
    return (-float(weight @ log_likelihood), p.T @ block), ()


def log_loss(
    features: Any, labels: Int, weight: Float, coef: Float, channel: Float | None
) -> float:
    """Weighted negative log-likelihood of the given labels, see `loss_and_gradient`."""
    return loss_and_gradient(features, labels, weight, coef, channel)[0]


@dataclass(slots=True, eq=False)
class Lbfgs:
    """Limited-memory BFGS (Nocedal 1980) with backtracking, whose memory outlives one call.

    Keeping the curvature pairs lets an objective that changes a little between calls (a new noise
    channel) go on without starting from steepest descent again. The variables must be scaled so
    that a unit step of steepest descent is safe, as Böhning's bound does.
    """

    pairs: deque[tuple[Float, Float, float]] = field(default_factory=lambda: deque(maxlen=8))

    def minimise(
        self,
        objective: Callable[[Float], tuple[float, Float]],
        x: Float,
        max_iterations: int,
        tolerance: float,
    ) -> Float:
        """Return x after `max_iterations`, or earlier once the relative gain is below tolerance."""
        value, gradient = objective(x)
        for _ in range(max_iterations):
            direction = self._direction(gradient)
            slope = float(np.sum(direction * gradient))
            if slope >= 0:
                self.pairs.clear()
                direction = -gradient
                slope = -float(np.sum(gradient * gradient))
            step = 1.0
            while True:
                candidate = x + step * direction
                new_value, new_gradient = objective(candidate)
                if new_value <= value + 1e-4 * step * slope or step < 1e-4:
                    break
                step *= 0.4
            if new_value >= value:
                break
            change, turn = candidate - x, new_gradient - gradient
            curvature = float(np.sum(change * turn))
            if curvature > 1e-10 * float(np.sum(turn * turn)):
                self.pairs.append((change, turn, curvature))
            gain = value - new_value
            x, value, gradient = candidate, new_value, new_gradient
            if gain < tolerance * abs(value):
                break
        return x

    def _direction(self, gradient: Float) -> Float:
        direction = -gradient
        if not self.pairs:
            return direction
        shares = []
        for change, turn, curvature in reversed(self.pairs):
            share = float(np.sum(change * direction)) / curvature
            shares.append(share)
            direction -= share * turn
        _, turn, curvature = self.pairs[-1]
        direction *= curvature / float(np.sum(turn * turn))
        for (change, turn, curvature), share in zip(self.pairs, reversed(shares), strict=True):
            direction += (share - float(np.sum(turn * direction)) / curvature) * change
        return direction


def fit_softmax(
    features: Any,
    labels: Int,
    weight: Float,
    penalty: float,
    bound: Bound,
    coef: Float,
    channel: Float | None = None,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-5,
    optimiser: Lbfgs | None = None,
) -> Float:
    """Minimise Σ w f + (penalty/2)‖θ‖², starting at `coef`.

    Works in the coordinates of Böhning's bound on the Hessian: 10 to 20 iterations are enough.

    Parameters
    ----------
    penalty : float
        λ = 1/C.
    bound : Bound
        Of the same or similar features; it sets the speed, not the result.
    coef : array of shape (K, d)
        Start.
    tolerance : float
        Stop when an iteration lowers the objective by less than this share of it.
    optimiser : Lbfgs, optional
        To go on with the memory of an earlier call.

    Returns
    -------
    array of shape (K, d)
    """

    def objective(u: Float) -> tuple[float, Float]:
        theta = bound.from_scaled(u, penalty)
        loss, gradient = loss_and_gradient(features, labels, weight, theta, channel)
        loss += 0.5 * penalty * float(np.sum(theta * theta))
        return loss, bound.scaled_gradient(gradient + penalty * theta, penalty)

    start = bound.to_scaled(coef, penalty)
    fitted = (optimiser or Lbfgs()).minimise(objective, start, max_iterations, tolerance)
    return bound.from_scaled(fitted, penalty)


def start_at_means(
    features: Any, labels: Int, weight: Float, bound: Bound, n_classes: int
) -> Float:
    """Coefficients of linear discriminant analysis, scaled to the smallest left-out log-loss.

    With many classes Böhning's bound is far above the Hessian at 0, and a descent from there is
    slow; from here it takes a few steps.

    Parameters
    ----------
    features : array or RowStore of shape (n, d)
        Standardised; in an order that has nothing to do with the labels.
    labels, weight : arrays of shape (n,)
    bound : Bound
        Of the same or similar features.
    n_classes : int

    Returns
    -------
    array of shape (n_classes, d)
    """
    (sums, masses), _ = run_rows(
        _class_sums, features, (labels, weight), (n_classes,), width=features.shape[1]
    )
    total = masses.sum()
    middle = sums.sum(axis=0) / total
    means = np.where(masses[:, None] > 0, sums / np.maximum(masses, TINY)[:, None] - middle, 0)
    # The features are standardised: a total variance of 1 is what an average direction has.
    variances = 2 * bound.values / total + SHRINKAGE

    def whitened(rows: Float) -> Float:
        turned = rows if bound.vectors is None else rows @ bound.vectors
        scaled: Float = turned / variances
        return scaled if bound.vectors is None else scaled @ bound.vectors.T

    coef = whitened(means)
    few = np.arange(min(SCALE_ROWS, len(labels)))
    own, w = labels[few], weight[few]
    block = gather(features, few)
    z = block @ coef.T.astype(np.float32)
    # By class means that leave the row out: the mean of few rows knows each of them, and the fit
    # would have a long way back from coefficients that are far too large.
    share = w / np.maximum(masses[own] - w, np.maximum(w, TINY))
    pull = np.einsum("ij,ij->i", block, whitened(block - middle - means[own]))
    z[few, own] -= (share * pull).astype(np.float32)

    def loss(log_scale: float) -> float:
        p = softmax(z * np.float32(np.exp(log_scale)))
        return -float(w @ np.log(np.maximum(p[few, own], TINY).astype(np.float64)))

    found = minimize_scalar(loss, bounds=SCALES, method="bounded", options={"xatol": 0.05})
    return coef * float(np.exp(found.x))


def _class_sums(block: Float32, labels: Int, weight: Float, n_classes: int) -> Partial:
    one_hot = csr_array(
        (weight.astype(np.float32), (labels, np.arange(len(labels)))),
        shape=(n_classes, len(labels)),
    )
    return (one_hot @ block, np.bincount(labels, weight, n_classes)), ()


def climb(
    grid: Sequence[float], loss_at: Callable[[float], float], tolerance: float
) -> list[float]:
    """Held-out losses at rising C, up to the first that exceeds the least by the given factor.

    The fit at one C starts from the fit at the last one, so the walk goes up from the small end:
    shrinking coefficients that were fitted with a large C takes more steps than growing them.
    """
    losses: list[float] = []
    for C in grid:
        losses.append(loss_at(C))
        if losses[-1] > tolerance * min(losses):
            break
    return losses
