"""The review projects of a dataset and label field, found by a marker, not by their titles.

A project has one labeling config, so pages with one image and sheets have a project each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import AuthenticationError, ProjectMissingError, ServerError
from .config import labeling_config
from .connection import LabelStudioServer
from .keys import project_marker
from .once import post_once
from .sheet_config import SHEET_INSTRUCTIONS, sheet_config
from .tasks import holds_tasks

_TITLE_LENGTH = 50
# What is asked of a project; counting its answers takes the server long.
_FIELDS = "id,title,description,label_config,maximum_annotations,task_number"
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


@dataclass(frozen=True)
class ProjectPlan:
    """What a push would make or change of a review project; nothing has been changed yet.

    Attributes
    ----------
    server : LabelStudioServer
        Where.
    marker : str
        What the project is found by.
    found : dict or None
        The project as the server describes it; None when it is yet to be made.
    changes : dict
        What to make it of, or what to change of it; empty when all is as it should be.
    """

    server: LabelStudioServer
    marker: str
    found: dict[str, Any] | None
    changes: dict[str, Any]

    @property
    def project_id(self) -> int | None:
        """The project's id; None when it is yet to be made."""
        return None if self.found is None else int(self.found["id"])


def plan_project(
    server: LabelStudioServer,
    *,
    dataset_id: str,
    dataset_name: str,
    label_field: str,
    classes: Sequence[str],
    reviewers_per_task: int = 1,
    hide_suggestion: bool = False,
    smooth: bool = True,
    sheet: int = 0,
    of_objects: bool = False,
) -> ProjectPlan:
    """Look for the project of a dataset and label field and make sure that a push may go there.

    Nothing is changed on the server.

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
    sheet : int, default 0
        Images on a page, at most: the project of the sheets. 0: that of the pages with one image.
    of_objects : bool, default False
        Whether it is objects with boxes that are reviewed.

    Returns
    -------
    ProjectPlan
        For `apply_plan`.

    Raises
    ------
    DataError
        When the classes can't be shown to reviewers.
    ServerError
        When the server would refuse the project, or a change of it.
    """
    marker = project_marker(dataset_id, label_field, sheets=bool(sheet))
    found = _find(server, marker)
    if sheet:
        config = sheet_config(sheet, smooth)
    else:
        config = wanted_config(classes, hide_suggestion, smooth, found, label_field, of_objects)
    settings = {"label_config": config, "maximum_annotations": reviewers_per_task}
    if found is None:
        require_right_to_make(server)
        title = f"{'Sheets' if sheet else 'Labels'} of {dataset_name}"
        changes = {
            "title": title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1] + "…",
            "description": f"Label cleaning of {dataset_name}, field {label_field}. "
            f"Keep this mark, it ties the project to its dataset: {marker}",
            "expert_instruction": SHEET_INSTRUCTIONS if sheet else _INSTRUCTIONS,
            "show_instruction": False,
            "show_skip_button": True,
            "enable_empty_annotation": False,
            **settings,
        }
    else:
        changes = {k: v for k, v in settings.items() if found.get(k) != v}
        if "label_config" in changes:
            _explained(server, found["id"], lambda: _check_config(server, found["id"], config))
    return ProjectPlan(server, marker, found, changes)


def apply_plan(plan: ProjectPlan) -> Project:
    """Make the project, or change it, as planned; return it."""
    server, found = plan.server, plan.found
    if found is None:
        post_once(
            server,
            "api/projects/",
            plan.changes,
            made=lambda: _find(server, plan.marker) is not None,
        )
        # Read again: if two were made at once, both makers go on with the older one.
        found = _find(server, plan.marker)
        if found is None:
            raise ServerError(f"Label Studio at {server.url} made no project.", "Push again.")
    elif plan.changes:
        path = f"api/projects/{found['id']}/"
        changed = _explained(server, found["id"], lambda: server.patch(path, plan.changes))
        found = dict(changed)
    return _as_project(server, found)


