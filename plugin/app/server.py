"""Whether Label Studio answers, found out beside the App so that nobody waits for it.

A server that is down costs seconds, and the App asks at every event. So it is asked in a thread,
once at a time, and its answer stands for half a minute.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..core.errors import AuthenticationError, CleaningError, DataError, ServerUnreachableError
from .context import KEY, URL

# How long an answer stands, how long the server may take, and how long an event waits for it.
KEPT_SECONDS = 30.0
PROBE_SECONDS = 5.0
WAIT_SECONDS = 0.3


class ServerState(str, Enum):
    """What is known of the Label Studio server."""

    OK = "ok"
    NO_KEY = "no_key"
    REFUSED = "refused"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Known:
    """What a probe found.

    Attributes
    ----------
    state : ServerState
    what, fix : str
        In words, as in `CleaningError`.
    """

    state: ServerState
    what: str = ""
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as the panel's state holds it."""
        return {"state": self.state.value, "what": self.what, "fix": self.fix}


class Probes:
    """The latest answer of each server, asked for in threads.

    Parameters
    ----------
    ask : callable (url, key) -> Known
        May take its time.
    clock : callable, optional
        Seconds; default: `time.monotonic`.
    """

    def __init__(
        self, ask: Callable[[str, str], Known], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Known]] = {}
        self._asking: dict[str, threading.Thread] = {}

    def state(self, url: str, key: str, *, anew: bool = False, wait: float = WAIT_SECONDS) -> Known:
        """Return what is known of a server; ask in the background when nothing is.

        Parameters
        ----------
        url, key : str
            The server, and the right to use it: another key is another question.
        anew : bool, default False
            Whether to forget what was known.
        wait : float
            Seconds to wait for the answer; a server that is well takes less.
        """
        # A key is not kept anywhere, and so not here.
        name = hashlib.sha256(f"{url}\n{key}".encode()).hexdigest()
        with self._lock:
            at, known = self._known.get(name, (0.0, None))
            if known is not None and not anew and self._clock() - at < KEPT_SECONDS:
                return known
            self._known.pop(name, None)
            thread = self._asking.get(name)
            if thread is None:
                thread = threading.Thread(
                    target=self._probe, args=(name, url, key), name="label-studio", daemon=True
                )
                self._asking[name] = thread
                thread.start()
        thread.join(wait)
        with self._lock:
            _, known = self._known.get(name, (0.0, None))
        return known or Known(ServerState.UNKNOWN, f"Waiting for Label Studio at {url} …")

    def _probe(self, name: str, url: str, key: str) -> None:
        try:
            known = self._ask(url, key)
        except Exception as error:  # in a thread nobody would see it
            known = Known(ServerState.DOWN, f"{type(error).__name__}: {error}")
        with self._lock:
            self._known[name] = (self._clock(), known)
            del self._asking[name]


def ask(url: str, key: str) -> Known:
    """Ask a server for its version with a hard limit."""
    from ..desks.labelstudio.connection import LabelStudioServer

    try:
        LabelStudioServer(url, key).probe(PROBE_SECONDS)
    except ServerUnreachableError as error:
        return Known(ServerState.DOWN, error.what, error.fix)
    except (AuthenticationError, DataError) as error:
        return Known(ServerState.REFUSED, error.what, error.fix)
    except CleaningError as error:
        return Known(ServerState.DOWN, error.what, error.fix)
    return Known(ServerState.OK, url)


# FiftyOne makes operators and panels anew at every request, so what is to outlast one stands here.
PROBES = Probes(ask)


def server_state(ctx: Any, *, anew: bool = False, wait: float = WAIT_SECONDS) -> Known:
    """Return what is known of the server that the secrets name."""
    url, key = ctx.secret(URL), ctx.secret(KEY)
    if url and key:
        return PROBES.state(url, key, anew=anew, wait=wait)
    missing = " and ".join(name for name, value in ((URL, url), (KEY, key)) if not value)
    return Known(
        ServerState.NO_KEY,
        f"{missing} must be set in the environment of the FiftyOne server.",
        "Set it and restart the FiftyOne server. The key is in Label Studio under Account & "
        "Settings.",
    )
