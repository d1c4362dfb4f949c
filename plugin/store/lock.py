"""One process at a time changes the rounds of a label field."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import fiftyone as fo
import fiftyone.operators.store as foos
from pymongo.errors import PyMongoError

from ..core.errors import BusyError
from . import names

# A crashed process must not lock a dataset for ever. One that is at work gives signs of life much
# more often than that.
LOCK_SECONDS = 120
# What another process holds the lock for, it usually has done in this time.
WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Claim:
    """A held lock.

    Parameters
    ----------
    is_mine : callable
        Tells whether it is still held.
    error : BusyError
        What to say when it is not.
    """

    def __init__(self, is_mine: Callable[[], bool], error: BusyError) -> None:
        self._is_mine = is_mine
        self._error = error

    def check(self) -> None:
        """Make sure that nobody else holds the lock by now; called before each write.

        Raises
        ------
        BusyError
            When this process slept so long, as a laptop does, that another one took over.
        """
        if not self._is_mine():
            raise self._error


@contextmanager
def lock(dataset: fo.Dataset, subject: str, what: str) -> Iterator[Claim]:
    """Keep other processes from changing something of a dataset at the same time.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    subject : str
        What is locked, such as a label field.
    what : str
        What for; a process that waits in vain is told.

    Raises
    ------
    BusyError
        When another process holds the lock.
    """
    store = foos.ExecutionStore.create(names.RUN_METHOD, dataset._doc.id)
    mine = _claim(store, dataset.name, subject, what)
    done = threading.Event()

    def give_signs_of_life() -> None:
        while not done.wait(LOCK_SECONDS / 4):
            # A database that is away for a moment is the work's to report, not ours.
            with contextlib.suppress(PyMongoError):
                store.update_ttl(mine, LOCK_SECONDS)

    alive = threading.Thread(target=give_signs_of_life, name="cleaning-lock", daemon=True)
    alive.start()
    lost = BusyError(
        f"{what} on field {subject!r} of dataset {dataset.name!r} lost its lock: this process was "
        "asleep or cut off from the database, and another may be at work. Nothing was written "
        "since.",
        "Run it again.",
    )
    try:
        yield Claim(lambda: mine in store.list_keys(), lost)
    finally:
        done.set()
        alive.join()
        store.delete(mine)


def _claim(store: foos.ExecutionStore, dataset: str, subject: str, what: str) -> str:
    """Wait for the lock, and return the key of the claim that holds it."""
    subject_key = f"lock:{subject}"
    mine = f"{subject_key}:{uuid4().hex}"
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        # Everybody claims first and looks then: of two at once, at least one sees the other.
        store.set(mine, {"what": what}, ttl=LOCK_SECONDS)
        others = [k for k in store.list_keys() if k != mine and k.rsplit(":", 1)[0] == subject_key]
        if not others:
            return mine
        holder = store.get(others[0]) or {}
        store.delete(mine)
        if time.monotonic() >= give_up:
            raise BusyError(
                f"another process is at work on field {subject!r} of dataset {dataset!r} "
                f"({holder.get('what', 'unknown')}).",
                "Wait until it has finished; a crashed one gives way after "
                f"{LOCK_SECONDS // 60} minutes.",
            )
        # Two that saw each other must not meet again.
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))
