"""Writes the state that the ledger folds to beside the labels.

Only differences are written, so doing it twice changes nothing. What is taken back is what an event
has put there: a first label where a relabel is on record, the weight 0 where a deletion is. Edits
that a user makes beside us stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from ..core.review.boxes import is_moved
from ..core.review.marks import Asked, Marks, ReviewMark, apply_state, is_outdated
from ..core.review.rounds import Rounds
from ..core.review.verdicts import Outcome, Verdict
from . import appearance, ownership
from .adoption import part_marks
from .labels import LabelField

_REVIEW_FIELDS: dict[str, dict[str, Any]] = {
    "round": {"ftype": fo.IntField},
    "verdict": {"ftype": fo.StringField},
    "reviewers": {"ftype": fo.ListField, "subfield": fo.StringField},
    "reviewed_at": {"ftype": fo.StringField},
    "answer_ids": {"ftype": fo.ListField, "subfield": fo.StringField},
    "comment": {"ftype": fo.StringField},
}


@dataclass(frozen=True)
class Written:
    """What `write_back` came to.

    Attributes
    ----------
    changed : int
        Labels of which something changed.
    outdated : list of str
        Labels whose answers are about another class, or box, than they have now: left alone.
    gone : list of str
        Labels with answers that are no longer in the dataset, or whose id has become that of two.
    """

    changed: int
    outdated: list[str]
    gone: list[str]


def write_back(labels: LabelField, rounds: Rounds, only: AbstractSet[str] | None = None) -> Written:
    """Bring labels to their state in the ledger.

    Parameters
    ----------
    labels : LabelField
    rounds : Rounds
        All of the label field.
    only : set of str, optional
        Ids of the labels that may have changed. Default: those of every round, which also finishes
        what a process that was killed has left.
    """
    shown = [i for i in rounds.weights if only is None or i in only]
    if not shown:
        return Written(0, [], [])
    ours = labels.names
    part_marks(labels, rounds, _declare_all)
    _declare_all(labels, shown)
    appearance.arrange(labels.dataset, labels.name, ours)
    before: dict[str, Marks] = {}
    after: dict[str, Marks] = {}
    new_tags: dict[str, list[str]] = {}
    outdated = []
    for label_id, found in standing(labels, rounds, shown).items():
        before[label_id], after[label_id] = found.before, found.after
        if found.outdated:
            outdated.append(label_id)
        wanted = _tags(labels, found.tags, rounds, label_id, found.after)
        if sorted(wanted) != sorted(found.tags):
            new_tags[label_id] = wanted
    _write(labels, before, after, new_tags)
    changed = {i for i in before if before[i] != after[i]} | set(new_tags)
    if changed:
        labels.renew_views()
    gone = [i for i in shown if i in rounds.states and i not in before]
    return Written(len(changed), outdated, gone)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands on a label, and what belongs there.

    Attributes
    ----------
    before, after : Marks
        As it is, and as the ledger has it.
    tags : list of str
        As they are.
    outdated : bool
        Whether its answers are about another class, or box, than it has now.
    """

    before: Marks
    after: Marks
    tags: list[str]
    outdated: bool


def standing(
    labels: LabelField, rounds: Rounds, ids: Sequence[str] | None = None
) -> dict[str, Standing]:
    """Return label id to what stands on it; write nothing.

    Of the labels with these ids, or of all that rounds have shown. A weight that somebody has
    cleared is that of the review or the tag.
    """
    ours = labels.names
    deleted_tag = ours.outcome_tag(Outcome.DELETED)
    relabeled_to = rounds.relabeled_to
    was_deleted = rounds.put_by(Verdict.DELETE)
    fields = [labels.path, f"{ours.original}.label", ours.weight, "tags", ours.review]
    shown = list(rounds.weights) if ids is None else list(ids)
    boxes = labels.boxes(i for i in shown if i in rounds.states)
    found: dict[str, Standing] = {}
    for label_id, values in labels.own_columns(fields, shown).items():
        label, original, weight, tags, document = values
        review = read_review(document)
        by_review = review is not None and review.verdict == Outcome.DELETED.value
        if weight is None:
            weight = float(deleted_tag not in tags and not by_review)
        # Somebody may have removed the tag.
        deleted = deleted_tag in tags or (by_review and weight == 0)
        state = rounds.states.get(label_id)
        marks = Marks(label, original, weight, deleted, review)
        asked = Asked(
            rounds.asked(state).label if state else rounds.first_labels[label_id],
            rounds.weights[label_id],
            label_id in relabeled_to,
            label_id in was_deleted,
            frozenset(relabeled_to.get(label_id, ())),
            _is_moved(rounds.shown_box(label_id), boxes.get(label_id)),
        )
        after = apply_state(marks, state, asked)
        found[label_id] = Standing(marks, after, tags, is_outdated(marks, state, asked))
    return found


