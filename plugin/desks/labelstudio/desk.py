"""Label Studio as a desk: rounds are tasks of a project, answers are its annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ...core.review.ledger import AnswerKey
from ..base import Answers, Options, Progress, ReviewTask, Sent, Subject
from .cleanup import delete_round_tab, delete_unanswered, park_tasks
from .connection import LabelStudioServer
from .images import ImageSource
from .project import Project, ProjectPlan, apply_plan, locate_project, plan_project
from .pull import pull_answers
from .push import push_tasks


class LabelStudioDesk:
    """Rounds that are answered in Label Studio.

    Parameters
    ----------
    server : LabelStudioServer
    """

    name = "labelstudio"
    shows_boxes = False

    def __init__(self, server: LabelStudioServer) -> None:
        self.server = server

    def check(self, subject: Subject, options: Options, images: Mapping[str, str]) -> None:
        """Make sure that the server would take the project and that it can show the images."""
        plan = self._plan(subject, options)
        self._images(options, plan.project_id or 0).check(images, connect=False)

    def send(
        self,
        subject: Subject,
        options: Options,
        round_: int,
        tasks: Sequence[ReviewTask],
        progress: Progress | None = None,
    ) -> Sent:
        """Make the project and those tasks that are not on the server yet."""
        project = apply_plan(self._plan(subject, options))
        result = push_tasks(
            self.server,
            project,
            tasks,
            dataset_id=subject.home,
            label_field=subject.label_field,
            round=round_,
            source=self._images(options, project.id),
            progress=progress,
        )
        return Sent(
            created=result.created,
            existing=result.existing,
            url=result.url,
            project={"server": self.server.url, "id": project.id, "cursor": None},
        )

    def fetch(
        self,
        subject: Subject,
        rounds: Mapping[int, AbstractSet[str]],
        known: AbstractSet[AnswerKey],
        project: Mapping[str, Any],
        wanted: Mapping[int, int],
    ) -> Answers:
        """Read what is new in the rounds' project; see `Desk.fetch`."""
        project_id = self._locate(subject, project).id
        # The clock of another server, or of the same under another address, may differ.
        same = project.get("server") == self.server.url and project.get("id") == project_id
        found = pull_answers(
            self.server,
            project_id,
            dataset_id=subject.home,
            label_field=subject.label_field,
            classes=subject.classes,
            rounds=rounds,
            # Ids of other desks are no numbers.
            known={key for key in known if key[2].isdecimal()},
            since=project.get("cursor") if same else None,
            reviewers=wanted,
        )
        return Answers(
            reviews=found.reviews,
            withdrawn=found.withdrawn,
            problems=[str(problem) for problem in found.problems],
            skipped=found.skipped,
            skips=found.skips,
            missing=found.missing,
            surplus=found.surplus,
            project={"server": self.server.url, "id": project_id, "cursor": found.cursor},
        )

    def link(self, url: str, project: Mapping[str, Any]) -> str:
        """Return the link under the address and the project's number of today."""
        _, _, page = url.partition("/projects/")
        _, _, rest = page.partition("/")
        return f"{project['server']}/projects/{project['id']}/{rest}"

    def close(
        self, subject: Subject, round_: int, project: Mapping[str, Any], delete_tasks: bool
    ) -> tuple[bool, int]:
        """Delete the round's tab and, if asked to, its tasks without an answer."""
        project_id = self._locate(subject, project).id
        own = {"dataset_id": subject.home, "label_field": subject.label_field}
        # The tab goes first: it is what hands tasks out.
        tab_deleted = delete_round_tab(self.server, project_id, round_)
        park_tasks(self.server, project_id, open_rounds=(), **own)
        tasks_deleted = 0
        if delete_tasks:
            tasks_deleted = delete_unanswered(self.server, project_id, round_=round_, **own)
        return tab_deleted, tasks_deleted

    def _plan(self, subject: Subject, options: Options) -> ProjectPlan:
        return plan_project(
            self.server,
            dataset_id=subject.home,
            dataset_name=subject.dataset_name,
            label_field=subject.label_field,
            classes=subject.classes,
            reviewers_per_task=options.reviewers_per_task,
            hide_suggestion=options.hide_suggestion,
            smooth=options.smooth,
            of_objects=subject.of_objects,
        )

    def _locate(self, subject: Subject, project: Mapping[str, Any]) -> Project:
        """Return the project: its mark says whose it is, not the server's address.

        Raises
        ------
        ProjectMissingError
            When it is no longer on the server.
        """
        return locate_project(self.server, subject.home, subject.label_field, project.get("id"))

    def _images(self, options: Options, project_id: int) -> ImageSource:
        return ImageSource(self.server, project_id, options.images, options.images_root)
