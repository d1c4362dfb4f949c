"""What the rounds came to: AUROC, the history, yields, and whether to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import review
from .core.errors import DataError
from .core.judging.confusion import predict_confusion
from .core.judging.evaluation import AurocEvaluation, evaluate_auroc
from .core.judging.stopping import RoundSummary, StopDecision, next_step
from .core.judging.yields import Estimate, RoundYield, YieldReport, predict_batch, yield_report
from .core.review.ledger import fold, of_answers, undone_rounds
from .core.review.verdicts import Outcome
from .core.scoring.importance import SCORER_VERSION
from .reports import EvaluationReport
from .store import names, views
from .store.rounds import Round, RoundStore, Start, now
from .store.samples import Rows, Samples


def freeze_start(samples: Samples, store: RoundStore, pair: tuple[str, str] | None = None) -> Start:
    """Return the frozen start; freeze it now if this is the first call.

    Without a pair so far, evaluation finds it in the labels that are frozen here.
    """
    start = store.load_start()
    if start is None:
        view = views.scored_view(samples)
        ids, labels, importance = view.values(
            ["id", f"{samples.label_field}.label", names.IMPORTANCE]
        )
        start = Start(
            given_labels=dict(zip(ids, labels, strict=True)),
            importance=dict(zip(ids, importance, strict=True)),
            config={
                "embeddings_field": samples.embeddings_field,
                "test_tag": samples.test_tag,
                "scorer_version": SCORER_VERSION,
                "created_at": now(),
            },
        )
    elif start.pair or pair is None:
        return start
    start.pair = pair
    store.save_start(start)
    return start


def evaluate(samples: Samples, store: RoundStore, random_state: int) -> EvaluationReport:
    """Measure AUROC now and keep it with the latest round, or as the start when there is none."""
    with store.lock("evaluate"):
        start = freeze_start(samples, store)
    train, test = samples.train_rows(), samples.test_rows()
    rounds = store.all()
    # Labels of what was added after the start, before a verdict changed them.
    given_labels = {i.sample_id: i.label for r in reversed(rounds) for i in r.batch}
    given_labels |= start.given_labels
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
    with store.lock("evaluate"):
        # Read again: another process may have pulled answers, or chosen a pair, meanwhile.
        start = freeze_start(samples, store, found)
        if rounds:
            latest = store.load(rounds[-1].number)
            latest.evaluation = evaluation.to_dict()
            store.save(latest)
        else:
            start.evaluation = evaluation.to_dict()
            store.save_start(start)
    return EvaluationReport(rounds[-1].number if rounds else 0, evaluation, _baseline(start))


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


def _baseline(start: Start | None) -> AurocEvaluation | None:
    return AurocEvaluation.from_dict(start.evaluation) if start and start.evaluation else None


def history(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Return one row a round: what was reviewed, what it came to, and its evaluation."""
    undone = undone_rounds(review.ledger(rounds))
    table = []
    for round_ in rounds:
        states = fold(of_answers(round_.events))
        outcomes = {o: sum(s.outcome is o for s in states.values()) for o in Outcome}
        counts = review.count_by_class(round_).values()
        total = {key: sum(count[key] for count in counts) for key in review.COUNTS}
        table.append(
            {
                "round": round_.number,
                "class_of_interest": ", ".join(round_.classes),
                "classes": list(round_.classes),
                "rival": round_.rival,
                "size": len(round_.batch),
                "pool": sum(round_.pools.values()),
                "reviewed": total["reviewed"],
                "errors_found": total["errors"],
                **{outcome.value: number for outcome, number in outcomes.items()},
                "n_controls": total["n_controls"],
                "control_errors": total["control_errors"],
                "undone": round_.number in undone,
                "created_at": round_.config["created_at"],
                "closed_at": round_.closed_at,
                "url": round_.project.get("url"),
                "evaluation": round_.evaluation,
            }
        )
    return table


def counted(table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `history` that count: those with answers that are not undone."""
    return [row for row in table if row["reviewed"] and not row["undone"]]


def decide(table: Sequence[dict[str, Any]], start: Start | None, **parameters: Any) -> StopDecision:
    """Say from a `history` whether another round is worth it; parameters: `core.next_step`."""
    rows = [_summary(row) for row in counted(table)]
    return next_step(rows, baseline=_baseline(start), **parameters)


def _summary(row: dict[str, Any]) -> RoundSummary:
    evaluation = row["evaluation"]
    return RoundSummary(
        round=row["round"],
        reviewed=row["reviewed"],
        errors_found=row["errors_found"],
        n_controls=row["n_controls"],
        control_errors=row["control_errors"],
        evaluation=AurocEvaluation.from_dict(evaluation) if evaluation else None,
    )


def yields(
    samples: Samples,
    store: RoundStore,
    rounds: Sequence[Round],
    class_of_interest: str | None,
    random_state: int,
) -> YieldReport:
    """Say how noisy a class is, how much better than chance its queue is, and what is left."""
    of_class, mine = class_yields(rounds, class_of_interest)
    if not of_class:
        return yield_report(mine, None)
    return yield_report(mine, _next_batch(samples, store, rounds, of_class, random_state))


def class_yields(
    rounds: Sequence[Round], class_of_interest: str | None
) -> tuple[list[tuple[Round, str]], list[RoundYield]]:
    """Return the rounds of a class that count and have answers, and their numbers."""
    undone = undone_rounds(review.ledger(rounds))
    counts = [(r, review.count_by_class(r)) for r in rounds if r.number not in undone]
    answered = [(r, c) for r, c in counts if any(n["reviewed"] for n in c.values())]
    if not answered:
        return [], []
    cls = class_of_interest or answered[-1][0].class_of_interest
    mine = [(r, c[cls]) for r, c in answered if cls in c and c[cls]["reviewed"]]
    return (
        [(r, cls) for r, _ in mine],
        [RoundYield(pool=r.pools[cls], **count) for r, count in mine],
    )


def _next_batch(
    samples: Samples,
    store: RoundStore,
    rounds: Sequence[Round],
    of_class: Sequence[tuple[Round, str]],
    random_state: int,
) -> Estimate:
    """Predict a batch like the last one from everything reviewed of its class."""
    importance, wrong = [], []
    for round_, cls in of_class:
        states = fold(of_answers(round_.events))
        for item in round_.batch:
            if item.label == cls and item.sample_id in states:
                importance.append(item.importance)
                wrong.append(states[item.sample_id].outcome.is_error)
    last, cls = of_class[-1]
    batch = [item for item in last.batch if item.label == cls]
    upcoming = review.upcoming_importance(
        samples, store, rounds, cls, len(batch), sum(item.control for item in batch)
    )
    return predict_batch(importance, wrong, upcoming, random_state)
