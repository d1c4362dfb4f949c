"""The use case "score again after a pull", and what that moves in the queue."""

from __future__ import annotations

from ..reports import PullReport
from ..store import views
from . import score
from .workspace import Workspace

_NEXT = 50  # labels at the head of the queue that are compared


def after_pull(work: Workspace, report: PullReport) -> PullReport:
    """Score again; say how many of the next labels are new.

    The fit starts where the last one stopped, whichever process made that: after a few verdicts it
    is nearly the same. The predictions that the last scores rest on are used again.
    """
    before = set(_head(work))
    record = work.labels.score_record() or {}
    score.start_from_kept_fit(work)
    score.compute_importance(work, None, "local", None, record.get("probabilities_field"))
    head = _head(work)
    return report.standing(next_labels=len(head), next_new=len(set(head) - before))


def _head(work: Workspace) -> list[str]:
    queue = views.queue(work.labels, None)
    [ids] = work.labels.values(queue, [], limit=_NEXT)
    return list(ids)
