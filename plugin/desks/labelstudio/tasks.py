"""Which of our tasks are on the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from .cleanup import delete_untouched
from .connection import LabelStudioServer
from .keys import parse_push_key
from .tabs import matching, round_filter


def count_tasks(server: LabelStudioServer, project_id: int, round_: int) -> int:
    """Return how many tasks of a round are on the server."""
    answer = server.get(
        "api/tasks/",
        project=project_id,
        query=matching(round_filter(round_)),
        page_size=1,
        include="id",
        fields="all",
        resolve_uri="false",
    )
    return int(answer["total"])


def round_keys(server: LabelStudioServer, project_id: int, round_: int) -> set[str]:
    """Return the push keys of a round's tasks on the server."""
    tasks = server.tasks(
        project=project_id,
        query=matching(round_filter(round_)),
        include="id,data",
        resolve_uri="false",
    )
    return {str(task["data"].get("push_key")) for task in tasks}


def present_tasks(
    server: LabelStudioServer, project_id: int, round_: int, keys: Collection[str]
) -> dict[str, int]:
    """Return push key to task id of those tasks of a round that are on the server.

    A key that is there twice, which a request that was cut off and sent again can leave, is made
    single: the first task with answers stays, else the oldest.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for task in server.tasks(
        project=project_id,
        query=matching(round_filter(round_)),
        include="id,data,total_annotations",
        resolve_uri="false",
    ):
        if task["data"].get("push_key") in keys:
            found[task["data"]["push_key"]].append(task)
    present = {}
    for key, tasks in found.items():
        keep, *surplus = sorted(tasks, key=lambda t: (not t.get("total_annotations"), t["id"]))
        for task in surplus:
            if not task.get("total_annotations"):
                delete_untouched(server, task["id"])
        present[key] = int(keep["id"])
    return present


def holds_tasks(
    server: LabelStudioServer, project_id: int, dataset_id: str, label_field: str
) -> bool:
    """Tell whether a project holds tasks of a dataset's label field."""
    item = {
        "filter": "filter:tasks:data.push_key",
        "operator": "contains",
        "type": "String",
        "value": f"{dataset_id}:{label_field}:",
    }
    tasks = server.tasks(
        project=project_id,
        query=matching(item),
        include="id,data",
        resolve_uri="false",
    )
    return any(parse_push_key(t["data"].get("push_key"), dataset_id, label_field) for t in tasks)
