"""The views a user works in: queues, each round, what became of the labels."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from fiftyone.core.utils import to_slug

from ..core.errors import DataError
from ..core.review.round import Round
from ..core.review.scope import Scope
from ..core.review.verdicts import Outcome
from . import ownership
from .labels import LabelField
from .selection import Selection, Split


def scored(labels: LabelField, field: str | None = None) -> Selection:
    """Return the labels outside the test split that have a score: importance, or another one.

    Raises
    ------
    DataError
        When importance has not been computed for this label field.
    """
    field = field or labels.names.importance
    if not (labels.is_scored() and ownership.is_ours(labels.dataset, field)):
        raise DataError(
            f"field {labels.name!r} of dataset {labels.dataset.name!r} must have been scored: "
            f"{field!r} does not exist.",
            "Compute it first: `coreset-cleaning score` or loop.compute_importance().",
        )
    return Selection(has=(field,))


def unscored(labels: LabelField, class_name: str | None) -> Selection:
    """Return the labels of a class, or of all, outside the test split that have no score."""
    lacks = (labels.names.importance,) if labels.is_scored() else ()
    return replace(_of_class(labels, Selection(), class_name), lacks=lacks)


def sure_labels(labels: LabelField, class_name: str, n: int) -> list[str]:
    """Return the ids of a class's labels that are least likely to be wrong, the surest first.

    Without those in review, and those that reviewers deleted, could not tell or differ about.
    """
    ours = labels.names
    doubted = [ours.outcome_tag(o) for o in Outcome if not o.decides or o is Outcome.DELETED]
    wanted = replace(
        _of_class(labels, scored(labels), class_name),
        counted_by=ours.weight,
        without_tags=(ours.queued, *doubted),
        sorted_by=ours.importance,
        lowest_first=True,
    )
    [ids] = labels.values(wanted, [], limit=n)
    return ids


def queue(labels: LabelField, *classes: str | None) -> Selection:
    """Return the unreviewed labels of classes, most important first; of any class, even none.

    For the class None, those of the whole dataset.
    """
    ours = labels.names
    # Unsure ones and conflicts come up again.
    done = [ours.queued, *(ours.outcome_tag(outcome) for outcome in Outcome if outcome.decides)]
    return replace(
        _of_class(labels, scored(labels), *classes),
        counted_by=ours.weight,
        without_tags=tuple(done),
        sorted_by=ours.importance,
    )


def _of_class(labels: LabelField, selection: Selection, *classes: str | None) -> Selection:
    named = tuple(name for name in classes if name is not None)
    if named:
        return replace(selection, classes=named)
    return replace(selection, has=(*selection.has, labels.path))


def known_queue(labels: LabelField, class_name: str | None) -> Selection:
    """Return the queue of a class that there is, or of the whole dataset.

    Raises
    ------
    DataError
        When importance has not been computed, or there is no such class.
    """
    found = queue(labels, class_name)
    if class_name is not None and not labels.has_class(class_name):
        classes = labels.classes()
        shown = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
        raise DataError(
            f"class must be one of field {labels.name!r} ({shown}), got {class_name!r}.",
            "Name one of these.",
        )
    return found


def queue_view_name(labels: LabelField, class_name: str | None) -> str:
    """Return the name that a queue has or will have among the saved views."""
    name = labels.names.queue_view(class_name)
    # FiftyOne knows a view by its slug, and "C", "c" and "c++" have the same one.
    taken = {to_slug(other): other for other in labels.dataset.list_saved_views()}
    other = taken.get(to_slug(name), name)
    if other != name and ownership.is_our_view(labels.dataset, labels.names, other):
        name += " " + hashlib.sha256((class_name or "").encode()).hexdigest()[:6]
    return name


def save_queue_view(labels: LabelField, class_name: str | None) -> str:
    """Save a queue as a view of the dataset; return the view's name."""
    name = queue_view_name(labels, class_name)
    things = labels.things
    what = f"{things} of all classes" if class_name is None else f"{things} labeled {class_name}"
    ownership.save_view(
        labels.dataset,
        name,
        labels.to_save(queue(labels, class_name)),
        f"unreviewed {what}, most important first",
    )
    return name


def save_round_views(labels: LabelField, round_: Round) -> None:
    """Save the views of a round and of each outcome, of the whole dataset."""
    ours, dataset = labels.names, labels.dataset
    ownership.save_view(
        dataset,
        ours.round_view(round_.number),
        labels.to_save(
            Selection(
                Split.DATASET,
                with_tags=(ours.round_tag(round_.number),),
                sorted_by=ours.importance,
            )
        ),
        f"round {round_.number}, {_shown(labels, round_)}",
    )
    for outcome in labels.outcomes_with_a_view():
        name = ours.outcome_view(outcome)
        if not ownership.is_up_to_date(dataset, name):
            ownership.save_view(
                dataset,
                name,
                labels.to_save(Selection(Split.DATASET, with_tags=(ours.outcome_tag(outcome),))),
                f"{labels.things} that reviewers {outcome.done_by_reviewers}",
                color=outcome.color,
            )


def _shown(labels: LabelField, round_: Round) -> str:
    if round_.scope is Scope.DATASET:
        return f"{labels.things} of the whole dataset"
    return f"{labels.things} labeled {round_.reviewed_what}"
