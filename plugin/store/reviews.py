"""Writes the state that the ledger folds to back onto the samples.

Only differences are written, so doing it twice changes nothing. Two marks tell what is ours to
take back: `original_label` is set exactly where the label is ours, and the tag
``cleaning:deleted`` exactly where the weight 0 is ours. Edits a user makes beside us stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import fiftyone as fo

from ..core.review.ledger import SampleState
from ..core.review.marks import Marks, ReviewMark, apply_state
from ..core.review.verdicts import Outcome
from . import appearance, names
from .rounds import Round
from .samples import Samples

_REVIEW_FIELDS: dict[str, dict[str, Any]] = {
    "round": {"ftype": fo.IntField},
    "verdict": {"ftype": fo.StringField},
    "reviewers": {"ftype": fo.ListField, "subfield": fo.StringField},
    "reviewed_at": {"ftype": fo.StringField},
    "annotation_ids": {"ftype": fo.ListField, "subfield": fo.IntField},
    "comment": {"ftype": fo.StringField},
}
_OWN_TAGS = {names.TAG_QUEUED, *names.OUTCOME_TAGS.values()}
_DELETED = names.OUTCOME_TAGS[Outcome.DELETED]


def apply_states(
    samples: Samples,
    rounds: Iterable[Round],
    states: Mapping[str, SampleState],
    undone: Iterable[int] = (),
    held: AbstractSet[str] = frozenset(),
) -> int:
    """Bring every sample of every round to its state in the ledger.

    Parameters
    ----------
    samples : Samples
        What is cleaned.
    rounds : iterable of Round
        All rounds of the label field, oldest first.
    states : mapping of str to SampleState
        The fold of their events.
    undone : iterable of int
        Numbers of rounds that are undone as a whole: their samples are free again.
    held : set of str, optional
        Ids that rounds of another label field hold: what stands on them is not ours.

    Returns
    -------
    int
        Number of samples that were changed.
    """
    rounds, undone = list(rounds), set(undone)
    # The latest round's weight: what is served again has no verdict of ours on it.
    weights = {i.sample_id: i.weight for r in rounds for i in r.batch if i.sample_id not in held}
    if not weights:
        return 0
    samples.ensure_weights()
    declare_review_fields(samples)
    appearance.arrange(samples.dataset, samples.label_field)
    view = samples.dataset.select(list(weights))
    columns = view.values(
        [
            "id",
            f"{samples.label_field}.label",
            f"{names.ORIGINAL}.label",
            names.WEIGHT,
            "tags",
            names.REVIEW,
        ]
    )
    members = [(round_, round_.sample_ids) for round_ in rounds]
    before: dict[str, Marks] = {}
    after: dict[str, Marks] = {}
    new_tags: dict[str, list[str]] = {}
    for sample_id, label, original, weight, tags, review in zip(*columns, strict=True):
        state = states.get(sample_id)
        marks = Marks(label, original, weight, _DELETED in tags, _read_review(review))
        before[sample_id], after[sample_id] = (
            marks,
            apply_state(marks, state, weights[sample_id]),
        )
        wanted = _tags(tags, sample_id, state, members, undone)
        if sorted(wanted) != sorted(tags):
            new_tags[sample_id] = wanted
    _write(samples, before, after, new_tags)
    return len({i for i in before if before[i] != after[i]} | set(new_tags))


def _write(
    samples: Samples,
    before: Mapping[str, Marks],
    after: Mapping[str, Marks],
    tags: Mapping[str, list[str]],
) -> None:
    """Write the differences, a field at a time: killed between two, the next call mends it.

    What tells that something is ours is set before that something changes and taken away after
    it; the review, which tells that a state is written, comes last.
    """

    def changed(name: str) -> dict[str, Any]:
        pairs = ((i, getattr(before[i], name), getattr(after[i], name)) for i in before)
        return {i: new for i, old, new in pairs if old != new}

    reviews, originals, deleted = changed("review"), changed("original"), changed("deleted")
    now_deleted = {i for i, is_deleted in deleted.items() if is_deleted}
    set_values = samples.set_values
    set_values(names.REVIEW, {i: None for i in reviews if before[i].review is not None})
    set_values(
        names.ORIGINAL,
        {i: fo.Classification(label=name) for i, name in originals.items() if name is not None},
    )
    set_values("tags", {i: value for i, value in tags.items() if i in now_deleted})
    set_values(f"{samples.label_field}.label", changed("label"))
    set_values(names.WEIGHT, changed("weight"))
    set_values(names.ORIGINAL, {i: None for i, name in originals.items() if name is None})
    set_values("tags", {i: value for i, value in tags.items() if i not in now_deleted})
    set_values(
        names.REVIEW, {i: _document(mark) for i, mark in reviews.items() if mark is not None}
    )


def declare_review_fields(samples: Samples) -> None:
    """Add those fields that tell of verdicts that are not there yet."""
    dataset = samples.dataset
    kinds: dict[str, dict[str, Any]] = {
        names.ORIGINAL: {
            "ftype": fo.EmbeddedDocumentField,
            "embedded_doc_type": fo.Classification,
        },
        names.REVIEW: {
            "ftype": fo.EmbeddedDocumentField,
            "embedded_doc_type": fo.DynamicEmbeddedDocument,
        },
        **{f"{names.REVIEW}.{name}": kind for name, kind in _REVIEW_FIELDS.items()},
    }
    for name, kind in kinds.items():
        # Adding one that is there reads the whole dataset document again.
        if not dataset.has_field(name):
            dataset.add_sample_field(name, **kind)


def _tags(
    tags: list[str],
    sample_id: str,
    state: SampleState | None,
    members: list[tuple[Round, set[str]]],
    undone: set[int],
) -> list[str]:
    mine = [r for r, ids in members if sample_id in ids and r.number not in undone]
    own = {names.round_tag(r.number) for r in mine}
    if state is not None:
        own.add(names.OUTCOME_TAGS[state.outcome])
    waiting = mine and mine[-1].closed_at is None
    if waiting and (state is None or state.round < mine[-1].number):
        own.add(names.TAG_QUEUED)
    round_tags = {names.round_tag(r.number) for r, _ in members}
    foreign = [tag for tag in tags if tag not in _OWN_TAGS and tag not in round_tags]
    return foreign + sorted(own)


def _read_review(document: fo.DynamicEmbeddedDocument | None) -> ReviewMark | None:
    if document is None:
        return None
    values: dict[str, Any] = {name: getattr(document, name, None) for name in _REVIEW_FIELDS}
    values["reviewers"] = tuple(values["reviewers"] or ())
    values["annotation_ids"] = tuple(values["annotation_ids"] or ())
    return ReviewMark(**values)


def _document(mark: ReviewMark) -> dict[str, Any]:
    """Return a mark as FiftyOne stores it: making documents first doubles the time of writing."""
    return {
        "_cls": fo.DynamicEmbeddedDocument.__name__,
        "round": mark.round,
        "verdict": mark.verdict,
        "reviewers": list(mark.reviewers),
        "reviewed_at": mark.reviewed_at,
        "annotation_ids": list(mark.annotation_ids),
        "comment": mark.comment,
    }
