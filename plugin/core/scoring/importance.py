"""Coreset importance: how much one sample can sway the noise-aware softmax regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ..errors import DataError
from .checks import check_arrays, check_class_names, check_probabilities, check_verified
from .evidence import Evidence
from .features import as_features
from .linalg import Float, row_hash
from .model import LabelModel, blank_model, fit_model, refit_model
from .neighbors import Neighbors, find_neighbors
from .posterior import learn, score_rows
from .rows import as_rows
from .sampling import draw_fit_rows
from .signals import NEIGHBOR_COUNTS, POWER_ALONE, seen_by, softened

SCORER_VERSION = 4

__all__ = ["SCORER_VERSION", "LabelModel", "LabelScores", "score_labels"]

FIT_ROWS = 100_000  # fit on a subset above it, or above FIT_ROWS_PER_CLASS a class
FIT_ROWS_PER_CLASS = 200
RELIABLE = 0.8  # below it a ranking is called unsure

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class LabelScores:
    """What `score_labels` returns; arrays have one entry a row.

    Attributes
    ----------
    importance : array of shape (n,)
        Bound on the share of the total loss that the row can hold; 0 where the weight is 0.
    wrong_probability : array of shape (n,)
        Probability that the given label is wrong, by all but the label itself.
    suggested_class : int array of shape (n,)
        Most probable class other than the given one.
    suggested_probability : array of shape (n,)
        Its probability; at most `wrong_probability`.
    second_class : int array of shape (n,)
        Most probable class but for these two, -1 where there is none.
    influence : array of shape (n,)
        How far the row alone moves a softmax regression of the labels, verified where they are; for
        `sample_coreset`.
    knn_disagreement : array of shape (n,)
        Share of the 30 nearest neighbours (cosine) with another label.
    total_sensitivity : float
        Sum of the importance.
    expected_errors : float
        Sum of `wrong_probability` over the rows of positive weight that nobody has verified.
    reliability : float
        Share of the spread of the log-odds that labels are wrong which is not the uncertainty of
        the fit: near 1 another sample of such rows would be ranked alike; below 0.8 `warnings`
        says that the ranking is unsure.
    predictions_seen : bool
        Whether the network behind `probabilities` seems to have been trained on these labels: it
        is right about them more often than it claims.
    noise_channel : array of shape (K, K)
        P(given | true), rows true, columns given, by all rows but each row's own label; identity
        for classes without a live row.
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
    second_class: NDArray[np.int64]
    influence: Float
    knn_disagreement: Float
    total_sensitivity: float
    expected_errors: float
    reliability: float
    predictions_seen: bool
    noise_channel: Float
    model: LabelModel
    radius: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before trusting the scores, one sentence each."""
        found = []
        if self.predictions_seen:
            found.append(
                "The network behind the predictions seems to have been trained on these labels: "
                "it is right about them more often than it claims. Pass out-of-fold predictions."
            )
        if self.reliability < RELIABLE:
            found.append(
                f"These rows are too few for a sure ranking (reliability {self.reliability:.2f}): "
                "another sample of them would be ranked quite differently."
            )
        return tuple(found)


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
    probabilities: ArrayLike | None = None,
    verified: ArrayLike | None = None,
) -> LabelScores:
    """Score every label: importance, probability of being wrong, a better class.

    Parameters
    ----------
    embeddings : float array of shape (n, d), or None where `probabilities` are given
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
    probabilities : array of shape (n, K), optional
        What a network of your own predicts, of rows that it was not trained on (out-of-fold). A
        row of zeros has no prediction. Predictions of a network that has seen the labels are told
        apart, see `LabelScores.predictions_seen`.
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
            progress or _silent, probabilities, verified,
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
    probabilities: ArrayLike | None,
    verified: ArrayLike | None,
) -> LabelScores:
    report(0.0, "checking")
    if n_classes is None and class_names is not None:
        n_classes = len(class_names)
    classified = embeddings is not None
    if not classified:
        # The classifier is left with a constant, and no row has a neighbour.
        embeddings = np.zeros((np.size(labels), 1), np.float32)
    X, y, weight, n_classes = check_arrays(embeddings, labels, sample_weight, n_classes)
    names = check_class_names(class_names, n_classes)
    told = check_verified(verified, len(y), n_classes)
    predicted = check_probabilities(probabilities, len(y), n_classes, needed=not classified)
    live = weight > 0
    classes = np.unique(np.concatenate([y[live], told[live & (told >= 0)]]))
    if len(classes) < 2:
        raise DataError(
            "labels: the rows of positive weight must hold at least two classes, "
            f"got {len(classes)}.",
            "Score all classes together, not a view of one class.",
        )
    # In the order of their hash, rows give the same sums to the last bit, however they come.
    hashed = row_hash(X if classified else predicted, random_state)
    order = np.lexsort((told, weight, y, hashed))
    X, hashed = as_features(as_rows(X)).permuted(order), hashed[order]
    y, told, weight, predicted = y[order], told[order], weight[order], predicted[order]
    codes = np.full(n_classes + 1, -1)  # the last for rows without a verdict
    codes[classes] = np.arange(len(classes))
    evidence = Evidence(codes[y], codes[told], weight, len(classes))
    if not classified or (warm_start and not warm_start.knows(classes, names, hashed)):
        warm_start = None
    if warm_start:
        neighbors = warm_start.neighbors
    elif classified:
        report(0.05, "searching neighbours")
        neighbors = find_neighbors(X, evidence.current, weight, hashed)
    else:
        neighbors = Neighbors.none(len(y))
    shares = (
        neighbors.class_shares(evidence.current, weight, len(classes), count)
        for count in NEIGHBOR_COUNTS
    )
    sides = (*shares, predicted[:, classes] if predicted.shape[1] else predicted)
    report(0.4, "fitting")
    if warm_start:
        model = refit_model(X, evidence, warm_start)
    else:
        model = blank_model(X, weight, classes, names, hashed, neighbors)
        if classified:
            fit_rows = max(FIT_ROWS, FIT_ROWS_PER_CLASS * len(classes))
            if np.count_nonzero(live) > fit_rows:
                model = model.on(*draw_fit_rows(weight, fit_rows, hashed))
            model = fit_model(X, evidence, model)
    signals = learn(X, evidence, model, sides)
    if not classified:
        signals = replace(signals, power=POWER_ALONE)
        model = replace(model, channel=softened(signals.channel, POWER_ALONE))
    model = replace(model, signals=signals)
    report(0.8, "scoring")
    scores = score_rows(X, evidence, model, sides)
    noise_channel = np.eye(n_classes)
    noise_channel[np.ix_(classes, classes)] = signals.channel
    report(1.0, "done")
    place = np.argsort(order)
    return LabelScores(
        importance=scores.importance[place],
        wrong_probability=scores.wrong[place],
        suggested_class=classes[scores.suggested[place]],
        suggested_probability=scores.suggested_probability[place],
        second_class=np.append(classes, -1)[scores.second[place]],
        influence=scores.influence[place],
        knn_disagreement=scores.disagreement[place],
        total_sensitivity=float(scores.importance.sum()),
        expected_errors=float(scores.wrong[(weight > 0) & (told < 0)].sum()),
        reliability=scores.reliability,
        predictions_seen=seen_by(predicted, y, weight),
        noise_channel=noise_channel,
        model=model,
        radius=scores.radius,
    )


def _silent(fraction: float, message: str) -> None:
    """Report no progress."""
