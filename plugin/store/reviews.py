"""Writes the state that the ledger folds to back onto the samples.

Only differences are written, so doing it twice changes nothing. Two marks tell what is ours to
take back: `original_label` is set exactly where the label is ours, and the tag
``cleaning:deleted`` exactly where the weight 0 is ours. Edits a user makes beside us stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import fiftyone as fo

from ..core.ledger import SampleState
from ..core.verdicts import Outcome
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


def apply_states(
    samples: Samples,
    rounds: Iterable[Round],
    states: Mapping[str, SampleState],
    undone: Iterable[int] = (),
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

    Returns
    -------
    int
        Number of samples that were changed.
    """
    rounds, undone = list(rounds), set(undone)
    ids = list({item.sample_id for round_ in rounds for item in round_.batch})
    if not ids:
        return 0
    _declare(samples)
    weights_at_push = {i.sample_id: i.weight for r in reversed(rounds) for i in r.batch}
    view = samples.dataset.select(ids)
    columns = view.values(
        ["id", f"{samples.label_field}.label", names.ORIGINAL, names.WEIGHT, "tags", names.REVIEW]
    )
    members = [(round_, round_.sample_ids) for round_ in rounds]
    changes: dict[str, dict[str, Any]] = {}
    for sample_id, label, original, weight, tags, review in zip(*columns, strict=True):
        state = states.get(sample_id)
        wanted = {
            "tags": _tags(tags, sample_id, state, members, undone),
            names.REVIEW: _review(state),
            **_label(samples.label_field, label, original, state),
            **_weight(
                weight,
                names.OUTCOME_TAGS[Outcome.DELETED] in tags,
                state,
                weights_at_push[sample_id],
            ),
        }
        current = {"tags": tags, names.REVIEW: review}
        for field, value in wanted.items():
            if field not in current or not _same(current[field], value):
                changes.setdefault(field, {})[sample_id] = value
    for field, values in changes.items():
        samples.set_values(field, values)
    return len({sample_id for values in changes.values() for sample_id in values})


def _declare(samples: Samples) -> None:
    samples.ensure_weights()
    samples.dataset.add_sample_field(
        names.ORIGINAL, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
    )
    samples.dataset.add_sample_field(
        names.REVIEW, fo.EmbeddedDocumentField, embedded_doc_type=fo.DynamicEmbeddedDocument
    )
    if not samples.dataset.has_field(f"{names.REVIEW}.comment"):
        for name, kind in _REVIEW_FIELDS.items():
            samples.dataset.add_sample_field(f"{names.REVIEW}.{name}", **kind)
    appearance.arrange(samples.dataset, samples.label_field)


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


def _review(state: SampleState | None) -> fo.DynamicEmbeddedDocument | None:
    if state is None:
        return None
    return fo.DynamicEmbeddedDocument(
        round=state.round,
        verdict=state.outcome.value,
        reviewers=list(state.reviewers),
        reviewed_at=state.reviewed_at,
        annotation_ids=list(state.annotation_ids),
        comment=state.comment,
    )


def _label(
    label_field: str,
    label: str,
    original: fo.Classification | None,
    state: SampleState | None,
) -> dict[str, Any]:
    if state is not None and state.outcome is Outcome.RELABELED:
        changed: dict[str, Any] = {}
        if label != state.new_label:
            changed[f"{label_field}.label"] = state.new_label
        if original is None:
            changed[names.ORIGINAL] = fo.Classification(label=label)
        return changed
    if original is not None:
        return {f"{label_field}.label": original.label, names.ORIGINAL: None}
    return {}


def _weight(
    weight: float | None, ours: bool, state: SampleState | None, at_push: float
) -> dict[str, float]:
    deleted = state is not None and state.outcome is Outcome.DELETED
    if deleted and weight != 0:
        return {names.WEIGHT: 0.0}
    if ours and not deleted:
        return {names.WEIGHT: at_push}
    return {}


def _same(one: Any, other: Any) -> bool:
    """Compare field values: documents by content, tags as sets."""
    if isinstance(one, fo.DynamicEmbeddedDocument) and isinstance(
        other, fo.DynamicEmbeddedDocument
    ):
        return bool(one.to_dict() == other.to_dict())
    if isinstance(one, list) and isinstance(other, list):
        return sorted(one) == sorted(other)
    return bool(one == other)
