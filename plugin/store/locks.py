"""Fields that FiftyOne keeps from being changed: refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.errors import DataError


def refuse_locked(dataset: Any, fields: Iterable[str], why: str) -> None:
    """Make sure that none of some fields is read-only.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    fields : iterable of str
        Paths; those that are not there are not locked.
    why : str
        What is written there.

    Raises
    ------
    DataError
        Names the first that is; what lies in a read-only field is so, too, and is unlocked with it.
    """
    parts = (name.split(".") for name in fields)
    paths = (".".join(found[:depth]) for found in parts for depth in range(1, len(found) + 1))
    for name in dict.fromkeys(paths):
        field = dataset.get_field(name)
        if field is not None and field.read_only:
            raise DataError(
                f"field {name!r} of dataset {dataset.name!r} must not be read-only: {why}.",
                f"Unlock it: field = dataset.get_field({name!r}); field.read_only = False; "
                "field.save()",
            )
