"""Push a round's tasks so that each is on the server exactly once, whatever happens on the way."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import ServerError
from ..base import ReviewTask
from .cleanup import delete_untouched, park_tasks
from .config import visible
from .connection import LabelStudioServer, is_refusal
from .images import ImageSource
from .keys import push_key
from .project import PAUSE, Project
from .tabs import round_filter, round_tab, round_url

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
) -> PushResult:
    """Bring the tasks that are not on the server yet onto it.

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

    Raises
    ------
    ServerError
        When the server fails again and again; calling this again sends only the rest.
    """
    keys = {push_key(dataset_id, label_field, round, t.sample_id): t for t in tasks}
    source = source or ImageSource(server, project.id, images, root)
    present = present_tasks(server, project.id, round, keys)
    existing = len(present)
    # Before anything is sent: a file that is missing should not leave half a round.
    source.check({keys[k].sample_id: keys[k].image for k in keys if k not in present})
    own = {"dataset_id": dataset_id, "label_field": label_field}
    park_tasks(server, project.id, open_rounds={round, *open_rounds}, **own)
    failures, troubled = 0, False
    while len(present) < len(keys):
        # Sent in the order of review: the plain label stream goes by task id.
        absent = sorted((k for k in keys if k not in present), key=lambda k: keys[k].rank)
        chunk = {key: keys[key] for key in absent[:CHUNK]}
        before, queued = len(present), False
        try:
            made = _send(server, project.id, chunk, round, source)
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
            present = _wait_for(server, project.id, round, keys, chunk)
        elif len(present) == before:
            # The answer can be lost after the server has done what it was asked.
            present = present_tasks(server, project.id, round, keys)
        if len(present) > before:
            failures = 0
        if len(present) == len(keys) and troubled:
            # A request given up for lost may be carried out after all, a little later.
            time.sleep(_SETTLE)
            present, troubled = present_tasks(server, project.id, round, keys), False
        elif len(present) == len(keys) and count_tasks(server, project.id, round) != len(keys):
            # Another process may have sent the same meanwhile.
            present = present_tasks(server, project.id, round, keys)
        if progress:
            progress(len(present) / len(keys), f"{len(present)} of {len(keys)} tasks")
    for key, task in keys.items():
        if task.lacking:
            _ask_for_more(server, present[key], task.lacking, _numbers(task.earlier_answers))
    tab = round_tab(server, project.id, round)
    return PushResult(
        task_ids={keys[key].sample_id: task_id for key, task_id in present.items()},
        created=len(present) - existing,
        existing=existing,
        url=round_url(server, project.id, tab),
    )


def count_tasks(server: LabelStudioServer, project_id: int, round_: int) -> int:
    """Return how many tasks of a round are on the server."""
    query = {"filters": {"conjunction": "and", "items": [round_filter(round_)]}}
    answer = server.get(
        "api/tasks/",
        project=project_id,
        query=json.dumps(query),
        page_size=1,
        include="id",
        fields="all",
        resolve_uri="false",
    )
    return int(answer["total"])


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
        query=json.dumps({"filters": {"conjunction": "and", "items": [round_filter(round_)]}}),
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


def _ask_for_more(
    server: LabelStudioServer, task_id: int, lacking: int, on_record: AbstractSet[int]
) -> None:
    """Let a task be handed out until it has so many answers more than are on record.

    A task can be complete for the server and lack answers here: one person answered it twice, or
    the answers on record were given to a task that is gone.
    """
    task = server.get(f"api/tasks/{task_id}/")
    given = [a["id"] for a in task["annotations"] if not a["was_cancelled"]]
    wanted = len(given) + lacking - sum(i not in on_record for i in given)
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
    chunk: dict[str, ReviewTask],
    round_: int,
    source: ImageSource,
) -> dict[str, int]:
    """Import some tasks; return push key to task id, or nothing when the answer has no ids."""
    addresses = source.addresses({t.sample_id: t.image for t in chunk.values()})
    answer = server.post(
        f"api/projects/{project_id}/import",
        [
            {
                "data": {
                    "image": addresses[task.sample_id],
                    "push_key": key,
                    "round": round_,
                    "rank": task.rank,
                    "position": f"Image {task.rank + 1} of {task.of}",
                    "label": visible(task.label),
                    "suggested": visible(task.suggested_label),
                    "suggested_probability": f"{task.suggested_probability:.0%}",
                    "note": task.note,
                    **(
                        {"earlier_answers": sorted(_numbers(task.earlier_answers))}
                        if task.earlier_answers
                        else {}
                    ),
                }
            }
            for key, task in chunk.items()
        ],
        return_task_ids="true",
    )
    ids = answer.get("task_ids", []) if isinstance(answer, dict) else []
    return dict(zip(chunk, ids, strict=True)) if len(ids) == len(chunk) else {}


def _numbers(answer_ids: Sequence[str]) -> set[int]:
    """Return the ids of this desk's answers; those of other desks are no numbers."""
    return {int(answer_id) for answer_id in answer_ids if answer_id.isdecimal()}
