"""Passes over the rows of a matrix, in chunks: on this machine's cores, or where the rows are.

A matrix is a `RowStore`: `ArrayRows` in memory, or one whose rows lie elsewhere. Every pass of the
scorer goes through `run_rows`, so the maths knows nothing of where it runs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.intp]
Result = TypeVar("Result")
# What a pass gives of some rows: arrays to be added up, and arrays with one entry a row.
Partial = tuple[Sequence[Any], Sequence[NDArray[Any]]]
# A module's function, not a closure, so that it can travel: (block, *arrays, *shared) to Partial.
RowFunction = Callable[..., Partial]

MIN_CHUNK_ROWS = 64
CHUNK_BYTES = 4 * 2**20  # of one float32 temporary: stays in the cache, large enough for BLAS


@runtime_checkable
class RowStore(Protocol):
    """A matrix whose rows are passed over where they are, say with the actors of a cluster."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def run_rows(
        self,
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do what the function `run_rows` does."""
        ...

    def derive(
        self, function: Callable[..., NDArray[Any]], shared: Sequence[Any], rows: Int
    ) -> RowStore:
        """Apply a function of (block, *shared) to some rows, in rising order; keep the result."""
        ...

    def permuted(self, order: Int) -> RowStore:
        """The same rows in another order."""
        ...


class ArrayRows:
    """A matrix in memory or a memmap, its rows in any order.

    Parameters
    ----------
    array : array of shape (n, d)
    order : int array of shape (n,), default as they are
        Rows are copied into it chunk by chunk when they are read, never all at once.
    """

    def __init__(self, array: NDArray[Any], order: Int | None = None) -> None:
        self.shape: tuple[int, int] = (array.shape[0], array.shape[1])
        self.dtype = array.dtype
        self._array, self._order = array, order

    def __getitem__(self, rows: slice | Int) -> NDArray[Any]:
        chosen: NDArray[Any] = self._array[rows if self._order is None else self._order[rows]]
        return chosen

    def run_rows(
        self,
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do what the function `run_rows` does, on this machine's cores."""
        n, width = self.shape[0], width or self.shape[1]

        def of_part(part: slice) -> Partial:
            return function(self[part], *(array[part] for array in arrays), *shared)

        # Shapes and types come from the first part, also when it is empty.
        parts = row_chunks(n, width, n_bytes) if n else iter([slice(0, 0)])
        found = map_rows(of_part, n, width, n_bytes) if n else map(of_part, [slice(0, 0)])
        sums: list[Float] = []
        rows: list[NDArray[Any]] = []
        for part, (terms, blocks) in zip(parts, found, strict=True):
            if part.start == 0:
                sums = [np.zeros(np.shape(term)) for term in terms]
                rows = [np.empty((n, *block.shape[1:]), block.dtype) for block in blocks]
            for k, term in enumerate(terms):
                sums[k] += term
            for k, block in enumerate(blocks):
                rows[k][part] = block
        return sums, rows

    def derive(
        self, function: Callable[..., NDArray[Any]], shared: Sequence[Any], rows: Int
    ) -> ArrayRows:
        """Apply a function of (block, *shared) to some rows."""
        empty = function(self[rows[:0]], *shared)
        result = np.empty((len(rows), *empty.shape[1:]), empty.dtype)

        def fill(part: slice) -> None:
            result[part] = function(self[rows[part]], *shared)

        for _ in map_rows(fill, len(rows), self.shape[1]):
            pass
        return ArrayRows(result)

    def permuted(self, order: Int) -> ArrayRows:
        """The same rows in another order."""
        return ArrayRows(self._array, order if self._order is None else self._order[order])


