"""A memory-mapped copy of an embeddings field, for datasets that are larger than they are dear.

Off unless a folder is given. Reading 1.28 million rows from the database takes minutes; from the
copy it takes as long as the pages that are touched.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.lib.format import open_memmap

from .vectors import Array, read_vectors

KEPT = 4  # files of one field: those of the training rows, the test split, and views of them
CHECKED = 32  # rows compared with the database before a copy is trusted


def read_cached(
    view: Any, field: str, folder: str | os.PathLike[str], revision: str
) -> tuple[list[str], Array, Array]:
    """Read vectors as `vectors.read_vectors` does, from a copy in `folder` if there is one.

    A copy belongs to these samples in this order and to one run of the network; some of its rows
    are compared with the database. Rows are written to the new file as they come, so the whole is
    never in memory.

    Parameters
    ----------
    view : fiftyone.core.collections.SampleCollection
    field : str
    folder : path
        Made if it doesn't exist.
    revision : str
        Of the run that computed the field: see `embedding_run.recorded_revision`.
    """
    folder = Path(folder).expanduser()
    ids = list(view.values("id"))
    path = _path(folder, view, field, revision, ids)
    if path.exists():
        with suppress(ValueError, OSError):  # not a whole file: it is made again
            vectors = np.load(path, mmap_mode="r")
            if len(vectors) == len(ids) and _agrees(view, field, ids, vectors):
                os.utime(path)
                return ids, vectors, np.zeros(len(ids), bool)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{uuid4().hex}.part")

    def allocate(shape: tuple[int, int]) -> Array:
        opened: Array = open_memmap(part, "w+", np.float32, shape)  # type: ignore[no-untyped-call]
        return opened

    try:
        found, vectors, missing = read_vectors(view, field, allocate)
        if found != ids or missing.any() or not isinstance(vectors, np.memmap):
            return found, np.array(vectors), missing
        vectors.flush()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    _forget_oldest(path)
    return ids, np.load(path, mmap_mode="r"), missing


def _path(folder: Path, view: Any, field: str, revision: str, ids: list[str]) -> Path:
    dataset = str(view._dataset._doc.id)
    digest = hashlib.sha256(f"{revision}\n".encode())
    digest.update("\n".join(ids).encode())
    plain = re.sub(r"\W", "_", field)
    return folder / f"{dataset}-{plain}-{digest.hexdigest()[:32]}.npy"


def _agrees(view: Any, field: str, ids: list[str], vectors: Array) -> bool:
    rows = np.unique(np.linspace(0, len(ids) - 1, CHECKED).astype(int))
    chosen = view._dataset.select([ids[row] for row in rows])
    found, stored, missing = read_vectors(chosen, field)
    place = {ids[row]: row for row in rows.tolist()}
    return (
        not missing.any()
        and stored.shape == (len(rows), vectors.shape[1])
        and all(np.array_equal(v, vectors[place[i]]) for i, v in zip(found, stored, strict=True))
    )


def _forget_oldest(path: Path) -> None:
    prefix = path.name.rpartition("-")[0]
    files = sorted(path.parent.glob(f"{prefix}-*.npy"), key=lambda file: file.stat().st_mtime)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)
