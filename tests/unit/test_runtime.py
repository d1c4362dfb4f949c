"""A call beside a block: both end, and no error is lost; the collector is left as it was."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from coreset_cleaning.runtime import meanwhile, without_collection

SECONDS = 30  # until a wait is given up


@pytest.fixture
def collector() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


def test_call_and_block_run_at_the_same_time() -> None:
    both = threading.Barrier(2)
    with meanwhile(both.wait, SECONDS) as called:
        in_block = both.wait(SECONDS)
    assert {in_block, called.result()} == {0, 1}


def test_error_of_the_call_is_raised_after_the_block() -> None:
    done = []
    with pytest.raises(ZeroDivisionError), meanwhile(divmod, 1, 0):
        done.append("block")
    assert done == ["block"]


def test_error_of_the_block_goes_first_and_waits_for_the_call() -> None:
    begun, ended = threading.Event(), threading.Event()

    def call() -> None:
        begun.wait(SECONDS)
        ended.set()
        raise ValueError("of the call")

    def block() -> None:
        with meanwhile(call):
            begun.set()
            raise KeyError("of the block")

    with pytest.raises(KeyError, match="of the block"):
        block()
    assert ended.is_set()


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.usefixtures("collector")
def test_collector_is_off_in_the_block_and_as_before_after_it(on: bool) -> None:
    (gc.enable if on else gc.disable)()
    found = []

    def block() -> None:
        with without_collection():
            with without_collection():
                found.append(gc.isenabled())
            found.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert found == [False, False]
    assert gc.isenabled() is on
