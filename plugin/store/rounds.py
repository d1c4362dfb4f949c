"""Rounds as FiftyOne custom runs: they survive cloning and exporting the dataset."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import fiftyone as fo
import fiftyone.operators.store as foos
from bson import json_util
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.errors import PyMongoError

from ..core.errors import BusyError, RoundError
from ..core.review.ledger import Event, undone_rounds
from ..core.review.queue import BatchItem
from ..core.review.schema import SCHEMA, upgrade
from . import names

# A crashed process must not lock a dataset for ever. One that is at work gives signs of life much
# more often than that.
LOCK_SECONDS = 120
# What another process holds the lock for, it usually has done in this time.
WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1
_READS = 10


def now() -> str:
    """Return the present moment as ISO 8601 UTC text that sorts by time."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Round:
    """One batch through review.

    Attributes
    ----------
    number : int
        1, 2, …; unique in the dataset.
    label_field, class_of_interest, rival : str
        What is reviewed; `rival` is None when the class was chosen by hand. Of several classes,
        the first.
    config : dict
        All that was fixed when the batch was drawn: seed, versions, parameters.
    batch : list of BatchItem
        The samples, by rank.
    pools : dict of str to int
        Class to the samples of it that could be served when the batch was drawn.
    events : list of Event
        Verdict events of this round, append-only.
    project : dict
        Where the tasks are: server, project id, tab, link, pull cursor. Empty before the push.
    evaluation : dict or None
        What `evaluate_round` measured after this round.
    closed_at : str or None
        When the last answer was pulled, or the round was closed by hand.
    """

    number: int
    label_field: str
    class_of_interest: str
    rival: str | None
    config: dict[str, Any]
    batch: list[BatchItem]
    pools: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    project: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] | None = None
    closed_at: str | None = None

    @property
    def sample_ids(self) -> set[str]:
        """Ids of the samples in this round."""
        return {item.sample_id for item in self.batch}

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes under review, in the order they are shown."""
        return tuple(dict.fromkeys(item.label for item in self.batch)) or (self.class_of_interest,)


@dataclass
class Start:
    """The state before the first round, which evaluation compares with.

    Attributes
    ----------
    given_labels : dict
        Sample id to class name at the start; its keys are the frozen scoring set.
    importance : dict
        Sample id to importance at the start.
    config : dict
        Embeddings field, test tag and versions.
    pair : tuple of str or None
        Class of interest and rival of the first round.
    evaluation : dict or None
        AUROC before any cleaning.
    """

    given_labels: dict[str, str]
    importance: dict[str, float]
    config: dict[str, Any]
    pair: tuple[str, str] | None = None
    evaluation: dict[str, Any] | None = None


class RoundStore:
    """Reads and writes the rounds of one label field of a dataset."""

    def __init__(self, dataset: fo.Dataset, label_field: str) -> None:
        self.dataset = dataset
        self.label_field = label_field

    # ---- rounds

    def all(self) -> list[Round]:
        """Return the rounds of this label field, oldest first."""
        self.dataset.reload()
        return self._loaded(self._numbers(label_field=self.label_field))

    def of_other_fields(self) -> list[Round]:
        """Return the rounds of the dataset's other label fields, as of the last look at ours."""
        mine = set(self._numbers(label_field=self.label_field))
        return self._loaded(number for number in self._numbers() if number not in mine)

    def open_round(self) -> Round | None:
        """Return the round that is still in review, or None; an undone one is not."""
        return open_round(self.all())

    def next_number(self) -> int:
        """Return the number of the next round; fields of one dataset share the count."""
        self.dataset.reload()
        return max(self._numbers(), default=0) + 1

    def create(self, round_: Round) -> None:
        """Register a new round.

        Raises
        ------
        RoundError
            When another process has registered the same number first.
        """
        key = names.round_run_key(round_.number)
        if self.dataset.has_run(key) and self._read(key) is None:
            self.dataset.delete_run(key)  # killed before it was saved: nothing was sent yet
        config = self.dataset.init_run(
            method=names.RUN_METHOD,
            kind="round",
            round=round_.number,
            label_field=round_.label_field,
            class_of_interest=round_.class_of_interest,
            rival=round_.rival,
            **round_.config,
        )
        try:
            self.dataset.register_run(key, config)
        except ValueError as error:
            raise RoundError(
                f"round {round_.number} of dataset {self.dataset.name!r} has just been started by "
                "another process. Call push again to see it."
            ) from error
        self.save(round_)

    def save(self, round_: Round) -> None:
        """Write the changing part of a round."""
        self._write(
            names.round_run_key(round_.number),
            schema=SCHEMA,
            batch=[item.to_dict() for item in round_.batch],
            pools=round_.pools,
            events=[event.to_dict() for event in round_.events],
            project=round_.project,
            evaluation=round_.evaluation,
            closed_at=round_.closed_at,
        )

    def load(self, number: int) -> Round:
        """Read a round of this label field, as it is in the database now.

        Raises
        ------
        RoundError
            When there is no such round, or it was written by a newer version of this project.
        """
        self.dataset.reload()
        known = self._numbers(label_field=self.label_field)
        if number not in known:
            raise RoundError(
                f"dataset {self.dataset.name!r} has no round {number} of field "
                f"{self.label_field!r}. Rounds: {', '.join(map(str, known)) or 'none'}."
            )
        round_ = self._load(number)
        if round_ is None:
            raise RoundError(
                f"round {number} of dataset {self.dataset.name!r} was interrupted before it began. "
                "Push again."
            )
        return round_

    def _loaded(self, numbers: Iterable[int]) -> list[Round]:
        loaded = [self._load(number) for number in numbers]
        return [round_ for round_ in loaded if round_ is not None]

    def _load(self, number: int) -> Round | None:
        """Return a round; None when it was killed, or is being made, before it was saved."""
        key = names.round_run_key(number)
        content = self._read(key)
        if content is None:
            return None
        config = self.dataset.get_run_info(key).config.serialize()
        document = upgrade(
            {**content, "config": config}, f"round {number} of dataset {self.dataset.name!r}"
        )
        config = document["config"]
        fixed = {
            "cls",
            "type",
            "method",
            "kind",
            "round",
            "label_field",
            "class_of_interest",
            "rival",
        }
        return Round(
            number=number,
            label_field=config["label_field"],
            class_of_interest=config["class_of_interest"],
            rival=config["rival"],
            config={k: v for k, v in config.items() if k not in fixed},
            batch=[BatchItem.from_dict(item) for item in document["batch"]],
            pools=document["pools"],
            events=[Event.from_dict(event) for event in document["events"]],
            project=document["project"],
            evaluation=document["evaluation"],
            closed_at=document["closed_at"],
        )

    def _numbers(self, **query: Any) -> list[int]:
        keys = self.dataset.list_runs(method=names.RUN_METHOD, kind="round", **query)
        numbers = [int(key.rsplit("_", 1)[1]) for key in keys]
        return sorted(n for n in numbers if self._file_id(names.round_run_key(n)) is not None)

    # ---- the start

    @property
    def _start_key(self) -> str:
        return names.field_run_key("start", self.label_field)

    def load_start(self) -> Start | None:
        """Return the state before the first round, or None when nothing was started."""
        self.dataset.reload()
        content = self._read(self._start_key) if self.dataset.has_run(self._start_key) else None
        if content is None:
            return None
        content = upgrade({**content, "config": {}}, f"the start of dataset {self.dataset.name!r}")
        return Start(
            given_labels=content["given_labels"],
            importance=content["importance"],
            config=content["config_"],
            pair=tuple(content["pair"]) if content["pair"] else None,
            evaluation=content["evaluation"],
        )

    def save_start(self, start: Start) -> None:
        """Write the state before the first round."""
        if not self.dataset.has_run(self._start_key):
            config = self.dataset.init_run(
                method=names.RUN_METHOD, kind="start", label_field=self.label_field
            )
            self.dataset.register_run(self._start_key, config)
        self._write(
            self._start_key,
            schema=SCHEMA,
            given_labels=start.given_labels,
            importance=start.importance,
            config_=start.config,
            pair=list(start.pair) if start.pair else None,
            evaluation=start.evaluation,
        )

    # ---- shared

    def _file_id(self, key: str) -> Any:
        document = self.dataset._doc.runs.get(key)
        return None if document is None else document.results.grid_id

    def _write(self, key: str, **content: Any) -> None:
        """Write a run's results so that there is a whole version at any time.

        FiftyOne deletes the old ones first: a process killed after that would lose a round, and
        one that reads at that moment would find none. Here the old ones go last.
        """
        file, old = self.dataset._doc.runs[key].results, self._file_id(key)
        file.grid_id = None
        results = self.dataset.init_run_results(key, **content)
        self.dataset.save_run_results(key, results, cache=False)
        if old is not None:
            file.fs.delete(old)

    def _read(self, key: str) -> dict[str, Any] | None:
        """Return a run's results, or None when there are none yet."""
        for _ in range(_READS):
            file_id = self._file_id(key)
            if file_id is None:
                return None
            try:
                stored = self.dataset._doc.runs[key].results.fs.get(file_id).read()
            except (NoFile, CorruptGridFile):
                # Another process has just replaced them; of a large one, the content goes last.
                self.dataset.reload()
                continue
            return dict(json_util.loads(stored.decode()))
        raise RoundError(
            f"run {key!r} of dataset {self.dataset.name!r} can't be read: its results are missing "
            f"from the database. Restore them from a backup, or give the run up with "
            f"dataset.delete_run({key!r})."
        )

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Keep other processes from changing this label field's rounds at the same time.

        Raises
        ------
        BusyError
            When another process holds the lock.
        """
        store = foos.ExecutionStore.create(names.RUN_METHOD, self.dataset._doc.id)
        mine = self._claim(store, what)
        done = threading.Event()

        def give_signs_of_life() -> None:
            while not done.wait(LOCK_SECONDS / 4):
                # A database that is away for a moment is the work's to report, not ours.
                with contextlib.suppress(PyMongoError):
                    store.update_ttl(mine, LOCK_SECONDS)

        alive = threading.Thread(target=give_signs_of_life, name="cleaning-lock", daemon=True)
        alive.start()
        try:
            yield
        finally:
            done.set()
            alive.join()
            store.delete(mine)

    def _claim(self, store: foos.ExecutionStore, what: str) -> str:
        """Wait for the lock, and return the key of the claim that holds it."""
        lock = f"lock:{self.label_field}"
        mine = f"{lock}:{uuid4().hex}"
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            # Everybody claims first and looks then: of two at once, at least one sees the other.
            store.set(mine, {"what": what}, ttl=LOCK_SECONDS)
            others = [k for k in store.list_keys() if k != mine and k.rsplit(":", 1)[0] == lock]
            if not others:
                return mine
            holder = store.get(others[0]) or {}
            store.delete(mine)
            if time.monotonic() >= give_up:
                raise BusyError(
                    f"another process is at work on field {self.label_field!r} of dataset "
                    f"{self.dataset.name!r} ({holder.get('what', 'unknown')}). Wait until it has "
                    f"finished; a crashed one gives way after {LOCK_SECONDS // 60} minutes."
                )
            # Two that saw each other must not meet again.
            time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))


def open_round(rounds: Sequence[Round]) -> Round | None:
    """Return the round that is still in review, or None; an undone one is not."""
    undone = undone_rounds(event for round_ in rounds for event in round_.events)
    waiting = [r for r in rounds if r.closed_at is None and r.number not in undone]
    return waiting[-1] if waiting else None
