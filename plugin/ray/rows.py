"""Rows of an embeddings field that lie with the actors of a Ray cluster: a `core.rows.RowStore`."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.scoring.rows import Float, Int, RowFunction, row_step, run_rows
from ..store.vectors import read_vectors
from .cluster import MAX_RESTARTS, Database, connect, resources, worker_failure

READ_ROWS = 20_000  # ids in one query: MongoDB's limit is 16 MB
KEPT = 3  # derived matrices that an actor keeps


@dataclass(frozen=True)
class Source:
    """Where an actor reads its rows."""

    database: Database
    dataset: str
    field: str
    ids: Any  # reference to the samples' ids


@dataclass(frozen=True)
class Step:
    """How a matrix follows from the one before: a function of some of its rows."""

    key: int
    function: Callable[..., NDArray[Any]]
    shared: Any  # reference to its further arguments
    rows: Any  # reference to one actor's row numbers, and rows from before and after its own


# An actor that was started again has lost what it read and derived, so the whole recipe goes with
# every call.
Recipe = tuple[Source | Step, ...]


class Shard:
    """One actor's rows, read from the database by itself."""

    def __init__(self) -> None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, user_api="blas")  # run_rows brings its own threads
        self._X: NDArray[Any] | None = None
        self._source: Source | None = None
        self._derived: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def width(self, recipe: Recipe) -> int:
        """Columns of the rows."""
        return int(self._matrix(recipe).shape[1])

    def run(
        self,
        recipe: Recipe,
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do `core.rows.run_rows` on this actor's rows."""
        X = self._matrix(recipe)
        return run_rows(function, X, arrays, shared, width=width, n_bytes=n_bytes)

    def pick(self, recipe: Recipe, rows: Int) -> NDArray[Any]:
        """Give some rows away."""
        picked: NDArray[Any] = self._matrix(recipe)[rows]
        return picked

    def _matrix(self, recipe: Recipe) -> NDArray[Any]:
        import ray

        last = recipe[-1]
        if isinstance(last, Source):
            if self._X is None or self._source != last:
                self._X = None  # before the others come
                self._X, self._source = _read(last, ray.get(last.ids)), last
            return self._X
        if last.key in self._derived:
            self._derived.move_to_end(last.key)
        else:
            before = self._matrix(recipe[:-1])
            (first, rows, final), shared = ray.get([last.rows, last.shared])
            parts = [block for block in (first, before[rows], final) if block is not None]
            block = np.concatenate(parts) if len(parts) > 1 else parts[0]
            self._derived[last.key] = last.function(block, *shared)
            while len(self._derived) > KEPT:
                self._derived.popitem(last=False)
        return self._derived[last.key]


def _read(source: Source, ids: Sequence[str]) -> NDArray[Any]:
    """Read the vectors of some samples, in the order of their ids."""
    samples = source.database.load(source.dataset)
    X = np.zeros((len(ids), 0), np.float32)
    for start in range(0, len(ids), READ_ROWS):
        part = list(ids[start : start + READ_ROWS])
        found, vectors, missing = read_vectors(samples.select(part), source.field)
        if set(found) != set(part) or missing.any():
            raise DataError(
                f"samples of dataset {source.dataset!r} lost their vector in {source.field!r}, or "
                "were deleted, while they were scored.",
                "Score again.",
            )
        if start == 0:
            X = np.empty((len(ids), vectors.shape[1]), np.float32)
        place = {sample_id: start + row for row, sample_id in enumerate(part)}
        X[[place[sample_id] for sample_id in found]] = vectors
    return X


class RayRows:
    """A matrix whose rows are spread over actors.

    Parameters
    ----------
    actors : list
        Handles of `Shard`.
    sizes : list of int
        Rows with each of them.
    width : int
    recipes : list of Recipe
        For each actor, how it comes by its part of the matrix.
    """

    dtype = np.dtype(np.float32)
    _keys = itertools.count()

    def __init__(
        self, actors: list[Any], sizes: list[int], width: int, recipes: list[Recipe]
    ) -> None:
        self.shape = (sum(sizes), width)
        self._actors = actors
        self._bounds = np.concatenate([[0], np.cumsum(sizes)])
        self._recipes = recipes

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
            Actors, each with one CPU. Default: one for each CPU of the cluster. Fewer are started
            for few rows.
        """
        ray = connect()
        database = Database.of_this_process(ray)
        _, first, _ = read_vectors(dataset.select(list(ids[:1])), field)
        width = first.shape[1]
        bounds = even_bounds(len(ids), num_workers or resources(ray)[0], row_step(width + 1))
        shard = ray.remote(num_cpus=1, max_restarts=MAX_RESTARTS, max_task_retries=MAX_RESTARTS)(
            Shard
        )
        recipes: list[Recipe] = [
            (Source(database, dataset.name, field, ray.put(list(ids[low:high]))),)
            for low, high in itertools.pairwise(bounds)
        ]
        actors = [shard.remote() for _ in recipes]
        calls = [actor.width.remote(recipe) for actor, recipe in zip(actors, recipes, strict=True)]
        widths = set(_get(ray, calls))
        if widths != {width}:
            raise DataError(
                f"The vectors of field {field} must have one length, got {sorted(widths)}: they "
                "come from different networks.",
                "Compute the field again: `coreset-cleaning embed --overwrite`.",
            )
        return cls(actors, np.diff(bounds).tolist(), width, recipes)

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
                recipe, function, [array[low:high] for array in arrays], everywhere, width, n_bytes
            )
            for actor, recipe, (low, high) in zip(
                self._actors, self._recipes, itertools.pairwise(self._bounds), strict=True
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
        width = function(np.zeros((1, self.shape[1]), self.dtype), *shared).shape[1]
        here = np.searchsorted(rows, self._bounds)  # where each actor's own rows begin
        bounds = aligned(here, row_step(width))
        recipes: list[Recipe] = []
        for k, before in enumerate(self._recipes):
            own = slice(max(here[k], bounds[k]), min(here[k + 1], bounds[k + 1]))
            if own.start >= own.stop:  # all of its rows come from others, or it gets none
                own = slice(bounds[k + 1], bounds[k + 1])
            part = (
                self._fetch(rows[bounds[k] : own.start]),
                rows[own] - self._bounds[k],
                self._fetch(rows[own.stop : bounds[k + 1]]),
            )
            recipes.append((*before, Step(key, function, arguments, ray.put(part))))
        return RayRows(self._actors, np.diff(bounds).tolist(), width, recipes)

    def permuted(self, order: Int) -> RayRows:
        """The same rows in another order: actors read them again, by their ids."""
        import ray

        sources = [step for (step,) in self._recipes if isinstance(step, Source)]
        ids = np.concatenate(ray.get([source.ids for source in sources]))[order]
        recipes: list[Recipe] = [
            (replace(source, ids=ray.put(ids[low:high].tolist())),)
            for source, (low, high) in zip(sources, itertools.pairwise(self._bounds), strict=True)
        ]
        return RayRows(self._actors, np.diff(self._bounds).tolist(), self.shape[1], recipes)

    def _fetch(self, rows: Int) -> NDArray[Any] | None:
        """Bring the few rows here that an actor needs from its neighbours."""
        if not len(rows):
            return None
        import ray

        owner = np.searchsorted(self._bounds, rows, side="right") - 1
        calls = [
            self._actors[k].pick.remote(self._recipes[k], rows[owner == k] - self._bounds[k])
            for k in np.unique(owner)
        ]
        fetched: NDArray[Any] = np.concatenate(_get(ray, calls))
        return fetched

    def close(self) -> None:
        """End the actors."""
        import ray

        for actor in self._actors:
            ray.kill(actor)


def even_bounds(n: int, count: int, step: int) -> Int:
    """Cut n rows into at most `count` parts of much the same size, at multiples of `step`."""
    count = max(1, min(count, -(-n // step)))
    return np.unique(aligned(np.linspace(0, n, count + 1).astype(np.intp), step))


def aligned(bounds: Int, step: int) -> Int:
    """Move bounds between parts to the nearest multiple of `step`, but not the last one."""
    moved = (bounds + step // 2) // step * step
    moved[-1] = bounds[-1]
    result: Int = np.minimum(moved, bounds[-1])
    return result


def _get(ray: Any, calls: list[Any]) -> list[Any]:
    try:
        found: list[Any] = ray.get(calls)
    except ray.exceptions.RayActorError as error:
        raise worker_failure(error) from error
    return found
