"""Rounds as FiftyOne custom runs: they survive cloning and exporting the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import fiftyone as fo
import fiftyone.operators.store as foos

from ..core.errors import RoundError
from ..core.ledger import LEDGER_SCHEMA, Event
from ..core.queue import BatchItem
from . import names

# A crashed process must not lock a dataset for ever; no push or pull takes this long between
# two signs of life.
LOCK_SECONDS = 600


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
        What is reviewed; `rival` is None when the class was chosen by hand.
    config : dict
        All that was fixed when the batch was drawn: seed, versions, parameters.
    batch : list of BatchItem
        The samples, by rank.
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
    events: list[Event] = field(default_factory=list)
    project: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] | None = None
    closed_at: str | None = None

    @property
    def sample_ids(self) -> set[str]:
        """Ids of the samples in this round."""
        return {item.sample_id for item in self.batch}


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
        return [self.load(number) for number in self._numbers(label_field=self.label_field)]

    def open_round(self) -> Round | None:
        """Return the round that is still in review, or None."""
        rounds = self.all()
        return rounds[-1] if rounds and rounds[-1].closed_at is None else None

    def next_number(self) -> int:
        """Return the number of the next round; fields of one dataset share the count."""
        return max(self._numbers(), default=0) + 1

    def create(self, round_: Round) -> None:
        """Register a new round.

        Raises
        ------
        RoundError
            When another process has registered the same number first.
        """
        key = names.round_run_key(round_.number)
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
        self._save_results(
            names.round_run_key(round_.number),
            schema=LEDGER_SCHEMA,
            batch=[item.to_dict() for item in round_.batch],
            events=[event.to_dict() for event in round_.events],
            project=round_.project,
            evaluation=round_.evaluation,
            closed_at=round_.closed_at,
        )

    def load(self, number: int) -> Round:
        """Read a round.

        Raises
        ------
        RoundError
            When there is no such round, or it was written by a newer version of this project.
        """
        key = names.round_run_key(number)
        if not self.dataset.has_run(key):
            known = ", ".join(map(str, self._numbers(label_field=self.label_field))) or "none"
            raise RoundError(
                f"dataset {self.dataset.name!r} has no round {number} of field "
                f"{self.label_field!r}. Rounds: {known}."
            )
        config = self.dataset.get_run_info(key).config.serialize()
        results = self._load_results(key)
        if results.schema > LEDGER_SCHEMA:
            raise RoundError(
                f"round {number} of dataset {self.dataset.name!r} was written with ledger schema "
                f"{results.schema}; this version reads up to {LEDGER_SCHEMA}. "
                "Update fiftyone-coreset-cleaning."
            )
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
            batch=[BatchItem.from_dict(item) for item in results.batch],
            events=[Event.from_dict(event) for event in results.events],
            project=results.project,
            evaluation=results.evaluation,
            closed_at=results.closed_at,
        )

    def _numbers(self, **query: Any) -> list[int]:
        self.dataset.reload()
        keys = self.dataset.list_runs(method=names.RUN_METHOD, kind="round", **query)
        return sorted(int(key.rsplit("_", 1)[1]) for key in keys)

    # ---- the start

    @property
    def _start_key(self) -> str:
        return names.field_run_key("start", self.label_field)

    def load_start(self) -> Start | None:
        """Return the state before the first round, or None when nothing was started."""
        self.dataset.reload()
        if not self.dataset.has_run(self._start_key):
            return None
        results = self._load_results(self._start_key)
        return Start(
            given_labels=results.given_labels,
            importance=results.importance,
            config=results.config_,
            pair=tuple(results.pair) if results.pair else None,
            evaluation=results.evaluation,
        )

    def save_start(self, start: Start) -> None:
        """Write the state before the first round."""
        if not self.dataset.has_run(self._start_key):
            config = self.dataset.init_run(
                method=names.RUN_METHOD, kind="start", label_field=self.label_field
            )
            self.dataset.register_run(self._start_key, config)
        self._save_results(
            self._start_key,
            given_labels=start.given_labels,
            importance=start.importance,
            config_=start.config,
            pair=list(start.pair) if start.pair else None,
            evaluation=start.evaluation,
        )

    # ---- shared

    def _save_results(self, key: str, **content: Any) -> None:
        results = self.dataset.init_run_results(key, **content)
        self.dataset.save_run_results(key, results, cache=False)

    def _load_results(self, key: str) -> Any:
        results = self.dataset.load_run_results(key, cache=False, load_view=False)
        if results is None:
            # Killed between registering the run and saving its results: nothing was sent yet.
            self.dataset.delete_run(key)
            raise RoundError(
                f"run {key!r} of dataset {self.dataset.name!r} was interrupted before it began "
                "and has been removed. Call the same again."
            )
        return results

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Keep other processes from changing this label field's rounds at the same time.

        Raises
        ------
        RoundError
            When another process holds the lock.
        """
        store = foos.ExecutionStore.create(names.RUN_METHOD, self.dataset._doc.id)
        claim = f"lock:{self.label_field}"
        mine = f"{claim}:{uuid4().hex}"
        # Everybody claims first and looks then: of two at once, at least one sees the other.
        store.set(mine, {"what": what}, ttl=LOCK_SECONDS)
        try:
            others = [k for k in store.list_keys() if k != mine and k.rsplit(":", 1)[0] == claim]
            if others:
                holder = store.get(others[0]) or {}
                raise RoundError(
                    f"another process is at work on field {self.label_field!r} of dataset "
                    f"{self.dataset.name!r} ({holder.get('what', 'unknown')}). Wait until it has "
                    f"finished; a crashed one gives way after {LOCK_SECONDS // 60} minutes."
                )
            yield
        finally:
            store.delete(mine)
