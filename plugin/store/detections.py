"""Many labels for one image: the objects of a ``Detections`` field, known by their own ids.

What is known of an object are attributes of it; what stands for it in the maths is beside the
field, see ``crops.py``. Attributes are read by projection and written by id, several fields and all
objects of an image in one update: whatever else an object carries, and whatever other objects there
are, is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from fiftyone import ViewField as F
from numpy.typing import NDArray

from ..core.errors import DataError
from . import crops, ownership
from .attributes import outermost, value_of
from .labels import LabelField
from .objects import condition, object_updates, those_meant
from .patches import LazyPatches, renew
from .selection import Selection, Split

_BY_INDEX = 10_000  # ids up to which an index finds objects faster than a look at all of them
_UPDATES = 5_000  # in memory at a time


class DetectionsField(LabelField):
    """A field of ``fiftyone.Detections``."""

    document = fo.Detections
    things = "objects"
    of_crops = True
    # No `Classification`: FiftyOne's annotation knows no labels within labels, and where there are
    # any it offers nothing for the whole dataset and says so whenever a sample is opened.
    class_document = fo.DynamicEmbeddedDocument

    def __init__(
        self, samples: Any, name: str, embeddings_field: str, prefix: str | None = None
    ) -> None:
        # Vectors of whole images may have the name already; and each field has boxes of its own.
        super().__init__(samples, name, f"{embeddings_field}_{name}", prefix)

    @property
    def root(self) -> str:
        """Where the objects are."""
        return f"{self.name}.detections"

    @property
    def path(self) -> str:
        """Where the class names are."""
        return f"{self.root}.label"

    @property
    def tags_path(self) -> str:
        """Where the objects' tags are."""
        return f"{self.root}.tags"

    @property
    def without_class(self) -> str:
        """How to take the empty class name away, in Python."""
        return f'dataset.map_labels({self.name!r}, {{"": NAME}}).save()'

    # ---- queries

    def view(self, selection: Selection) -> Any:
        """Return some objects as patches."""
        view = self._filtered(selection).to_patches(self.name)
        if selection.sorted_by:
            first = self._of_patch(selection.sorted_by)
            view = view.sort_by(first, reverse=not selection.lowest_first)
        return view

    def to_save(self, selection: Selection) -> Any:
        """Return what to save as a view of some objects."""
        sorted_by = self._of_patch(selection.sorted_by) if selection.sorted_by else ""
        return LazyPatches(self._filtered(selection), self.name, sorted_by)

    def renew_views(self) -> None:
        """Let saved views of ours show the objects as they are now."""
        renew(self.dataset, lambda name: ownership.is_our_view(self.dataset, self.names, name))

    def _filtered(self, selection: Selection) -> Any:
        view, wanted = self._split(selection.split), condition(selection, self._leaf)
        # Without a condition, a saved view would have no stage before its patches.
        wanted = F("_id").exists() if wanted is None else wanted
        return view.filter_labels(self.name, wanted)

    def _of_patch(self, field: str) -> str:
        return f"{self.name}.{self._leaf(field)}"

    def _split(self, split: Split) -> Any:
        if split is Split.TRAIN:
            return self.samples.train_view()
        if split in (Split.EVERYTHING, Split.DATASET):
            return self.samples.everything()
        if split is Split.VIEW:
            return self.samples.view
        return self.samples.test_view() or self.samples.view.limit(0)

    def _leaf(self, field: str) -> str:
        """Return the name of a field within an object."""
        if field == "tags":
            return field
        if not field.startswith(f"{self.root}."):
            raise DataError(
                f"field {field!r} of dataset {self.dataset.name!r} must be an attribute of each "
                f"object, such as {self.root}.{field.rpartition('.')[2]}: {self.name!r} holds "
                "several objects an image.",
                "Store one value per object.",
            )
        return field.removeprefix(f"{self.root}.")

    def select(self, ids: Iterable[str]) -> Any:
        """Return the objects with these ids as patches."""
        chosen = self.samples.everything().select_labels(ids=list(ids), fields=self.name)
        return chosen.to_patches(self.name)

    def page(self, ids: Iterable[str], suggestions: Mapping[str, str]) -> Any:
        """Return the patches of these objects, one after another.

        Thumbnails tell an object's class and none of its attributes, so the patches, which are
        FiftyOne's own copy of the objects, get the suggestion as a label beside it.
        """
        wanted = list(ids)
        patches = self.select(wanted)
        if suggestions:
            labels = [fo.Classification(label=suggestions[i]) for i in patches.values("id")]
            patches.set_values(self._leaf(self.names.suggested), labels)
        return patches.select(wanted, ordered=True)

    @property
    def page_fields(self) -> list[str]:
        """The fields that thumbnails of a page show: the label, and the suggested one."""
        return [self.name, self._leaf(self.names.suggested)]

    def values(
        self, selection: Selection, fields: Sequence[str], limit: int | None = None
    ) -> tuple[list[Any], ...]:
        """Return ids and values of fields, in the order of the selection."""
        leaves = [self._leaf(field) for field in fields]
        sorted_by = [self._leaf(selection.sorted_by)] if selection.sorted_by else []
        found_ones = (
            self._first(selection, [*leaves, *sorted_by], limit)
            if limit
            else (found for _, found in self._objects(selection, [*leaves, *sorted_by]))
        )
        rows = [
            (str(found["_id"]), *(value_of(found, leaf) for leaf in [*leaves, *sorted_by]))
            for found in found_ones
        ]
        if sorted_by and not limit:
            rows.sort(
                key=lambda row: (row[-1] is not None, row[-1]), reverse=not selection.lowest_first
            )
        columns = [list(column) for column in zip(*rows, strict=True)]
        return tuple(columns[: 1 + len(leaves)] or [[] for _ in range(1 + len(leaves))])

    def count(self, selection: Selection, limit: int | None = None) -> int:
        """Return how many objects there are, counting no further than `limit`."""
        stages = [those_meant(self.root, selection, self._leaf)]
        counted: list[dict[str, Any]] = [{"$project": {"n": {"$size": "$objects"}}}]
        if limit:
            counted += [{"$match": {"n": {"$gt": 0}}}, {"$limit": limit}]
        counted.append({"$group": {"_id": None, "n": {"$sum": "$n"}}})
        [total] = [*self._split(selection.split)._aggregate(post_pipeline=stages + counted)] or [{}]
        return min(total.get("n", 0), limit) if limit else int(total.get("n", 0))

    def _shown(self, selection: Selection, leaves: Iterable[str]) -> list[dict[str, Any]]:
        """Return the stages that leave what is asked for of the objects that are meant."""
        shown = {f"objects.{leaf}": 1 for leaf in outermost(["_id", *leaves])}
        return [those_meant(self.root, selection, self._leaf), {"$project": shown}]

    def _objects(
        self, selection: Selection, leaves: Iterable[str]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield the id of the sample and what was asked for, object by object."""
        stages = self._shown(selection, leaves)
        for document in self._split(selection.split)._aggregate(post_pipeline=stages):
            for found in document.get("objects") or ():
                yield document["_id"], found

    def _first(
        self, selection: Selection, leaves: Iterable[str], limit: int
    ) -> Iterator[dict[str, Any]]:
        """Yield what was asked for of the first objects: the database keeps no others meanwhile."""
        stages = [*self._shown(selection, leaves), {"$unwind": "$objects"}]
        if selection.sorted_by:
            order = 1 if selection.lowest_first else -1
            by = f"objects.{self._leaf(selection.sorted_by)}"
            stages.append({"$sort": {by: order, "objects._id": 1}})
        stages.append({"$limit": limit})
        for document in self._split(selection.split)._aggregate(post_pipeline=stages):
            yield document["objects"]

    # ---- values by id

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return id to values of fields, for these ids or all objects of the view.

        An id that two objects have names none of them.
        """
        leaves = [self._leaf(field) for field in fields]
        wanted = Selection(Split.VIEW)
        pairs = self._objects(wanted, leaves) if ids is None else self._found(ids, leaves)
        return {
            str(found["_id"]): tuple(value_of(found, leaf) for leaf in leaves) for _, found in pairs
        }

    def _found(
        self, ids: Iterable[str], leaves: Iterable[str], *of_sample: str
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield sample and object for these ids, without those that are not there just once."""
        wanted = {ObjectId(i) for i in ids if ObjectId.is_valid(i)}
        if not wanted:
            return
        shown = [f"{self.root}.{leaf}" for leaf in outermost(["_id", *leaves])]
        project = {"$project": dict.fromkeys([*shown, *of_sample], 1)}
        found: dict[Any, tuple[dict[str, Any], dict[str, Any]] | None] = {}
        few = len(wanted) <= _BY_INDEX
        match = [{"$match": {f"{self.root}._id": {"$in": [*wanted]}}}] if few else []
        for sample in self._collection.aggregate([*match, project]):
            for label in self._of(sample):
                if label["_id"] in wanted:
                    twice = label["_id"] in found
                    found[label["_id"]] = None if twice else (sample, label)
        yield from (pair for pair in found.values() if pair is not None)

    @property
    def _collection(self) -> Any:
        return self.dataset._sample_collection

    def _of(self, sample: Mapping[str, Any]) -> list[dict[str, Any]]:
        return ((sample.get(self.name) or {}).get("detections")) or []

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that one object of the dataset has."""
        return {str(label["_id"]) for _, label in self._found(ids, [])}

    def images(self, ids: Iterable[str]) -> dict[str, str]:
        """Return id to the path of the image that shows the object."""
        found = self._found(ids, [], "filepath")
        return {str(label["_id"]): sample["filepath"] for sample, label in found}

    def boxes(self, ids: Iterable[str]) -> dict[str, list[float]]:
        """Return id to left, top, width and height of the object, as shares of the image."""
        found = self._found(ids, ["bounding_box"])
        return {str(label["_id"]): list(label.get("bounding_box") or ()) for _, label in found}

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write values by id."""
        self._write(values, lambda i: {field: values[i]})

    def write_columns(self, ids: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> None:
        """Write fields of the same objects in one go."""
        place = {label_id: row for row, label_id in enumerate(ids)}
        self._write(place, lambda i: {name: of[place[i]] for name, of in columns.items()})

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of objects by id."""
        self._write(tags, lambda i: {self.tags_path: list(tags[i])})

    def _write(self, ids: Iterable[str], values: Callable[[str], Mapping[str, Any]]) -> None:
        of_sample: dict[Any, list[ObjectId]] = {}
        for sample, label in self._found(ids, []):
            of_sample.setdefault(sample["_id"], []).append(label["_id"])
        updates = object_updates(
            of_sample, values, lambda field, place: f"{self.root}.$[{place}].{self._leaf(field)}"
        )
        while part := list(islice(updates, _UPDATES)):
            self.dataset._bulk_write(part, ids=[])
        if of_sample:
            fo.Sample._reload_docs(
                self.dataset._sample_collection_name, sample_ids=[str(i) for i in of_sample]
            )

    # ---- vectors

    def vectors(
        self, split: Split, reader: Callable[..., Any] | None = None
    ) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
        """Read the vectors of objects, in the order of the ids; see `LabelField.vectors`.

        No `reader` knows where those of objects are, so none is ever given.

        Raises
        ------
        DataError
            When an id is that of two objects.
        """
        [labeled] = self.values(Selection(split, has=(self.path,)), [])
        known = set(labeled)
        if len(known) < len(labeled):
            raise DataError(
                f"the objects of field {self.name!r} of dataset {self.dataset.name!r} must have "
                f"ids of their own; {len(labeled) - len(known)} have that of another one.",
                f"Give all of them new ids: samples = list(dataset.iter_samples()), then for each "
                f"sample.{self.name} = fiftyone.Detections(detections=[d.copy() for d in "
                f"sample.{self.name}.detections]) and sample.save().",
            )
        ids, vectors = crops.read_crops(self._split(split), self.embeddings_field, known)
        return ids, vectors, np.zeros(len(ids), bool)

    def vectors_by_id(self, ids: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Read the vectors of those of some objects that have one."""
        wanted = set(ids)
        samples = {str(sample["_id"]) for sample, _ in self._found(wanted, [])}
        view = self.samples.select(samples)
        found, vectors = crops.read_crops(view, self.embeddings_field, wanted)
        return dict(zip(found, vectors, strict=True))

    def count_embedded(self, split: Split, *has: str) -> int:
        """Return how many objects with a class, and with these fields, have a vector."""
        selection = Selection(split, has=(self.path, *has))
        [labeled] = self.values(selection, [])
        return len(crops.embedded_ids(self._split(split), self.embeddings_field) & {*labeled})

    # ---- the database

    def make_indexes(self) -> None:
        """Make what finds an object by its id; queues look at all objects, however sorted."""
        self.dataset.create_index(f"{self.root}.id")

    def class_documents(
        self, field: str, classes: Iterable[str], **more: Iterable[Any]
    ) -> list[Any]:
        """Return classes as the database holds them: making documents takes longer."""
        if issubclass(self.dataset.get_field(field).document_type, fo.Label):
            # Declared before FiftyOne's annotation was thought of; FiftyOne saves no mixture.
            return super().class_documents(field, classes, **more)
        names, kind = ["label", *more], {"_cls": self.class_document.__name__}
        rows = zip(classes, *more.values(), strict=True)
        return [kind | dict(zip(names, row, strict=True)) for row in rows]

    def taken_values(self) -> list[str]:
        """Return names of ours under which objects carry attributes that nobody declared."""
        free = [name for name in self.names.fields() if not self.dataset.has_field(name)]
        if not free or self.score_record() is not None:
            return []
        either = [{name: {"$exists": True}} for name in free]
        if self._collection.find_one({"$or": either}, {"_id": 1}) is None:
            return []
        return [n for n in free if self._collection.find_one({n: {"$exists": True}}, {"_id": 1})]
