"""Tidy up on the server after a round: its tab, its place in the queue, on request its tasks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...core.errors import ServerError
from .connection import LabelStudioServer
from .keys import parse_push_key
from .tabs import find_round_tab, matching, round_filter


def delete_round_tab(server: LabelStudioServer, project_id: int, round_: int) -> bool:
    """Delete the tab of a round; return whether there was one."""
    tab = find_round_tab(server, project_id, round_)
    return tab is not None and _delete(server, f"api/dm/views/{tab}/")


def delete_unanswered(
    server: LabelStudioServer, project_id: int, *, dataset_id: str, label_field: str, round_: int
) -> int:
    """Delete a round's tasks that nobody has answered, skipped or begun; return how many.

    One by one on purpose: the server takes an empty list of its bulk action for "all of them". And
    each is looked at again just before: somebody may be at work on it.
    """
    tasks = _unanswered(server, project_id, dataset_id, label_field, round_)
    return sum(delete_untouched(server, task_id) for task_id in tasks)


def delete_untouched(server: LabelStudioServer, task_id: int) -> bool:
    """Delete a task unless somebody has begun it; return whether it was deleted now."""
    try:
        task = server.get(f"api/tasks/{task_id}/")
    except ServerError as error:
        if error.status != 404:
            raise
        return False  # somebody else was faster
    return not _is_begun(task) and _delete(server, f"api/tasks/{task_id}/")


def park_tasks(
    server: LabelStudioServer,
    project_id: int,
    *,
    dataset_id: str,
    label_field: str,
    open_rounds: Collection[int],
) -> int:
    """Keep tasks of rounds that are over from being handed out; return how many were.

    Label Studio hands out different tasks to people at work at the same time only from its queue
    of the whole project, so what is over must not wait there. A task that is parked counts as
    complete; whoever opens it from the list can still answer it.

    Parameters
    ----------
    server : LabelStudioServer
        Where.
    project_id : int
        The review project.
    dataset_id, label_field : str
        Whose tasks are ours; others are left alone.
    open_rounds : collection of int
        Rounds whose tasks go on being handed out.
    """
    others = [{**round_filter(number), "operator": "not_equal"} for number in sorted(open_rounds)]
    incomplete = {
        "filter": "filter:tasks:completed_at",
        "operator": "empty",
        "type": "Datetime",
        "value": True,
    }
    waiting = [
        task["id"]
        for task in server.tasks(
            project=project_id,
            query=matching(*others, incomplete),
            include="id,data,is_labeled,overlap",
            resolve_uri="false",
        )
        if (key := parse_push_key(task["data"].get("push_key"), dataset_id, label_field))
        and key[0] not in open_rounds
        and not (task["is_labeled"] and task["overlap"] == 0)
    ]
    for task_id in waiting:
        try:
            # No answers wanted: whatever the server counts anew later, it comes to "complete".
            server.patch(f"api/tasks/{task_id}/", {"overlap": 0, "is_labeled": True})
        except ServerError as error:
            if error.status != 404:
                raise  # else somebody deleted it
    return len(waiting)


def _unanswered(
    server: LabelStudioServer, project_id: int, dataset_id: str, label_field: str, round_: int
) -> list[int]:
    found = []
    for task in server.tasks(
        project=project_id,
        query=matching(round_filter(round_)),
        include="id,data,total_annotations,cancelled_annotations,drafts",
        resolve_uri="false",
    ):
        # The filter is the server's; whose task it is, the key decides.
        key = parse_push_key(task["data"].get("push_key"), dataset_id, label_field)
        if key is not None and key[0] == round_ and not _is_begun(task):
            found.append(int(task["id"]))
    return found


def _is_begun(task: dict[str, Any]) -> bool:
    return bool(task["total_annotations"] or task["cancelled_annotations"] or task["drafts"])


def _delete(server: LabelStudioServer, path: str) -> bool:
    try:
        server.delete(path)
    except ServerError as error:
        if error.status != 404:
            raise
        return False  # somebody else was faster
    return True
