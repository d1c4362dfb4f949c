"""The use case "run whole rounds unattended": push, wait, pull, score, evaluate, decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.judging.stopping import StopDecision
from . import evaluate
from .draw import Wanted
from .push import push_round
from .score import compute_importance
from .wait import wait_for_reviews
from .workspace import Workspace

Progress = Callable[[float, str], None]


def run_rounds(
    work: Workspace,
    server: Any,
    rounds: int,
    n: int,
    controls: int,
    *,
    asked: Wanted,
    options: dict[str, Any],
    seconds: float,
    budget: int | None,
    report: Callable[[Any], None] | None,
    progress: Progress | None,
) -> StopDecision:
    """Run rounds until the stop rule says stop; see `CleaningLoop.run_rounds`."""
    tell = report or (lambda what: None)
    if not work.labels.is_scored():
        tell(compute_importance(work, None, "local", None))
    if not work.store.is_started():
        tell(evaluate.evaluate_round(work))
    decision = evaluate.decide(work, budget=budget)
    for _ in range(rounds):
        tell(
            push_round(
                work,
                server,
                n,
                controls,
                asked=asked,
                options=options,
                progress=None,
            )
        )
        tell(wait_for_reviews(work, server, seconds, progress=progress))
        tell(compute_importance(work, None, "local", None))
        tell(evaluate.evaluate_round(work))
        decision = evaluate.decide(work, budget=budget)
        if not decision.continue_:
            break
    return decision
