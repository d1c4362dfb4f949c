"""Push a round's tasks so that each is on the server exactly once, whatever happens on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import ServerError
from ..base import ReviewTask
from .cleanup import park_tasks
from .config import visible
from .connection import LabelStudioServer, is_refusal
from .examples import ALIAS, Strips
from .images import ImageSource
from .keys import is_own_answer, push_key
from .once import PAUSE
from .project import Project
from .tabs import SHEETS_MARK, round_tab, round_url
from .tasks import count_tasks, present_tasks

CHUNK = 250
# Failures in a row.
_ATTEMPTS = 6
# Seconds until tasks that were only queued must be there.
_QUEUE_SECONDS = 120.0
# Seconds before the last look at a round that had failures.
_SETTLE = 2.0


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes
    ----------
    task_ids : dict
        Sample id to task id.
    created, existing : int
        Tasks made now, and tasks that were there before.
    url : str
        Link that opens the round for review.
    """

    task_ids: dict[str, int]
    created: int
    existing: int
    url: str


@dataclass(frozen=True)
class Page:
    """One task on the server: what a reviewer sees at a time.

    Attributes
    ----------
    rank : int
        Its position in the round.
    tasks : tuple of ReviewTask
        The labels on it.
    """

    rank: int
    tasks: tuple[ReviewTask, ...]

    @property
    def images(self) -> dict[str, str]:
        """Label id to image."""
        return {task.sample_id: task.image for task in self.tasks}


# What a page's task holds besides its key, given the addresses of its images.
Render = Callable[[Page, Mapping[str, str]], dict[str, Any]]


def push_tasks(
    server: LabelStudioServer,
    project: Project,
    tasks: Sequence[ReviewTask],
    *,
    dataset_id: str,
    label_field: str,
    round: int,
    images: str = "upload",
    root: Path | None = None,
    source: ImageSource | None = None,
    progress: Callable[[float, str], None] | None = None,
    open_rounds: Collection[int] = (),
    strips: Strips | None = None,
) -> PushResult:
    """Bring the tasks that are not on the server yet onto it, one image each.

    Parameters
    ----------
    server : LabelStudioServer
        Where to.
    project : Project
        The review project.
    tasks : sequence of ReviewTask
        All tasks of the round.
    dataset_id, label_field, round
        What the tasks belong to; with the sample id they make the push key.
    images : {"upload", "local", "url"}, default "upload"
        How the images get there, see `ImageSource`.
    root : Path, optional
        With "local", see `ImageSource`.
    source : ImageSource, optional
        One that has checked the images already; then `images` and `root` are not looked at.
    progress : callable(fraction, message), optional
        Called after every chunk.
    open_rounds : collection of int, default ()
        Other rounds whose tasks go on being handed out; those of rounds that are over don't.
    strips : Strips, optional
        Examples of the classes.

    Raises
    ------
    ServerError
        When the server fails again and again; calling this again sends only the rest.
    """
    own = {"dataset_id": dataset_id, "label_field": label_field}

    def render(page: Page, addresses: Mapping[str, str]) -> dict[str, Any]:
        return {**_single_data(page, addresses), "examples": _examples(page.tasks[0], strips)}

    return push_pages(
        server,
        project,
        {push_key(dataset_id, label_field, round, t.sample_id): Page(t.rank, (t,)) for t in tasks},
        render,
        round=round,
        source=source or ImageSource(server, project.id, images, root),
        progress=progress,
        open_rounds=open_rounds,
        sheets=False,
        **own,
    )


def push_pages(
    server: LabelStudioServer,
    project: Project,
    pages: Mapping[str, Page],
    render: Render,
    *,
    dataset_id: str,
    label_field: str,
    round: int,
    source: ImageSource,
    sheets: bool,
    progress: Callable[[float, str], None] | None = None,
    open_rounds: Collection[int] = (),
) -> PushResult:
    """Bring the pages that are not on the server yet onto it.

    Parameters
    ----------
    server, project, source, progress, open_rounds, dataset_id, label_field, round
        As for `push_tasks`.
    pages : mapping of str to Page
        All pages of the round, by push key.
    render : callable(page, addresses)
        Makes the data of a page's task.
    sheets : bool
        Whether the pages are sheets.
    """
    present = present_tasks(server, project.id, round, pages)
    before_all = set(present)
    # Before anything is sent: a file that is missing should not leave half a round.
    source.check(
        {i: path for k, p in pages.items() if k not in present for i, path in p.images.items()}
    )
    own = {"dataset_id": dataset_id, "label_field": label_field}
    park_tasks(server, project.id, open_rounds={round, *open_rounds}, **own)
    failures, troubled = 0, False
    while len(present) < len(pages):
        # Sent in the order of review: the plain label stream goes by task id.
        absent = sorted((k for k in pages if k not in present), key=lambda k: pages[k].rank)
        chunk = {key: pages[key] for key in absent[:CHUNK]}
        before, queued = len(present), False
        try:
            made = _send(server, project.id, chunk, round, source, render)
            present.update(made)
            queued = not made
        except ServerError as error:
            if is_refusal(error):
                raise
            troubled = True
            failures += 1
            if failures == _ATTEMPTS:
                raise
            time.sleep(PAUSE * 2**failures)
        if queued:
            present = _wait_for(server, project.id, round, pages, chunk)
        elif len(present) == before:
            # The answer can be lost after the server has done what it was asked.
            present = present_tasks(server, project.id, round, pages)
        if len(present) > before:
            failures = 0
        if len(present) == len(pages) and troubled:
            # A request given up for lost may be carried out after all, a little later.
            time.sleep(_SETTLE)
            present, troubled = present_tasks(server, project.id, round, pages), False
        elif len(present) == len(pages) and count_tasks(server, project.id, round) != len(pages):
            # Another process may have sent the same meanwhile.
            present = present_tasks(server, project.id, round, pages)
        if progress:
            progress(len(present) / len(pages), f"{len(present)} of {len(pages)} tasks")
    for key, page in pages.items():
        if any(task.lacking for task in page.tasks):
            _ask_for_more(server, present[key], page, sheets)
    tab = round_tab(server, project.id, round)
    created = sum(len(page.tasks) for key, page in pages.items() if key not in before_all)
    task_ids = {t.sample_id: present[key] for key, page in pages.items() for t in page.tasks}
    return PushResult(
        task_ids=task_ids,
        created=created,
        existing=len(task_ids) - created,
        url=round_url(server, project.id, tab) + (SHEETS_MARK if sheets else ""),
    )


