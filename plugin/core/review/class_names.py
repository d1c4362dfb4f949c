"""Names of classes that people can't tell apart, or that are none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping


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
        groups.setdefault(_shown(name), set()).add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


# A class this much rarer than another that is spelled nearly the same is probably meant to be it.
_RARE = 0.05
_LEAST_LETTERS = 4


def likely_typos(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return pairs of classes of which the first is probably a misspelling of the second.

    They differ by one letter left out, put in, changed or swapped with the next, and the first is
    rare beside the second; or by nothing but signs that separate words. Different digits are
    different classes.

    Parameters
    ----------
    counts : mapping of str to int
        Class to number of labels.

    Examples
    --------
    >>> likely_typos({"horse": 400, "hosre": 2, "house": 380, "digit 3": 90, "digit 8": 1})
    [('hosre', 'horse')]
    """
    plain = {name: re.sub(r"[\s_\-]+", "", _shown(name)) for name in counts}
    # Two words that are one letter apart are the same with one letter of each left out.
    near: dict[str, set[str]] = {}
    for name, word in plain.items():
        for key in {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}:
            near.setdefault(key, set()).add(name)
    pairs = {
        (rare, common)
        for names in near.values()
        for rare in names
        for common in names
        if _is_typo(rare, common, plain, counts)
    }
    return sorted(pairs)


def _is_typo(rare: str, common: str, plain: Mapping[str, str], counts: Mapping[str, int]) -> bool:
    if rare == common or (counts[rare], rare) > (counts[common], common):
        return False
    if _shown(rare) == _shown(common):  # `look_alikes` says so
        return False
    a, b = plain[rare], plain[common]
    if a == b:
        return True
    if min(len(a), len(b)) < _LEAST_LETTERS or counts[rare] > _RARE * counts[common]:
        return False
    return re.sub(r"\D", "", a) == re.sub(r"\D", "", b) and _one_apart(a, b)


def _one_apart(a: str, b: str) -> bool:
    """Tell whether one letter left out, put in, changed or swapped makes one word of the other."""
    start = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    a, b = a[start:], b[start:]
    if a[1:] == b or a == b[1:] or a[1:] == b[1:]:
        return True
    return a[2:] == b[2:] and a[:2] == b[:2][::-1]


def _shown(name: str) -> str:
    """Return what is left of a name without blanks at its ends, capitals and encodings."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
