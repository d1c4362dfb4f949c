"""Which labels are meant, in words that every kind of label can turn into a query."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Split(Enum):
    """Whose labels."""

    TRAIN = "those of the view that may be queued and changed"
    TEST = "those of the view that carry the test tag"
    VIEW = "those of the view"
    DATASET = "those of the dataset as it is shown, inside the view or not"
    EVERYTHING = "those of the dataset, of every slice"


@dataclass(frozen=True)
class Selection:
    """Some labels of a field, in an order.

    Attributes
    ----------
    split : Split, default TRAIN
    classes : tuple of str, optional
        Labels of these classes. Default: of any, even none.
    has, lacks : tuple of str, default ()
        Fields that must have a value, or must have none.
    counted_by : str, default ""
        A field of weights: those of weight 0 are left out; none at all means 1.
    with_tags, without_tags : tuple of str, default ()
        Labels with any of these tags, and with none of those.
    sorted_by : str, default ""
        A field; the highest comes first.
    lowest_first : bool, default False
        Whether the lowest does.
    """

    split: Split = Split.TRAIN
    classes: tuple[str, ...] | None = None
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    counted_by: str = ""
    with_tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    sorted_by: str = ""
    lowest_first: bool = False
