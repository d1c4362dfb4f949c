"""Embeddings to and from a FiftyOne VectorField, many rows at a time."""

from __future__ import annotations

import io
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
from bson import ObjectId

from ..core.errors import DataError
from . import ownership
from .fresh import reread
from .locks import refuse_locked
from .samples import everything

Array = np.ndarray[Any, np.dtype[Any]]

_BLOCK = 1_000  # rows that a thread unpacks at a time
_IDS = 100_000  # in one query: MongoDB takes documents of 16 MB
_THREADS = min(8, os.cpu_count() or 1)


def read_vectors(view: Any, field: str) -> tuple[list[str], Array, Array]:
    """Read the vectors of a view's samples, in the view's order.

    FiftyOne stores each as zlib-compressed ``numpy.save``; rows stream from the database into one
    matrix, so the whole is in memory once. Threads unpack them while the next ones arrive.

    Parameters
    ----------
    view : fiftyone.core.collections.SampleCollection
        A dataset or view.
    field : str
        Name of a sample field that holds vectors.

    Returns
    -------
    ids : list of str, length n
        Sample ids.
    vectors : float32 array of shape (n, d)
        Rows of samples without a vector are 0; d is 0 when no sample has one.
    missing : bool array of shape (n,)
        True for the samples without a vector.

    Raises
    ------
    DataError
        If there is no such field, a value is not a one-dimensional numeric array, or the lengths
        differ.
    """
    _check_field(view, field)
    n = view.count()
    ids: list[str] = []
    matrix = _Matrix(field, n)
    with ThreadPoolExecutor(_THREADS) as pool:
        pending: deque[Future[None]] = deque()
        for block in _blocks(_stream(view, field)):
            if len(ids) + len(block) > n:
                raise DataError(
                    f"The dataset {_name(view)} got new samples while {field} was read.",
                    "Run it again.",
                )
            pending.append(pool.submit(matrix.fill, len(ids), block))
            ids += [sample_id for sample_id, _ in block]
            if len(pending) > 2 * _THREADS:
                pending.popleft().result()
        for future in pending:
            future.result()
    if len(ids) != n:
        raise DataError(
            f"The dataset {_name(view)} lost samples while {field} was read.", "Run it again."
        )
    return ids, matrix.vectors, matrix.missing


class _Matrix:
    """Stored vectors, unpacked into one matrix as they come, by several threads."""

    def __init__(self, field: str, n: int) -> None:
        self.vectors = np.zeros((n, 0), np.float32)
        self.missing = np.ones(n, bool)
        self._field = field
        self._lock = Lock()

    def fill(self, start: int, block: list[tuple[str, Any]]) -> None:
        """Unpack (sample id, stored value) pairs into the rows from `start` on."""
        header, dtype, expected = b"", np.dtype(np.float32), 0
        for row, (sample_id, value) in enumerate(block, start):
            if value is None:
                continue
            payload = zlib.decompress(value) if isinstance(value, bytes) else b""
            # Every row is checked against the header of the last one that numpy itself parsed.
            if header and payload.startswith(header) and len(payload) == expected:
                self.vectors[row] = np.frombuffer(payload, dtype, offset=len(header))
            else:
                vector, header = _parse(value, payload, self._field, sample_id)
                dtype, expected = vector.dtype, len(payload)
                self._make_room(len(vector), sample_id)
                self.vectors[row] = vector
            self.missing[row] = False

    def _make_room(self, width: int, sample_id: str) -> None:
        with self._lock:
            if not self.vectors.shape[1]:
                self.vectors = np.zeros((len(self.missing), width), np.float32)
            if width != self.vectors.shape[1]:
                raise DataError(
                    f"The vectors of field {self._field} must have one length; sample {sample_id} "
                    f"has {width} numbers, others {self.vectors.shape[1]}: they come from "
                    "different networks.",
                    "Compute the field again: `coreset-cleaning embed --overwrite`.",
                )


