"""The use case "check the data": what makes the numbers lie, before anybody reviews anything.

Nothing is changed. What would take too long on a large dataset is looked at in part, or left to
the calls that list everything.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import CleaningError
from ..core.review.class_names import likely_typos
from ..core.scoring.duplicates import find_leaks
from ..store.label_rows import Rows
from .check_setup import Finding, finding
from .workspace import Workspace

# Multiplications that a check may take: some seconds on two cores.
_WORK = 3e11
# Numbers that a check may hold in memory: 2 GB.
_NUMBERS = 5e8
# Fewer leaks than this share of the test split do not move a measurement.
_FEW = 0.01
# Bytes of a file that are compared before whole files are.
_SAMPLE_BYTES = 4096
_SHOWN = 3


class _Data:
    """What the checks look at, read once."""

    def __init__(self, work: Workspace) -> None:
        self.samples, self.labels = work.samples, work.labels

    @cached_property
    def numbers(self) -> int:
        """How many numbers the vectors hold together; 0 when no training sample has one."""
        field = self.labels.embeddings_field
        if not self._embedded(self.samples.train_view()):
            return 0
        first = self.samples.view.exists(field).limit(1).values(field)
        return int(self._embedded(self.samples.view) * np.size(first[0]))

    def _embedded(self, view: Any) -> int:
        field = self.labels.embeddings_field
        if not self.samples.dataset.has_field(field):
            return 0
        return int(view.exists(self.labels.path).exists(field).count())

    @cached_property
    def train(self) -> Rows:
        """The labels outside the test split that have a vector."""
        return self.labels.train_rows()

    @cached_property
    def test(self) -> Rows | None:
        """Those of the test split; None when there are none."""
        view = self.samples.test_view()
        return self.labels.test_rows() if view is not None and self._embedded(view) else None


def check_data(work: Workspace) -> list[Finding]:
    """Check names of classes, the test split, duplicates and leaks."""
    data = _Data(work)
    checks: tuple[tuple[str, Callable[[str, _Data], Finding]], ...] = (
        ("class names", _class_names),
        ("test split", _test_split),
        ("duplicates", _duplicates),
        ("leaks", _leaks),
    )
    return [_guarded(name, check, data) for name, check in checks]


def _guarded(name: str, check: Callable[[str, _Data], Finding], data: _Data) -> Finding:
    try:
        return check(name, data)
    except CleaningError as error:
        return finding(name, error.what, error.fix or "See the detail.", ok=False)
    except Exception as error:
        # A doctor must not die of the illness: whatever else fails here is a finding, too.
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return finding(name, text, "See the detail.", ok=False)


def _class_names(name: str, data: _Data) -> Finding:
    counts = data.samples.view.count_values(data.labels.path)
    counts.pop(None, None)
    typos = likely_typos(counts)
    if not typos:
        return finding(name, "none looks like another's misspelling")
    shown = "; ".join(f"{a!r} ({counts[a]}) and {b!r} ({counts[b]})" for a, b in typos[:_SHOWN])
    rare, common = typos[0]
    path = data.labels.path
    return finding(
        name,
        f"{len(typos)} classes look like misspellings of others: {shown}.",
        f"If they are: dataset.map_values({path!r}, {{{rare!r}: {common!r}}}).",
    )


def _test_split(name: str, data: _Data) -> Finding:
    view, tag = data.samples.test_view(), data.samples.test_tag
    if view is None:
        return finding(name, "none: measured by predictions out of fold")
    total = view.count()
    bare = total - view.exists(data.labels.path).count()
    if bare:
        return finding(
            name,
            f"{bare} of {total} samples with the tag {tag!r} have no label in "
            f"{data.labels.name!r}, so that nothing is measured on them.",
            f"Label them, or take the tag away: dataset.match_tags({tag!r}).exists("
            f"{data.labels.path!r}, False).untag_samples({tag!r}).",
        )
    missing = sorted(set(_used(data.samples.train_view(), data)) - set(_used(view, data)))
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
        return finding(
            name,
            f"{len(missing)} classes have no sample with the tag {tag!r}, so that nothing is "
            f"measured on them: {shown}.",
            f"Tag some of them {tag!r}.",
        )
    return finding(name, f"{total} samples, all labeled")


def _used(view: Any, data: _Data) -> list[str]:
    return list(view.distinct(data.labels.path))


# ---- the same image with different labels


def contradictions(work: Workspace) -> list[dict[str, Any]]:
    """List labels of identical images, or identical vectors, that differ.

    Returns
    -------
    list of dict
        One per group, with the keys ids, labels (in the same order) and same ("file" or
        "vector").
    """
    return _contradictions(_Data(work))


def _contradictions(data: _Data) -> list[dict[str, Any]]:
    label_of = {i: row[0] for i, row in data.labels.columns([data.labels.path]).items() if row[0]}
    images = data.labels.images(list(label_of))
    if data.labels.of_crops:  # several labels of one image are no contradiction
        groups: list[tuple[str, list[str]]] = []
    else:
        groups = [("file", ids) for ids in _same_files(images, label_of)]
    groups += [("vector", ids) for ids in _same_vectors(data, label_of)]
    found: dict[frozenset[str], dict[str, Any]] = {}
    for same, ids in groups:
        found.setdefault(
            frozenset(ids), {"ids": ids, "labels": [label_of[i] for i in ids], "same": same}
        )
    return sorted(found.values(), key=lambda group: str(group["ids"][0]))


def _differing(groups: Iterable[list[str]], label_of: dict[str, str]) -> list[list[str]]:
    return [sorted(g) for g in groups if len({label_of[i] for i in g}) > 1]


def _same_files(images: dict[str, str], label_of: dict[str, str]) -> list[list[str]]:
    """Return groups of labels whose image files have the same bytes.

    A few bytes from the middle of each file are read first, where even pictures of one camera
    differ; whole files only where these and the sizes are the same.
    """
    alike: dict[Any, list[str]] = defaultdict(list)
    for label_id, path in images.items():
        key = _middle(path)
        if key is not None:
            alike[key].append(label_id)
    same: dict[Any, list[str]] = defaultdict(list)
    for group in _differing(alike.values(), label_of):
        for label_id in group:
            same[_whole(images[label_id])].append(label_id)
    return _differing(same.values(), label_of)


def _middle(path: str) -> tuple[int, bytes] | None:
    try:
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            file.seek(max(0, (size - _SAMPLE_BYTES) // 2))
            return size, hashlib.blake2b(file.read(_SAMPLE_BYTES), digest_size=16).digest()
    except (OSError, ValueError):  # not on this machine, or gone: others say so
        return None


def _whole(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.digest()


def _same_vectors(data: _Data, label_of: dict[str, str]) -> list[list[str]]:
    same: dict[bytes, list[str]] = defaultdict(list)
    if not 0 < data.numbers <= _NUMBERS:
        return []
    for rows in (data.train, data.test):
        if rows is None:
            continue
        for label_id, vector in zip(rows.ids, rows.embeddings, strict=True):
            if vector.any():
                same[hashlib.blake2b(vector.tobytes(), digest_size=16).digest()].append(label_id)
    return _differing(same.values(), label_of)


def _duplicates(name: str, data: _Data) -> Finding:
    found = _contradictions(data)
    if not found:
        return finding(name, "no image is there twice with different labels")
    first = found[0]
    other = next(k for k, label in enumerate(first["labels"]) if label != first["labels"][0])
    pair = " and ".join(f"{first['ids'][k]} ({first['labels'][k]})" for k in (0, other))
    total = sum(len(group["ids"]) for group in found)
    return finding(
        name,
        f"{total} labels of {len(found)} images that are there more than once contradict each "
        f"other, such as {pair}.",
        "At most one of each is right: list them with CleaningLoop.contradictions(), and review "
        "them or take the wrong ones out.",
    )


# ---- the same image in training and test


def leaks(work: Workspace) -> list[dict[str, Any]]:
    """List test samples that have a near-duplicate among the training samples.

    Returns
    -------
    list of dict
        With the keys test, train (ids), cosine, test_label and train_label; most similar first.
    """
    return _find_leaks(_Data(work), None)[1]


def _find_leaks(data: _Data, at_most: int | None) -> tuple[int, list[dict[str, Any]]]:
    """Look at so many test samples, evenly spread, or all; return how many, and their leaks."""
    train, test = data.train, data.test
    if test is None:
        return 0, []
    every = -(-len(test) // at_most) if at_most else 1
    chosen = np.arange(0, len(test), every)
    matches = find_leaks(test.embeddings[chosen], train.embeddings)
    rows = [
        {
            "test": test.ids[t],
            "train": train.ids[r],
            "cosine": float(cosine),
            "test_label": test.classes[test.labels[t]],
            "train_label": train.classes[train.labels[r]],
        }
        for t, r, cosine in zip(
            chosen[matches.query].tolist(), matches.reference.tolist(), matches.cosine, strict=True
        )
    ]
    return len(chosen), sorted(rows, key=lambda row: (-row["cosine"], row["test"]))


def _leaks(name: str, data: _Data) -> Finding:
    if data.samples.test_view() is None or not data.numbers:
        why = "no embeddings yet" if data.samples.test_view() is not None else "no test split"
        return finding(name, f"not looked for: {why}")
    if data.numbers > _NUMBERS:
        return finding(
            name, "not looked for in so large a dataset; CleaningLoop.leaks() does, given memory"
        )
    looked, found = _find_leaks(data, max(1, int(_WORK / data.numbers)))
    total = len(data.test) if data.test else 0
    some = f"{len(found)} of {looked} test samples" + (" looked at" if looked < total else "")
    if len(found) <= _FEW * looked:
        return finding(name, f"{some} have a near-duplicate among the training samples")
    pair = f"{found[0]['test']} and {found[0]['train']}"
    return finding(
        name,
        f"{some} have a near-duplicate among the training samples, such as {pair}: what is "
        "measured on them looks better than it is.",
        "List them with CleaningLoop.leaks(), and take the test tag from them or their twins out.",
    )
