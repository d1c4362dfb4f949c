"""What the panel says of all samples of a dataset: counted beside the App where there are many.

An event of the panel must not take longer the more samples there are. So those of a large dataset
are read in a thread, once at a time, and what was found stands until a sample has changed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...loop import CleaningLoop

# So many samples are read at once: it takes less than a fifth of a second.
AT_ONCE = 10_000


def count(loop: CleaningLoop, has_yields: bool) -> dict[str, Any]:
    """Read all samples: what is left out, and what the queue is predicted to hold, in words."""
    left_out = loop.coverage()
    text = {"what": str(left_out), "fix": left_out.fix} if left_out.left_out else None
    return {"left_out": text, **({"yields": str(loop.yields())} if has_yields else {})}


def are_few(loop: CleaningLoop) -> bool:
    """Tell whether all samples can be read at once; their number is looked up, not counted."""
    return len(loop.samples.dataset) <= AT_ONCE


@dataclass
class _Known:
    """What was found in one label field's samples, and of which state of them."""

    stamp: Any = None
    found: dict[str, Any] = field(default_factory=dict)
    thread: threading.Thread | None = None


class Counts:
    """What was counted last in each label field, in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Known] = {}

    def get(self, loop: CleaningLoop, has_yields: bool) -> dict[str, Any]:
        """Return what is known, and start to count when that is not of now.

        Parameters
        ----------
        loop : CleaningLoop
        has_yields : bool
            Whether to say what the queue is predicted to hold: a round has answers.

        Returns
        -------
        dict
            What `count` says, with `counting`: whether it is still being counted. Then `left_out`
            is what was found before, if anything, and there are no `yields`.
        """
        if are_few(loop):
            return {**count(loop, has_yields), "counting": False}
        stamp = (*loop.samples.stamp(), has_yields)
        name = (loop.samples.dataset_id, loop.label_field)
        with self._lock:
            known = self._known.setdefault(name, _Known())
            if known.stamp == stamp:
                return {**known.found, "counting": False}
            if known.thread is None:
                known.thread = threading.Thread(
                    target=self._count, args=(known, loop, stamp), name="count", daemon=True
                )
                known.thread.start()
            return {"left_out": known.found.get("left_out"), "counting": True}

    def is_counting(self, dataset_id: str, label_field: str) -> bool:
        """Tell whether the samples of a label field are being counted."""
        with self._lock:
            known = self._known.get((dataset_id, label_field))
            return known is not None and known.thread is not None

    def _count(self, known: _Known, loop: CleaningLoop, stamp: Any) -> None:
        try:
            found = count(loop, stamp[-1])
        except Exception as error:  # in a thread nobody would see it
            found = {"left_out": {"what": f"{type(error).__name__}: {error}", "fix": ""}}
        with self._lock:
            known.stamp, known.found, known.thread = stamp, found, None


# FiftyOne makes panels anew at every request, so what is to outlast one stands here.
COUNTS = Counts()
