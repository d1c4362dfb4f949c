"""The use cases "measure what the rounds came to" and "say whether to go on"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.judging.confusion import predict_confusion
from ..core.judging.evaluation import AurocEvaluation, evaluate_auroc
from ..core.judging.meter import Meter, meter, meters
from ..core.judging.stopping import RoundSummary, StopDecision, next_step
from ..core.judging.tally import importance_bars
from ..core.review.round import HistoryRow
from ..core.review.rounds import Rounds
from ..core.review.scope import TEST_SPLIT, Scope
from ..core.scoring.importance import SCORER_VERSION
from ..core.scoring.predictions import out_of_fold_probabilities
from ..reports import EvaluationReport, Overview
from ..store import evaluations, views
from ..store.label_rows import Rows
from ..store.rounds import Start, now
from .plan import kept_plan, plan_round
from .workspace import Workspace
from .yields import reported_class, yields_of


def freeze_start(work: Workspace, pair: tuple[str, str] | None = None) -> Start:
    """Return the frozen start; freeze it now if this is the first call.

    Without a pair so far, evaluation finds it in the labels that are frozen here.
    """
    start = work.store.load_start()
    if start is None:
        ids, given, importance = work.labels.values(
            views.scored(work.labels), [work.labels.path, work.labels.names.importance]
        )
        start = Start(
            given_labels=dict(zip(ids, given, strict=True)),
            importance=dict(zip(ids, importance, strict=True)),
            config={
                "embeddings_field": work.labels.embeddings_field,
                "test_tag": work.samples.test_tag,
                "scorer_version": SCORER_VERSION,
                "created_at": now(),
            },
        )
    elif start.pair or pair is None:
        return start
    start.pair = pair
    work.store.save_start(start)
    return start


def evaluate_round(work: Workspace) -> EvaluationReport:
    """Measure AUROC now and keep it with the last round that is not undone, or as the start."""
    store, random_state = work.store, work.random_state
    with store.lock("evaluate"):
        start = freeze_start(work)
    train, test = work.labels.train_rows(), _held_out(work)
    test_changes = _test_changes(work)
    rounds = store.all()
    # Labels of what was added after the start, before a verdict changed them.
    given_labels = {**rounds.first_labels, **start.given_labels}
    # A class may have lost all its samples.
    position = {name: index for index, name in enumerate(train.classes)}
    for name in [*given_labels.values(), *(start.pair or ())]:
        position.setdefault(name, len(position))
    given = np.array(
        [
            position[given_labels[i]] if i in given_labels else y
            for i, y in zip(train.ids, train.labels, strict=True)
        ]
    )
    found = None
    if start.pair is None:  # whoever chose the class by hand left the pair to be found
        start.pair = found = _confused_pair(train, given, test, list(position), random_state)
    pair = start.pair and (position[start.pair[0]], position[start.pair[1]])
    if pair and not set(pair) <= set(train.labels.tolist()):
        pair = None  # one of the two was renamed, or has lost all its labels
    evaluation = evaluate_auroc(
        train.embeddings,
        train.labels,
        train.weights,
        given_labels=given,
        importance=np.array([start.importance.get(i, 0.0) for i in train.ids]),
        scoring_rows=np.array([i in start.given_labels for i in train.ids]),
        test_embeddings=None if test is None else test.embeddings,
        test_labels=None if test is None else test.labels,
        pair=pair,
        random_state=random_state,
    )
    with store.lock("evaluate") as claim:
        # Read again: another process may have chosen a pair meanwhile.
        freeze_start(work, found)
        claim.check()
        last = rounds.last_counted
        number = last.number if last else 0
        store.save_evaluation(number, {**evaluation.to_dict(), "test_changes": test_changes})
    scope = last.scope if last else Scope.CLASS
    before = _baseline(store.evaluations())
    return EvaluationReport(number, evaluation, before, scope.value, test_changes)


def _held_out(work: Workspace) -> Rows | None:
    """Return the test split without what its own rounds have deleted; None when there is none."""
    test = work.labels.test_rows()
    if test is None or test.weights.all():
        return test
    stays = np.flatnonzero(test.weights > 0)
    return replace(
        test,
        ids=[test.ids[row] for row in stays],
        labels=test.labels[stays],
        weights=test.weights[stays],
        embeddings=test.embeddings[stays],
    )


def _test_changes(work: Workspace) -> int:
    """Count the labels of the test split that its own rounds found wrong."""
    if work.samples.of_test_split:
        return 0
    states = work.store.other(TEST_SPLIT).all().states.values()
    return sum(state.outcome.is_error for state in states)


def publish_evaluation(work: Workspace) -> str:
    """Show the labels as they are now in the App; see `CleaningLoop.publish_evaluation`."""
    if work.labels.of_crops:
        raise DataError(
            f"what is published must be of whole images, got the objects of {work.where}: "
            "FiftyOne's evaluation of detections matches boxes, and all of these are true.",
            "evaluate_round() measures them.",
        )
    work.labels.check_names()
    last = work.store.all().last_counted
    key = work.labels.names.evaluation_key(last.number if last else 0)
    rows = work.labels.train_rows()
    probabilities = out_of_fold_probabilities(
        rows.embeddings,
        rows.labels,
        rows.weights,
        n_classes=len(rows.classes),
        random_state=work.random_state,
    )
    evaluations.save_evaluation(work.labels, rows, probabilities, key)
    return key


def _confused_pair(
    train: Rows,
    given: NDArray[np.int64],
    test: Rows | None,
    classes: Sequence[str],
    random_state: int,
) -> tuple[str, str] | None:
    """Return the pair that was confused most at the start; None when no two classes were."""
    try:
        found = predict_confusion(
            train.embeddings,
            given,
            classes,
            test_embeddings=None if test is None else test.embeddings,
            test_labels=None if test is None else test.labels,
            random_state=random_state,
        )
    except DataError:
        return None
    return found.class_of_interest, found.rival


def _baseline(found: dict[int, dict[str, Any]]) -> AurocEvaluation | None:
    return AurocEvaluation.from_dict(found[0]) if 0 in found else None


def history(work: Workspace) -> list[HistoryRow]:
    """Return one row per round: what was reviewed, what it came to, and its evaluation."""
    return _history(work.store.all(), work.store.evaluations())


def _history(rounds: Rounds, found: dict[int, dict[str, Any]]) -> list[HistoryRow]:
    _, each = meters(rounds)
    return rounds.history(found, {n: cost.to_dict() for n, cost in each.items()})


def cost(work: Workspace) -> Meter:
    """Return what the rounds cost that are not undone, in people's time."""
    return meter(work.store.all())