def _ask_for_more(server: LabelStudioServer, task_id: int, page: Page, sheets: bool) -> None:
    """Let a task be handed out until it has so many answers more than are on record.

    A task can be complete for the server and lack answers here: one person answered it twice, or
    the answers on record were given to a task that is gone.
    """
    task = server.get(f"api/tasks/{task_id}/")
    given = [str(a["id"]) for a in task["annotations"] if not a["was_cancelled"]]
    wanted = len(given)
    for label in page.tasks:
        on_record = {i.partition(":")[0] for i in label.earlier_answers if is_own_answer(i, sheets)}
        new = sum(i not in on_record for i in given)
        wanted = max(wanted, len(given) + (label.lacking or 0) - new)
    if wanted > len(given) and (task["overlap"] != wanted or task["is_labeled"]):
        server.patch(f"api/tasks/{task_id}/", {"overlap": wanted, "is_labeled": False})


def _wait_for(
    server: LabelStudioServer,
    project_id: int,
    round_: int,
    keys: Collection[str],
    chunk: Collection[str],
) -> dict[str, int]:
    """Wait for tasks that the server imports later, as its hosted editions do.

    Sending them again would make them twice.
    """
    end = time.monotonic() + _QUEUE_SECONDS
    while True:
        present = present_tasks(server, project_id, round_, keys)
        if present.keys() >= set(chunk):
            return present
        if time.monotonic() > end:
            raise ServerError(
                f"Label Studio at {server.url} has accepted {len(chunk)} tasks and not made them "
                f"in {_QUEUE_SECONDS:.0f} s.",
                "Call push again in a while.",
            )
        time.sleep(PAUSE)


def _send(
    server: LabelStudioServer,
    project_id: int,
    chunk: Mapping[str, Page],
    round_: int,
    source: ImageSource,
    render: Render,
) -> dict[str, int]:
    """Import some tasks; return push key to task id, or nothing when the answer has no ids."""
    addresses = source.addresses({i: p for page in chunk.values() for i, p in page.images.items()})
    tasks = []
    for key, page in chunk.items():
        own = {"push_key": key, "round": round_, "rank": page.rank}
        tasks.append({"data": {**render(page, addresses), **own}})
    answer = server.post(f"api/projects/{project_id}/import", tasks, return_task_ids="true")
    ids = answer.get("task_ids", []) if isinstance(answer, dict) else []
    return dict(zip(chunk, ids, strict=True)) if len(ids) == len(chunk) else {}


def _examples(task: ReviewTask, strips: Strips | None) -> list[dict[str, str]]:
    """Return what a page shows of the label's class and the suggested one."""
    if strips is None:
        return []
    names = [task.label, *([] if strips.hide_suggestion else [task.suggested_label])]
    found = [strips.html_of(name) for name in names]
    return [
        {"value": f"Examples {place}", "alias": f"{ALIAS} {place}", "html": html}
        for place, html in enumerate(found)
        if html
    ]


def _single_data(page: Page, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return what the task of a page with one image holds besides its key."""
    [task] = page.tasks
    # Numbers, as older versions wrote and read them.
    earlier = sorted(int(i) for i in task.earlier_answers if is_own_answer(i, sheets=False))
    return {
        "image": addresses[task.sample_id],
        "position": f"Image {task.rank + 1} of {task.of}",
        "label": visible(task.label),
        "suggested": visible(task.suggested_label),
        "suggested_probability": f"{task.suggested_probability:.0%}",
        "note": task.note,
        **({"earlier_answers": earlier} if earlier else {}),
    }
