"""What speaks for or against a label besides the classifier, and how much each part counts.

The logit of class k in row i is a sum of parts: the classifier, the log shares of class k among the
30 and the 8 nearest neighbours, the log of the user's own prediction, an offset of the class. Their
weights, and the noise channel that goes with them, are those under which the given labels and the
verdicts are most likely. They are learned on logits of which each row's own label has been taken
out, else a classifier that has memorised wrong labels would be trusted too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .channel import with_verdicts
from .linalg import Float, Float32, Int
from .logistic import TINY, Lbfgs, softmax

NEIGHBOR_COUNTS = (30, 8)
NEIGHBOR_FLOORS = (0.02, 0.05)  # added to class shares before the logarithm
# Weights to start from, and to stay near where few rows speak: of the classifier, the neighbours
# (more where the classifier has too few rows to be judged by its own fit), the own predictions.
START = (1.0, 0.2, 0.0)
START_FEW_ROWS = (1.0, 0.4, 0.0)
START_WITH_PREDICTIONS = (0.3, 0.05, 0.05, 1.0)
PREDICTION_FLOOR = 1e-3  # shared by the classes, added to probabilities before the logarithm
# Of the channel that predictions alone are ranked with. It is softer than the one they teach: where
# many errors depend on the image, that is trusted too much. At 40 % wrong the root ranks better, at
# 9 and 17 % as well (docs/importance.md).
POWER_ALONE = 0.5
SEEN_LOSS = 0.92  # log-loss of a network on labels it has seen, as share of its entropy, at most
LEARN_ROWS = 25_000  # rows that weights are learned from
LEARN_CELLS = 4_000_000  # fewer of them where there are many classes
PRIOR_ROWS = 1_000  # as much as so many rows speaks for the start
PRIOR_ROWS_FEW = 10_000  # the same, of START_FEW_ROWS
CHANNEL_PRIOR_ROWS = 100  # as much, for the row of one class in the channel, speaks for the fitted
# Share of labels that go wrong anyhow. From the given labels alone one sees only the noise that the
# image does not explain; the channel would be taken for too clean.
NOISE_PRIOR = 0.05
MAX_ROUNDS, STEPS, SETTLED = 30, 5, 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Weights of the parts of the logits.

    Attributes
    ----------
    weights : array of shape (n_parts,)
        Of the classifier, both neighbourhoods and the own predictions, as far as there are any.
    offsets : array of shape (K,)
    channel : array of shape (K, K)
        P(given | true) as logits see it that don't know the row's label.
    information : array of shape (K,)
        Curvature of the loss in each class's logit, where the class is in question.
    by_doubt : array of shape (2, K, K)
        The channel of images without doubt and that of images in doubt, see `doubt`.
    power : float
        What the ranking raises the channel to.
    """

    weights: Float
    offsets: Float
    channel: Float
    information: Float
    by_doubt: Float
    power: float = 1.0

    def combine(self, parts: list[Any]) -> Any:
        """The weighted sum of (n, K) parts."""
        total = self.beside(parts[1:])
        total += np.float32(self.weights[0]) * parts[0]
        return total

    def beside(self, others: list[Any]) -> Any:
        """What all parts but the classifier add up to, with the offsets: an array of (n, K)."""
        total = np.float32(self.weights[1]) * others[0]
        total += self.offsets.astype(np.float32)
        for weight, part in zip(self.weights[2:], others[1:], strict=True):
            total += np.float32(weight) * part
        return total


def side_parts(near: Any, nearest: Any, predictions: NDArray[Any]) -> list[Float32]:
    """Parts of the logits that do not depend on the classifier.

    Parameters
    ----------
    near, nearest : sparse arrays of shape (n, K)
        Class shares among the `NEIGHBOR_COUNTS` nearest neighbours.
    predictions : array of shape (n, K), or (n, 0) for none
        Probabilities; a row of zeros has no prediction.
    """
    parts = [
        _log_shares(shares, floor)
        for shares, floor in zip((near, nearest), NEIGHBOR_FLOORS, strict=True)
    ]
    if predictions.shape[1]:
        floor = np.float32(PREDICTION_FLOOR / predictions.shape[1])
        parts.append(np.log(np.asarray(predictions, np.float32) + floor))
    return parts


def _log_shares(shares: Any, floor: float) -> Float32:
    """Log of each share and a floor; of the many zeros, none is computed again."""
    rise = np.log1p(shares.data / floor, dtype=np.float32, casting="same_kind")
    part: Float32 = csr_array((rise, shares.indices, shares.indptr), shares.shape).toarray()
    part += np.float32(np.log(floor))
    return part


