"""The views a user works in: queues, each round, what became of the labels."""

from __future__ import annotations

import hashlib
from typing import Any

from fiftyone import ViewField as F
from fiftyone.core.utils import to_slug

from ..core.errors import DataError
from ..core.review.round import Round
from ..core.review.scope import Scope
from ..core.review.verdicts import Outcome
from . import ownership
from .labels import LabelField


def scored_view(labels: LabelField, field: str | None = None) -> Any:
    """Return the samples outside the test split that have a score: importance, or another one.

    Raises
    ------
    DataError
        When importance has not been computed for this label field.
    """
    field = field or labels.names.importance
    if not ownership.is_ours(labels.dataset, field):
        raise DataError(
            f"field {labels.name!r} of dataset {labels.dataset.name!r} must have been scored: "
            f"{field!r} does not exist.",
            "Compute it first: `coreset-cleaning score` or loop.compute_importance().",
        )
    return labels.samples.train_view().exists(field)


def unscored_view(labels: LabelField, class_name: str | None) -> Any:
    """Return the labels of a class, or of all, outside the test split that have no score."""
    view = _of_class(labels, labels.samples.train_view(), class_name)
    if not labels.is_scored():
        return view
    return view.exists(labels.names.importance, False)


def sure_labels(labels: LabelField, class_name: str, n: int) -> list[str]:
    """Return the ids of a class's labels that are least likely to be wrong, the surest first.

    Without those in review, and those that reviewers deleted, could not tell or differ about.
    """
    ours = labels.names
    doubted = [ours.outcome_tag(o) for o in Outcome if not o.decides or o is Outcome.DELETED]
    view = (
        _of_class(labels, scored_view(labels), class_name)
        .match(F(ours.weight) != 0)
        .match_tags([ours.queued, *doubted], bool=False)
        .sort_by(ours.importance)
        .limit(n)
    )
    ids: list[str] = view.values("id")
    return ids


def queue_of(labels: LabelField, class_name: str | None) -> Any:
    """Return the unreviewed labels of a class, most important first; of any class, even none.

    Without a class, those of the whole dataset.
    """
    ours = labels.names
    # Unsure ones and conflicts come up again.
    done = [ours.queued, *(ours.outcome_tag(outcome) for outcome in Outcome if outcome.decides)]
    return (
        _of_class(labels, scored_view(labels), class_name)
        .match(F(ours.weight) != 0)  # none at all means 1
        .match_tags(done, bool=False)
        .sort_by(ours.importance, reverse=True)
    )


def _of_class(labels: LabelField, view: Any, class_name: str | None) -> Any:
    if class_name is None:
        return view.exists(labels.path)
    return view.match(F(labels.path) == class_name)


def queue_view(labels: LabelField, class_name: str | None, limit: int | None = None) -> Any:
    """Return the unreviewed labels of a class, or of all, most important first.

    Raises
    ------
    DataError
        When importance has not been computed, or there is no such class.
    """
    view = queue_of(labels, class_name)
    if class_name is not None and not labels.has_class(class_name):
        classes = labels.classes()
        shown = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
        raise DataError(
            f"class must be one of field {labels.name!r} ({shown}), got {class_name!r}.",
            "Name one of these.",
        )
    return view.limit(limit) if limit else view


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
    what = "samples of all classes" if class_name is None else f"samples labeled {class_name}"
    ownership.save_view(
        labels.dataset,
        name,
        queue_of(labels, class_name),
        f"unreviewed {what}, most important first",
    )
    return name


def save_round_views(labels: LabelField, round_: Round) -> None:
    """Save the views of a round and of each outcome, of the whole dataset."""
    ours, dataset = labels.names, labels.dataset
    ownership.save_view(
        dataset,
        ours.round_view(round_.number),
        dataset.match_tags(ours.round_tag(round_.number)).sort_by(ours.importance, reverse=True),
        f"round {round_.number}, {_shown(round_)}",
    )
    for outcome in labels.outcomes_with_a_view():
        name = ours.outcome_view(outcome)
        if not ownership.is_up_to_date(dataset, name):
            ownership.save_view(
                dataset,
                name,
                dataset.match_tags(ours.outcome_tag(outcome)),
                f"samples that reviewers {outcome.done_by_reviewers}",
                color=outcome.color,
            )


def _shown(round_: Round) -> str:
    if round_.scope is Scope.DATASET:
        return "samples of the whole dataset"
    return f"samples labeled {round_.reviewed_what}"