def find_or_create_project(server: LabelStudioServer, **settings: Any) -> Project:
    """Return the project of a dataset and label field; make it, or add new classes, if need be.

    Parameters
    ----------
    server : LabelStudioServer
        Where to look.
    **settings
        As for `plan_project`.
    """
    return apply_plan(plan_project(server, **settings))


def find_project(
    server: LabelStudioServer, dataset_id: str, label_field: str, sheets: bool = False
) -> dict[str, Any] | None:
    """Return a review project as the server describes it, or None."""
    return _find(server, project_marker(dataset_id, label_field, sheets))


def locate_project(
    server: LabelStudioServer,
    dataset_id: str,
    label_field: str,
    last_id: int | None = None,
    sheets: bool = False,
) -> Project:
    """Return the project that a dataset and label field were pushed to.

    The project's own mark says whose it is; by which address the server is reached does not
    matter, and neither does the number that the project had before.

    Parameters
    ----------
    server : LabelStudioServer
        Where to look.
    dataset_id, label_field : str
        Whose project it is.
    last_id : int, optional
        The project's id at the last push: looked at when no project has the mark, and believed if
        it holds tasks of this dataset and field.
    sheets : bool, default False
        Whether the project of the sheets is meant, not that of the pages with one image.

    Raises
    ------
    ProjectMissingError
        When there is none.
    """
    found = find_project(server, dataset_id, label_field, sheets)
    if found is None and last_id is not None:
        require_project(server, last_id)
        if holds_tasks(server, last_id, dataset_id, label_field):
            found = server.get(f"api/projects/{last_id}/", include=_FIELDS)
    if found is None:
        raise _missing(server, "the project of this dataset and label field")
    return _as_project(server, found)


def wanted_config(
    classes: Sequence[str],
    hide_suggestion: bool,
    smooth: bool,
    project: dict[str, Any] | None,
    label_field: str = "",
    of_objects: bool = False,
) -> str:
    """Return the labeling config that a project should have, given the one it has now."""
    before = project["label_config"] if project else None
    return labeling_config(classes, hide_suggestion, smooth, before, label_field, of_objects)


def require_right_to_make(server: LabelStudioServer) -> None:
    """Make sure that the key's owner may make projects, without making one.

    Raises
    ------
    ServerError
        When not.
    """
    try:
        # The server looks at rights first and at the content second: this can't become a project.
        server.post("api/projects/", {"title": "", "label_config": "<"})
    except AuthenticationError as error:
        if error.status != 403:
            raise
        raise ServerError(
            f"the key's owner may not make projects in Label Studio at {server.url}.",
            "Ask an administrator for a role that may, such as Manager.",
            status=403,
        ) from None
    except ServerError as error:
        if error.status != 400:
            raise


def _explained(server: LabelStudioServer, project_id: int, change: Callable[[], Any]) -> Any:
    """Do what the server may refuse because of answers it holds, and say so if it does."""
    try:
        return change()
    except ServerError as error:
        if error.status != 400 or "incompatible" not in str(error):
            raise
        raise ServerError(
            f"project {project_id} in Label Studio at {server.url} can't get the labeling config "
            f"that the dataset's classes need: it holds answers of another config ({error.what})",
            "Delete these answers there and push again.",
            status=400,
        ) from None


def _check_config(server: LabelStudioServer, project_id: int, config: str) -> None:
    try:
        server.post(f"api/projects/{project_id}/validate/", {"label_config": config})
    except ServerError as error:
        # The check is stricter than the change: classes that were given may leave the list.
        if error.status != 400 or "still exist" not in str(error):
            raise


def _as_project(server: LabelStudioServer, found: dict[str, Any]) -> Project:
    return Project(found["id"], found["title"], f"{server.url}/projects/{found['id']}/")


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
            raise _missing(server, f"project {project_id}") from None
        raise


def _missing(server: LabelStudioServer, which: str) -> ProjectMissingError:
    return ProjectMissingError(
        f"{which} is no longer in Label Studio at {server.url}. Nothing is lost here.",
        "Push again: it is created anew, with the tasks that lack answers.",
        status=404,
    )


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
