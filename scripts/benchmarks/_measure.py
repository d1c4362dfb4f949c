"""Seconds and peak memory of one call, and the JSON report all benchmarks share."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

POLL_SECONDS = 0.01


def resident_bytes() -> int:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status holds no VmRSS: memory is measured on Linux only")


def measure(call: Callable[[], Result]) -> tuple[Result, float, int, int]:
    """Return the call's result, its seconds, and resident bytes before it and at its peak."""
    before = peak = resident_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(POLL_SECONDS):
            peak = max(peak, resident_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    try:
        result = call()
    finally:
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    return result, seconds, before, max(peak, resident_bytes())


def write_json(path: str | None, report: object) -> None:
    """Write the report where --json points, if it does."""
    if path:
        Path(path).write_text(json.dumps(report, indent=2) + "\n")