def learning_rows(
    hashed: NDArray[np.uint64], live: NDArray[np.bool_], verified: Int, n_classes: int
) -> Int:
    """Rows to learn from: all that are verified, others by their hash."""
    count = min(LEARN_ROWS, max(1, LEARN_CELLS // n_classes))
    rows = np.flatnonzero(live)
    order = np.lexsort((hashed[rows], verified[rows] < 0))
    return np.sort(rows[order[:count]])


def learn_signals(
    parts: Float32,
    symbols: Int,
    weight: Float,
    known: Float,
    fitted: Float,
    information: Float,
    few_rows: bool,
    start: Signals | None = None,
) -> Signals:
    """Alternate between the weights and the channel, as EM does, on left-out logits.

    Parameters
    ----------
    parts : float32 array of shape (n_parts, m, K)
    symbols : int array of shape (m,), in 0..2K-1
        Given classes, or K + the verified one.
    weight : array of shape (m,)
        Sums to about as many rows as speak, of which these are a sample.
    known : array of shape (K, K)
        Of the verified rows, by true and given class, on the scale of `weight`.
    fitted : array of shape (K, K)
        Channel that was fitted with the classifier.
    information : array of shape (K,)
    few_rows : bool
        Whether the classifier has too few rows to be judged by its own fit.
    start : Signals, optional
        Of an earlier call, to start from.
    """
    n_parts, _, k = parts.shape
    total = float(weight.sum())
    prior = (
        START_WITH_PREDICTIONS if n_parts > len(START) else START_FEW_ROWS if few_rows else START
    )
    anchor = np.concatenate([prior, np.zeros(k)])
    x, channel = anchor, fitted
    if start is not None and len(start.weights) == n_parts:
        x, channel = np.concatenate([start.weights, start.offsets]), start.channel
    # A unit step of steepest descent must be safe: every part gets a mean square of about 1.
    size = np.sqrt(np.square(parts).mean(axis=(1, 2), dtype=np.float64) * k + 1)
    scale = np.concatenate([1 / size, np.ones(k)])
    w32 = weight[:, None].astype(np.float32)
    one_hot = csr_array(
        (np.ones(len(symbols), np.float32), (symbols, np.arange(len(symbols)))),
        shape=(2 * k, len(symbols)),
    )

    def posterior(x: Float, channel: Float) -> tuple[Float32, Float32, Float32]:
        z = np.tensordot(x[:n_parts].astype(np.float32), parts, 1) + x[n_parts:].astype(np.float32)
        p = softmax(z)
        q = with_verdicts(channel).T.astype(np.float32)[symbols] * p
        likelihood = np.maximum(q.sum(axis=1), TINY)
        q /= likelihood[:, None]
        return p, q, likelihood

    optimiser = Lbfgs()
    for _ in range(MAX_ROUNDS):
        _, q, _ = posterior(x, channel)
        q *= w32
        counts = (
            CHANNEL_PRIOR_ROWS * fitted + known + NOISE_PRIOR * (total / k + CHANNEL_PRIOR_ROWS) / k
        )
        counts += (one_hot @ q)[:k].T
        updated = counts / counts.sum(axis=1, keepdims=True)
        moved, channel = float(np.abs(updated - channel).max()), updated

        def objective(u: Float, channel: Float = channel) -> tuple[float, Float]:
            x = u * scale
            p, q, likelihood = posterior(x, channel)
            p -= q
            p *= w32
            by_part = np.einsum("jnk,nk->j", parts, p, dtype=np.float64)
            gradient = np.concatenate([by_part, p.sum(axis=0, dtype=np.float64)]) + (x - anchor)
            loss = -float(weight @ np.log(likelihood)) + 0.5 * float(np.sum((x - anchor) ** 2))
            return loss / total, gradient * scale / total

        x = optimiser.minimise(objective, x / scale, STEPS, 1e-6) * scale
        if moved < SETTLED:
            break
    x = anchor + (x - anchor) * shrinkage(total, few_rows)
    x[0] = max(x[0], 0.0)
    return Signals(
        x[:n_parts], x[n_parts:], channel, information, by_doubt=np.stack([channel, channel])
    )


def shrinkage(total: float, few_rows: bool) -> float:
    """How much of what so many rows teach counts, as a share."""
    return total / (total + (PRIOR_ROWS_FEW if few_rows else PRIOR_ROWS))


def softened(channel: Float, power: float) -> Float:
    """A channel raised to a power, its rows summing to 1 again."""
    softer = channel**power
    normalised: Float = softer / softer.sum(axis=1, keepdims=True)
    return normalised


def seen_by(predictions: NDArray[Any], labels: Int, weight: Float) -> bool:
    """Whether a network has seen the labels that it predicts.

    On labels that it has not seen, a network's log-loss is about the entropy of what it predicts:
    it is right as often as it claims, or less. On those that it was trained on it is right more
    often.
    """
    rows = np.flatnonzero(weight > 0)
    p = np.asarray(predictions, np.float64)[rows] if predictions.shape[1] else np.zeros((0, 1))
    told = p.sum(axis=1) > 0
    p, own = np.maximum(p[told], 1e-12), labels[rows][told]
    loss = -np.log(p[np.arange(len(own)), own]).sum()
    entropy = -(p * np.log(p)).sum()
    return bool(loss < SEEN_LOSS * entropy)
