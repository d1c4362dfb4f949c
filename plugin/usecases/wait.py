"""The use case "wait for reviewers": pull until the open round is complete."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..core.errors import BusyError, ProjectMissingError, ServerError
from ..desks.labelstudio.connection import is_refusal
from ..reports import PullReport
from .pull import pull_reviews
from .workspace import Workspace

Progress = Callable[[float, str], None]


def wait_for_reviews(
    work: Workspace,
    server: Any,
    seconds: float,
    *,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> PullReport:
    """Pull again and again until the open round is complete."""
    end = float("inf") if timeout is None else time.monotonic() + timeout
    report, away = pull_reviews(work, server), ""
    while True:
        if progress:
            share = report.answered / report.total if report.total else 1.0
            text = f"{report.answered} of {report.total} tasks{_skipped(report)}{away}"
            if report.unnamed_url:
                text += f"; images marked without a class: {report.unnamed_url}"
            progress(share, text)
        left = end - time.monotonic()
        if report.open_round is None or left <= 0:
            return report
        time.sleep(min(seconds, left))
        try:
            report, away = pull_reviews(work, server), ""
        except BusyError:
            pass  # a pull, too: the next one sees what it brought
        except ServerError as error:
            if isinstance(error, ProjectMissingError) or is_refusal(error):
                raise
            away = ", waiting for Label Studio"


def _skipped(report: PullReport) -> str:
    """Say what was skipped; where nothing else is left, how the round ends all the same."""
    left = sum(map(len, report.skips.values()))
    if left and report.answered + left >= report.total:
        return f", {left} skipped: answer them, or end the round with `coreset-cleaning close`"
    return f", {report.skipped} skipped" if report.skipped else ""
