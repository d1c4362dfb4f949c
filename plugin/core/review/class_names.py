"""Names of classes that people can't tell apart, or that are none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of names that look the same on a button.

    Two names look alike when they differ in nothing but blanks, capitals or the way a character
    is encoded.

    Parameters
    ----------
    names : iterable of str
        Class names.

    Returns
    -------
    list of tuple of str
        Groups of two names or more, sorted.

    Examples
    --------
    >>> look_alikes(["cat", "dog", "Cat ", "cat"])
    [('Cat ', 'cat')]
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        shown = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(shown, set()).add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
