"""AUROC of a classifier trained on the cleaned labels, beside controls that keep it honest.

The published number, `cv`, scores the rows that it also lets a reviewer delete. Deleting whatever
is hard raises it even where no label is wrong. So it is shown with `frozen`, which scores the rows
of the start, `heldout`, which scores rows that nobody touched, and with what deleting as many rows
at random or blindly by importance would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ..errors import DataError
from ..scoring.checks import check_arrays
from ..scoring.crossval import LabelState, Task
from ..scoring.linalg import Float, Int
from .auroc import bootstrap_auroc, macro_auroc

# Products smaller than this (features times classes) gain nothing from a second BLAS thread and
# lose a factor of 30 when other processes keep the cores busy.
_ONE_THREAD = 100_000_000


@dataclass(frozen=True, slots=True)
class ControlScores:
    """AUROC after deletions that no reviewer decided.

    Attributes
    ----------
    cv : float
        Mean over the seeds.
    heldout : float or None
        The same; None without a test split.
    """

    cv: float
    heldout: float | None


@dataclass(frozen=True, slots=True)
class AurocScores:
    """AUROC of one task: the pair, or all classes.

    Attributes
    ----------
    cv : float
        K-fold, sample weights in fit and score: the published protocol.
    frozen : float
        The same folds, scored on all rows of the frozen scoring set, deleted ones included.
    heldout : float or None
        Fit on all rows, scored on the test split.
    heldout_interval : (float, float) or None
        95 % bootstrap interval.
    heldout_replicates : tuple of float
        Bootstrap replicates; number b uses the same resample in every round, so that differences
        between rounds are paired.
    random_deletion, blind_deletion : ControlScores or None
        After deleting as many rows as were changed, at random or by importance; None when
        nothing was changed, or there is no importance.
    """

    cv: float
    frozen: float
    heldout: float | None
    heldout_interval: tuple[float, float] | None
    heldout_replicates: tuple[float, ...]
    random_deletion: ControlScores | None
    blind_deletion: ControlScores | None

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> AurocScores:
        """Read what `asdict` wrote."""
        controls = {
            key: ControlScores(**row[key]) if row[key] else None
            for key in ("random_deletion", "blind_deletion")
        }
        interval = row["heldout_interval"]
        return cls(
            **{
                **row,
                **controls,
                "heldout_interval": tuple(interval) if interval else None,
                "heldout_replicates": tuple(row["heldout_replicates"]),
            }
        )


@dataclass(frozen=True, slots=True)
class AurocEvaluation:
    """What `evaluate_auroc` returns.

    Attributes
    ----------
    pair : AurocScores or None
        Class of interest against rival.
    all_classes : AurocScores
        Macro one-vs-rest.
    n_changed : int
        Rows that are deleted or relabeled.
    """

    pair: AurocScores | None
    all_classes: AurocScores
    n_changed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> AurocEvaluation:
        """Read what `to_dict` wrote."""
        return cls(
            pair=AurocScores.from_dict(row["pair"]) if row["pair"] else None,
            all_classes=AurocScores.from_dict(row["all_classes"]),
            n_changed=row["n_changed"],
        )


def evaluate_auroc(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    sample_weight: ArrayLike,
    *,
    given_labels: ArrayLike,
    importance: ArrayLike | None = None,
    scoring_rows: ArrayLike | None = None,
    test_embeddings: NDArray[Any] | None = None,
    test_labels: ArrayLike | None = None,
    pair: Sequence[int] | None = None,
    n_splits: int = 5,
    n_controls: int = 5,
    n_bootstrap: int = 400,
    random_state: int = 0,
) -> AurocEvaluation:
    """Measure AUROC of a softmax regression on the labels as they are now.

    C is chosen once by cross-validated log-loss on the labels of the start, so that every round is
    measured with the same kind of model.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
        Rows that are cleaned.
    labels : int array of shape (n,)
        Present labels.
    sample_weight : array of shape (n,)
        Present weights; 0 for deleted.
    given_labels : int array of shape (n,)
        Labels before any cleaning; folds are stratified by them, controls start from them.
    importance : array of shape (n,), optional
        At the start, for the blind control.
    scoring_rows : bool array of shape (n,), optional
        The frozen scoring set. Default: all rows.
    test_embeddings, test_labels : arrays of shape (m, d) and (m,), optional
        The held-out split.
    pair : (int, int), optional
        Class of interest and rival. Default: only all classes are measured.
    n_splits : int, default 5
        Folds; fewer when a class has fewer rows.
    n_controls : int, default 5
        Seeds of the random control.
    n_bootstrap : int, default 400
        Bootstrap replicates of the held-out AUROC.
    random_state : int, default 0
        Seed.

    Returns
    -------
    AurocEvaluation

    Raises
    ------
    DataError
        When fewer than two classes have two rows, an array has the wrong shape, or embeddings are
        not finite.
    """
    embeddings, y, weight, _ = check_arrays(embeddings, labels, sample_weight, None)
    given = np.asarray(given_labels, dtype=np.intp)
    frozen = np.ones(len(y), bool) if scoring_rows is None else np.asarray(scoring_rows, bool)
    order = None if importance is None else np.asarray(importance, dtype=float)
    for name, values in (("given_labels", given), ("scoring_rows", frozen), ("importance", order)):
        if values is not None and values.shape != y.shape:
            raise DataError(
                f"{name}: must have one entry per row of embeddings, shape {y.shape}, got shape "
                f"{values.shape}.",
                "Give them in the order of the embeddings.",
            )
    test_y = None if test_labels is None else np.asarray(test_labels, dtype=np.intp)
    if test_embeddings is not None and not np.isfinite(test_embeddings).all():
        raise DataError(
            "test_embeddings: must be finite, got NaN or infinite values.",
            "Compute these embeddings again or leave the rows out.",
        )
    changed = (weight == 0) | (y != given)

    def measure(classes: NDArray[np.intp]) -> AurocScores:
        mine = np.isin(given, classes) | np.isin(y, classes)
        test = None
        if test_embeddings is not None and test_y is not None:
            of_test = np.isin(test_y, classes)
            test = (test_embeddings[of_test], _codes(test_y[of_test], classes))
        task = Task(
            embeddings[mine],
            _codes(given[mine], classes),
            test,
            len(classes),
            n_splits,
            random_state,
        )
        mine_now = _codes(y[mine], classes)
        now = LabelState(mine_now, np.where(mine_now >= 0, weight[mine], 0))
        return _measure(
            task,
            now,
            frozen[mine] & np.isin(given[mine], classes),
            changed[mine] & np.isin(given[mine], classes),
            None if order is None else order[mine],
            n_controls,
            n_bootstrap,
        )

    present = np.unique(np.r_[y[weight > 0], given])
    small = embeddings.size * len(present) < _ONE_THREAD
    with threadpool_limits(1 if small else None, user_api="blas"):
        return AurocEvaluation(
            pair=None if pair is None else measure(np.array([pair[1], pair[0]], dtype=np.intp)),
            all_classes=measure(present),
            n_changed=int(changed.sum()),
        )


def _measure(
    task: Task,
    now: LabelState,
    frozen: NDArray[np.bool_],
    changed: NDArray[np.bool_],
    importance: Float | None,
    n_controls: int,
    n_bootstrap: int,
) -> AurocScores:
    probabilities = task.out_of_fold(now)
    frozen_weight = np.where(frozen & (now.labels >= 0), 1.0, 0.0)
    on_test = task.on_test(now)
    heldout: float | None = None
    replicates: Float = np.empty(0)
    if on_test is not None and task.test is not None:
        heldout = float(macro_auroc(on_test, task.test[1], np.ones(len(task.test[1]))))
        replicates = bootstrap_auroc(on_test, task.test[1], n_bootstrap, task.random_state)
    interval = None
    if len(replicates):
        low, high = np.nanpercentile(replicates, [2.5, 97.5])
        interval = (float(low), float(high))
    n_deleted = int(changed.sum())
    pool = np.flatnonzero(task.given.weight > 0)
    rng = np.random.default_rng(task.random_state)
    random = [
        _control(task, rng.choice(pool, n_deleted, replace=False))
        for _ in range(n_controls if n_deleted else 0)
    ]
    blind = None
    if n_deleted and importance is not None:
        blind = _control(task, pool[np.argsort(-importance[pool], kind="stable")[:n_deleted]])
    return AurocScores(
        cv=task.mean_auroc(probabilities, now.labels, now.weight),
        frozen=task.mean_auroc(probabilities, now.labels, frozen_weight),
        heldout=heldout,
        heldout_interval=interval,
        heldout_replicates=tuple(replicates.round(6).tolist()),
        random_deletion=_mean(random) if random else None,
        blind_deletion=blind,
    )


def _control(task: Task, deleted: NDArray[np.intp]) -> ControlScores:
    """Score the labels of the start with some rows deleted."""
    weight = task.given.weight.copy()
    weight[deleted] = 0
    state = LabelState(task.given.labels, weight)
    on_test = task.on_test(state)
    heldout = None
    if on_test is not None and task.test is not None:
        heldout = float(macro_auroc(on_test, task.test[1], np.ones(len(task.test[1]))))
    return ControlScores(task.mean_auroc(task.out_of_fold(state), state.labels, weight), heldout)


def _mean(scores: list[ControlScores]) -> ControlScores:
    heldout = [s.heldout for s in scores if s.heldout is not None]
    return ControlScores(
        float(np.mean([s.cv for s in scores])), float(np.mean(heldout)) if heldout else None
    )


def _codes(labels: Int, classes: Int) -> Int:
    """Return positions in `classes`, -1 for labels that are not among them."""
    codes = np.full(int(max(labels.max(initial=0), classes.max())) + 1, -1, dtype=np.intp)
    codes[classes] = np.arange(len(classes))
    return codes[labels]
