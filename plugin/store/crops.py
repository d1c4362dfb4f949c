"""The vectors of objects: one value a sample, in a field beside the labels.

Not attributes of the objects: FiftyOne copies each object with all its attributes whenever it makes
patches, and a crowd with vectors of its own would outgrow a document. In one value of a sample they
are written as the image is done, packed together, and neither copied nor sent to the App. The value
names the objects by id and keeps their boxes, so an object that is new, or whose box was changed,
is known to lack its vector.

=========== ==================================================================
key         what it holds
=========== ==================================================================
``ids``     ids of the objects that have a vector
``vectors`` float32 array (n, d), packed as FiftyOne packs arrays
``too_small`` ids of the objects that are too small for one
``boxes``   float64 array: the boxes of both, in this order
=========== ==================================================================
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from fiftyone.core.utils import deserialize_numpy_array, serialize_numpy_array
from numpy.typing import NDArray
from pymongo import UpdateOne

from ..core.errors import DataError
from . import ownership
from .locks import refuse_locked

Array = NDArray[Any]

_BLOCK = 100  # images whose vectors a thread unpacks at a time
_THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class ImageObjects:
    """The objects of one image that lack a vector.

    Attributes
    ----------
    sample_id, path : str
    ids : list of str, length n
    boxes : float array of shape (n, 4)
        Left, top, width and height as shares of the image; NaN where there is none.
    done : set of str
        Ids of the image's other objects: they have one, or are too small for it.
    """

    sample_id: str
    path: str
    ids: list[str]
    boxes: Array
    done: AbstractSet[str] = frozenset()


def check_crop_field(dataset: Any, field: str) -> None:
    """Make sure that the vectors of objects can be written to a field, which need not exist.

    Raises
    ------
    DataError
        When a user has a field of that name, or it is read-only.
    """
    found = dataset.get_field(field)
    if found is None:
        return
    if not ownership.is_ours(dataset, field) or not isinstance(found, fo.DictField):
        raise DataError(
            f"dataset {dataset.name!r} has a field {field!r} of its own, where the vectors of "
            "objects would be written.",
            f"Give another embeddings_field, or rename yours: "
            f"dataset.rename_sample_field({field!r}, NEW_NAME).",
        )
    refuse_locked(dataset, (field,), "embeddings are written there")


def declare_crops(dataset: Any, field: str) -> None:
    """Make sure that the dataset has the field."""
    ownership.declare(dataset, field, "Vectors of the objects' crops", ftype=fo.DictField)


def objects_without_vector(
    view: Any, name: str, field: str, path_field: str
) -> tuple[list[ImageObjects], int]:
    """Return the objects whose vector is still to be computed, image by image.

    Also how many have one, or are known to be too small for one.

    Parameters
    ----------
    view : fiftyone.core.collections.SampleCollection
    name : str
        The ``Detections`` field.
    field : str
        Where the vectors are or will be.
    path_field : str
        Where the paths of the images are.
    """
    root = f"{name}.detections"
    shown = [path_field, f"{root}._id", f"{root}.bounding_box"]
    shown += [f"{field}.{key}" for key in ("ids", "too_small", "boxes")]
    lacking, present = [], 0
    for sample in view._aggregate(post_pipeline=[{"$project": dict.fromkeys(shown, 1)}]):
        labels = ((sample.get(name) or {}).get("detections")) or []
        if not labels:
            continue
        ids = [label["_id"] for label in labels]
        boxes = np.array([_box(label) for label in labels], np.float64)
        known = _boxes_by_id(sample.get(field) or {})
        pairs = zip(ids, boxes, strict=True)
        there = [i in known and np.array_equal(known[i], box, equal_nan=True) for i, box in pairs]
        present += sum(there)
        new = [row for row, done in enumerate(there) if not done]
        if new:
            lacking.append(
                ImageObjects(
                    str(sample["_id"]),
                    str(sample.get(path_field) or ""),
                    [str(ids[row]) for row in new],
                    boxes[new],
                    {str(i) for i, done in zip(ids, there, strict=True) if done},
                )
            )
    return lacking, present


def _box(label: Mapping[str, Any]) -> Sequence[float]:
    box = label.get("bounding_box") or ()
    return box if len(box) == 4 else [np.nan] * 4


def _boxes_by_id(known: Mapping[str, Any]) -> dict[Any, Array]:
    if not known:
        return {}
    boxes = deserialize_numpy_array(known["boxes"])
    return dict(zip([*known["ids"], *known["too_small"]], boxes, strict=True))


@dataclass(frozen=True)
class Embedded:
    """What became of the objects of one image.

    Attributes
    ----------
    objects : ImageObjects
    vectors : dict of str to array
        Id to vector.
    too_small : set of str
        Ids of those that are too small for one.
    """

    objects: ImageObjects
    vectors: dict[str, Array]
    too_small: set[str]


def write_crops(dataset: Any, field: str, images: Sequence[Embedded]) -> None:
    """Write the vectors of some images' objects, beside those that are there.

    Objects that are gone, or whose vector is anew, lose the old one.
    """
    collection = dataset._sample_collection
    ids = [ObjectId(image.objects.sample_id) for image in images]
    there = {d["_id"]: d.get(field) for d in collection.find({"_id": {"$in": ids}}, {field: 1})}
    updates = []
    for sample_id, image in zip(ids, images, strict=True):
        vectors, boxes, too_small = _kept(there.get(sample_id) or {}, image.objects.done)
        box_of = dict(zip(image.objects.ids, image.objects.boxes, strict=True))
        vectors |= image.vectors
        too_small |= image.too_small
        boxes |= {i: box_of[i] for i in [*image.vectors, *image.too_small]}
        packed = {
            "ids": [ObjectId(i) for i in vectors],
            "too_small": [ObjectId(i) for i in sorted(too_small)],
            "vectors": _packed(list(vectors.values()), np.float32),
            "boxes": _packed([boxes[i] for i in [*vectors, *sorted(too_small)]], np.float64),
        }
        updates.append(UpdateOne({"_id": sample_id}, {"$set": {field: packed}}))
    if updates:
        collection.bulk_write(updates, ordered=False)


def _kept(
    known: Mapping[str, Any], done: AbstractSet[str]
) -> tuple[dict[str, Array], dict[str, Array], set[str]]:
    """Return what stays of a sample's value: vectors and boxes by id, and the ids without one."""
    if not known:
        return {}, {}, set()
    rows = deserialize_numpy_array(known["vectors"])
    vectors = {str(i): row for i, row in zip(known["ids"], rows, strict=True) if str(i) in done}
    boxes = {str(i): box for i, box in _boxes_by_id(known).items() if str(i) in done}
    return vectors, boxes, {str(i) for i in known["too_small"] if str(i) in done}


