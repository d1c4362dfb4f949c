"""The use case "which two classes are confused most", and the queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.errors import DataError
from ..core.judging.confusion import ConfusedPair, predict_confusion
from ..core.review.scope import Scope, read_scope
from ..store import views
from .workspace import Workspace


def find_confused_pair(work: Workspace) -> ConfusedPair:
    """Return the two classes that are confused most often; see `CleaningLoop`."""
    train, test = work.labels.train_rows(), work.labels.test_rows()
    return predict_confusion(
        train.embeddings,
        train.labels,
        train.classes,
        sample_weight=train.weights,
        test_embeddings=None if test is None else test.embeddings,
        test_labels=None if test is None else test.labels,
        random_state=work.random_state,
    )


def queue_view(
    work: Workspace,
    class_of_interest: str | None,
    scope: str | Sequence[str] | None,
    limit: int | None,
) -> Any:
    """Return unreviewed labels, most important first, and save their queues as views."""
    kind, asked = read_scope(scope, class_of_interest)
    classes: list[str | None] = [asked] if isinstance(asked, str) else list(asked or ())
    if kind is Scope.DATASET:
        classes = [None]
    if not classes:
        raise DataError(
            "queue_view needs a class or a scope, got neither.",
            'Name a class, or pass scope="dataset".',
        )
    work.labels.check_names(classes)
    for cls in classes:
        views.known_queue(work.labels, cls)
    for cls in classes:
        views.save_queue_view(work.labels, cls)
    view = work.labels.view(views.queue(work.labels, *classes))
    return view.limit(limit) if limit else view
