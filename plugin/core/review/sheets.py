"""Sheets: which labels of a round stand on one page together, and what each costs of its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DataError
from .gold import GoldItem
from .queue import BatchItem

# Beyond, pictures are too small to be judged at a glance.
LARGEST = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a label stands.

    Attributes
    ----------
    sheet : int
        Number of its sheet in the round, from 1.
    slot : int
        Its place there, from 1.
    """

    sheet: int
    slot: int


def check_sheet(size: int) -> int:
    """Return the images on a sheet; 0 means pages of one image.

    Raises
    ------
    DataError
        When there can be no such sheet.
    """
    if size == 0 or 2 <= size <= LARGEST:
        return size
    raise DataError(
        f"sheet must be between 2 and {LARGEST} images, or 0 for one image per page, got {size}.",
        "Pass sheet=20.",
    )


def places(batch: Iterable[BatchItem | GoldItem], size: int) -> dict[str, Place]:
    """Return label id to its place, for sheets of at most `size` images of one given label.

    The labels of a class keep the order of the round, and the sheets come in the order of their
    first labels. The same batch always gives the same places: they are part of the keys by which
    sheets and answers are known.

    Parameters
    ----------
    batch : iterable of BatchItem or GoldItem
        All that a round shows.
    size : int
        Images on a sheet, at most.
    """
    of_class: dict[str, list[BatchItem | GoldItem]] = defaultdict(list)
    for item in sorted(batch, key=lambda item: item.rank):
        of_class[item.label].append(item)
    sheets = [
        items[start : start + size]
        for items in of_class.values()
        for start in range(0, len(items), size)
    ]
    sheets.sort(key=lambda items: items[0].rank)
    return {
        item.sample_id: Place(number, slot)
        for number, items in enumerate(sheets, start=1)
        for slot, item in enumerate(items, start=1)
    }
