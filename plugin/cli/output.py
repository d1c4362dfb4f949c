"""What a command prints: one JSON document with ``--json``, else text; the rest goes to stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

_STDOUT, _STDERR = 1, 2


@contextlib.contextmanager
def stdout_for_the_answer() -> Iterator[None]:
    """Send to stderr whatever is printed meanwhile, by Python or by anything below it.

    FiftyOne's log handlers keep the stream that was stdout when they were made, and native
    libraries know the file descriptor only: so both are redirected.
    """
    stdout = sys.stdout
    stdout.flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:  # the process was started without a stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        os.dup2(_STDERR, _STDOUT)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        # What is still in the buffer is not the answer.
        stdout.flush()
        os.dup2(kept, _STDOUT)
        os.close(kept)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show a progress bar on stderr, if that is a terminal; give a callable (fraction, message)."""
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}%|{bar}| {postfix} {elapsed}<{remaining}"
    with tqdm(total=100, desc=title, bar_format=layout, disable=not sys.stderr.isatty()) as bar:

        def advance(fraction: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(100 * fraction - bar.n)

        yield advance


def to_json(value: Any) -> str:
    """Return `value` as JSON that every parser reads."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """Replace what JSON has no word for: unknown and unbounded numbers by null."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # an array, or a number of numpy's
        return _plain(value.tolist())
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