def _packed(rows: Sequence[Array], dtype: Any) -> bytes:
    array = np.asarray(rows, dtype) if rows else np.empty((0, 0), dtype)
    return bytes(serialize_numpy_array(array))


def too_small_ids(view: Any, field: str) -> set[str]:
    """Return the ids of the objects that are too small for a vector."""
    return _ids(view, field, "too_small")


def embedded_ids(view: Any, field: str) -> set[str]:
    """Return the ids of the objects that have a vector."""
    return _ids(view, field, "ids")


def _ids(view: Any, field: str, key: str) -> set[str]:
    found = view._aggregate(post_pipeline=[{"$project": {f"{field}.{key}": 1}}])
    return {str(i) for d in found for i in (d.get(field) or {}).get(key) or ()}


def read_crops(view: Any, field: str, wanted: AbstractSet[str]) -> tuple[list[str], Array]:
    """Read the vectors of some objects, in the order of their ids.

    They stream from the database into one matrix: the whole is in memory once.

    Parameters
    ----------
    view : fiftyone.core.collections.SampleCollection
    field : str
    wanted : set of str
        Ids of objects; those without a vector are left out.

    Returns
    -------
    ids : list of str, length n
    vectors : float32 array of shape (n, d)

    Raises
    ------
    DataError
        When the vectors differ in length.
    """
    ids = sorted(embedded_ids(view, field) & wanted)
    row_of = {ObjectId(label_id): row for row, label_id in enumerate(ids)}
    matrix: Array = np.zeros((len(ids), 0), np.float32)

    def fill(block: Sequence[Mapping[str, Any]]) -> None:
        for sample in block:
            known = sample[field]
            pairs = [(row_of[i], k) for k, i in enumerate(known["ids"]) if i in row_of]
            if pairs:
                rows, places = zip(*pairs, strict=True)
                matrix[list(rows)] = _vectors(known, field, sample["_id"], width)[list(places)]

    width: int | None = None
    with ThreadPoolExecutor(_THREADS) as pool:
        pending: deque[Future[None]] = deque()
        stream = _stored(view, field)
        while block := list(islice(stream, _BLOCK)):
            if width is None:
                width = _vectors(block[0][field], field, "", None).shape[1]
                matrix = np.zeros((len(ids), width), np.float32)
            pending.append(pool.submit(fill, block))
            if len(pending) > 2 * _THREADS:
                pending.popleft().result()
        for future in pending:
            future.result()
    return ids, matrix


def _stored(view: Any, field: str) -> Iterator[Mapping[str, Any]]:
    shown = {f"{field}.ids": 1, f"{field}.vectors": 1}
    for document in view._aggregate(post_pipeline=[{"$project": shown}]):
        if (document.get(field) or {}).get("ids"):
            yield document


def _vectors(known: Mapping[str, Any], field: str, sample_id: Any, width: int | None) -> Array:
    vectors: Array = deserialize_numpy_array(known["vectors"])
    if width not in (None, vectors.shape[1]):
        raise DataError(
            f"The vectors of field {field} must have one length; sample {sample_id} has "
            f"{vectors.shape[1]} numbers an object, others {width}: they come from different "
            "networks.",
            "Compute the field again: `coreset-cleaning embed --overwrite`.",
        )
    return vectors
