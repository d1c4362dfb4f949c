"""The score record of a label field: what its scores rest on, and what its marks are called."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.review.scope import TRAIN_SPLIT
from ..core.scoring.importance import SCORER_VERSION
from . import ownership
from .names import Names, field_run_key
from .records import Records


@dataclass(frozen=True)
class ScoreRecord:
    """What the scores of a label field rest on; a round keeps a copy.

    Attributes
    ----------
    embeddings_field : str
        Where the vectors were.
    model : str or None
        The network that made them, with a hash of its weights; None when not on record.
    probabilities_field : str or None
        Where the user's own predictions were; None when there were none.
    scorer_version : int
    reliability : float
        Near 1, another sample of such data would be ranked alike.
    classes : list of str
        Class names in the order of the fit.
    rows : int
        Scored labels.
    random_state : int
    scored_at : str
        ISO 8601 UTC.
    """

    embeddings_field: str
    model: str | None
    probabilities_field: str | None
    scorer_version: int
    reliability: float
    classes: list[str]
    rows: int
    random_state: int
    scored_at: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class ScoreRecords:
    """Reads and writes the score record of one label field.

    Parameters
    ----------
    records : Records
    label_field : str
    split : {"train", "test"}, default "train"
        Whose scores: those of the test split stand beside the others, under the same names.
    """

    def __init__(self, records: Records, label_field: str, split: str = TRAIN_SPLIT) -> None:
        self._records = records
        self._dataset = records.dataset
        self._field = label_field
        self._key = field_run_key("score", label_field)
        start = "" if split == TRAIN_SPLIT else f"{split}_"
        self._scores, self._plan = f"{start}scores", f"{start}plan"

    def names(self, prefix: str | None) -> Names:
        """Return the names on record; without a record, those that are free.

        Raises
        ------
        DataError
            When another prefix is on record, or the record's key belongs to another field.
        """
        head = self._records.head(self._key)
        if head is not None:
            self._check_mine(head)
            if prefix not in (None, head["prefix"]):
                raise DataError(
                    f"field {self._field!r} of dataset {self._dataset.name!r} is cleaned under the "
                    f"prefix {head['prefix']!r}, got prefix={prefix!r}.",
                    "Leave prefix out, or pass the same one.",
                )
            return Names(head["prefix"], head["suffix"])
        others = self._records.heads("score")
        plain = {h["label_field"] for h in others.values() if not h["suffix"]}
        plain = plain or self._fields_of_version_0_1()
        suffix = self._field if plain - {self._field} else ""
        return Names(prefix or "", suffix)

    def read(self) -> dict[str, Any] | None:
        """Return what the scores rest on; None when they are not on record."""
        head = self._records.head(self._key)
        return None if head is None else head.get(self._scores)

    def write(self, record: ScoreRecord, prefix: str | None) -> Names:
        """Put on record what the scores rest on; return the names, which are fixed from now on."""
        # Another field may have taken the plain names since the caller looked.
        names = self.names(prefix)
        head = {
            "label_field": self._field,
            "prefix": names.prefix,
            "suffix": names.label_field,
            self._scores: record.to_dict(),
        }
        if not self._records.create(self._key, "score", head):
            self._records.update(self._key, **{self._scores: record.to_dict()})
        return names

    def read_plan(self) -> dict[str, Any] | None:
        """Return the plan that was kept last, with what it rests on; None when there is none."""
        head = self._records.head(self._key)
        return None if head is None else head.get(self._plan)

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Keep a plan beside the scores; without scores on record there is nothing to keep."""
        if self._records.head(self._key) is not None:
            self._records.update(self._key, **{self._plan: plan})

    def read_fit(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of the fit that the scores are of; None when they were not kept.

        Nor where another version of the scorer wrote them: it may mean something else by them.
        """
        content = None if self._plan != "plan" else self._records.content(self._key)
        if content is None or content["scorer_version"] != SCORER_VERSION:
            return None
        with np.load(io.BytesIO(b64decode(content["fit"])), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def write_fit(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of the fit that the scores are of."""
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        # As text: FiftyOne exports what a run holds as JSON.
        fit = b64encode(packed.getvalue()).decode()
        content = {"scorer_version": SCORER_VERSION, "fit": fit}
        self._records.write_content(self._key, content)

    def _check_mine(self, head: dict[str, Any]) -> None:
        """Refuse a field whose records would have the keys of another one's."""
        other = head["label_field"]
        if other != self._field:
            raise DataError(
                f"fields {self._field!r} and {other!r} of dataset {self._dataset.name!r} differ in "
                f"punctuation only, and the run {self._key!r} is of {other!r}.",
                f"Rename yours: dataset.rename_sample_field({self._field!r}, NEW_NAME)",
            )

    def _fields_of_version_0_1(self) -> set[str]:
        """Return the label fields whose marks have the plain names since version 0.1.

        There, all had them. The one that was reviewed first keeps them; where none was reviewed,
        the one that is asked for.
        """
        importance = Names().importance
        if not ownership.is_ours(self._dataset, importance):
            return set()
        rounds = self._records.heads("round").values()
        if rounds:
            return {min(rounds, key=lambda head: int(head["round"]))["label_field"]}
        fields = {h["label_field"] for h in self._records.heads("start").values()}
        if fields:
            return {self._field} if self._field in fields else fields
        indexed = {
            key
            for index in self._dataset.get_index_information().values()
            for key, *_ in index["key"]
            if importance in [k for k, *_ in index["key"]] and key.endswith(".label")
        }
        fields = {key.removesuffix(".label") for key in indexed}
        return {self._field} if self._field in fields else fields
