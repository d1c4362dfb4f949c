"""Coreset importance: how much one sample can sway the noise-aware softmax regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import expit
from threadpoolctl import threadpool_limits

from .checks import check_arrays, check_class_names, check_verified
from .errors import DataError
from .evidence import Evidence
from .linalg import Float, Float32, Int, row_hash
from .logistic import softmax
from .model import LabelModel, fit_model, logits, refit_model
from .neighbors import find_neighbors
from .rows import Partial, run_rows
from .sampling import draw_fit_rows
from .sensitivity import local_sensitivity

SCORER_VERSION = 1

__all__ = ["SCORER_VERSION", "LabelModel", "LabelScores", "score_labels"]

FIT_ROWS = 100_000  # fit on a weighted subset above it, or above FIT_ROWS_PER_CLASS a class
FIT_ROWS_PER_CLASS = 200
NEIGHBOR_FLOOR = 0.02  # added to class shares before the logarithm
# Weight of the neighbours' log shares in the margin: more where the classifier has few rows.
NEIGHBOR_WEIGHT = 0.2
NEIGHBOR_WEIGHT_FEW_ROWS = 0.4

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class LabelScores:
    """What `score_labels` returns; arrays have one entry a row.

    Attributes
    ----------
    importance : array of shape (n,)
        Bound on the share of the total loss that the row can hold; 0 where the weight is 0.
    wrong_probability : array of shape (n,)
        Probability that the given label is wrong.
    suggested_class : int array of shape (n,)
        Most probable class other than the given one.
    suggested_probability : array of shape (n,)
        Its probability; at most `wrong_probability`.
    influence : array of shape (n,)
        How far the row alone moves a softmax regression of the labels, verified where they are; for
        `sample_coreset`.
    knn_disagreement : array of shape (n,)
        Share of the 30 nearest neighbours (cosine) with another label.
    total_sensitivity : float
        Sum of the importance.
    noise_channel : array of shape (K, K)
        P(given | true), rows true, columns given; identity for classes without a live row.
    model : LabelModel
        For `warm_start`.
    radius : float
        Of the ball around the fitted model, in the norm of Böhning's bound, on which `importance`
        bounds every row's share of the loss.
    """

    importance: Float
    wrong_probability: Float
    suggested_class: NDArray[np.int64]
    suggested_probability: Float
    influence: Float
    knn_disagreement: Float
    total_sensitivity: float
    noise_channel: Float
    model: LabelModel
    radius: float


def score_labels(
    embeddings: Any,
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
    random_state: int = 0,
    *,
    n_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    warm_start: LabelModel | None = None,
    progress: Progress | None = None,
    verified: ArrayLike | None = None,
) -> LabelScores:
    """Score every label: importance, probability of being wrong, a better class.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
        Any float type; a memmap is read in chunks. Or a `rows.RowStore`, whose rows lie elsewhere.
    labels : int array of shape (n,), in 0..K-1
        As they were given, whatever a review has said of them since: that belongs to `verified`.
    sample_weight : array of shape (n,), default all 1
        Rows of weight 0 get importance 0 and influence nothing; their other scores say how the
        rest sees them.
    random_state : int, default 0
        The same value gives the same scores.
    n_classes : int, default `len(class_names)`, else largest label + 1
    class_names : sequence of K str, optional
        What the class numbers mean, so that `warm_start` knows when they mean something else.
    warm_start : LabelModel, optional
        `.model` of an earlier call on the same embeddings with nearly the same labels and weights:
        far faster, nearly the same scores. Ignored when the rows, the set of classes or their
        names differ.
    progress : callable(fraction, message), optional
    verified : int array of shape (n,), optional
        The true class where a person has told it, -1 elsewhere. What the rows of one given class
        turned out to be teaches how labels go wrong, a label that was right as much as one that
        was wrong. The scores of a verified row are about its given label, too.

    Returns
    -------
    LabelScores

    Raises
    ------
    DataError
        Arrays of wrong shape or type, labels out of range, NaN or infinity, fewer than two classes.

    Notes
    -----
    docs/importance.md has the formula, the theorem behind it and measurements.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> embeddings = rng.standard_normal((100, 4)) + 4 * labels[:, None]
    >>> labels[7] = 1
    >>> int(score_labels(embeddings, labels).importance.argmax())
    7
    """
    with threadpool_limits(1, user_api="blas"):  # run_rows brings its own threads
        return _score_labels(
            embeddings, labels, sample_weight, random_state, n_classes, class_names, warm_start,
            progress or _silent, verified,
        )  # fmt: skip


def _score_labels(
    embeddings: Any,
    labels: ArrayLike,
    sample_weight: ArrayLike | None,
    random_state: int,
    n_classes: int | None,
    class_names: Sequence[str] | None,
    warm_start: LabelModel | None,
    report: Progress,
    verified: ArrayLike | None,
) -> LabelScores:
    report(0.0, "checking")
    if n_classes is None and class_names is not None:
        n_classes = len(class_names)
    X, y, weight, n_classes = check_arrays(embeddings, labels, sample_weight, n_classes)
    names = check_class_names(class_names, n_classes)
    told = check_verified(verified, len(y), n_classes)
    live = weight > 0
    classes = np.unique(np.concatenate([y[live], told[live & (told >= 0)]]))
    if len(classes) < 2:
        raise DataError(
            "labels: the rows of positive weight must hold at least two classes, "
            f"got {len(classes)}.",
            "Score all classes together, not a view of one class.",
        )
    codes = np.full(n_classes + 1, -1)  # the last for rows without a verdict
    codes[classes] = np.arange(len(classes))
    evidence = Evidence(codes[y], codes[told], weight, len(classes))
    current = evidence.current
    hashed = row_hash(X, random_state)
    if warm_start is not None and warm_start.knows(classes, names, hashed):
        report(0.1, "refitting")
        model = refit_model(X, evidence, warm_start)
        shares = model.neighbors.class_shares(current, weight, len(classes))
    else:
        report(0.05, "searching neighbours")
        neighbors = find_neighbors(X, current, weight, hashed)
        shares = neighbors.class_shares(current, weight, len(classes))
        report(0.4, "fitting")
        fit_rows = max(FIT_ROWS, FIT_ROWS_PER_CLASS * len(classes))
        if np.count_nonzero(weight) <= fit_rows:
            model = fit_model(X, evidence, classes, names, hashed, neighbors)
        else:
            drawn = draw_fit_rows(weight, weight, fit_rows // 4, hashed)
            pilot = fit_model(X, evidence, classes, names, hashed, neighbors, *drawn)
            report(0.5, "drawing rows by importance")
            importance = _score(X, evidence, pilot, shares).importance
            drawn = draw_fit_rows(importance, weight, fit_rows, hashed)
            report(0.6, "fitting")
            model = fit_model(X, evidence, classes, names, hashed, neighbors, *drawn, start=pilot)
    report(0.8, "scoring")
    scores = _score(X, evidence, model, shares)
    noise_channel = np.eye(n_classes)
    noise_channel[np.ix_(classes, classes)] = model.channel
    report(1.0, "done")
    return LabelScores(
        importance=scores.importance,
        wrong_probability=scores.wrong,
        suggested_class=scores.suggested,
        suggested_probability=scores.suggested_probability,
        influence=scores.influence,
        knn_disagreement=scores.disagreement,
        total_sensitivity=float(scores.importance.sum()),
        noise_channel=noise_channel,
        model=model,
        radius=scores.radius,
    )


def _silent(fraction: float, message: str) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    importance: Float
    wrong: Float
    suggested: NDArray[np.int64]
    suggested_probability: Float
    influence: Float
    disagreement: Float
    radius: float


def _score(X: Any, evidence: Evidence, model: LabelModel, shares: csr_array) -> _Scores:
    """Posterior of the true class of every row, and the sensitivity of its label's loss."""
    k, weight = len(model.classes), evidence.weight
    # The subset's weights may sum to another total than all weights; λ follows.
    ratio = float(weight.sum() / model.subset(weight)[1].sum())
    factor = model.bound.factor(1 / model.C) / np.sqrt(ratio)
    log_channel = np.log(np.maximum(model.channel, 1e-12))
    # One row for each given class; the last for classes that no live row has.
    shift = np.vstack([(log_channel - np.diag(log_channel)).T, np.zeros(k)]).astype(np.float32)
    (gradient,), rows = run_rows(
        _score_block,
        X,
        (evidence.given, evidence.current, weight, model.hashed, shares),
        (
            model.for_logits(),
            factor.astype(np.float32),
            shift,
            NEIGHBOR_WEIGHT if model.fold_coef is None else NEIGHBOR_WEIGHT_FEW_ROWS,
        ),
        width=max(X.shape[1] + 1, k),
    )
    margin, leverage, residual, influence, best, suggested_probability, disagreement = rows
    penalty = ratio / model.C
    gradient += penalty * model.coef
    sensitivity = local_sensitivity(
        margin,
        leverage,
        residual,
        weight,
        regularisation=0.5 * penalty * float(np.vdot(model.coef, model.coef)),
        gradient_norm=float(np.linalg.norm(gradient @ factor)),
    )
    return _Scores(
        sensitivity.importance,
        expit(margin),
        model.classes[best],
        suggested_probability,
        influence,
        np.clip(disagreement, 0, 1),
        sensitivity.radius,
    )


