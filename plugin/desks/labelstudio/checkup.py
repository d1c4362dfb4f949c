"""Checks of a server and of a review project: nothing here changes anything on the server.

Each returns what it found as a phrase, or raises an error that says what is wrong and the fix.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import DataError, ServerError
from .config import COMMENT, IMAGE, NEW_LABEL, VERDICT
from .connection import ROOT_VARIABLE, LabelStudioServer
from .images import image_suffix
from .pages import PageKind, Sheets, SinglePages
from .project import find_project, require_right_to_make, wanted_config
from .proxies import mounts
from .sheet_config import sheet_config
from .sheets import MARKED, SEEN, first_image
from .tabs import find_round_tab, matching, round_filter

_SERVING_VARIABLE = "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"
_WEB = ("http://", "https://")
_SECONDS = 10.0
# Label Studio's page takes the first word off before it looks the key up.
_SUBMIT = "annotation:annotation:submit"
_NOT_MADE_YET = "not made yet: the first push makes it"


def version(server: LabelStudioServer) -> str:
    """Say which Label Studio answers."""
    return str(server.get("api/version").get("release", "of unknown version"))


def key(server: LabelStudioServer) -> str:
    """Say whose key it is, and of which kind."""
    user = server.get("api/current-user/whoami")
    return f"{server.key_kind}, of {user['email']}"


def permissions(server: LabelStudioServer) -> str:
    """Say whether the key's owner may make projects, without making one."""
    require_right_to_make(server)
    return "projects can be made"


def submit_key(server: LabelStudioServer, wanted: str | None = None) -> str:
    """Say with which key the key's owner submits a page; set it, if one is wanted.

    Each person has keys of their own, and a server lets nobody set those of others.
    """
    path = "api/current-user/hotkeys/"
    try:
        custom = dict(server.get(path).get("custom_hotkeys") or {})
    except ServerError as error:
        if error.status != 404:
            raise
        return "Ctrl+Enter; this version of Label Studio has no other"
    if wanted:
        # The answer replaces all that were there.
        custom[_SUBMIT] = {"key": wanted.lower(), "active": True}
        server.patch(path, {"custom_hotkeys": custom})
    if custom.get(_SUBMIT, {}).get("key"):
        return f"{custom[_SUBMIT]['key']} submits a page, for this key's owner"
    return (
        "Ctrl+Enter submits a page; `coreset-cleaning doctor --submit-key enter` makes it Enter "
        "alone, for this key's owner"
    )


@dataclass(frozen=True)
class ProjectCheck:
    """What there should be on the server for a dataset and label field.

    Attributes
    ----------
    server : LabelStudioServer
        Where to look.
    dataset_id, label_field : str
        Whose project it is.
    classes : tuple of str
        Classes a reviewer may give.
    hide_suggestion : bool
        As the last round asked.
    smooth : bool
        As the images need it.
    sheet : int
        Images on a page, as the last round asked; 0 for pages with one image.
    of_objects : bool
        Whether it is objects that are reviewed.
    """

    server: LabelStudioServer
    dataset_id: str
    label_field: str
    classes: tuple[str, ...]
    hide_suggestion: bool = False
    smooth: bool = True
    sheet: int = 0
    of_objects: bool = False

    def found(self) -> dict[str, Any] | None:
        """Return the project, or None."""
        return find_project(self.server, self.dataset_id, self.label_field, bool(self.sheet))

    def project(self) -> str:
        """Say whether the project is there, and whether its labeling config is ours."""
        project = self.found()
        if project is None:
            return _NOT_MADE_YET
        config = project["label_config"]
        named = f"project {project['id']} ({project['title']!r}), {project['task_number']} tasks"
        needed = (MARKED, SEEN) if self.sheet else (IMAGE, VERDICT, NEW_LABEL, COMMENT)
        absent = [name for name in needed if f'name="{name}"' not in config]
        if absent:
            raise DataError(
                f"{named}: its labeling config has no {', '.join(absent)}, so its answers can't be "
                "read.",
                "Push again to put the config right, and don't edit it in Label Studio.",
            )
        if config != self._wanted_config(project):
            return f"{named}; the next push brings its labeling config up to date"
        return f"{named}, labeling config as it should be"

    def _wanted_config(self, project: dict[str, Any]) -> str:
        if self.sheet:
            return sheet_config(self.sheet, self.smooth)
        return wanted_config(
            self.classes, self.hide_suggestion, self.smooth, project, of_objects=self.of_objects
        )

    def round(self, number: int, waiting: set[str], project_id: int) -> str:
        """Say whether an open round's tab and tasks are there.

        Parameters
        ----------
        number : int
            The round.
        waiting : set of str
            Ids of its samples without an answer.
        project_id : int
            Where it was pushed to.
        """
        tasks = self.tasks(project_id, number)
        gone = waiting - set(tasks)
        tab = find_round_tab(self.server, project_id, number)
        if gone or tab is None:
            what = f"{len(gone)} of its tasks without an answer are" if gone else "its tab is"
            raise DataError(
                f"round {number} is open and {what} gone from Label Studio.",
                "Push again: what is missing is made anew.",
            )
        return f"round {number} is open, {len(waiting)} tasks to be answered, tab {tab}"

    def tasks(self, project_id: int, number: int) -> dict[str, dict[str, Any]]:
        """Return sample id to task of a round."""
        found = self.server.tasks(
            project=project_id,
            query=matching(round_filter(number)),
            include="id,data",
            resolve_uri="false",
        )
        kind: PageKind = Sheets() if self.sheet else SinglePages()
        shown = ((kind.shown(t["data"], self.dataset_id, self.label_field), t) for t in found)
        return {
            sample_id: task
            for page, task in shown
            if page and page.round == number
            for sample_id in page.samples.values()
        }


