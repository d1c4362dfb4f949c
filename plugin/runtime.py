"""What the use cases ask of Python itself: a second thread, and no search for cycles."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def meanwhile(call: Callable[..., T], *args: Any) -> Iterator[Future[T]]:
    """Do `call(*args)` in a thread while the block runs; the block ends when both have ended.

    For two things of which one waits for a server. An error of the block goes before one of the
    call. Let the call be the shorter one: an interrupt of the block waits for it.

    Yields
    ------
    Future
        Has the result of the call after the block.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="cleaning") as pool:
        future = pool.submit(call, *args)
        yield future
    future.result()


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from searching for garbage in cycles while the block runs.

    A search through all that FiftyOne and torch have loaded takes 0.2 s, and a block that makes
    many objects without cycles sets it off for nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
