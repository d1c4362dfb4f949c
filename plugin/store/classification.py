"""One label for a whole image: a ``Classification``, known by the id of its sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import fiftyone as fo
from fiftyone import ViewField as F
from numpy.typing import NDArray

from .labels import LabelField
from .samples import in_parts
from .selection import Selection, Split
from .vectors import read_vectors


class ClassificationField(LabelField):
    """A field of ``fiftyone.Classification``."""

    document = fo.Classification

    @property
    def path(self) -> str:
        """Where the class names are."""
        return f"{self.name}.label"

    # ---- queries

    def view(self, selection: Selection) -> Any:
        """Return the samples of some labels."""
        view = self._split(selection.split)
        for field in selection.has:
            view = view.exists(field)
        for field in selection.lacks:
            view = view.exists(field, False)
        if selection.classes is not None:
            [*others] = selection.classes
            one = len(others) == 1
            view = view.match(F(self.path) == others[0] if one else F(self.path).is_in(others))
        if selection.counted_by:
            view = view.match(F(selection.counted_by) != 0)
        if selection.with_tags:
            view = view.match_tags(list(selection.with_tags))
        if selection.without_tags:
            view = view.match_tags(list(selection.without_tags), bool=False)
        if selection.sorted_by:
            view = view.sort_by(selection.sorted_by, reverse=not selection.lowest_first)
        return view

    def _split(self, split: Split) -> Any:
        if split is Split.TRAIN:
            return self.samples.train_view()
        if split is Split.EVERYTHING:
            return self.samples.everything()
        if split is Split.DATASET:
            return self.dataset
        if split is Split.VIEW:
            return self.samples.view
        return self.samples.test_view() or self.samples.view.limit(0)

    def select(self, ids: Iterable[str]) -> Any:
        """Return the samples with these ids."""
        return self.samples.select(ids)

    def values(
        self, selection: Selection, fields: Sequence[str], limit: int | None = None
    ) -> tuple[list[Any], ...]:
        """Return sample ids and values of fields, in the order of the selection."""
        view = self.view(selection)
        return tuple((view.limit(limit) if limit else view).values(["id", *fields]))

    def count(self, selection: Selection, limit: int | None = None) -> int:
        """Return how many labels there are, counting no further than `limit`."""
        view = self.view(selection)
        return int((view.limit(limit) if limit else view).count())

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the dataset."""
        return self.samples.existing(ids)

    # ---- values by id

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return sample id to values of fields, for these ids or all samples of the view."""
        return self.samples.columns(fields, ids)

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write values by sample id."""
        self.samples.set_values(field, values)

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of samples by id."""
        self.samples.set_tags(tags)

    def images(self, ids: Iterable[str]) -> dict[str, str]:
        """Return sample id to the path of its image."""
        return {i: row[0] for i, row in self.columns(["filepath"], ids).items()}

    # ---- vectors

    def vectors(
        self, split: Split, reader: Callable[..., Any] | None = None
    ) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
        """Read the vectors of labels, in the order of the ids; see `LabelField.vectors`."""
        selection = Selection(split, has=(self.path, self.embeddings_field))
        # In the order of the ids: otherwise an index decides, and fits depend on it by rounding.
        labeled = self.view(selection).sort_by("id")
        ids, vectors, missing = (reader or read_vectors)(labeled, self.embeddings_field)
        return list(ids), vectors, missing

    def vectors_by_id(self, ids: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Read the vectors of those of some labels that have one."""
        found: dict[str, NDArray[Any]] = {}
        for part in in_parts(ids):
            there = self.select(part).exists(self.embeddings_field)
            label_ids, vectors, _ = read_vectors(there, self.embeddings_field)
            found.update(zip(label_ids, vectors, strict=True))
        return found

    def count_embedded(self, split: Split, *has: str) -> int:
        """Return how many labels with a class, and with these fields, have a vector."""
        return self.count(Selection(split, has=(self.path, self.embeddings_field, *has)))

    # ---- the database

    def make_indexes(self) -> None:
        """Make what the queue of a class and that of the whole dataset sort by fast."""
        importance = self.names.importance
        self.dataset.create_index([(self.path, 1), (importance, -1)])
        self.dataset.create_index([(importance, -1)])
