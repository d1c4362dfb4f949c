"""The review project: one per dataset and label field, found by a marker, not by its title."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import ProjectMissingError, ServerError
from .config import labeling_config
from .connection import LabelStudioServer, is_refusal
from .keys import project_marker

_TITLE_LENGTH = 50
# What is asked of a project; counting its answers takes the server long.
_FIELDS = "id,title,description,label_config,maximum_annotations,task_number"
_ATTEMPTS = 4
# Seconds after a failed change, doubled each time.
PAUSE = 0.2
_INSTRUCTIONS = """
<p>Is the label right? Look at the image first, then answer with one key:</p>
<ul>
<li><b>1</b> the label is right</li>
<li><b>2</b> the suggested class is right</li>
<li><b>3</b> it is another class: choose which</li>
<li><b>4</b> the image is of no use: delete it</li>
<li><b>5</b> you can't tell</li>
</ul>
<p>Ctrl+Enter submits and shows the next image. Nothing is lost: every answer can be changed.</p>
"""


@dataclass(frozen=True)
class Project:
    """A review project on a server.

    Attributes
    ----------
    id : int
        Its id there.
    title : str
        Its title; users may change it.
    url : str
        Its page.
    """

    id: int
    title: str
    url: str


def find_or_create_project(
    server: LabelStudioServer,
    *,
    dataset_id: str,
    dataset_name: str,
    label_field: str,
    classes: Sequence[str],
    reviewers_per_task: int = 1,
    hide_suggestion: bool = False,
    smooth: bool = True,
) -> Project:
    """Return the project of a dataset and label field; make it, or add new classes, if need be.

    Parameters
    ----------
    server : LabelStudioServer
        Where to look.
    dataset_id, dataset_name, label_field : str
        What is reviewed. The id decides; the name is for people.
    classes : sequence of str
        Classes a reviewer may give.
    reviewers_per_task : int, default 1
        Answers wanted for each task.
    hide_suggestion : bool, default False
        Whether to keep the suggested class from the reviewers.
    smooth : bool, default True
        Whether to smooth images that are enlarged.
    """
    marker = project_marker(dataset_id, label_field)
    found = _find(server, marker)
    config = wanted_config(classes, hide_suggestion, smooth, found)
    settings = {"label_config": config, "maximum_annotations": reviewers_per_task}
    if found is None:
        title = f"Labels of {dataset_name}"
        _post_once(
            server,
            "api/projects/",
            {
                "title": title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1] + "…",
                "description": f"Label cleaning of {dataset_name}, field {label_field}. "
                f"Keep this mark, it ties the project to its dataset: {marker}",
                "expert_instruction": _INSTRUCTIONS,
                "show_instruction": False,
                "show_skip_button": True,
                "enable_empty_annotation": False,
                **settings,
            },
            made=lambda: _find(server, marker) is not None,
        )
        # Read again: if two were made at once, both makers go on with the older one.
        found = _find(server, marker)
        if found is None:
            raise ServerError(f"Label Studio at {server.url} made no project. Push again.")
    elif any(found.get(key) != value for key, value in settings.items()):
        found = _change(server, found["id"], settings)
    return Project(found["id"], found["title"], f"{server.url}/projects/{found['id']}/")


def find_project(
    server: LabelStudioServer, dataset_id: str, label_field: str
) -> dict[str, Any] | None:
    """Return the review project as the server describes it, or None."""
    return _find(server, project_marker(dataset_id, label_field))


def wanted_config(
    classes: Sequence[str], hide_suggestion: bool, smooth: bool, project: dict[str, Any] | None
) -> str:
    """Return the labeling config that a project should have, given the one it has now."""
    before = project["label_config"] if project else None
    return labeling_config(classes, hide_suggestion, smooth, before)


def _change(server: LabelStudioServer, project_id: int, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(server.patch(f"api/projects/{project_id}/", settings))
    except ServerError as error:
        if error.status != 400 or "incompatible" not in str(error):
            raise
        raise ServerError(
            f"project {project_id} in Label Studio at {server.url} can't get the labeling config "
            f"that the dataset's classes need: it holds answers of another config ({error}). "
            "Delete these answers there and push again.",
            status=400,
        ) from None


def require_project(server: LabelStudioServer, project_id: int) -> None:
    """Make sure the project is still there.

    Raises
    ------
    ProjectMissingError
        When it is not.
    """
    try:
        server.get(f"api/projects/{project_id}/", include="id")
    except ServerError as error:
        if error.status == 404:
            raise ProjectMissingError(
                f"project {project_id} is no longer in Label Studio at {server.url}. Nothing is "
                "lost here: call push again to make it anew with the tasks that have no answer.",
                status=404,
            ) from None
        raise


def round_tab(server: LabelStudioServer, project_id: int, round_: int) -> int:
    """Return the id of the tab that shows a round's tasks in order; make it if need be."""
    found = find_round_tab(server, project_id, round_)
    if found is None:
        tab = {
            "title": f"Round {round_}",
            "type": "list",
            "target": "tasks",
            "filters": {"conjunction": "and", "items": [round_filter(round_)]},
            "ordering": ["tasks:data.rank"],
        }
        answer = _post_once(
            server,
            "api/dm/views/",
            {"project": project_id, "data": tab},
            made=lambda: find_round_tab(server, project_id, round_) is not None,
        )
        found = int(answer["id"]) if answer else find_round_tab(server, project_id, round_)
    if found is None:
        raise ServerError(f"Label Studio at {server.url} made no tab. Push again.")
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


def _post_once(
    server: LabelStudioServer, path: str, body: dict[str, Any], made: Callable[[], bool]
) -> Any:
    """Make something; when the answer is lost, look whether it is there before trying again.

    Returns the answer; None when it was lost.
    """
    pause, failures = PAUSE, 0
    while True:
        try:
            return server.post(path, body)
        except ServerError as error:
            if made():
                return None
            failures += 1
            if is_refusal(error) or failures == _ATTEMPTS:
                raise
        time.sleep(pause)
        pause *= 2


def round_url(server: LabelStudioServer, project_id: int, tab: int) -> str:
    """Return the link that opens a round for review."""
    return f"{server.url}/projects/{project_id}/data?tab={tab}&labeling=1"


def _find(server: LabelStudioServer, marker: str) -> dict[str, Any] | None:
    """Return the oldest project whose description holds the marker."""
    page, seen = 1, 0
    while True:
        answer = server.get(
            "api/projects/", page=page, page_size=100, ordering="id", include=_FIELDS
        )
        for project in answer["results"]:
            # By words: the marker of field "label" is the beginning of that of "label_2".
            if marker in (project.get("description") or "").split():
                return dict(project)
        seen += len(answer["results"])
        if seen >= answer["count"] or not answer["results"]:
            return None
        page += 1
