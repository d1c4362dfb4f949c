"""A real Label Studio server for the session, and a project of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from coreset_cleaning.desks.base import ReviewTask
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.project import (
    Project,
    find_or_create_project,
    find_project,
)
from coreset_cleaning.desks.labelstudio.pull import Answers, pull_answers
from coreset_cleaning.desks.labelstudio.push import PushResult, push_tasks
from label_studio_server import LabelStudioProcess

CLASSES = ("cat", "dog", "bird")
FIELD = "ground_truth"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def process(label_studio: LabelStudioProcess) -> LabelStudioProcess:
    return label_studio


@pytest.fixture(scope="session")
def reviewer(process: LabelStudioProcess) -> LabelStudioServer:
    return LabelStudioServer(process.url, process.add_user("second@example.com"))


def review_tasks(n: int, image: str = "http://127.0.0.1/images/{}.jpg") -> list[ReviewTask]:
    return [
        ReviewTask(f"s{i}", image.format(i), i, n, "cat", "dog", 0.75, "Similar ones are dogs.")
        for i in range(n)
    ]


@dataclass
class Cleaning:
    """A project of a made-up dataset, and short words for what the loop does with it."""

    server: LabelStudioServer
    dataset_id: str
    classes: tuple[str, ...] = CLASSES

    def open(self, **settings: object) -> Project:
        return find_or_create_project(
            self.server,
            dataset_id=self.dataset_id,
            dataset_name="contract",
            label_field=FIELD,
            classes=self.classes,
            **settings,  # type: ignore[arg-type]
        )

    def push(
        self,
        tasks: list[ReviewTask],
        round_: int = 1,
        images: str = "url",
        root: Path | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> PushResult:
        return push_tasks(
            self.server,
            self.open(),
            tasks,
            dataset_id=self.dataset_id,
            label_field=FIELD,
            round=round_,
            images=images,
            root=root,
            progress=progress,
        )

    def pull(self, rounds: dict[int, set[str]], **more: object) -> Answers:
        return pull_answers(
            self.server,
            self.find(),
            dataset_id=self.dataset_id,
            label_field=FIELD,
            classes=self.classes,
            rounds=rounds,
            **more,  # type: ignore[arg-type]
        )

    def find(self) -> int:
        """Return the project's id, and make it if need be; one that is there stays as it is."""
        found = find_project(self.server, self.dataset_id, FIELD)
        return int(found["id"]) if found else self.open().id

    def answer(
        self,
        task_id: int,
        verdict: str,
        new_label: str | None = None,
        comment: str = "",
        by: LabelStudioServer | None = None,
    ) -> str:
        result = answer_result(verdict, new_label, n_classes=len(self.classes), comment=comment)
        body = {"result": result, "lead_time": 2.5}
        return str((by or self.server).post(f"api/tasks/{task_id}/annotations/", body)["id"])

    def keys(self) -> list[str]:
        """Return the push keys of all tasks on the server, in the order of their ids."""
        tasks = self.server.tasks(project=self.open().id, include="id,data", resolve_uri="false")
        return [t["data"]["push_key"] for t in sorted(tasks, key=lambda t: t["id"])]


@pytest.fixture
def cleaning(server: LabelStudioServer) -> Cleaning:
    return Cleaning(server, f"dataset{next(_numbers)}")
