"""Where an export goes: what is there is never overwritten, and nothing is left half done."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import DataError


def check_free(target: Path, *, folder: bool) -> None:
    """Make sure that nothing is lost when something is written there.

    Raises
    ------
    DataError
        When it is neither new nor an empty folder or file, as it has to be.
    """
    if not os.path.lexists(target):
        return
    if folder and target.is_dir() and not any(target.iterdir()):
        return
    if not folder and target.is_file() and not target.is_symlink() and not target.stat().st_size:
        return
    filled = folder and target.is_dir()
    what = "is a folder with something in it" if filled else "exists already"
    raise DataError(
        f"{target} {what}; an export never overwrites anything.",
        f"Name {'a new or empty folder' if folder else 'a new file'}.",
    )


@contextmanager
def written_beside(target: Path, *, folder: bool) -> Iterator[Path]:
    """Give a place beside the target, and move what was written there when all of it is.

    A process that is killed leaves the target as it was; the next one begins anew.

    Parameters
    ----------
    target : path
        Where it goes.
    folder : bool
        Whether it is a folder.
    """
    # A symbolic link to an empty folder is filled, not replaced.
    target = target.resolve() if folder else target
    check_free(target, folder=folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-unfinished-", dir=target.parent))
    try:
        written = beside / target.name
        if folder:
            written.mkdir()
        yield written
        # Somebody may have put something there meanwhile.
        check_free(target, folder=folder)
        if folder and target.exists():
            target.rmdir()
        os.replace(written, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