def task_image(server: LabelStudioServer, task: Mapping[str, Any]) -> str:
    """Fetch a task's image the way reviewers' browsers get it, and look at it."""
    data = task["data"]
    address = str(data["image"]) if "image" in data else first_image(data)
    if address.startswith(_WEB):
        return web_image(server, address)
    if address.startswith("/"):
        return _served(server, address, address.lstrip("/"), "the server")
    encoded = base64.urlsafe_b64encode(address.encode()).decode()
    return _served(server, address, f"tasks/{task['id']}/resolve/?fileuri={encoded}", "a storage")


def web_image(server: LabelStudioServer, address: str) -> str:
    """Fetch an image from its own address, without the key, as a page of the server would."""
    import httpx

    origin = _origin(server.url)
    try:
        with httpx.Client(
            timeout=_SECONDS, follow_redirects=True, mounts=mounts(address)
        ) as browser:
            response = browser.get(address, headers={"Origin": origin})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"image {address} can't be fetched from here ({type(error).__name__}).",
            "Make sure that reviewers' browsers reach it, or use images='upload'.",
        ) from None
    _check_image(address, response.status_code, response.content)
    allowed = response.headers.get("access-control-allow-origin", "")
    if allowed not in ("*", origin) and _origin(address) != origin:
        raise DataError(
            f"image {address} may not be shown by a page of {origin}: its server sends no "
            "Access-Control-Allow-Origin for it.",
            "Allow that origin there, or use images='upload'.",
        )
    return f"{address} can be shown ({len(response.content)} bytes)"


def local_serving(server: LabelStudioServer) -> str:
    """Say whether the server serves local files at all."""
    status, _, _ = server.fetch("data/local-files/", d="nothing")
    _check_serving(server, status)
    return "the server may serve local files; the first push connects their folder"


def _served(server: LabelStudioServer, address: str, path: str, by: str) -> str:
    status, content, location = server.fetch(path)
    if location.startswith(_WEB):
        # A presigned address: what it leads to is shown by the browser alone.
        return web_image(server, location).replace(location, address)
    if address.startswith("/data/local-files/"):
        _check_serving(server, status)
    if status == 404 and by == "a storage":
        raise DataError(
            f"image {address} can't be shown: no storage of the project leads to it.",
            "Connect one in Label Studio, in the project's Settings > Cloud Storage, and don't "
            "sync it.",
        )
    _check_image(address, status, content)
    return f"{address} is served ({len(content)} bytes)"


def _check_serving(server: LabelStudioServer, status: int) -> None:
    if status == 403:
        raise DataError(
            f"Label Studio at {server.url} does not serve local files.",
            f"Set {_SERVING_VARIABLE}=true and {ROOT_VARIABLE} where it runs and start it again, "
            "or use images='upload'.",
        )


def _check_image(address: str, status: int, content: bytes) -> None:
    if status != 200:
        raise DataError(
            f"image {address} is not served: the answer is {status}.",
            "Restore the file if it is gone, or end the round with `coreset-cleaning close`.",
        )
    if image_suffix(content) is None:
        raise DataError(
            f"image {address} is served, but is not an image that browsers show.",
            "Restore the file, or end the round with `coreset-cleaning close`.",
        )


def _origin(address: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(address))
