"""One classification task in K-fold cross-validation: what all states of its labels share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.model_selection import StratifiedKFold

from ..errors import DataError
from ..judging.auroc import macro_auroc
from .linalg import Bound, Float, Float32, Int, gram, moments, standardise
from .logistic import climb, fit_softmax, log_loss, softmax

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_INNER_FOLDS = 3
_TUNE_ROWS = 4_000
# AUROC is settled to three digits here, see docs/evaluation.md.
_ITERATIONS, _TOLERANCE = 25, 1e-4
_RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LabelState:
    """Labels (columns of the classifier, -1 for none of them) and weights of all rows."""

    labels: Int
    weight: Float


class Task:
    """A classifier of some classes that is fitted again and again to changing labels.

    Features are rotated once into the eigenvectors of their Gram matrix. There Böhning's bound on
    the Hessian is diagonal for every C, so that a fit costs no d x d products, and with fewer rows
    than columns only as many columns are left as there are rows: a ridge penalty keeps the
    solution in the span of the rows.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
        Rows that are cleaned.
    given : int array of shape (n,)
        Labels of the start; -1 for rows that were none of the classes then.
    test : (float array of shape (m, d), int array of shape (m,)) or None
        The held-out split.
    n_classes : int
        Number of classes.
    n_splits : int
        Folds; fewer when a class has fewer rows.
    random_state : int
        Seed of the folds.

    Raises
    ------
    DataError
        When fewer than two classes have two rows.
    """

    def __init__(
        self,
        embeddings: NDArray[Any],
        given: Int,
        test: tuple[NDArray[Any], Int] | None,
        n_classes: int,
        n_splits: int,
        random_state: int,
    ) -> None:
        self.n_classes = n_classes
        self.random_state = random_state
        known = given >= 0
        sizes = np.bincount(given[known], minlength=n_classes)
        if (sizes > 1).sum() < 2:
            raise DataError(
                "AUROC needs at least two classes with two rows each, got class sizes "
                f"{sizes[:20].tolist()}.",
                "Add labeled samples or choose other classes.",
            )
        self.given = LabelState(given, np.where(known, 1.0, 0.0))
        mean, scale = moments(embeddings, np.ones(len(given)))
        features = standardise(embeddings, mean, scale)
        curvature, rotation = _principal_axes(features)
        self.bound = Bound(curvature, None)
        self.features = features @ rotation
        self.test: tuple[Float32, Int] | None = None
        if test is not None and len(np.unique(test[1])) >= 2:
            self.test = (standardise(test[0], mean, scale) @ rotation, test[1])
        self.n_folds = int(np.clip(sizes[sizes > 1].min(), 2, n_splits))
        self.fold = stratified_folds(given, self.n_folds, random_state)
        self.penalty = 1 / self._choose_c()
        self._starts: dict[int, Float] = {}

    def out_of_fold(self, state: LabelState) -> Float32:
        """Return each row's class probabilities from the model that has not seen its fold."""
        probabilities = np.empty((len(self.fold), self.n_classes), dtype=np.float32)
        for k in range(self.n_folds):
            test = self.fold == k
            coef = self._warm_fit(LabelState(state.labels, np.where(test, 0, state.weight)), slot=k)
            probabilities[test] = softmax(self.features[test] @ coef.astype(np.float32).T)
        return probabilities

    def on_test(self, state: LabelState) -> Float32 | None:
        """Return the test split's class probabilities, or None without one."""
        if self.test is None:
            return None
        coef = self._warm_fit(state, slot=-1)
        return softmax(self.test[0] @ coef.astype(np.float32).T)

    def mean_auroc(self, probabilities: Float32, labels: Int, weight: Float) -> float:
        """Return the mean over folds of the AUROC, as K-fold cross-validation has it."""
        areas = []
        for k in range(self.n_folds):
            rows = (self.fold == k) & (weight > 0)
            areas.append(float(macro_auroc(probabilities[rows], labels[rows], weight[rows])))
        known = [area for area in areas if not np.isnan(area)]
        return float(np.mean(known)) if known else float("nan")

    def _choose_c(self) -> float:
        """C with the smallest cross-validated log-loss on the labels of the start."""
        labels, weight = self.given.labels, self.given.weight
        if len(labels) > _TUNE_ROWS:
            rng = np.random.default_rng(self.random_state)
            weight = np.where(rng.random(len(labels)) < _TUNE_ROWS / len(labels), weight, 0)
        starts = [self._zeros() for _ in range(_INNER_FOLDS)]

        def loss_at(C: float) -> float:
            loss = 0.0
            for k in range(_INNER_FOLDS):
                test = (self.fold % _INNER_FOLDS == k) & (weight > 0)
                train = LabelState(labels, np.where(test, 0, weight))
                starts[k] = self._fit(train, 1 / C, starts[k])
                loss += log_loss(self.features[test], labels[test], weight[test], starts[k], None)
            return loss

        losses = climb(C_GRID, loss_at, 1.02)
        return C_GRID[int(np.argmin(losses))]

    def _warm_fit(self, state: LabelState, slot: int) -> Float:
        """Fit; the first fit of a slot is where later ones start, which saves most of the work."""
        coef = self._fit(state, self.penalty, self._starts.get(slot, self._zeros()))
        self._starts.setdefault(slot, coef)
        return coef

    def _zeros(self) -> Float:
        return np.zeros((self.n_classes, self.features.shape[1]))

    def _fit(self, state: LabelState, penalty: float, start: Float) -> Float:
        rows = state.weight > 0
        return fit_softmax(
            self.features[rows],
            state.labels[rows],
            state.weight[rows],
            penalty,
            self.bound,
            start,
            max_iterations=_ITERATIONS,
            tolerance=_TOLERANCE,
        )


def _principal_axes(features: Float32) -> tuple[Float, Float32]:
    """Return eigenvalues and eigenvectors of ½ΦᵀΦ, without those of eigenvalue 0."""
    n, d = features.shape
    if n >= d:
        values, vectors = eigh(0.5 * gram(features, np.ones(n)), check_finite=False)
        return np.maximum(values, 0), vectors.astype(np.float32)
    wide = features.astype(np.float64)
    values, left = eigh(0.5 * wide @ wide.T, check_finite=False)
    kept = values > _RANK_TOLERANCE * values[-1]
    values, left = values[kept], left[:, kept]
    return values, (wide.T @ left / np.sqrt(2 * values)).astype(np.float32)


def stratified_folds(labels: Int, n_splits: int, random_state: int) -> Int:
    """Fold of each row, each class spread evenly; -1 counts as a class.

    Classes smaller than the number of folds share one stratum.
    """
    sizes = np.bincount(labels + 1)
    strata = np.where(sizes[labels + 1] >= n_splits, labels, -1)
    if 0 < (strata == -1).sum() < n_splits:
        strata = np.where(strata == -1, np.argmax(sizes) - 1, strata)
    fold = np.empty(len(labels), dtype=np.intp)
    splitter = StratifiedKFold(n_splits, shuffle=True, random_state=random_state)
    for k, (_, rows) in enumerate(splitter.split(np.zeros(len(labels)), strata)):
        fold[rows] = k
    return fold
