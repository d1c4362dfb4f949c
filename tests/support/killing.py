"""A process that dies at a write to the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from pymongo.collection import Collection


class KilledError(BaseException):
    """Stands for the death of the process: nothing but this file catches it."""


_WRITES = (
    "insert_one",
    "insert_many",
    "update_one",
    "update_many",
    "replace_one",
    "bulk_write",
    "delete_one",
    "delete_many",
)
KilledAtWrite = Callable[[int], AbstractContextManager[list[str]]]


@pytest.fixture
def killed_at_write() -> KilledAtWrite:
    """Return a context in which the process dies at a database write.

    It takes the number of the write, from 0, and gives a list that says which one that was; the
    list stays empty when there are fewer. The lock is let go as usual: a process that is dead
    holds it for minutes, and nobody wants to wait.
    """

    @contextmanager
    def context(step: int) -> Iterator[list[str]]:
        calls = itertools.count()
        killed: list[str] = []

        def dying(name: str) -> Any:
            write = getattr(Collection, name)

            def call(self: Any, *args: Any, **options: Any) -> Any:
                if self.name != "execution_store" and next(calls) >= step:
                    killed.append(f"{name} in {self.name}")
                    raise KilledError
                return write(self, *args, **options)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in _WRITES:
                patch.setattr(Collection, name, dying(name))
            try:
                yield killed
            except KilledError:
                assert killed

    return context
