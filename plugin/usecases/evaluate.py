"""The use cases "measure what the rounds came to" and "say whether to go on"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.judging.confusion import predict_confusion
from ..core.judging.evaluation import AurocEvaluation, evaluate_auroc
from ..core.judging.stopping import RoundSummary, StopDecision, next_step
from ..core.judging.yields import (
    BudgetPoint,
    Estimate,
    RoundYield,
    YieldReport,
    budget_curve,
    predict_batch,
    yield_report,
)
from ..core.review.rounds import HistoryRow, Round, Rounds
from ..core.scoring.importance import SCORER_VERSION
from ..core.scoring.predictions import out_of_fold_probabilities
from ..reports import EvaluationReport, Overview
from ..store import evaluations, views
from ..store.labels import Rows
from ..store.rounds import Start, now
from .workspace import Workspace


def freeze_start(work: Workspace, pair: tuple[str, str] | None = None) -> Start:
    """Return the frozen start; freeze it now if this is the first call.

    Without a pair so far, evaluation finds it in the labels that are frozen here.
    """
    start = work.store.load_start()
    if start is None:
        view = views.scored_view(work.labels)
        ids = view.values("id")
        columns = work.labels.columns([work.labels.path, work.labels.names.importance])
        start = Start(
            given_labels={i: columns[i][0] for i in ids},
            importance={i: columns[i][1] for i in ids},
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
    train, test = work.labels.train_rows(), work.labels.test_rows()
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
        store.save_evaluation(number, evaluation.to_dict())
    return EvaluationReport(number, evaluation, _baseline(store.evaluations()))


def publish_evaluation(work: Workspace) -> str:
    """Show the labels as they are now in the App; see `CleaningLoop.publish_evaluation`."""
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
    return work.store.all().history(work.store.evaluations())


def decide(work: Workspace, **parameters: Any) -> StopDecision:
    """Say whether another round is worth it; parameters: `core.next_step`."""
    found = work.store.evaluations()
    return _decide(work.store.all().history(found), found, **parameters)


def _decide(
    rows: Sequence[HistoryRow], found: dict[int, dict[str, Any]], **parameters: Any
) -> StopDecision:
    counted = [_summary(row) for row in rows if row.counts]
    return next_step(counted, baseline=_baseline(found), **parameters)


def overview(work: Workspace) -> Overview:
    """Return what a page about the rounds shows, from one look at the database."""
    rounds, found = work.store.all(), work.store.evaluations()
    rows = rounds.history(found)
    return Overview(
        history=[row.to_dict() for row in rows],
        baseline=found.get(0),
        yields=_yields(work, rounds, None) if rounds.counted else None,
        decision=_decide(rows, found),
        next_round=work.store.next_number(),
    )


def _summary(row: HistoryRow) -> RoundSummary:
    return RoundSummary(
        round=row.round,
        reviewed=row.reviewed,
        errors_found=row.errors_found,
        n_controls=row.n_controls,
        control_errors=row.control_errors,
        evaluation=AurocEvaluation.from_dict(row.evaluation) if row.evaluation else None,
    )


def yields(work: Workspace, class_of_interest: str | None) -> YieldReport:
    """Say how noisy a class is, how much better than chance its queue is, and what is left."""
    return _yields(work, work.store.all(), class_of_interest)


def _yields(work: Workspace, rounds: Rounds, class_of_interest: str | None) -> YieldReport:
    of_class, cls = _of_class(rounds, class_of_interest)
    mine = [_round_yield(rounds, round_, cls) for round_ in of_class]
    if not of_class:
        return yield_report(mine, None)
    return yield_report(mine, _next_batch(work, rounds, of_class, cls))


def budget(work: Workspace, class_of_interest: str | None) -> list[BudgetPoint]:
    """Return wrong labels found against images reviewed, beside a random review."""
    rounds = work.store.all()
    of_class, cls = _of_class(rounds, class_of_interest)
    return budget_curve([_round_yield(rounds, round_, cls) for round_ in of_class])


def _of_class(rounds: Rounds, asked: str | None) -> tuple[list[Round], str]:
    """Return the rounds that count and have judged labels of a class, and the class."""
    if not rounds.counted:
        return [], asked or ""
    cls = asked or rounds.counted[-1].class_of_interest
    found = [r for r in rounds.counted if cls in r.classes and rounds.counts(r)[cls].reviewed]
    return found, cls


def _round_yield(rounds: Rounds, round_: Round, cls: str) -> RoundYield:
    count = rounds.counts(round_)[cls]
    return RoundYield(
        pool=round_.pools[cls],
        reviewed=count.reviewed,
        errors=count.errors,
        n_controls=count.n_controls,
        control_errors=count.control_errors,
    )


def _next_batch(work: Workspace, rounds: Rounds, of_class: Sequence[Round], cls: str) -> Estimate:
    """Predict a batch like the last one from everything judged of its class."""
    importance, wrong = [], []
    for round_ in of_class:
        states = rounds.judged(round_)
        for item in round_.batch:
            if item.label == cls and item.sample_id in states:
                importance.append(item.importance)
                wrong.append(states[item.sample_id].outcome.is_error)
    batch = [item for item in of_class[-1].batch if item.label == cls]
    upcoming = _upcoming_importance(
        work, rounds, cls, len(batch), sum(item.control for item in batch)
    )
    return predict_batch(importance, wrong, upcoming, work.random_state)


def _upcoming_importance(
    work: Workspace, rounds: Rounds, cls: str, n: int, controls: int
) -> NDArray[Any]:
    """Return the importance of what a further batch of a class would show.

    The top of the queue, and in place of random controls as many evenly spaced over the rest. A
    class that has lost all its labels has none.
    """
    ids, importance = views.queue_of(work.labels, cls).values(["id", work.labels.names.importance])
    left = np.array(
        [v for i, v in zip(ids, importance, strict=True) if not rounds.is_served(i, cls)]
    )
    top, rest = left[: max(n - controls, 0)], left[max(n - controls, 0) :]
    spaced = np.linspace(0, len(rest) - 1, min(controls, len(rest))).round().astype(int)
    return np.concatenate([top, rest[spaced]])
