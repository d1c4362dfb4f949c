"""One pass over all rows with a fitted model: the sensitivity of every label, and its probability.

Two questions are asked of a row. Its *importance* is about the fitted model, which has seen the
label. Whether the label is wrong is asked of the model that has not: the row's own pull on its
logits is taken back, to first order, and what the fit does not know is averaged out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .channel import with_verdicts
from .doubt import doubt_of_logits, learn_channels, log_shift, ratios
from .evidence import Evidence
from .linalg import Bound, Float, Float32, Int, standardise
from .logistic import TINY, softmax
from .model import LabelModel, logits, logits_of
from .rivals import Rivals, lengths
from .rows import Partial, run_rows
from .sensitivity import local_sensitivity
from .signals import Signals, learn_signals, learning_rows, shrinkage, side_parts

ASKED_SHARE = 0.2  # see `_information`
LEAST_INFORMATION = 0.1  # of a class's logit, as share of what known true classes would give


@dataclass(frozen=True, slots=True, eq=False)
class RowScores:
    """Arrays of shape (n,) as in `importance.LabelScores`; classes count the fitted ones."""

    importance: Float
    wrong: Float
    suggested: NDArray[np.int64]
    suggested_probability: Float
    second: NDArray[np.int64]
    influence: Float
    disagreement: Float
    radius: float
    reliability: float


def learn(X: Any, evidence: Evidence, model: LabelModel, sides: tuple[Any, ...]) -> Signals:
    """Weigh the signals of a fitted model, see `signals.learn_signals`.

    Parameters
    ----------
    X : array or RowStore of shape (n, d)
    evidence : Evidence
    model : LabelModel
        Its `signals` are where learning starts, if there are any.
    sides : tuple
        See `signals.side_parts`.
    """
    k = evidence.n_classes
    live = evidence.weight > 0
    rows = learning_rows(model.hashed, live, evidence.verified, k)
    # A verified row stands for itself, the others for all that are not verified.
    weight, told = evidence.weight[rows].copy(), evidence.verified[rows] >= 0
    if not told.all():
        weight[~told] *= evidence.weight[live & (evidence.verified < 0)].sum() / weight[~told].sum()
    scale = len(rows) / np.count_nonzero(live)
    weight *= scale * evidence.weight.sum() / weight.sum()
    symbols = evidence.symbols[rows]
    features, wide = standardise(X, model.mean, model.scale, rows), max(X.shape[1] + 1, k)
    coefs = model.for_logits()[2:]
    _, (z,) = run_rows(_logits, features, (model.hashed[rows],), coefs, width=wide)
    p = softmax(z.copy())
    q = with_verdicts(model.channel).T.astype(np.float32)[symbols] * p
    q /= np.maximum(q.sum(axis=1), TINY)[:, None]
    information = _information(p, q, weight)
    spread = _spread(model.bound, 1 / model.C, information)
    _, (variance,) = run_rows(_variances, features, (), (model.bound, spread), width=wide)
    z += model.pull(evidence.weight)[rows, None] * variance * (p - q)
    parts = np.stack([z, *side_parts(*(side[rows] for side in sides))])
    known = evidence.known() * scale
    few_rows = model.fold_coef is not None
    signals = learn_signals(
        parts, symbols, weight, known, model.channel, information, few_rows, model.signals
    )
    by_doubt = learn_channels(
        softmax(signals.combine(list(parts))),
        evidence.given[rows],
        evidence.verified[rows],
        weight,
        signals.channel,
        shrinkage(float(weight.sum()), few_rows),
    )
    return replace(signals, by_doubt=by_doubt)


def _logits(
    features: Float32, hashed: NDArray[np.uint64], coef: Float32, fold_coef: Float32 | None
) -> Partial:
    return (), (logits_of(features, hashed, coef, fold_coef),)


def _variances(features: Float32, bound: Bound, spread: Float32) -> Partial:
    return (), (np.square(bound.along(features)) @ spread,)


def _information(p: Float32, q: Float32, weight: Float) -> Float:
    """Curvature of the loss in each class's logit: the mean over all rows, or more.

    Of many classes, most rows have nothing to say. So it is at least a share of the mean over the
    rows where the class is in question.
    """
    complete = p * (1 - p)  # as if the true classes were known
    total, where = float(weight.sum()), weight @ complete + 1e-9

    def curved(of: Float32) -> Float:
        plain, asked = weight @ of / total, weight @ (complete * of) / where
        larger: Float = np.maximum(plain, ASKED_SHARE * asked)
        return larger

    known, hidden = curved(complete), curved(complete - q * (1 - q))
    return np.maximum(hidden, LEAST_INFORMATION * known) + 1e-9


def _spread(bound: Bound, penalty: float, information: Float) -> Float32:
    """Table of shape (d, K): squared features in eigenvectors @ table = variances of logits.

    The information that the rows hold on the coefficients of a class is about that of one logit,
    times the Gram matrix.
    """
    spread: Float32 = (1 / (2 * bound.values[:, None] * information + penalty)).astype(np.float32)
    return spread


def score_rows(X: Any, evidence: Evidence, model: LabelModel, sides: tuple[Any, ...]) -> RowScores:
    """Score every row by a model with its signals, see the module."""
    k, weight, signals = evidence.n_classes, evidence.weight, model.signals
    assert signals is not None
    # The subset's weights may sum to another total than all weights; λ follows.
    ratio = float(weight.sum() / model.subset(weight)[1].sum())
    bound, penalty = model.bound, 1 / model.C
    leverages = 1 / (ratio * (bound.values + penalty))
    table = np.column_stack([leverages, _spread(bound, penalty, signals.information)])
    by_symbol = np.vstack([with_verdicts(model.channel).T, np.ones(k)])
    (gradient,), rows = run_rows(
        _score_block,
        X,
        (evidence.given, evidence.symbols, weight, model.pull(weight), model.hashed, *sides),
        (
            model.for_logits(),
            bound,
            table.astype(np.float32),
            by_symbol.astype(np.float32),
            channel_log_odds(model.channel),
            channel_log_odds(signals.channel),
            ratios(signals.by_doubt, signals.channel),
            signals,
        ),
        width=max(X.shape[1] + 1, k),
    )
    margin, leverage, residual, influence, left, variance, best, share, second, disagreement = rows
    penalty *= ratio
    gradient += penalty * model.coef
    sensitivity = local_sensitivity(
        margin,
        leverage,
        residual,
        weight,
        regularisation=0.5 * penalty * float(np.vdot(model.coef, model.coef)),
        gradient_norm=float(np.linalg.norm(bound.scaled_gradient(gradient, 1 / model.C)))
        / ratio**0.5,
    )
    wrong = expit(left / np.sqrt(1 + np.pi * variance / 8))
    return RowScores(
        sensitivity.importance,
        wrong,
        best,
        wrong * share,
        second,
        influence,
        np.clip(disagreement, 0, 1),
        sensitivity.radius,
        _reliability(left, variance, weight),
    )


def _reliability(log_odds: Float, variance: Float, weight: Float) -> float:
    """Share of the spread of log-odds that is not the uncertainty of the fit."""
    rows = (weight > 0) & np.isfinite(log_odds)
    spread = float(np.var(log_odds[rows]))
    return spread / (spread + float(variance[rows].mean()) + float(TINY))


def channel_log_odds(channel: Float) -> Float32:
    """Log T[k, y] − log T[y, y] for each y; a last row for classes that no live row has."""
    log = np.log(np.maximum(channel, 1e-12))
    return np.vstack([(log - np.diag(log)).T, np.zeros(len(log))]).astype(np.float32)


def _score_block(
    block: NDArray[Any],
    own: Int,
    symbols: Int,
    weight: Float,
    pull: Float,
    hashed: NDArray[np.uint64],
    near: Any,
    nearest: Any,
    predictions: NDArray[Any],
    fit: tuple[Float, Float, Float32, Float32 | None],
    bound: Bound,
    table: Float32,
    by_symbol: Float32,
    shift: Float32,
    honest_shift: Float32,
    doubt_ratios: Float32,
    signals: Signals,
) -> Partial:
    """Gradient of the loss, and of each row what `score_rows` needs.

    Of the logits only the classifier's part depends on θ; everything else shifts the margins.
    """
    n, k = len(own), len(shift) - 1
    index = np.arange(n)
    features, z = logits(block, hashed, *fit)
    spread = np.square(bound.along(features)) @ table
    beta = float(signals.weights[0])
    leverage = np.sqrt(spread[:, 0], dtype=np.float64)
    variance = spread[:, 1:]

    p = softmax(z.copy())
    q = by_symbol[symbols]
    q *= p
    q /= np.maximum(q.sum(axis=1), TINY)[:, None]
    left_out = np.subtract(p, q, out=q)
    left_out *= variance
    left_out *= pull[:, None].astype(np.float32)
    left_out += z
    current, labeled = symbols % k, symbols >= 0
    p[index[labeled], current[labeled]] -= 1
    influence = weight * leverage * lengths(p)

    disagreement = np.where(np.diff(near.indptr) > 0, 1 - _share_of(near, own), 0.0)
    others = signals.beside(side_parts(near, nearest, predictions))
    left_out *= beta
    left_out += others
    image_shift = log_shift(doubt_ratios, doubt_of_logits(left_out.copy()), own)
    left_out += honest_shift[own]
    left_out += image_shift
    rivals = Rivals.of(left_out, own)
    moved = beta**2 * (variance[index, own] + variance[index, rivals.best])
    image_shift *= signals.power
    z *= beta
    z += others
    z += shift[own]
    z += image_shift
    asked = Rivals.of(z, own)
    residuals = asked.residuals(own)
    residual = lengths(residuals)
    residuals *= (beta * weight).astype(np.float32)[:, None]
    return (residuals.T @ features,), (
        asked.margin,
        beta * leverage,
        residual,
        influence,
        rivals.margin,
        moved.astype(np.float64),
        rivals.best,
        rivals.best_share,
        rivals.second,
        disagreement,
    )


def _share_of(shares: Any, own: Int) -> Float:
    """Of each row, the share of one class."""
    row = np.repeat(np.arange(len(own)), np.diff(shares.indptr))
    hit = shares.indices == own[row]
    found: Float = np.bincount(row[hit], shares.data[hit], minlength=len(own)).astype(np.float64)
    return found