def decide(work: Workspace, **parameters: Any) -> StopDecision:
    """Say whether another round is worth it; parameters: `core.next_step`."""
    rounds, found = work.store.all(), work.store.evaluations()
    planned = plan_round(work, rounds)
    return _decide(rounds.history(found), found, plan=planned, **parameters)


def _decide(
    rows: Sequence[HistoryRow], found: dict[int, dict[str, Any]], **parameters: Any
) -> StopDecision:
    counted = [row for row in rows if row.counts]
    now = counted[-1].evaluation if counted else None
    alike = {n: _by_yardstick(evaluation, now) for n, evaluation in found.items()}
    summaries = [_summary(replace(r, evaluation=_by_yardstick(r.evaluation, now))) for r in counted]
    return next_step(summaries, baseline=_baseline(alike), **parameters)


def _by_yardstick(found: dict[str, Any] | None, now: dict[str, Any] | None) -> Any:
    """Return an evaluation without held-out replicates where the test labels were others then.

    A difference from them would be that of two yardsticks.
    """
    if not found or not now or found.get("test_changes", 0) == now.get("test_changes", 0):
        return found
    lost = {"heldout_replicates": ()}
    return {
        **found,
        **{k: {**found[k], **lost} for k in ("pair", "all_classes") if found[k]},
    }


def overview(work: Workspace, predict: bool = True) -> Overview:
    """Return what a page about the rounds shows, from one look at the database.

    With `predict` the yields say what the next batch will hold, for which the queue is read.
    """
    rounds, found = work.store.all(), work.store.evaluations()
    what = reported_class(rounds, None, None)
    report = yields_of(work, rounds, predict=predict) if rounds.counted else None
    whole, each = meters(rounds, {what: report.noise_rate} if report else None)
    rows = rounds.history(found, {n: cost.to_dict() for n, cost in each.items()})
    kept = kept_plan(work, rounds)
    return Overview(
        history=[row.to_dict() for row in rows],
        baseline=found.get(0),
        yields=report,
        decision=_decide(rows, found, plan=kept),
        next_round=work.store.next_number(),
        meter=whole if rounds.counted else None,
        plan=kept,
        importance=importance_bars(rounds),
    )


def _summary(row: HistoryRow) -> RoundSummary:
    return RoundSummary(
        round=row.round,
        reviewed=row.reviewed,
        errors_found=row.errors_found,
        n_controls=row.n_controls,
        control_errors=row.control_errors,
        evaluation=AurocEvaluation.from_dict(row.evaluation) if row.evaluation else None,
        scope=Scope(row.scope),
        class_of_interest=row.classes[0],
    )
