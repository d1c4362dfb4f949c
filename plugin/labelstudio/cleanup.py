"""Tidy up on the server after a round: its tab, and on request its tasks without an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..core.errors import ServerError
from .connection import LabelStudioServer
from .keys import parse_push_key
from .project import find_round_tab, round_filter


def delete_round_tab(server: LabelStudioServer, project_id: int, round_: int) -> bool:
    """Delete the tab of a round; return whether there was one."""
    tab = find_round_tab(server, project_id, round_)
    return tab is not None and _delete(server, f"api/dm/views/{tab}/")


def unanswered_tasks(
    server: LabelStudioServer, project_id: int, *, dataset_id: str, label_field: str, round_: int
) -> list[int]:
    """Return the ids of a round's tasks that nobody has answered, skipped or begun to answer."""
    query = {"filters": {"conjunction": "and", "items": [round_filter(round_)]}}
    tasks = server.tasks(
        project=project_id,
        query=json.dumps(query),
        include="id,data,total_annotations,cancelled_annotations,drafts",
        resolve_uri="false",
    )
    return [
        int(task["id"])
        for task in tasks
        if (parse_push_key(task["data"].get("push_key"), dataset_id, label_field) or (0,))[0]
        == round_
        and not (task["total_annotations"] or task["cancelled_annotations"] or task["drafts"])
    ]


def delete_tasks(server: LabelStudioServer, task_ids: Sequence[int]) -> int:
    """Delete these tasks; return how many there were.

    One by one on purpose: the server takes an empty list of its bulk action for "all of them".
    """
    return sum(_delete(server, f"api/tasks/{task_id}/") for task_id in task_ids)


def _delete(server: LabelStudioServer, path: str) -> bool:
    try:
        server.delete(path)
    except ServerError as error:
        if error.status != 404:
            raise
        return False  # somebody else was faster
    return True
