"""Push a round's sheets; what no sheet can take gets a page of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..base import ReviewTask
from .connection import LabelStudioServer
from .examples import Strips
from .images import ImageSource
from .keys import is_own_answer, sheet_key
from .project import Project
from .push import Page, PushResult, push_pages
from .sheets import sheet_data, slots_of
from .tabs import matching, round_filter


def push_sheets(
    server: LabelStudioServer,
    project: Project,
    tasks: Sequence[ReviewTask],
    *,
    dataset_id: str,
    label_field: str,
    round: int,
    source: ImageSource,
    hide_suggestion: bool,
    strips: Strips,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[PushResult, list[ReviewTask]]:
    """Bring the sheets that are not on the server yet onto it.

    Parameters
    ----------
    server, project, dataset_id, label_field, round, source, progress
        As for `push_tasks`; the project is that of the sheets.
    tasks : sequence of ReviewTask
        The round's labels that have a place on a sheet and lack answers.
    hide_suggestion : bool
        Whether to keep the suggested classes from reviewers.
    strips : Strips
        Examples of the classes.

    Returns
    -------
    result : PushResult
        Of the sheets.
    left : list of ReviewTask
        Labels whose sheet is on the server without them, because it was made when they needed no
        answer: a sheet is never changed, so they need pages of their own.
    """
    members: dict[str, list[ReviewTask]] = defaultdict(list)
    for task in tasks:
        assert task.place is not None
        members[sheet_key(dataset_id, label_field, round, task.place.sheet)].append(task)
    there = _slots_there(server, project.id, round)
    pages, left = {}, []
    for key, labels in members.items():
        labels.sort(key=lambda task: task.place.slot if task.place else 0)
        shown = [t for t in labels if key not in there or t.sample_id in there[key]]
        left += [t for t in labels if t not in shown]
        if shown and shown[0].place:
            pages[key] = Page(shown[0].place.sheet, tuple(shown))

    def render(page: Page, addresses: Mapping[str, str]) -> dict[str, Any]:
        earlier = {
            task.sample_id: answers
            for task in page.tasks
            if (answers := sorted(i for i in task.earlier_answers if is_own_answer(i, sheets=True)))
        }
        examples = strips.html_of(page.tasks[0].label)
        data = sheet_data(page.tasks, addresses, hide_suggestion, examples)
        return {**data, **({"earlier_answers": earlier} if earlier else {})}

    result = push_pages(
        server,
        project,
        pages,
        render,
        dataset_id=dataset_id,
        label_field=label_field,
        round=round,
        source=source,
        sheets=True,
        progress=progress,
    )
    return result, left


def _slots_there(server: LabelStudioServer, project_id: int, round_: int) -> dict[str, set[str]]:
    """Return push key to label ids of the sheets of a round that are on the server."""
    found = server.tasks(
        project=project_id,
        query=matching(round_filter(round_)),
        include="id,data",
        resolve_uri="false",
    )
    return {str(t["data"].get("push_key")): set(slots_of(t["data"]).values()) for t in found}
