"""A reviewer who knows the right answers and gives them through Label Studio's own API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from coreset_cleaning import LabelStudioServer
from coreset_cleaning.desks.labelstudio.config import ACCEPT, answer_result
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
        true = self.truth[key[1]]
        if true == shown["label"]:
            return "keep", None
        if true == shown["suggested"]:
            return ACCEPT, None
        if self.rival in (true, None):
            return "relabel", true
        return "delete", None
