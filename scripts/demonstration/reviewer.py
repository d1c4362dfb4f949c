"""Reviewers who know the right answers and give them at either desk, as people would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.config import ACCEPT
from coreset_cleaning.desks.labelstudio.keys import parse_push_key


class SimulatedReviewer:
    """Answers every task of a project that has no answer yet, as a user of its own.

    Keeps what is right, accepts a suggestion that is right, gives images of the rival back to it,
    and deletes wrong ones that belong to a third class, as reviewers of a two-class job do. Without
    a rival, every wrong one gets its class.

    Parameters
    ----------
    url, token : str
        The server, and the reviewer's own key.
    truth : mapping of str to str
        Sample id to true label.
    rival : str or None
        The class that the class of interest is confused with; None in a round of all classes.
    dataset_id, label_field : str
        Whose tasks are answered.
    n_classes : int
        Number of classes in the project.
    """

    def __init__(
        self,
        url: str,
        token: str,
        truth: Mapping[str, str],
        *,
        rival: str | None,
        dataset_id: str,
        label_field: str,
        n_classes: int,
    ) -> None:
        self.server = LabelStudioServer(url, token)
        self.truth = truth
        self.rival = rival
        self.dataset_id = dataset_id
        self.label_field = label_field
        self.n_classes = n_classes

    def answer_round(self, project_id: int) -> int:
        """Answer the open tasks; return how many there were."""
        unanswered = {
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": "filter:tasks:total_annotations",
                        "operator": "equal",
                        "type": "Number",
                        "value": 0,
                    }
                ],
            }
        }
        tasks = list(
            self.server.tasks(
                project=project_id,
                query=json.dumps(unanswered),
                include="id,data",
                resolve_uri="false",
            )
        )
        for task in tasks:
            verdict, new_label = self._judge(task["data"])
            result = answer_result(verdict, new_label, n_classes=self.n_classes)
            self.server.post(f"api/tasks/{task['id']}/annotations/", {"result": result})
        return len(tasks)

    def _judge(self, shown: Mapping[str, str]) -> tuple[str, str | None]:
        key = parse_push_key(shown["push_key"], self.dataset_id, self.label_field)
        assert key is not None, "the project holds a task that is not ours"
        return judge(self.truth[key[1]], shown["label"], shown["suggested"], self.rival)


class AppReviewer:
    """Answers the open round at the App's desk in the same way, by the page, as a person would.

    Parameters
    ----------
    loop : CleaningLoop
    truth : mapping of str to str
        Label id to true class.
    rival : str or None
        As for `SimulatedReviewer`.
    """

    def __init__(self, loop: CleaningLoop, truth: Mapping[str, str], rival: str | None) -> None:
        self.loop = loop
        self.truth = truth
        self.rival = rival

    def answer_round(self, project_id: int | None = None) -> int:
        """Answer the round page by page; return how many labels there were."""
        answered = 0
        while (page := self.loop.next_page()) is not None and page.label_ids:
            given = {i: self.loop.question(i, examples=0) for i in page.label_ids}
            marks: dict[str, str] = {}
            others: dict[str, Any] = {}
            for i, asked in given.items():
                assert asked is not None
                verdict, new_label = judge(
                    self.truth[i], asked.label, asked.suggested_label, self.rival
                )
                if verdict == ACCEPT:
                    marks[i] = "default"
                elif verdict != "keep":
                    marks[i] = "alt"
                    others[i] = ("relabel", new_label) if new_label else verdict
            self.loop.commit_page(page.label_ids, marks, others, reviewer="simulated")
            answered += len(page.label_ids)
        return answered


def judge(true: str, label: str, suggested: str, rival: str | None) -> tuple[str, str | None]:
    """Return the verdict and the new class that a reviewer gives who knows the true one."""
    if true == label:
        return "keep", None
    if true == suggested:
        return ACCEPT, None
    if rival in (true, None):
        return "relabel", true
    return "delete", None
