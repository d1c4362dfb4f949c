"""The use cases "score every label" and "draw a coreset by the scores"."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.judging.plan import expected_errors
from ..core.review.rounds import Rounds
from ..core.review.scope import TRAIN_SPLIT
from ..core.scoring.importance import SCORER_VERSION, LabelModel, LabelScores, score_labels
from ..core.scoring.kept import from_arrays, to_arrays
from ..core.scoring.sampling import sample_coreset as draw_coreset
from ..desks.app import AppDesk
from ..reports import CoresetReport, ImportanceReport
from ..store import coreset, embedding_run, ownership, views
from ..store.label_rows import Rows, weight_or_one
from ..store.lock import lock
from ..store.marks import declare_review_fields
from ..store.probabilities import read_probabilities
from ..store.rounds import now
from ..store.scores import ScoreRecord
from ..store.selection import Selection, Split
from .embed import check_engine
from .plan import keep_plan, learned_odds
from .workspace import Workspace

Progress = Callable[[float, str], None]


def compute_importance(
    work: Workspace,
    progress: Progress | None,
    engine: str,
    num_workers: int | None,
    probabilities_field: str | None = None,
) -> ImportanceReport:
    """Score every label outside the test split; see `CleaningLoop.compute_importance`."""
    check_engine(engine, work.labels)
    work.labels.check_names()
    rounds = work.store.all()
    seen = _seen(work, rounds)
    with contextlib.ExitStack() as stack:
        rows = _rows(work, engine, num_workers, stack)
        known = with_verdicts(rows, seen)
        predicted = None
        if probabilities_field is not None:
            predicted = read_probabilities(
                work.labels, probabilities_field, rows.ids, known.classes
            )
        scores = score_labels(
            rows.embeddings,
            known.given,
            rows.weights,
            work.random_state,
            class_names=known.classes,
            warm_start=work.model,
            progress=progress,
            probabilities=predicted,
            verified=known.verified,
        )
    work.model = scores.model
    rows = replace(rows, classes=known.classes)
    verified = known.verified
    if work.samples.of_test_split:
        rows, scores, verified = _of_test_split(work, rows, scores, verified)
    with lock(work.samples.dataset, "names", "score"):  # fields of one dataset share them
        work.labels.check_names()
        work.labels.record_scores(
            ScoreRecord(
                embeddings_field=work.labels.embeddings_field,
                model=embedding_run.network_name(
                    work.samples.dataset, work.labels.embeddings_field
                ),
                probabilities_field=probabilities_field,
                scorer_version=SCORER_VERSION,
                reliability=scores.reliability,
                classes=list(rows.classes),
                rows=len(rows),
                random_state=work.random_state,
                scored_at=now(),
            )
        )
        declare_review_fields(work.labels)
        work.labels.write_scores(rows, scores, _asked_in_the_app(work))
    _keep_fit(work, scores.model)
    keep_plan(work, rounds)
    unlabeled, without_vector = work.labels.left_out()
    open_rows = (rows.weights > 0) & (verified < 0)
    expected = expected_errors(
        scores.wrong_probability[open_rows],
        [rows.classes[code] for code in rows.labels[open_rows]],
        learned_odds(rounds),
        work.random_state,
    )
    return ImportanceReport(
        samples=len(rows),
        classes=len(np.unique(rows.labels)),
        total_sensitivity=scores.total_sensitivity,
        expected_errors=expected.value,
        expected_errors_interval=(expected.low, expected.high),
        reliability=scores.reliability,
        warnings=scores.warnings,
        unlabeled=unlabeled,
        without_vector=without_vector,
        persistent=bool(work.samples.dataset.persistent),
    )


def _asked_in_the_app(work: Workspace) -> AbstractSet[str]:
    """Return the labels that the App asks about.

    Its pages show the suggestion that is in the dataset, and a click stands for the one that is on
    record with the round: both must stay the same.
    """
    rounds = work.store.all()
    round_ = rounds.open_at(AppDesk.name)
    return rounds.lost_unanswered(round_) if round_ else frozenset()


def _keep_fit(work: Workspace, model: LabelModel) -> None:
    """Keep a fit for other processes, unless it is large; the test split is quickly fitted."""
    arrays = None if work.samples.of_test_split else to_arrays(model)
    if arrays is not None:
        work.labels.keep_fit(arrays)


def start_from_kept_fit(work: Workspace) -> None:
    """Let the next scoring start where another process has stopped."""
    if work.model is None and not work.samples.of_test_split:
        arrays = work.labels.kept_fit()
        work.model = None if arrays is None else from_arrays(arrays)


def _seen(work: Workspace, rounds: Rounds) -> Rounds:
    """Return the rounds whose verdicts teach: of the test split's scores, those of both splits.

    What is cleaned for training never learns from the test split.

    Raises
    ------
    DataError
        When the test split is to be scored and the rest is not scored yet.
    """
    if not work.samples.of_test_split:
        return rounds
    if not ownership.is_ours(work.labels.dataset, work.labels.names.importance):
        raise DataError(
            f"{work.where} must have been scored outside the test split before the test split is.",
            "Score that first: `coreset-cleaning score` or "
            "CleaningLoop(dataset).compute_importance().",
        )
    return Rounds([*work.store.other(TRAIN_SPLIT).all(), *rounds])


def _of_test_split(
    work: Workspace, rows: Rows, scores: LabelScores, verified: NDArray[np.int64]
) -> tuple[Rows, LabelScores, NDArray[np.int64]]:
    """Return what is to be written: rows, scores and verdicts of the test split."""
    [ids] = work.labels.values(Selection(Split.TRAIN), [])
    mine = np.isin(rows.ids, ids)
    columns = (
        "importance", "wrong_probability", "suggested_class", "suggested_probability",
        "second_class", "influence", "knn_disagreement",
    )  # fmt: skip
    part = {name: getattr(scores, name)[mine] for name in columns}
    of_split = replace(
        rows,
        ids=[label_id for label_id, own in zip(rows.ids, mine, strict=True) if own],
        labels=rows.labels[mine],
        weights=rows.weights[mine],
    )
    return of_split, replace(scores, **part), verified[mine]


@dataclass(frozen=True)
class Known:
    """Labels as they were given, and what people have said of them.

    Attributes
    ----------
    given : ndarray of int, shape (n,)
        The label that reviewers were asked about, or the present one.
    verified : ndarray of int, shape (n,)
        The true class where a person has told it, -1 elsewhere.
    classes : tuple of str
        Class names: those in use, then those that only given labels have.
    """

    given: NDArray[np.int64]
    verified: NDArray[np.int64]
    classes: tuple[str, ...]


def with_verdicts(rows: Rows, rounds: Rounds) -> Known:
    """Return what the ledger knows of rows: a verdict teaches how labels go wrong.

    A label that somebody has changed by hand since its verdict counts as given anew.
    """
    given, verified = rows.labels.copy(), np.full(len(rows), -1)
    code = {name: index for index, name in enumerate(rows.classes)}
    for row, label_id in enumerate(rows.ids):
        state = rounds.states.get(label_id)
        true = None if state is None else rounds.true_class(state)
        if state is None or true is None or rows.classes[rows.labels[row]] != true:
            continue
        asked = rounds.asked(state).label
        given[row] = code.setdefault(asked, len(code))
        verified[row] = code[true]
    return Known(given, verified, tuple(code))


def _rows(
    work: Workspace, engine: str, num_workers: int | None, stack: contextlib.ExitStack
) -> Rows:
    # The test split alone is small: it is judged by a fit of all labels.
    split = Split.VIEW if work.samples.of_test_split else Split.TRAIN
    if engine != "ray":
        return work.labels.read(split, work.labels.classes())
    from ..ray.rows import RayRows

    def read(view: Any, field: str) -> Any:
        ids = view.values("id")
        vectors = RayRows.of_field(work.samples.dataset, field, ids, num_workers)
        stack.callback(vectors.close)
        return ids, vectors, np.zeros(len(ids), bool)

    return work.labels.read(split, work.labels.classes(), read)


def sample_coreset(work: Workspace, m: int) -> CoresetReport:
    """Tag a weighted coreset; see `CleaningLoop.sample_coreset`."""
    ours = work.labels.names
    work.labels.check_names(tags=[ours.coreset])
    scored = views.scored(work.labels, ours.influence)
    ids, moved, kept = work.labels.values(scored, [ours.influence, ours.weight])
    influence = np.array(moved)
    weights = np.array([weight_or_one(weight) for weight in kept])
    indices, coreset_weights = draw_coreset(influence, m, weights, work.random_state)
    chosen = {ids[i]: float(w) for i, w in zip(indices.tolist(), coreset_weights, strict=True)}
    coreset.write_coreset(work.labels, chosen)
    return CoresetReport(len(chosen), sum(chosen.values()), ours.coreset_view)
