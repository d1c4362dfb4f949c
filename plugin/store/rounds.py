"""Rounds on a dataset: they survive cloning and exporting it.

=================================== ==============================================================
record                              what it holds
=================================== ==============================================================
``cleaning_round_003``              head: options, versions, events, end; content: batch, pools
                                    and gold images, whose events stand apart
``cleaning_evaluation_<field>_003`` content: what was measured after round 3; 000 is the start
``cleaning_start_<field>``          head: the pair; content: labels and importance of the start
``cleaning_project_<field>``        head: where the desk keeps the rounds, and the pull's cursor
=================================== ==============================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo

from ..core.errors import RoundError
from ..core.review.gold import GoldItem
from ..core.review.ledger import Event
from ..core.review.queue import BatchItem
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.schema import SCHEMA, split_round, split_start
from ..core.review.scope import TRAIN_SPLIT
from . import lock, names
from .fresh import reread
from .older_rounds import OlderRounds, is_old
from .records import Head, Records

_OWN_HEAD = ("kind", "schema", "round", "label_field", "class_of_interest", "rival")
_CHANGING = ("events", "gold_events", "closed_at", "home", "url", "unnamed_url")


def now() -> str:
    """Return the present moment as ISO 8601 UTC text that sorts by time."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Start:
    """The state before the first round, which evaluation compares with.

    Attributes
    ----------
    given_labels : dict
        Label id to class name at the start; its keys are the frozen scoring set.
    importance : dict
        Label id to importance at the start.
    config : dict
        Embeddings field, test tag and versions.
    pair : tuple of str or None
        Class of interest and rival of the first round.
    """

    given_labels: dict[str, str]
    importance: dict[str, float]
    config: dict[str, Any]
    pair: tuple[str, str] | None = None


