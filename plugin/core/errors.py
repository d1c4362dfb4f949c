"""Every error this project raises on purpose.

::

    CleaningError
    ├── DataError               the dataset, a field, labels or embeddings are not what is needed
    ├── WeightsError            a network's weights can't be had
    ├── RoundError              a round can't do this in its present state
    │   └── BusyError           another process is at work on the same rounds
    └── ServerError             Label Studio refused or failed
        ├── ServerUnreachableError
        ├── AuthenticationError
        └── ProjectMissingError

An error carries two texts: `what` is wrong (of which object, must be, got) and the `fix`. Doctor,
panel and command line show them apart; nobody takes a message to pieces. Neither holds an API key.
"""

from __future__ import annotations


class CleaningError(Exception):
    """Base class: catch it to catch all of this project's errors.

    Parameters
    ----------
    what : str
        What is wrong: of which object, what it must be, what it is. One sentence or more.
    fix : str, optional
        What to do about it, as a sentence of its own. Empty where `what` says all there is.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what} {fix}" if fix else what)
        self.what = what
        self.fix = fix


class DataError(CleaningError, ValueError):
    """The dataset, a field, labels or embeddings are not what is needed."""


class WeightsError(CleaningError):
    """The weights of a network can't be downloaded, read or used."""


class RoundError(CleaningError):
    """A round can't do what was asked in its present state."""


class BusyError(RoundError):
    """Another process is at work on the same rounds; later it will work."""


class ServerError(CleaningError):
    """Label Studio refused a request or failed to answer it.

    Parameters
    ----------
    what, fix : str
        As in `CleaningError`.
    status : int, optional
        HTTP status of the answer; None when there was none.
    """

    def __init__(self, what: str, fix: str = "", *, status: int | None = None) -> None:
        super().__init__(what, fix)
        self.status = status


class ServerUnreachableError(ServerError):
    """No Label Studio server answers at the given address, or not in time."""


class AuthenticationError(ServerError):
    """Label Studio does not accept the API key, or it may not do what was asked."""


class ProjectMissingError(ServerError):
    """The review project is no longer on the server."""


def sentence(text: str) -> str:
    """Return a text with a capital letter at its beginning: messages have none."""
    return text[:1].upper() + text[1:]
