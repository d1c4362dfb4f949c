"""The samples that are cleaned: which documents they are, and how they are read and written by id.

What is read goes by the view that was given; what is written goes by id, to the same documents,
whichever slice of a group is active by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import fiftyone as fo
import fiftyone.core.stages as fos
from bson import ObjectId
from pymongo import UpdateMany

from ..core.errors import DataError
from ..core.review.scope import TEST_SPLIT, TRAIN_SPLIT
from .locks import refuse_locked

# Ids in one query: MongoDB takes documents of 16 MB.
_IDS = 100_000


def everything(dataset: fo.Dataset) -> Any:
    """Return all samples of a dataset, those of every slice."""
    if dataset.media_type == "group":
        return dataset.select_group_slices(_allow_mixed=True)
    return dataset


class Samples:
    """A dataset or view with the tag of its test split.

    Parameters
    ----------
    dataset_or_view : fiftyone.Dataset or fiftyone.DatasetView
        What is cleaned. Samples outside a view are never read or changed. Of a grouped dataset, the
        slice that is active now.
    test_tag : str or None
        Tag of the test split, which is never queued and never changed.
    split : {"train", "test"}, default "train"
        What is cleaned: with "test" the test split itself, in place of everything else.

    Raises
    ------
    DataError
        When it is something else, or a view whose documents are made up: patches, frames, clips;
        or when the test split is to be cleaned and there is none.
    """

    def __init__(
        self, dataset_or_view: Any, test_tag: str | None, split: str = TRAIN_SPLIT
    ) -> None:
        if not isinstance(dataset_or_view, fo.Dataset | fo.DatasetView):
            raise DataError(
                "dataset_or_view must be a fiftyone.Dataset or a view of one, "
                f"got {type(dataset_or_view).__name__}.",
                "Load one with fiftyone.load_dataset(name).",
            )
        self.dataset: fo.Dataset = dataset_or_view._root_dataset
        self.view = self._documents_of(dataset_or_view)
        self.test_tag = test_tag
        self.split = self._check_split(split)

    @property
    def of_test_split(self) -> bool:
        """Whether it is the test split that is cleaned."""
        return self.split == TEST_SPLIT

    def _check_split(self, split: str) -> str:
        if split not in (TRAIN_SPLIT, TEST_SPLIT):
            raise DataError(
                f'split must be "{TRAIN_SPLIT}" or "{TEST_SPLIT}", got {split!r}.',
                "Leave it out to clean everything but the test split.",
            )
        if split == TEST_SPLIT and (not self.test_tag or not self._tagged()):
            raise DataError(
                f"dataset {self.dataset.name!r} must have a test split to clean, got no sample "
                f"with the tag {self.test_tag!r}.",
                "Tag its samples, or name their tag: test_tag=..., --test-tag.",
            )
        return split

    def _tagged(self) -> Any:
        return self.view.match_tags(self.test_tag)

    def _documents_of(self, given: Any) -> Any:
        """Return the view's samples as plain documents with all their fields."""
        generated = [
            what
            for what, flag in (
                ("patches", "_is_patches"),
                ("frames", "_is_frames"),
                ("clips", "_is_clips"),
                ("dynamic groups", "_is_dynamic_groups"),
            )
            if getattr(given, flag, False)
        ]
        if generated or given._dataset is not self.dataset:
            raise DataError(
                f"the view of dataset {self.dataset.name!r} must consist of its samples, got a "
                f"view of {generated[0] if generated else 'generated documents'}: what is written "
                "there does not stay with the samples.",
                "Pass the dataset, or a view made by match, select, limit or tags.",
            )
        stages = getattr(given, "_stages", [])
        if any(isinstance(stage, fos.SelectFields | fos.ExcludeFields) for stage in stages):
            # Leaving fields out does not leave samples out, and the scores need fields of theirs.
            view = self.dataset.view()
            for stage in stages:
                if not isinstance(stage, fos.SelectFields | fos.ExcludeFields):
                    view = view.add_stage(stage)
            given = view
        if given.media_type == "group":
            # The slice of now, whichever is active later.
            return given.select_group_slices(given.group_slice)
        return given

    @property
    def dataset_id(self) -> str:
        """The dataset's id: it survives a rename."""
        return str(self.dataset._doc.id)

    def stamp(self) -> tuple[int, Any]:
        """Return the number of samples, and when one of them was changed last.

        Both are looked up and not counted: it takes no longer the more samples there are.
        """
        newest = self.everything().sort_by("last_modified_at", reverse=True).limit(1)
        return len(self.dataset), next(iter(newest.values("last_modified_at")), None)

    def distinct(self, field: str) -> list[Any]:
        """Return the values of a field in the view, sorted."""
        if isinstance(self.view, fo.Dataset):
            # FiftyOne's own way reads every sample; this one reads an index where there is one.
            return sorted(v for v in self._collection.distinct(field) if v is not None)
        return list(self.view.distinct(field))

    @property
    def _collection(self) -> Any:
        return self.dataset._sample_collection

    # ---- splits

    def train_view(self) -> Any:
        """Return the samples that may be queued and changed."""
        if self.of_test_split:
            return self._tagged()
        return self.view.match_tags(self.test_tag, bool=False) if self.test_tag else self.view

    def test_view(self) -> Any | None:
        """Return the held-out split, or None: it is cleaned itself, or no sample has its tag."""
        if not self.test_tag or self.of_test_split:
            return None
        view = self._tagged()
        return view if len(view) else None

    # ---- by id

    def select(self, ids: Iterable[str]) -> Any:
        """Return the documents with these ids as a view, whichever slice is active."""
        return self.everything().select(list(ids))

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the dataset."""
        return {i for part in in_parts(ids) for i in self.select(part).values("id")}

    def column(self, field: str, ids: Sequence[str] | None = None) -> dict[str, Any]:
        """Read `field` as a mapping from sample id to value, for `ids` or the whole view."""
        return {i: row[0] for i, row in self.columns([field], ids).items()}

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Read fields as a mapping from sample id to values; those there aren't are None."""
        there = [name for name in fields if self.dataset.has_field(name.split(".")[0])]
        found: dict[str, tuple[Any, ...]] = {}
        for view in [self.view] if ids is None else map(self.select, in_parts(ids)):
            rows = zip(*view.values(["id", *there]), strict=True)
            for sample_id, *values in rows:
                value_of = dict(zip(there, values, strict=True))
                found[sample_id] = tuple(value_of.get(name) for name in fields)
        return found

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write `values`, a mapping from sample id to value, into `field`, which must exist."""
        if values:
            # Looking through all values for fields to declare would take most of the time. The
            # check of types takes some too, and refuses documents in their stored form.
            self.everything().set_values(
                field,
                dict(values),
                key_field="id",
                dynamic=False,
                expand_schema=False,
                validate=False,
            )

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of samples by id: those that get the same ones, in one update.

        FiftyOne does so when it adds a tag; setting values of each takes three times as long.

        Raises
        ------
        DataError
            When tags are read-only, which FiftyOne would see, and an update does not.
        """
        if not tags:
            return
        refuse_locked(self.dataset, ("tags",), "tags are written there")
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for sample_id, names in tags.items():
            alike[tuple(names)].append(sample_id)
        now = datetime.utcnow()  # as FiftyOne does
        updates = [
            UpdateMany(
                {"_id": {"$in": [ObjectId(i) for i in part]}},
                {"$set": {"tags": list(names), "last_modified_at": now}},
            )
            for names, ids in alike.items()
            for part in in_parts(ids)
        ]
        self.dataset._bulk_write(updates, ids=list(tags))

    def everything(self) -> Any:
        """Return all samples of the dataset, those of every slice."""
        return everything(self.dataset)


def in_parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Split ids into as many as one query takes."""
    left = iter(ids)
    while part := list(islice(left, _IDS)):
        yield part