def _is_moved(shown: Sequence[float] | None, now: Sequence[float] | None) -> bool:
    return shown is not None and now is not None and is_moved(shown, now)


def adopt_edits(labels: LabelField, given: Mapping[str, str]) -> None:
    """Keep the class that labels had before somebody changed them by hand, as a relabel would.

    To be called before the verdicts that say so are on record. Killed in between, nothing is taken
    back: without a verdict the field says nothing.

    Parameters
    ----------
    labels : LabelField
    given : mapping of str to str
        Label id to the class that was there.
    """
    declare_review_fields(labels)
    original = labels.names.original
    kept = labels.columns([f"{original}.label"], list(given))
    new = {i: given[i] for i, (label,) in kept.items() if label is None}
    labels.set_classes(original, new)


def _write(
    labels: LabelField,
    before: Mapping[str, Marks],
    after: Mapping[str, Marks],
    tags: Mapping[str, list[str]],
) -> None:
    """Write the differences, a field at a time: killed between two, the next call finishes it.

    What tells that something is ours is set before that something changes and taken away after
    it; the review, which tells that a state is written, comes last.
    """
    ours = labels.names

    def changed(name: str) -> dict[str, Any]:
        pairs = ((i, getattr(before[i], name), getattr(after[i], name)) for i in before)
        return {i: new for i, old, new in pairs if old != new}

    reviews, originals, deleted = changed("review"), changed("original"), changed("deleted")
    now_deleted = {i for i, is_deleted in deleted.items() if is_deleted}
    labels.set_values(ours.review, {i: None for i in reviews if before[i].review is not None})
    labels.set_classes(
        ours.original, {i: name for i, name in originals.items() if name is not None}
    )
    labels.set_tags({i: value for i, value in tags.items() if i in now_deleted})
    labels.set_values(labels.path, changed("label"))
    labels.set_values(ours.weight, changed("weight"))
    labels.set_values(ours.original, {i: None for i, name in originals.items() if name is None})
    labels.set_tags({i: value for i, value in tags.items() if i not in now_deleted})
    labels.set_values(
        ours.review, {i: _document(mark) for i, mark in reviews.items() if mark is not None}
    )


def _declare_all(labels: LabelField, ids: Iterable[str] = ()) -> None:
    labels.ensure_weights(ids)
    declare_review_fields(labels)


def declare_review_fields(labels: LabelField) -> None:
    """Add those fields that tell of verdicts that are not there yet."""
    ours = labels.names
    texts = appearance.descriptions(ours)
    labels.declare_class(ours.original)
    kinds: dict[str, dict[str, Any]] = {
        ours.review: {
            "ftype": fo.EmbeddedDocumentField,
            "embedded_doc_type": fo.DynamicEmbeddedDocument,
        },
        **{f"{ours.review}.{name}": kind for name, kind in _REVIEW_FIELDS.items()},
    }
    for name, kind in kinds.items():
        ownership.declare(labels.dataset, name, texts.get(name, ""), **kind)


def _tags(
    labels: LabelField, tags: list[str], rounds: Rounds, label_id: str, marks: Marks
) -> list[str]:
    ours, mine, state = labels.names, rounds.rounds_of[label_id], rounds.states.get(label_id)
    own = {ours.round_tag(round_.number) for round_ in mine}
    if marks.review is not None:
        own.add(ours.outcome_tag(Outcome.parse(marks.review.verdict)))
    waiting = mine and mine[-1].closed_at is None
    if waiting and (state is None or state.round < mine[-1].number):
        own.add(ours.queued)
    not_ours = {*ours.review_tags(), *(ours.round_tag(round_.number) for round_ in rounds)}
    return [tag for tag in tags if tag not in not_ours] + sorted(own)


def read_review(document: fo.DynamicEmbeddedDocument | None) -> ReviewMark | None:
    """Return the review that stands beside a label; None when there is none."""
    if document is None:
        return None
    values: dict[str, Any] = {name: getattr(document, name, None) for name in _REVIEW_FIELDS}
    # Version 0.1 kept Label Studio's numbers.
    answers = values["answer_ids"] or getattr(document, "annotation_ids", None) or ()
    values["answer_ids"] = tuple(str(answer) for answer in answers)
    values["reviewers"] = tuple(values["reviewers"] or ())
    return ReviewMark(**values)


def _document(mark: ReviewMark) -> dict[str, Any]:
    """Return a mark as FiftyOne stores it: making documents first doubles the time of writing."""
    return {
        "_cls": fo.DynamicEmbeddedDocument.__name__,
        "round": mark.round,
        "verdict": mark.verdict,
        "reviewers": list(mark.reviewers),
        "reviewed_at": mark.reviewed_at,
        "answer_ids": list(mark.answer_ids),
        "comment": mark.comment,
    }
