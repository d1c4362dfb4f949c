"""The use case "end a round although not every task is answered"."""

from __future__ import annotations

from typing import Any

from ..core.errors import DataError, ProjectMissingError, RoundError
from ..core.review.round import Round
from ..reports import CloseReport
from ..store.marks import write_back
from ..store.rounds import now
from .plan import keep_plan
from .pull import pull_reviews
from .push import subject
from .workspace import Workspace, desk_for


def close_round(
    work: Workspace, server: Any | None, number: int | None, delete_tasks: bool
) -> CloseReport:
    """End a round; with a desk, pull its last answers first and tidy up there."""
    if delete_tasks and server is None:
        raise DataError(
            "delete_tasks needs the server that holds the tasks, got none.", "Pass server."
        )
    work.labels.check_names(saves_views=False)
    work.labels.check_unlocked()
    round_ = _wanted(work, number)
    tab_deleted, tasks_deleted = False, 0
    if server is not None and round_.home in work.store.projects():
        tab_deleted, tasks_deleted = _tidy_up(work, server, round_, delete_tasks)
    with work.store.lock("close") as claim:
        round_ = work.store.load(round_.number)
        if round_.closed_at is None:
            claim.check()
            work.store.append(round_, [], now())
        rounds = work.store.all()
        write_back(work.labels, rounds)
        keep_plan(work, rounds)
    return CloseReport(
        round=round_.number,
        answered=len(rounds.complete(round_)),
        total=len(round_.shown),
        tab_deleted=tab_deleted,
        tasks_deleted=tasks_deleted,
    )


def _wanted(work: Workspace, number: int | None) -> Round:
    round_ = work.store.all().open if number is None else work.store.load(number)
    if round_ is None:
        raise RoundError(f"{work.where} has no open round.", "Name one: close_round(number=3).")
    return round_


def _tidy_up(work: Workspace, server: Any, round_: Round, delete_tasks: bool) -> tuple[bool, int]:
    """Pull, then delete the round's page; nothing when the project is gone."""
    desk = desk_for(server)
    try:
        pull_reviews(work, server)
        rounds = work.store.all()
        project = work.store.projects().get(round_.home, {})
        return desk.close(subject(work, rounds, round_.home), round_.number, project, delete_tasks)
    except ProjectMissingError:
        return False, 0
