"""The names of everything this project puts on a dataset."""

from __future__ import annotations

import re

from ..core.review.verdicts import Outcome

EMBEDDINGS = "resnet18_embedding"
IMPORTANCE = "coreset_importance"
SUGGESTED = "suggested_label"
DISAGREEMENT = "knn_disagreement"
INFLUENCE = "training_influence"
WEIGHT = "sample_weight"
ORIGINAL = "original_label"
REVIEW = "cleaning_review"
PREDICTION = "cleaning_prediction"

TAG_QUEUED = "cleaning:queued"
TAG_UNREADABLE = "cleaning:unreadable"
OUTCOME_TAGS = {outcome: f"cleaning:{outcome.value}" for outcome in Outcome}

RUN_METHOD = "coreset_cleaning"


def round_tag(number: int) -> str:
    """Return the tag of a round's samples, for example ``cleaning:round-003``."""
    return f"cleaning:round-{number:03d}"


def round_run_key(number: int) -> str:
    """Return the key of a round's custom run, for example ``cleaning_round_003``."""
    return f"cleaning_round_{number:03d}"


def field_run_key(kind: str, field: str) -> str:
    """Return a run key for a field: FiftyOne wants a Python identifier, fields may hold dots."""
    return f"cleaning_{kind}_" + re.sub(r"\W", "_", field)


def queue_view_name(class_name: str) -> str:
    """Return the name of the saved view that holds a class's review queue."""
    return f"cleaning queue {class_name}"


def round_view_name(number: int) -> str:
    """Return the name of the saved view that holds a round."""
    return f"cleaning round {number:03d}"


OUTCOME_VIEWS = {
    Outcome.KEPT: "cleaning kept",
    Outcome.DELETED: "cleaning deleted",
    Outcome.RELABELED: "cleaning relabeled",
    Outcome.CONFLICT: "cleaning conflict",
}
