"""Making something on the server once, although the answer to the request may be lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...core.errors import ServerError
from .connection import LabelStudioServer, is_refusal

_ATTEMPTS = 4
# Seconds after a failed change, doubled each time.
PAUSE = 0.2


def post_once(
    server: LabelStudioServer, path: str, body: dict[str, Any], made: Callable[[], bool]
) -> Any:
    """Make something; when the answer is lost, look whether it is there before trying again.

    Returns the answer; None when it was lost.
    """
    pause, failures = PAUSE, 0
    while True:
        try:
            return server.post(path, body)
        except ServerError as error:
            if made():
                return None
            failures += 1
            if is_refusal(error) or failures == _ATTEMPTS:
                raise
        time.sleep(pause)
        pause *= 2