class RoundStore:
    """Reads and writes the rounds of one label field of a dataset.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    label_field : str
    split : {"train", "test"}, default "train"
        Whose rounds: those of the test split stand apart from all others.
    """

    def __init__(self, dataset: fo.Dataset, label_field: str, split: str = TRAIN_SPLIT) -> None:
        self.dataset = dataset
        self.label_field = label_field
        self.split = split
        # What records beside the rounds are filed under.
        self._subject = label_field if split == TRAIN_SPLIT else f"{label_field}__test_split"
        self._records = Records(dataset)
        # Rounds of the test split came with today's schema.
        self._older = (
            OlderRounds(self._records, label_field, str(dataset._doc.id))
            if split == TRAIN_SPLIT
            else None
        )
        # Batches by the id of the file that holds them, which never changes.
        self._batches: dict[Any, Head] = {}

    # ---- reading

    def all(self) -> Rounds:
        """Return the rounds of this label field, as they are in the database now."""
        reread(self.dataset)
        found = self._records.documents("round", label_field=self.label_field)
        new = {file for _, file in found.values() if file is not None} - set(self._batches)
        contents = self._batches | self._records.contents(new)
        return Rounds(
            r
            for key, (head, file) in found.items()
            if head.get("split", TRAIN_SPLIT) == self.split
            and (r := self._round(key, head, file, contents.get(file)))
        )

    def other(self, split: str) -> RoundStore:
        """Return the rounds of the other split."""
        return RoundStore(self.dataset, self.label_field, split)

    def load(self, number: int) -> Round:
        """Read a round of this label field, as it is in the database now.

        Raises
        ------
        RoundError
            When there is no such round, or it was written by a newer version of this project.
        """
        return self.numbered(self.all(), number)

    def numbered(self, rounds: Rounds, number: int) -> Round:
        """Return one of the rounds that were read; raises as `load` does."""
        found = rounds.numbered(number)
        if found is None:
            known = ", ".join(str(round_.number) for round_ in rounds) or "none"
            raise RoundError(
                f"dataset {self.dataset.name!r} has no round {number} of field "
                f"{self.label_field!r}. Rounds: {known}.",
                "Name one of these.",
            )
        return found

    def open_round(self) -> Round | None:
        """Return the round that is still in review, or None; an undone one is not."""
        return self.all().open

    def evaluations(self) -> dict[int, dict[str, Any]]:
        """Return round number to what was measured after it; 0 is before the first."""
        key = names.field_run_key("evaluation", self._subject)
        heads = {
            k: head
            for k, head in self._records.heads("evaluation", label_field=self.label_field).items()
            if re.fullmatch(re.escape(key) + r"_\d+", k)
        }
        found = {int(k[len(key) + 1 :]): self._records.content(k) or {} for k in heads}
        if self._older:
            found = self._older.evaluations() | found
        return {n: found[n]["evaluation"] for n in sorted(found) if found[n]}

    def _round(self, key: str, head: Head, file: Any, content: Head | None) -> Round | None:
        """Return a round; None when an old version was killed before it was saved."""
        number = int(key.rsplit("_", 1)[1])
        content = content or self._records.content(key)
        if content is None:
            return None
        if content.get("schema", 1) >= SCHEMA:
            if not head.get("schema"):  # another process has upgraded it since the head was read
                head = self._records.head(key) or head
            if file is not None:
                self._batches[file] = content
        if is_old(head, content, f"round {number} of dataset {self.dataset.name!r}"):
            head, content, _ = split_round(head, content)
            head["home"] = str(self.dataset._doc.id)
        fixed = {k: v for k, v in head.items() if k not in (*_OWN_HEAD, *_CHANGING)}
        return Round(
            number=number,
            label_field=head["label_field"],
            class_of_interest=head["class_of_interest"],
            rival=head["rival"],
            config=fixed,
            batch=[BatchItem.from_dict(item) for item in content["batch"]],
            pools=content["pools"],
            events=[Event.from_dict(event) for event in head.get("events", [])],
            home=head["home"],
            url=head.get("url") or "",
            unnamed_url=head.get("unnamed_url") or "",
            closed_at=head.get("closed_at"),
            gold=[GoldItem.from_dict(item) for item in content.get("gold", [])],
            gold_events=[Event.from_dict(event) for event in head.get("gold_events", [])],
        )

    # ---- writing

    def lock(self, what: str) -> AbstractContextManager[lock.Claim]:
        """Keep other processes from changing this label field's rounds at the same time.

        Raises
        ------
        BusyError
            When another process holds the lock.
        """
        return lock.lock(self.dataset, self.label_field, what)

    def create(self, round_: Round) -> Round:
        """Put a new round on record, under the first number that is free; return it.

        Label fields of one dataset share the numbers: another one may have taken the round's.
        """
        self._upgrade()
        head = {
            "schema": SCHEMA,
            "label_field": round_.label_field,
            "class_of_interest": round_.class_of_interest,
            "rival": round_.rival,
            **round_.config,
            "events": [],
            "closed_at": None,
            "home": round_.home,
            "url": round_.url,
        }
        content = {
            "schema": SCHEMA,
            "batch": [item.to_dict() for item in round_.batch],
            "pools": round_.pools,
        }
        if round_.gold:
            content["gold"] = [item.to_dict() for item in round_.gold]
        while not self._records.create(
            key := names.round_run_key(round_.number),
            "round",
            {**head, "round": round_.number},
            content,
        ):
            ours = self._records.head(key) is not None
            if ours and self._records.content(key) is None:
                self._records.delete(key)  # of version 0.1, killed before it was saved
            else:
                round_.number += 1
        return round_

    def next_number(self) -> int:
        """Return the number of the next round; fields of one dataset share the count."""
        found = self._records.documents("round").items()
        numbers = [int(key.rsplit("_", 1)[1]) for key, (_, file) in found if file is not None]
        return max(numbers, default=0) + 1

    def append(self, round_: Round, events: Sequence[Event], closed_at: str | None = None) -> None:
        """Append events to a round, and close it if a time is given; nothing is rewritten."""
        self._upgrade()
        values = {"closed_at": closed_at} if closed_at else {}
        key = names.round_run_key(round_.number)
        real, gold = round_.split(events)
        # Before the end: a round that is cut off here is still open, and the next pull goes on.
        if gold:
            self._records.append(key, "gold_events", [event.to_dict() for event in gold])
        if real:
            self._records.append(key, "events", [event.to_dict() for event in real], **values)
        elif values:
            self._records.update(key, **values)
        round_.events.extend(real)
        round_.gold_events.extend(gold)
        round_.closed_at = closed_at or round_.closed_at

    def reopen(self, round_: Round) -> None:
        """Open a round again that was closed."""
        if round_.closed_at is not None:
            self._upgrade()
            self._records.update(names.round_run_key(round_.number), closed_at=None)
            round_.closed_at = None

    def save_url(self, round_: Round, url: str, of_unnamed: bool = False) -> None:
        """Remember where people find a round, or what was marked on its sheets without a class."""
        name = "unnamed_url" if of_unnamed else "url"
        if getattr(round_, name) != url:
            self._upgrade()
            self._records.update(names.round_run_key(round_.number), **{name: url})
            setattr(round_, name, url)

    def save_evaluation(self, number: int, evaluation: dict[str, Any]) -> None:
        """Keep what was measured after a round; 0 is before the first."""
        self._upgrade()
        key = names.evaluation_run_key(self._subject, number)
        content = {"schema": SCHEMA, "evaluation": evaluation}
        head = {"label_field": self.label_field, "round": number}
        if not self._records.create(key, "evaluation", head, content):
            self._records.write_content(key, content)

    # ---- the project

    @property
    def _project_key(self) -> str:
        return names.field_run_key("project", self._subject)

    def projects(self) -> dict[str, dict[str, Any]]:
        """Return home to where its desk keeps the rounds: server, id, cursor."""
        head = self._records.head(self._project_key)
        if head is not None:
            return dict(head["homes"])
        old = self._older.project() if self._older else None
        return {} if old is None else {str(self.dataset._doc.id): old}

    def save_project(self, home: str, project: dict[str, Any]) -> None:
        """Remember where the desk keeps the rounds of a home."""
        self._upgrade()
        if self.projects().get(home) == project:
            return
        if not self._records.create(
            self._project_key,
            "project",
            {"label_field": self.label_field, "homes": {home: project}},
        ):
            self._records.update(self._project_key, **{f"homes.{home}": project})

    # ---- the start

    @property
    def _start_key(self) -> str:
        return names.field_run_key("start", self._subject)

    def load_start(self) -> Start | None:
        """Return the state before the first round, or None when nothing was started."""
        content = self._records.content(self._start_key)
        if content is None:
            return None
        head = self._records.head(self._start_key) or {}
        if is_old(head, content, f"the start of dataset {self.dataset.name!r}"):
            head, content, _ = split_start(content)
        return Start(
            given_labels=content["given_labels"],
            importance=content["importance"],
            config={k: v for k, v in head.items() if k not in (*_OWN_HEAD, "pair")},
            pair=tuple(head["pair"]) if head.get("pair") else None,
        )

    def is_started(self) -> bool:
        """Tell whether the state before the first round is on record; its columns stay unread."""
        return self._records.head(self._start_key) is not None

    def save_start(self, start: Start) -> None:
        """Put the state before the first round on record; of one that is there, only the pair."""
        self._upgrade()
        pair = list(start.pair) if start.pair else None
        head = {"schema": SCHEMA, "label_field": self.label_field, "pair": pair, **start.config}
        columns = {"given_labels": start.given_labels, "importance": start.importance}
        if not self._records.create(self._start_key, "start", head, {"schema": SCHEMA, **columns}):
            self._records.update(self._start_key, pair=pair)

    def _upgrade(self) -> None:
        """Store what older versions stored in today's form; called before anything is written."""
        if self._older:
            self._older.upgrade()
