"""Rounds as versions before schema 3 stored them: read as they are, and upgraded before a write."""

from __future__ import annotations

from typing import Any

from ..core.review.schema import SCHEMA, check_schema, split_round, split_start
from . import names
from .records import Head, Records


def is_old(head: Head, content: Head, what: str) -> bool:
    """Tell whether a record is of a schema before 3; refuse one of a newer version."""
    # Schema 3 stands in the head; before it, in the content.
    version = head.get("schema") or content.get("schema", 1)
    check_schema(version, what)
    return bool(version < SCHEMA)


class OlderRounds:
    """What versions before schema 3 left of the rounds of a label field.

    Parameters
    ----------
    records : Records
    label_field : str
    home : str
        That of rounds which were pushed then: the dataset they are found on.
    """

    def __init__(self, records: Records, label_field: str, home: str) -> None:
        self._records = records
        self._label_field = label_field
        self._home = home
        self._start_key = names.field_run_key("start", label_field)

    def project(self) -> dict[str, Any] | None:
        """Return where the desk keeps the rounds; every round said so then."""
        return self._project(self._contents())

    def evaluations(self) -> dict[int, dict[str, Any]]:
        """Return round number to what was measured after it; 0 is before the first."""
        return self._evaluations(self._contents())

    def upgrade(self) -> None:
        """Store all of it in today's form.

        A record's new head goes in one stroke: killed before that, it is read as the old version
        wrote it, and after that, as this one does.
        """
        old = self._contents()
        if not old:
            return
        field = {"label_field": self._label_field}
        project = self._project(old)
        if project is not None:
            key = names.field_run_key("project", self._label_field)
            self._records.create(key, "project", {**field, "homes": {self._home: project}})
        for number, found in self._evaluations(old).items():
            key = names.evaluation_run_key(self._label_field, number)
            head = {**field, "round": number}
            self._records.create(key, "evaluation", head, {"schema": SCHEMA, **found})
        for key, (head, content) in old.items():
            if key == self._start_key:
                new_head, new_content, _ = split_start(content)
            else:
                new_head, new_content, _ = split_round(head, content)
                new_head["home"] = self._home
                # The only part of an old head that belongs to the content now.
                self._records.write_content(key, {**content, "pools": new_content["pools"]})
            self._records.update(key, **new_head)
            self._records.write_content(key, new_content)

    @staticmethod
    def _project(old: dict[str, tuple[Head, Head]]) -> dict[str, Any] | None:
        projects = [
            content["project"] for _, (_, content) in sorted(old.items()) if content.get("project")
        ]
        if not projects:
            return None
        return {key: projects[-1].get(key) for key in ("server", "id", "cursor")}

    def _evaluations(self, old: dict[str, tuple[Head, Head]]) -> dict[int, dict[str, Any]]:
        found = {}
        for key, (_, content) in old.items():
            if content.get("evaluation"):
                number = 0 if key == self._start_key else int(key.rsplit("_", 1)[1])
                found[number] = {"evaluation": content["evaluation"]}
        return found

    def _contents(self) -> dict[str, tuple[Head, Head]]:
        """Return key to head and content of what was stored before schema 3."""
        old = {}
        for kind in ("round", "start"):
            # Before schema 3, heads named none.
            heads = self._records.heads(kind, label_field=self._label_field, schema=None)
            for key, head in heads.items():
                content = self._records.content(key)
                if content is not None and is_old(head, content, f"run {key!r}"):
                    old[key] = head, content
        return old
