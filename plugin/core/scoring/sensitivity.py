"""Local sensitivity: an exact bound on the share of the total loss that one sample can hold.

docs/importance.md states the theorem; the tests check it against a brute-force supremum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .linalg import Float


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Bounds of all samples in the ball ‖θ − θ̂‖_A ≤ radius.

    Attributes
    ----------
    importance : array of shape (n,)
        sup over the ball of w_i·f_i(θ)/L(θ) is at most this.
    radius : float
    lowest_loss : float
        L(θ) is at least this on the ball.
    """

    importance: Float
    radius: float
    lowest_loss: float


def local_sensitivity(
    margin: Float,
    leverage: Float,
    residual: Float,
    weight: Float,
    regularisation: float,
    gradient_norm: float,
) -> Sensitivity:
    """Bound every sample's share of the loss on a ball around the fitted model.

    The loss of a sample is f_i(θ) = log(1 + exp(margin)), where margin is the log-sum-exp over the
    other classes of their (shifted) logits minus that of the given class. On the ball every such
    difference moves by at most √2·radius·leverage, hence

        w_i·f_i(θ)/L(θ) ≤ w_i·log(1 + exp(margin_i + √2·radius·leverage_i)) / lowest_loss.

    Parameters
    ----------
    margin : array of shape (n,)
        At θ̂.
    leverage : array of shape (n,)
        sqrt(φᵀM⁻¹φ), where A is block-diagonal with the block M for every class.
    residual : array of shape (n,)
        ‖q_i − e_{y_i}‖, the length of the gradient of f_i with respect to the logits.
    weight : array of shape (n,)
    regularisation : float
        (λ/2)‖θ̂‖².
    gradient_norm : float
        ‖∇L(θ̂)‖_{A⁻¹}; 0 at an exact minimiser.

    Returns
    -------
    Sensitivity
    """
    live = weight > 0
    w, m, lev = weight[live], margin[live], leverage[live]
    radius = weighted_median(residual[live] * lev, w)
    reach = np.sqrt(2) * radius * lev
    loss = float(w @ np.logaddexp(0, m)) + regularisation
    # L is convex, so it lies above its tangent at θ̂; and every f_i lies above its value at the
    # smallest margin it can have. Both hold on the whole ball; the larger one is the better bound.
    tangent = loss - radius * gradient_norm
    pointwise = float(w @ np.logaddexp(0, m - reach))
    lowest = max(tangent, pointwise)
    importance = np.zeros(len(weight))
    importance[live] = w * np.logaddexp(0, m + reach) / lowest
    return Sensitivity(importance, radius, lowest)


def weighted_median(values: Float, weight: Float) -> float:
    """Smallest value at which the weights of the values up to it reach half of the total."""
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])
