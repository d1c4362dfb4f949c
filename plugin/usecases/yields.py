"""The use case "say what reviews have yielded, and what the next ones will"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.judging.estimates import Estimate
from ..core.judging.tally import round_yields
from ..core.judging.yields import (
    BudgetPoint,
    YieldReport,
    budget_curve,
    predict_batch,
    yield_report,
)
from ..core.review.queue import BatchItem, take_top
from ..core.review.rounds import Rounds
from ..core.review.scope import Scope, read_scope
from ..store import views
from ..store.queues import read_queue
from .workspace import Workspace


def yields(work: Workspace, class_of_interest: str | None, scope: str | None = None) -> YieldReport:
    """Say how noisy a class or the dataset is, how good its queue, and what is left."""
    return yields_of(work, work.store.all(), *_read_scope(scope, class_of_interest))


def yields_of(
    work: Workspace,
    rounds: Rounds,
    scope: Scope | None = None,
    asked: str | None = None,
    *,
    predict: bool = True,
) -> YieldReport:
    """Return the yields; without `predict`, not what the next batch will hold."""
    cls = reported_class(rounds, scope, asked)
    mine = round_yields(rounds, cls)
    kind = Scope.DATASET if cls is None else Scope.CLASS
    if not mine or not predict:
        return yield_report(mine, None, kind)
    return yield_report(mine, _next_batch(work, rounds, cls), kind)


def budget(
    work: Workspace, class_of_interest: str | None, scope: str | None = None
) -> list[BudgetPoint]:
    """Return wrong labels found against images reviewed, beside a random review."""
    rounds = work.store.all()
    return budget_curve(
        round_yields(rounds, reported_class(rounds, *_read_scope(scope, class_of_interest)))
    )


def _read_scope(scope: str | None, asked: str | None) -> tuple[Scope | None, str | None]:
    kind, found = read_scope(scope, asked)
    if found is not None and not isinstance(found, str):
        raise DataError(
            f"yields are those of one class or of the whole dataset, got {found!r}.",
            'Name one class, or pass scope="dataset".',
        )
    return kind, found


def reported_class(rounds: Rounds, scope: Scope | None, asked: str | None) -> str | None:
    """Return the class to report on, or None for the whole dataset; by default as last reviewed."""
    last = rounds.counted[-1] if rounds.counted else None
    if scope is Scope.DATASET or (scope is None and last and last.scope is Scope.DATASET):
        return None
    of_classes = [r for r in rounds.counted if r.scope is Scope.CLASS] or rounds.counted
    return asked or (of_classes[-1].class_of_interest if of_classes else "")


def _next_batch(work: Workspace, rounds: Rounds, cls: str | None) -> Estimate:
    """Predict a batch like the last one from everything judged of its class or of the dataset."""
    importance, wrong = [], []
    batch: list[BatchItem] = []
    limit = None
    for round_ in rounds.counted:
        states = rounds.judged(round_)
        mine = [item for item in round_.batch if cls in (None, item.label)]
        judged = [item for item in mine if item.sample_id in states]
        importance += [item.importance for item in judged]
        wrong += [states[item.sample_id].outcome.is_error for item in judged]
        if judged and (cls is not None or round_.scope is Scope.DATASET):
            batch = mine
            limit = round_.config["options"].get("max_per_class") if cls is None else None
    upcoming = _upcoming_importance(
        work, rounds, cls, len(batch), sum(item.control for item in batch), limit
    )
    return predict_batch(importance, wrong, upcoming, work.random_state)


def _upcoming_importance(
    work: Workspace,
    rounds: Rounds,
    cls: str | None,
    n: int,
    controls: int,
    max_per_class: int | None,
) -> NDArray[Any]:
    """Return the importance of what a further batch would show.

    The top of the queue, and in place of random controls as many evenly spaced over the rest. A
    class that has lost all its labels has none.
    """
    queue = read_queue(work.labels, views.queue(work.labels, cls))
    queue = queue.only(queue.eligible(rounds))
    top = take_top(queue.codes, max(n - controls, 0), max_per_class or n)
    rest = np.delete(queue.importance, top)
    spaced = np.linspace(0, len(rest) - 1, min(controls, len(rest))).round().astype(int)
    return np.concatenate([queue.importance[top], rest[spaced]])
