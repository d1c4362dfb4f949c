"""Moves the marks of a second label field to names of its own.

Version 0.1 kept the marks of all label fields under the same names, and a sample was in review for
one of them only. A field that has names of its own by now takes its marks along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.review.rounds import Rounds
from ..core.review.states import RoundState
from ..core.review.verdicts import Outcome
from .labels import LabelField
from .names import Names
from .records import Records
from .rounds import RoundStore

Declare = Callable[[LabelField], None]


def part_marks(labels: LabelField, rounds: Rounds, declare: Declare) -> None:
    """Give each label field what version 0.1 left of it; called before marks of one are written.

    Whoever has the plain names would take the marks of another field for its own.

    Parameters
    ----------
    labels : LabelField
    rounds : Rounds
        Of this label field.
    declare : callable
        Adds the fields that are about to be written.
    """
    if labels.root:  # version 0.1 knew labels of whole images only
        return
    adopt_marks(labels, rounds, declare)
    if labels.names.label_field:
        return
    heads = Records(labels.dataset).heads("round", **{"options.desk": None}).values()
    for name in sorted({head["label_field"] for head in heads} - {labels.name}):
        if labels.dataset.has_field(name):
            other = type(labels)(labels.samples, name, labels.embeddings_field)
            adopt_marks(other, RoundStore(labels.dataset, name).all(), declare)


def adopt_marks(labels: LabelField, rounds: Rounds, declare: Declare) -> None:
    """Take the marks along that rounds of version 0.1 left under the plain names.

    The copy is complete before the original goes, and what tells whose it is goes last: killed
    between two writes, the next call finishes it.

    Parameters
    ----------
    labels : LabelField
    rounds : Rounds
        Of this label field.
    declare : callable
        Adds the fields that are about to be written.
    """
    ours, plain = labels.names, Names(labels.names.prefix)
    old = [r for r in rounds if "desk" not in r.config["options"]]
    if not ours.label_field or not old or not labels.dataset.has_field(plain.review):
        return
    numbers = {round_.number for round_ in old}
    waiting = {i for r in old if rounds.state(r) is RoundState.OPEN for i in r.sample_ids}
    ids = {i for round_ in old for i in round_.sample_ids}
    fields = [plain.review, plain.original, plain.weight, "tags", ours.review]
    found = labels.columns(fields, ids)
    mine = {i: row for i, row in found.items() if row[0] is not None and row[0].round in numbers}
    round_tags = {plain.round_tag(number) for number in numbers}
    tags: dict[str, list[str]] = {}
    for label_id, (_, _, _, there, _) in found.items():
        gone = set(round_tags)
        if label_id in mine or (label_id in waiting and round_tags & {*there}):
            gone |= set(plain.review_tags())
        kept = [tag for tag in there if tag not in gone]
        if plain.outcome_tag(Outcome.DELETED) in gone & {*there}:
            kept.append(ours.outcome_tag(Outcome.DELETED))
        if kept != list(there):
            tags[label_id] = kept
    if not mine and not tags:
        return
    declare(labels)
    new = {i: row for i, row in mine.items() if row[4] is None}
    labels.set_classes(ours.original, {i: row[1].label for i, row in new.items() if row[1]})
    labels.set_values(ours.weight, {i: row[2] for i, row in new.items()})
    labels.set_values(ours.review, {i: row[0] for i, row in new.items()})
    labels.set_tags(tags)
    _clear(labels, plain, rounds, mine)


def _clear(
    labels: LabelField, plain: Names, rounds: Rounds, mine: Mapping[str, tuple[Any, ...]]
) -> None:
    labels.set_values(plain.original, {i: None for i, row in mine.items() if row[1]})
    deleted = {i for i, row in mine.items() if row[0].verdict == Outcome.DELETED.value}
    labels.set_values(plain.weight, {i: rounds.weights[i] for i in deleted})
    labels.set_values(plain.review, dict.fromkeys(mine))