def _score_block(
    block: NDArray[Any],
    own: Int,
    current: Int,
    weight: Float,
    hashed: NDArray[np.uint64],
    shares: csr_array,
    fit: tuple[Float, Float, Float32, Float32 | None],
    factor: Float32,
    shift: Float32,
    alpha: float,
) -> Partial:
    """Gradient of the loss, and of each row: margin, leverage, residual and what else is scored.

    The logit of class k in the loss of row i is z_ik + log T[k, y_i] + α·log(0.02 + share_ik); the
    last two terms do not depend on θ, so they only shift the margins.
    """
    index = np.arange(len(own))
    known = own >= 0
    features, z = logits(block, hashed, *fit)
    leverage = np.sqrt(np.square(features @ factor).sum(axis=1)).astype(np.float64)
    p = softmax(z.copy())
    labeled = current >= 0
    p[index[labeled], current[labeled]] -= 1
    influence = weight * leverage * np.sqrt(np.square(p).sum(axis=1))
    share = shares.toarray()
    own_share = np.where(known, share[index, own], 0.0)
    disagreement = np.where(share.sum(axis=1) > 0, 1 - own_share, 0.0)
    z += shift[own]
    z += alpha * np.log(NEIGHBOR_FLOOR + share, dtype=np.float32)
    own_logit = np.where(known, z[index, own], -np.inf)
    z[index[known], own[known]] = -np.inf
    best = z.argmax(axis=1)
    top = z[index, best]
    z -= top[:, None]
    others = np.exp(z, out=z)
    total = others.sum(axis=1, dtype=np.float64)
    margin = top + np.log(total) - own_logit
    wrong = expit(margin)
    suggested_probability = wrong / total
    others *= suggested_probability[:, None]  # q, but for the given class
    residual = np.sqrt(np.square(others).sum(axis=1) + wrong**2)
    others[index[known], own[known]] = -wrong[known]
    others *= weight[:, None]
    return (others.T @ features,), (
        margin,
        leverage,
        residual,
        influence,
        best,
        suggested_probability,
        disagreement,
    )
