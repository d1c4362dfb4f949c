"""What a user has under names of ours: refused by name, before anything is written.

Fields, tags, saved views and evaluations of ours can get a prefix until a score is on record; runs
have no prefix and need another name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fiftyone.core.utils import to_slug

from ..core.errors import DataError
from . import ownership
from .names import field_run_key
from .records import Records
from .selection import Selection, Split

if TYPE_CHECKING:
    from .labels import LabelField

_RUN_KINDS = ("score", "start", "project")


def taken_names(
    labels: LabelField, views: Iterable[str] | None = (), tags: Iterable[str] = ()
) -> list[str]:
    """Return what a user has under names of ours, in words; empty when nothing is in the way.

    Parameters
    ----------
    labels : LabelField
    views, tags : iterable of str, optional
        Further saved views and tags of ours that are about to be written; with None for `views`,
        no view is.
    """
    fields = _fields(labels)
    found = [f"the field {name!r}" for name in fields]
    if not fields:
        found += _values(labels)
    found += [f"the tag {tag!r}" for tag in _tags(labels, tags)]
    if views is not None:
        found += [f"the saved view {name!r}" for name in _views(labels, views)]
    found += [f"the evaluation {key!r}" for key in _evaluations(labels)]
    return found + [f"the run {key!r}" for key in _runs(labels)]


def check_names(
    labels: LabelField, views: Iterable[str] | None = (), tags: Iterable[str] = ()
) -> None:
    """Refuse to go on where a user has something under a name of ours; see `taken_names`.

    Raises
    ------
    DataError
        Names everything that is in the way, and the way out.
    """
    check_not_renamed(labels)
    found = taken_names(labels, views, tags)
    if not found:
        return
    fix = "Rename or delete them"
    runs = _runs(labels)
    if len(found) > len(runs) and labels.score_record() is None:
        prefix = f"{labels.names.prefix}qa_"
        fix += (
            f', or give our names a prefix: CleaningLoop(dataset, prefix="{prefix}"), on the '
            f"command line --prefix {prefix}"
        )
    renamed = "; ".join(f"dataset.rename_run({key!r}, NEW_KEY)" for key in runs)
    raise DataError(
        f"dataset {labels.dataset.name!r} has {', '.join(found)}, which no cleaning on record put "
        "there; they would be overwritten.",
        f"{fix}. For a run: {renamed}." if runs else f"{fix}.",
    )


def _fields(labels: LabelField) -> list[str]:
    dataset = labels.dataset
    found = [
        name
        for name in labels.names.fields()
        if dataset.has_field(name) and not ownership.is_ours(dataset, name)
    ]
    found += labels.taken_values()
    evaluated = dataset.list_evaluations()
    pattern = _evaluation_pattern(labels)
    return found + [
        name
        for name in dataset.get_field_schema()
        if re.fullmatch(pattern, name) and name not in evaluated
    ]


def _values(labels: LabelField) -> list[str]:
    """Return the first labels that are there although no event put them there."""
    original = labels.names.original
    if labels.has_rounds() or not labels.dataset.has_field(original):
        return []
    n = labels.count(Selection(Split.EVERYTHING, has=(original,)))
    return [f"values in {original!r} ({n} {labels.things})"] if n else []


def _tags(labels: LabelField, tags: Iterable[str]) -> list[str]:
    """Return tags of ours by name: without rounds on record, they come from somewhere else."""
    samples, ours = labels.samples.everything(), labels.names
    there = [] if labels.has_rounds() else samples.distinct(labels.tags_path)
    found = set(ours.ours_among(there))
    for tag in tags:
        if labels.count(Selection(Split.EVERYTHING, with_tags=(tag,)), limit=1):
            found.add(tag)
    if ownership.is_ours(labels.dataset, ours.coreset_weight):
        found.discard(ours.coreset)
    return sorted(found)


def _views(labels: LabelField, views: Iterable[str]) -> list[str]:
    # FiftyOne knows a view by its slug.
    there = {to_slug(name): name for name in labels.dataset.list_saved_views()}
    others = [there.get(to_slug(name)) for name in (labels.names.coreset_view, *views)]
    return [
        name
        for name in dict.fromkeys(others)
        if name is not None and not ownership.is_our_view(labels.dataset, labels.names, name)
    ]


def _evaluation_pattern(labels: LabelField) -> str:
    key = re.escape(labels.names.evaluation_key(0)).replace("000", r"\d{3,}")
    return f"{key}(_new)?"


def _evaluations(labels: LabelField) -> list[str]:
    dataset, pattern = labels.dataset, _evaluation_pattern(labels)
    return [
        key
        for key in dataset.list_evaluations()
        if re.fullmatch(pattern, key) and not _is_our_evaluation(labels, key)
    ]


def _is_our_evaluation(labels: LabelField, key: str) -> bool:
    config: Any = labels.dataset.get_evaluation_info(key).config
    return getattr(config, "pred_field", None) == labels.names.prediction


def _runs(labels: LabelField) -> list[str]:
    keys = [field_run_key(kind, labels.name) for kind in _RUN_KINDS]
    pattern = field_run_key("evaluation", labels.name) + r"_\d{3,}"
    there = [key for key in labels.dataset.list_runs() if key in keys or re.fullmatch(pattern, key)]
    return [key for key in there if not ownership.is_our_run(labels.dataset, key, labels.name)]


def check_not_renamed(labels: LabelField) -> None:
    """Refuse to go on without what tells of verdicts, when it has only got another name.

    Raises
    ------
    DataError
        Names the field or run, and how to rename it back.
    """
    for key, old in Records(labels.dataset).renamed().items():
        raise DataError(
            f"run {key!r} of dataset {labels.dataset.name!r} is our {old!r} under another key, and "
            "what it recorded is looked for there.",
            f"Rename it back: dataset.rename_run({key!r}, {old!r}). To give it up: "
            f"dataset.delete_run({key!r})",
        )
    if labels.score_record() is None:
        return
    dataset, ours = labels.dataset, labels.names
    for name in (ours.original, ours.weight, ours.review):
        other = None if dataset.has_field(name) else ownership.field_made_as(dataset, name)
        if other is not None:
            raise DataError(
                f"field {other!r} of dataset {dataset.name!r} is our {name!r} under another name, "
                "and what verdicts did is kept there.",
                f"Rename it back: dataset.rename_sample_field({other!r}, {name!r}). To give it up: "
                f"dataset.delete_sample_field({other!r})",
            )
