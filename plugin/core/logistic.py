"""Softmax regression, with or without a label noise channel, by preconditioned L-BFGS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .linalg import Bound, Float, Float32, row_chunks

Int = NDArray[np.intp]


def softmax(logits: Float32) -> Float32:
    """Row-wise softmax, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def loss_and_gradient(
    features: Float32,
    labels: Int,
    weight: Float,
    coef: Float,
    channel: Float | None,
) -> tuple[float, Float]:
    """Weighted negative log-likelihood of the given labels and its gradient.

    Without a channel p(given y | x) = p_θ(y|x); with one it is Σ_t p_θ(t|x)·T[t, y], whose gradient
    is that of the EM step at the current θ: Σ w (p − q) φ.

    Parameters
    ----------
    features : array of shape (n, d)
    labels : int array of shape (n,), in 0..K-1
    weight : array of shape (n,)
    coef : array of shape (K, d)
    channel : array of shape (K, K), rows true and columns given class, or None
    """
    coef32 = coef.astype(np.float32)
    by_given = None if channel is None else np.ascontiguousarray(channel.T, dtype=np.float32)
    loss = 0.0
    gradient = np.zeros_like(coef)
    tiny = np.finfo(np.float32).tiny
    for rows in row_chunks(features.shape[0], max(features.shape[1], len(coef))):
        block, given, w = features[rows], labels[rows], weight[rows]
        p = softmax(block @ coef32.T)
        index = np.arange(len(given))
        if by_given is None:
            likelihood = p[index, given]
            p[index, given] -= 1.0
        else:
            q = by_given[given]
            q *= p
            likelihood = q.sum(axis=1)
            q /= np.maximum(likelihood, tiny)[:, None]
            p -= q
        loss -= float(w @ np.log(np.maximum(likelihood, tiny).astype(np.float64)))
        p *= w[:, None].astype(np.float32)
        gradient += p.T @ block
    return loss, gradient


def fit_softmax(
    features: Float32,
    labels: Int,
    weight: Float,
    penalty: float,
    bound: Bound,
    coef: Float,
    channel: Float | None = None,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-5,
) -> Float:
    """Minimise Σ w f + (penalty/2)‖θ‖², starting at `coef`.

    Works in coordinates u with θ = u·Rᵀ, where R Rᵀ = M⁻¹ and M is Böhning's bound on the Hessian:
    that removes the conditioning of the features, and 10 to 20 iterations are enough.

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

    Returns
    -------
    array of shape (K, d)
    """
    shape = coef.shape
    factor = bound.factor(penalty)

    def objective(u: Float) -> tuple[float, Float]:
        theta = u.reshape(shape) @ factor.T
        loss, gradient = loss_and_gradient(features, labels, weight, theta, channel)
        loss += 0.5 * penalty * float(np.vdot(theta, theta))
        gradient += penalty * theta
        return loss, (gradient @ factor).ravel()

    # R⁻¹ = diag(sqrt(values + λ))·Vᵀ
    start = (coef @ bound.vectors) * np.sqrt(bound.values + penalty)
    result = minimize(
        objective,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "ftol": tolerance, "gtol": 0.0, "maxcor": 8},
    )
    fitted: Float = result.x.reshape(shape) @ factor.T
    return fitted


def log_loss(
    features: Float32, labels: Int, weight: Float, coef: Float, channel: Float | None
) -> float:
    """Mean weighted negative log-likelihood of the given labels."""
    loss, _ = loss_and_gradient(features, labels, weight, coef, channel)
    return loss / float(weight.sum())
