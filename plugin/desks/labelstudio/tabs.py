"""The tab that shows a round's tasks in order, and the link to it."""

from __future__ import annotations

import json
from typing import Any

from ...core.errors import ServerError
from .connection import LabelStudioServer
from .once import post_once

# At the end of a link to sheets: pages with one image of the same round have a link, too.
SHEETS_MARK = "#sheets"


def round_tab(server: LabelStudioServer, project_id: int, round_: int) -> int:
    """Return the id of the tab that shows a round's tasks in order; make it if need be."""
    found = find_round_tab(server, project_id, round_)
    if found is None:
        tab = {
            "title": f"Round {round_}",
            "type": "list",
            "target": "tasks",
            "filters": _all_of(round_filter(round_)),
            "ordering": ["tasks:data.rank"],
        }
        answer = post_once(
            server,
            "api/dm/views/",
            {"project": project_id, "data": tab},
            made=lambda: find_round_tab(server, project_id, round_) is not None,
        )
        found = int(answer["id"]) if answer else find_round_tab(server, project_id, round_)
    if found is None:
        raise ServerError(f"Label Studio at {server.url} made no tab.", "Push again.")
    return found


def find_round_tab(server: LabelStudioServer, project_id: int, round_: int) -> int | None:
    """Return the id of a round's tab, known by its filter: users may change the title."""
    for view in server.get("api/dm/views/", project=project_id):
        if round_filter(round_) in (view["data"].get("filters") or {}).get("items", []):
            return int(view["id"])
    return None


def round_filter(round_: int) -> dict[str, Any]:
    """Return the Data Manager's filter for the tasks of a round."""
    return {
        "filter": "filter:tasks:data.round",
        "operator": "equal",
        "type": "Number",
        "value": round_,
    }


def matching(*filters: dict[str, Any]) -> str:
    """Return what asks the server for the tasks that pass all these filters."""
    return json.dumps({"filters": _all_of(*filters)})


def _all_of(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"conjunction": "and", "items": list(filters)}


def round_url(server: LabelStudioServer, project_id: int, tab: int) -> str:
    """Return the link to a round's list, where the button Label All Tasks begins the review.

    With `labeling=1` the first image would come at once, but to everybody the same: from there, the
    page asks for the tab's tasks by filter, and then the server takes no account of who is at work
    on what. The button asks for the project's next task, which it hands out once.
    """
    return f"{server.url}/projects/{project_id}/data?tab={tab}"
