"""Where exports of the App go: one folder of the server's, and a name in it that a form asks for.

Whoever can click in the App may not choose where the server's account writes.
"""

from __future__ import annotations

import os
from pathlib import Path

import fiftyone as fo

from ..core.errors import DataError


def export_folder() -> Path:
    """Return the one folder that the App's exports go to, beside FiftyOne's datasets."""
    return Path(fo.config.default_dataset_dir) / "label-cleaning"


def target_named(name: str, instead: str, *, replace: bool = False) -> Path:
    """Return the file or folder that a plain name stands for.

    Parameters
    ----------
    name : str
        What was asked for.
    instead : str
        What to say to somebody who needs a path.
    replace : bool, default False
        Whether what is there may go.

    Raises
    ------
    DataError
        When it is not a plain name, or something is there.
    """
    plain = isinstance(name, str) and name and Path(name).name == name
    if not plain or "\\" in name or "\0" in name or name.startswith("."):
        raise DataError(
            f"an export from the App must be given by a name without folders, got {name!r}.",
            f"Give a plain name; {instead}",
        )
    target = export_folder() / name
    if not replace and os.path.lexists(target):
        raise already_there(target)
    return target


def already_there(target: Path) -> DataError:
    """Return the error that says that something is there."""
    return DataError(
        f"{target} exists already.",
        "Choose another name, or ask for it to be replaced where the form offers that.",
    )
