"""Rows of an embeddings field that lie with the actors of a Ray cluster: a `core.rows.RowStore`."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.rows import Float, Int, RowFunction, run_rows
from .cluster import MAX_RESTARTS, Database, connect, resources, worker_failure

ROWS_PER_ACTOR = 2_000  # below it, another actor costs more than it saves
READ_ROWS = 20_000  # ids in one query: MongoDB's limit is 16 MB
KEPT = 3  # derived matrices that an actor keeps


@dataclass(frozen=True)
class Step:
    """How a matrix follows from the one before: a function of some of its rows.

    An actor that was started again has lost what it derived, so the recipe goes with every call.
    """

    key: int
    function: Callable[..., NDArray[Any]]
    shared: Any  # reference to its further arguments
    rows: Any  # reference to one actor's row numbers


class Shard:
    """One actor's rows, read from the database by itself."""

    def __init__(self, database: Database, dataset: str, field: str, ids: Sequence[str]) -> None:
        from threadpoolctl import threadpool_limits

        from ..store.vectors import read_vectors

        threadpool_limits(1, user_api="blas")  # run_rows brings its own threads
        samples = database.load(dataset)
        self._derived: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._X = np.zeros((len(ids), 0), np.float32)
        for start in range(0, len(ids), READ_ROWS):
            part = ids[start : start + READ_ROWS]
            found, vectors, missing = read_vectors(samples.select(list(part)), field)
            if set(found) != set(part) or missing.any():
                raise DataError(
                    f"samples of dataset {dataset!r} lost their vector in {field!r}, or were "
                    "deleted, while they were scored: score again."
                )
            if start == 0:
                self._X = np.empty((len(ids), vectors.shape[1]), np.float32)
            place = {sample_id: start + row for row, sample_id in enumerate(part)}
            self._X[[place[sample_id] for sample_id in found]] = vectors

    def width(self) -> int:
        """Columns of the rows."""
        return int(self._X.shape[1])

    def run(
        self,
        steps: tuple[Step, ...],
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do `core.rows.run_rows` on this actor's rows."""
        X = self._matrix(steps)
        return run_rows(function, X, arrays, shared, width=width, n_bytes=n_bytes)

    def _matrix(self, steps: tuple[Step, ...]) -> NDArray[Any]:
        if not steps:
            return self._X
        last = steps[-1]
        if last.key in self._derived:
            self._derived.move_to_end(last.key)
        else:
            import ray

            before = self._matrix(steps[:-1])
            rows, shared = ray.get([last.rows, last.shared])
            self._derived[last.key] = last.function(before[rows], *shared)
            while len(self._derived) > KEPT:
                self._derived.popitem(last=False)
        return self._derived[last.key]


class RayRows:
    """A matrix whose rows are spread over actors.

    Parameters
    ----------
    actors : list
        Handles of `Shard`.
    sizes : list of int
        Rows with each of them.
    width : int
    steps : list of tuple of Step
        For each actor, how its part of the matrix follows from what it has read.
    """

    dtype = np.dtype(np.float32)
    _keys = itertools.count()

    def __init__(
        self, actors: list[Any], sizes: list[int], width: int, steps: list[tuple[Step, ...]]
    ) -> None:
        self.shape = (sum(sizes), width)
        self._actors = actors
        self._bounds = np.concatenate([[0], np.cumsum(sizes)])
        self._steps = steps

    @classmethod
    def of_field(
        cls, dataset: Any, field: str, ids: Sequence[str], num_workers: int | None = None
    ) -> RayRows:
        """Let actors read the vectors of some samples; none of them comes here.

        Parameters
        ----------
        dataset : fiftyone.Dataset
        field : str
        ids : sequence of str
            Samples that have a vector, in the order of the rows.
        num_workers : int, optional
            Actors, each with one CPU. Default: one for each CPU of the cluster.
        """
        ray = connect()
        database = Database.of_this_process(ray)
        wanted = num_workers or min(resources(ray)[0], -(-len(ids) // ROWS_PER_ACTOR))
        count = max(1, min(wanted, len(ids)))
        bounds = np.linspace(0, len(ids), count + 1).astype(int)
        remote = ray.remote(num_cpus=1, max_restarts=MAX_RESTARTS, max_task_retries=MAX_RESTARTS)(
            Shard
        )
        actors = [
            remote.remote(database, dataset.name, field, list(ids[low:high]))
            for low, high in itertools.pairwise(bounds)
        ]
        widths = set(_get(ray, [actor.width.remote() for actor in actors]))
        if len(widths) > 1:
            raise DataError(
                f"The vectors of field {field} must have one length, got {sorted(widths)}: they "
                "come from different networks, so compute the field again."
            )
        return cls(actors, np.diff(bounds).tolist(), widths.pop(), [()] * count)

    def run_rows(
        self,
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do `core.rows.run_rows` where the rows are; only sums and row arrays come back."""
        import ray

        everywhere = ray.put(tuple(shared))
        calls = [
            actor.run.remote(
                steps, function, [array[low:high] for array in arrays], everywhere, width, n_bytes
            )
            for actor, steps, (low, high) in zip(
                self._actors, self._steps, itertools.pairwise(self._bounds), strict=True
            )
            if high > low or high == 0 == self.shape[0]
        ]
        parts = _get(ray, calls)
        sums = [np.sum(terms, axis=0) for terms in zip(*(part[0] for part in parts), strict=True)]
        rows = [np.concatenate(part) for part in zip(*(part[1] for part in parts), strict=True)]
        return sums, rows

    def derive(
        self, function: Callable[..., NDArray[Any]], shared: Sequence[Any], rows: Int
    ) -> RayRows:
        """Apply a function of (block, *shared) to some rows, in rising order, where they are."""
        import ray

        key, arguments = next(self._keys), ray.put(tuple(shared))
        cuts = np.searchsorted(rows, self._bounds)
        parts = [
            rows[low:high] - first
            for (low, high), first in zip(itertools.pairwise(cuts), self._bounds[:-1], strict=True)
        ]
        steps = [
            (*before, Step(key, function, arguments, ray.put(part)))
            for before, part in zip(self._steps, parts, strict=True)
        ]
        width = function(np.zeros((1, self.shape[1]), self.dtype), *shared).shape[1]
        return RayRows(self._actors, [len(part) for part in parts], width, steps)

    def close(self) -> None:
        """End the actors."""
        import ray

        for actor in self._actors:
            ray.kill(actor)


def _get(ray: Any, calls: list[Any]) -> list[Any]:
    try:
        found: list[Any] = ray.get(calls)
    except ray.exceptions.RayActorError as error:
        raise worker_failure(error) from error
    return found