class MappedRows:
    """The rows of another store, seen through a function of a block, wherever they lie.

    Parameters
    ----------
    rows : RowStore of shape (n, d)
    function : callable
        Of a block of rows, a module's own, so that it can travel; gives float32 of the same shape.
    """

    def __init__(self, rows: RowStore, function: Callable[[NDArray[Any]], Float32]) -> None:
        self.shape = rows.shape
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self._rows, self._function = rows, function

    def run_rows(
        self,
        function: RowFunction,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> tuple[list[Float], list[NDArray[Any]]]:
        """Do what the function `run_rows` does."""
        seen = partial(_after, self._function, function)
        return self._rows.run_rows(seen, arrays, shared, width, n_bytes)

    def derive(
        self, function: Callable[..., NDArray[Any]], shared: Sequence[Any], rows: Int
    ) -> RowStore:
        """Apply a function of (block, *shared) to some rows, in rising order; keep the result."""
        return self._rows.derive(partial(_after, self._function, function), shared, rows)

    def permuted(self, order: Int) -> MappedRows:
        """The same rows in another order."""
        return MappedRows(self._rows.permuted(order), self._function)


def _after(first: Callable[..., Any], then: Callable[..., Any], block: Any, *more: Any) -> Any:
    return then(first(block), *more)


def as_rows(X: Any) -> Any:
    """X itself if it is a row store, else its array as one."""
    return X if isinstance(X, RowStore) else ArrayRows(np.asanyarray(X))


def run_rows(
    function: RowFunction,
    X: Any,
    arrays: Sequence[Any] = (),
    shared: Sequence[Any] = (),
    *,
    width: int | None = None,
    n_bytes: int = CHUNK_BYTES,
) -> tuple[list[Float], list[NDArray[Any]]]:
    """Apply a function to all rows, chunk by chunk, and put the parts together.

    Parameters
    ----------
    function : callable
        Gets a block of X, the same rows of every one of `arrays`, and `shared`; gives a pair of
        sequences: what to add up over the chunks, and arrays with one entry for each row.
    X : array or RowStore of shape (n, d)
    arrays : sequence of arrays of length n
        Anything that slices by rows, sparse arrays too.
    shared : sequence
        The same for all rows; never changed by the function.
    width : int, default d
        Columns of the function's widest temporary.
    n_bytes : int
        See `row_chunks`.

    Returns
    -------
    sums : list of float64 arrays
    rows : list of arrays of length n
    """
    found: tuple[list[Float], list[NDArray[Any]]] = as_rows(X).run_rows(
        function, arrays, shared, width, n_bytes
    )
    return found


def take(X: Any, rows: Int) -> Any:
    """Rows of a matrix, given in rising order, where they are."""
    return as_rows(X).derive(_same, (), rows)


def gather(X: Any, rows: Int) -> NDArray[Any]:
    """Rows of a matrix, in the order given, as an array here."""
    order = np.argsort(rows, kind="stable")
    _, (block,) = run_rows(_block, take(X, rows[order]))
    result = np.empty_like(block)
    result[order] = block
    return result


def _same(block: NDArray[Any]) -> NDArray[Any]:
    return block


def _block(block: NDArray[Any]) -> Partial:
    return (), (block,)


def row_chunks(n_rows: int, width: int, n_bytes: int = CHUNK_BYTES) -> Iterator[slice]:
    """Slices of rows whose float32 block of `width` columns stays near `n_bytes`."""
    step = row_step(width, n_bytes)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def row_step(width: int, n_bytes: int = CHUNK_BYTES) -> int:
    """Rows of a chunk: a power of two.

    So the chunks of a wide temporary end where those of a narrow one do, and a matrix that is cut
    there gives the very same partial sums wherever its parts lie. That matters: fits stop when
    they gain little, and rounding alone can move them by an iteration.
    """
    fitting = max(MIN_CHUNK_ROWS, n_bytes // (4 * max(1, width)))
    return 1 << (fitting.bit_length() - 1)


def map_rows(
    function: Callable[[slice], Result], n_rows: int, width: int, n_bytes: int = CHUNK_BYTES
) -> Iterator[Result]:
    """Results of a function of `row_chunks`, in order, computed by one thread a core.

    Faster than threads inside BLAS, which leave the work between two products to one core; call it
    with BLAS limited to one thread. A few chunks are in flight at a time, so memory stays bounded.
    """
    chunks = list(row_chunks(n_rows, width, n_bytes))
    n_threads = min(thread_count(), len(chunks))
    if n_threads <= 1:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[Result]] = deque()
        for rows in chunks:
            pending.append(pool.submit(function, rows))
            if len(pending) > n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def thread_count() -> int:
    """Cores this process may use, or fewer when OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores or 1, int(wanted)) if wanted.isdigit() and int(wanted) else cores or 1
