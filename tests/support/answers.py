"""What reviewers do, through Label Studio's own API."""

from __future__ import annotations

import re

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.desks.labelstudio.answers import answer_result

LEAD_TIME = 3.5
# A verdict, and the class of "relabel".
Said = tuple[str, str | None]


def task_ids(server: LabelStudioServer, project: int, round_: int | None = None) -> dict[str, int]:
    """Return sample id to task id, of a project or of one of its rounds."""
    found = server.tasks(project=project, include="id,data", resolve_uri="false")
    return {
        task["data"]["push_key"].rsplit(":", 1)[1]: task["id"]
        for task in found
        if round_ in (None, task["data"]["round"])
    }


def answer_task(
    server: LabelStudioServer,
    task_id: int,
    verdict: str,
    new_label: str | None = None,
    n_classes: int = 3,
    comment: str = "",
) -> int:
    """Answer one task as the key's owner; return the annotation's id."""
    result = answer_result(verdict, new_label, n_classes=n_classes, comment=comment)
    body = {"result": result, "lead_time": LEAD_TIME}
    return int(server.post(f"api/tasks/{task_id}/annotations/", body)["id"])


def answer_samples(
    server: LabelStudioServer, project: int, said: dict[str, Said], n_classes: int = 3
) -> None:
    """Answer the tasks of these samples; a sample without a task is left out."""
    for sample_id, task_id in task_ids(server, project).items():
        if sample_id in said:
            answer_task(server, task_id, *said[sample_id], n_classes=n_classes)


def answer_truly(
    server: LabelStudioServer,
    project: int,
    truth: dict[str, str],
    n_classes: int,
    limit: int | None = None,
) -> None:
    """Answer the open tasks, or the first `limit`, as somebody does who knows the true class."""
    tasks = server.tasks(project=project, include="id,data,total_annotations", resolve_uri="false")
    for task in [task for task in tasks if not task["total_annotations"]][:limit]:
        true = truth[task["data"]["push_key"].rsplit(":", 1)[1]]
        said = ("keep", None) if true == task["data"]["label"] else ("relabel", true)
        answer_task(server, task["id"], *said, n_classes=n_classes)


def project_of(loop: CleaningLoop) -> int:
    """Return the id of the project that holds the loop's last round."""
    found = re.search(r"/projects/(\d+)", loop.history()[-1]["url"])
    assert found is not None
    return int(found[1])
