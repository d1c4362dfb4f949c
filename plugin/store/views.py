"""The views a user works in: a class's queue, each round, what became of the samples."""

from __future__ import annotations

import hashlib
from typing import Any

from fiftyone import ViewField as F
from fiftyone.core.utils import to_slug

from ..core.errors import DataError
from ..core.review.palette import OUTCOME_COLORS
from ..core.review.verdicts import Outcome
from . import names
from .rounds import Round
from .samples import Samples

# These wait for an answer, or have a final one. Unsure ones and conflicts come up again.
_OUT_OF_QUEUE = [
    names.TAG_QUEUED,
    *(names.OUTCOME_TAGS[o] for o in (Outcome.KEPT, Outcome.RELABELED, Outcome.DELETED)),
]


def scored_view(samples: Samples, field: str = names.IMPORTANCE) -> Any:
    """Return the samples outside the test split that have a score: importance, or another one.

    Raises
    ------
    DataError
        When importance has not been computed.
    """
    if not samples.dataset.has_field(field):
        raise DataError(
            f"dataset {samples.dataset.name!r} must have the field {field!r}; it does "
            "not exist. Compute it first: `coreset-cleaning score` or "
            "CleaningLoop.compute_importance()."
        )
    return samples.train_view().exists(field)


def queue_view(samples: Samples, class_name: str, limit: int | None = None) -> Any:
    """Return the unreviewed samples of a class, most important first.

    Raises
    ------
    DataError
        When importance has not been computed, or no sample has that label.
    """
    scored = scored_view(samples)
    if not samples.has_class(class_name):
        classes = samples.classes()
        shown = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
        raise DataError(
            f"class must be one of field {samples.label_field!r} ({shown}), got {class_name!r}."
        )
    view = (
        scored.match(F(f"{samples.label_field}.label") == class_name)
        .match(F(names.WEIGHT) > 0)
        .match_tags(_OUT_OF_QUEUE, bool=False)
        .sort_by(names.IMPORTANCE, reverse=True)
    )
    return view.limit(limit) if limit else view


def save_queue_view(samples: Samples, class_name: str) -> str:
    """Save a class's queue as a view of the dataset; return the view's name."""
    name = names.queue_view_name(class_name)
    # FiftyOne knows a view by its slug, and "C", "c" and "c++" have the same one.
    taken = {to_slug(other): other for other in samples.dataset.list_saved_views()}
    if taken.get(to_slug(name), name) != name:
        name += " " + hashlib.sha256(class_name.encode()).hexdigest()[:6]
    description = f"Unreviewed samples labeled {class_name}, most important first"
    samples.dataset.save_view(
        name, queue_view(samples, class_name), description=description, overwrite=True
    )
    return name


def save_round_views(samples: Samples, round_: Round) -> None:
    """Save the views of a round and of each outcome."""
    samples.dataset.save_view(
        names.round_view_name(round_.number),
        samples.view.match_tags(names.round_tag(round_.number)).sort_by(
            names.IMPORTANCE, reverse=True
        ),
        description=f"Round {round_.number}: samples labeled {round_.class_of_interest}",
        overwrite=True,
    )
    for outcome, name in names.OUTCOME_VIEWS.items():
        if not samples.dataset.has_saved_view(name):
            samples.dataset.save_view(
                name,
                samples.view.match_tags(names.OUTCOME_TAGS[outcome]),
                description=f"Samples that reviewers {_PAST[outcome]}",
                color=OUTCOME_COLORS[outcome],
            )


_PAST = {
    Outcome.KEPT: "found right",
    Outcome.DELETED: "deleted (weight 0; nothing is removed)",
    Outcome.RELABELED: "gave another label",
    Outcome.CONFLICT: "disagree about",
}