def _blocks(stream: Iterator[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    while block := list(islice(stream, _BLOCK)):
        yield block


def write_vectors(dataset: Any, field: str, vectors: Mapping[str, Array]) -> None:
    """Write vectors by sample id; the field is declared if the dataset doesn't have it.

    Parameters
    ----------
    dataset : fiftyone.core.dataset.Dataset
    field : str
    vectors : mapping of str to float32 array of shape (d,)
        Sample id to vector.
    """
    declare(dataset, field)
    if vectors:
        samples = everything(dataset)
        samples.set_values(field, dict(vectors), key_field="id", validate=False)


def declare(dataset: Any, field: str, ours: bool = False) -> None:
    """Make sure that the dataset has the field; in one process, before others write to it.

    With `ours`, it is marked as a field of this project.
    """
    if not dataset.has_sample_field(field):
        import fiftyone as fo

        if ours:
            ownership.declare(dataset, field, ftype=fo.VectorField)
        else:
            dataset.add_sample_field(field, fo.VectorField)


def move_vectors(dataset: Any, source: str, target: str, without: Sequence[str] = ()) -> None:
    """Put the vectors of one field into another, document by document, inside the database.

    Parameters
    ----------
    dataset : fiftyone.core.dataset.Dataset
    source, target : str
        Vector fields of it.
    without : sequence of str, optional
        Ids of samples whose vector in `target` goes.
    """
    of, to = (dataset.get_field(name).db_field or name for name in (source, target))
    collection = dataset._sample_collection
    collection.update_many({of: {"$ne": None}}, [{"$set": {to: f"${of}", of: None}}])
    for start in range(0, len(without), _IDS):
        ids = [ObjectId(sample_id) for sample_id in without[start : start + _IDS]]
        collection.update_many({"_id": {"$in": ids}}, {"$set": {to: None}})
    reread(dataset)


def check_vector_field(dataset: Any, field: str) -> None:
    """Make sure that vectors can be written to a field, which need not exist.

    Raises
    ------
    DataError
        When a field of another type has that name, or it is read-only.
    """
    from fiftyone import ArrayField, VectorField

    found = dataset.get_field(field)
    if found is None:
        return
    if not isinstance(found, VectorField | ArrayField):
        raise DataError(
            f"field {field!r} of dataset {dataset.name!r} must be a VectorField, got "
            f"{type(found).__name__}.",
            "Give another embeddings_field.",
        )
    refuse_locked(dataset, (field,), "embeddings are written there")


def check_path_field(view: Any, path_field: str) -> None:
    """Make sure that a field holds paths.

    Raises
    ------
    DataError
        If `path_field` is not a field of strings.
    """
    from fiftyone import StringField

    if not isinstance(view.get_field(path_field), StringField):
        known = ", ".join(view.get_field_schema(ftype=StringField))
        raise DataError(
            f"The path field of {_name(view)} must be a string field, got {path_field!r} (its "
            f"string fields: {known}).",
            "Name the field that holds paths or URIs of the images.",
        )


def samples_without_vector(view: Any, field: str, path_field: str) -> tuple[list[str], list[str]]:
    """Give ids and paths of the samples whose vector is still to be computed, in view order."""
    from fiftyone import ViewField

    if view.has_sample_field(field):
        view = view.match(ViewField(field) == None)  # noqa: E711  (builds a query)
    ids, paths = view.values(["id", path_field])
    return list(ids), [path or "" for path in paths]


def ids_without_vector(view: Any, field: str) -> list[str]:
    """Give the ids of the samples whose vector is still to be computed, in the view's order."""
    if not view.has_sample_field(field):
        return list(view.values("id"))
    from fiftyone import ViewField

    return list(view.match(ViewField(field) == None).values("id"))  # noqa: E711  (builds a query)


def _stream(view: Any, field: str) -> Iterator[tuple[str, Any]]:
    """Yield (sample id, stored value), by the cheapest query FiftyOne's version has."""
    stored = view.get_field(field).db_field or field
    for document in view._aggregate(post_pipeline=[{"$project": {stored: 1}}]):
        yield str(document["_id"]), document.get(stored)


def _parse(value: Any, payload: bytes, field: str, sample_id: str) -> tuple[Array, bytes]:
    """Read one stored vector with numpy; give it and the header it was stored with."""
    try:
        vector = np.load(io.BytesIO(payload)) if payload else np.asarray(value)
        if vector.ndim != 1 or vector.dtype.kind not in "fiu":
            raise ValueError(f"shape {vector.shape}, type {vector.dtype}")
    except ValueError as error:
        raise DataError(
            f"The field {field} must hold one-dimensional arrays of numbers; sample {sample_id} "
            f"has something else ({error}).",
            "Name a field of embeddings.",
        ) from error
    return vector, payload[: len(payload) - vector.nbytes]


def _check_field(view: Any, field: str) -> None:
    if view.has_sample_field(field):
        return
    import fiftyone as fo

    names = sorted(view.get_field_schema(ftype=fo.VectorField))
    found = ", ".join(names) if names else "none"
    raise DataError(
        f"The embeddings field must be a sample field of {_name(view)}, got {field!r} (its vector "
        f"fields: {found}).",
        "Compute embeddings first, or name an existing field.",
    )


def _name(view: Any) -> str:
    return str(view._dataset.name)
