"""What a round is drawn from: chosen classes, or the whole dataset as one queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from ..errors import DataError

# What stands in place of a class's name where a row or a report names what was reviewed.
WHOLE_DATASET = "whole dataset"

# What is cleaned: all but the test split, or the test split itself.
TRAIN_SPLIT, TEST_SPLIT = "train", "test"

# What rounds of the test split do to what is measured on it.
OTHER_YARDSTICK = "Held-out AUROC from before and after is not measured with the same yardstick."

Classes = str | Sequence[str] | Mapping[str, int] | None


class Scope(str, Enum):
    """What a queue holds: the labels of chosen classes, or those of all."""

    CLASS = "class"
    DATASET = "dataset"


def read_scope(
    scope: str | Sequence[str] | None, classes: Classes = None
) -> tuple[Scope | None, Classes]:
    """Return the scope asked for, and the classes; both None when that is left to the loop.

    Parameters
    ----------
    scope : {"class", "dataset"} or list of str, optional
        A list names the classes themselves.
    classes : str, list of str or dict of str to int, optional
        The classes asked for beside it.

    Raises
    ------
    DataError
        When it is something else, or the classes are named twice or beside the whole dataset.

    Examples
    --------
    >>> read_scope(["cat", "dog"])
    (<Scope.CLASS: 'class'>, ['cat', 'dog'])
    """
    if scope is None:
        return (None if classes is None else Scope.CLASS), classes
    if isinstance(scope, str):
        if scope not in list(Scope):
            raise DataError(
                f'scope must be "class", "dataset" or a list of classes, got {scope!r}.',
                f"To review one class, pass it as a list: scope=[{scope!r}].",
            )
        if scope == Scope.DATASET and classes is not None:
            raise DataError(
                'scope="dataset" must not be given together with classes: it holds all of them, '
                f"got {classes!r}.",
                "Leave out one of the two.",
            )
        return Scope(scope), classes
    if classes is not None:
        raise DataError(
            f"scope and class_of_interest must not both name classes, got {list(scope)} and "
            f"{classes!r}.",
            "Leave out one of the two.",
        )
    return Scope.CLASS, list(scope)
