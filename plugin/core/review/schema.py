"""The version of what rounds store, and how what older versions stored is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import RoundError

SCHEMA = 2

Document = dict[str, Any]


def upgrade(document: Document, what: str) -> Document:
    """Return a stored document in the form of this version.

    Parameters
    ----------
    document : dict
        As it was stored, with the run's parameters under "config". Without "schema" it is of
        version 1.
    what : str
        What it is, for the error's text: ``round 3 of dataset 'cats'``.

    Raises
    ------
    RoundError
        When a newer version has written it.
    """
    version = document.get("schema", 1)
    if version > SCHEMA:
        raise RoundError(
            f"{what} was written with schema {version}; this version of fiftyone-coreset-cleaning "
            f"reads up to {SCHEMA}. Update it."
        )
    for step in range(version, SCHEMA):
        document = {**_UPGRADES[step](document), "schema": step + 1}
    return document


def _from_1(document: Document) -> Document:
    """Rounds had one class, whose pool stood in the config."""
    config = dict(document["config"])
    if "pool" not in config:  # a start, not a round
        return document
    pool = config.pop("pool")
    return {**document, "config": config, "pools": {config["class_of_interest"]: pool}}


_UPGRADES: dict[int, Callable[[Document], Document]] = {1: _from_1}
