"""The coreset on the dataset: a tag, a field with the weights, and a saved view."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo

from . import appearance, ownership
from .labels import LabelField


def write_coreset(labels: LabelField, weights: Mapping[str, float]) -> None:
    """Replace the coreset by these labels, a mapping from label id to weight."""
    ours, view = labels.names, labels.samples.view
    text = appearance.descriptions(labels.names)[ours.coreset_weight]
    ownership.declare(labels.dataset, ours.coreset_weight, text, ftype=fo.FloatField)
    view.match_tags(ours.coreset).untag_samples(ours.coreset)
    view.clear_sample_field(ours.coreset_weight)
    labels.set_values(ours.coreset_weight, weights)
    tags = labels.columns(["tags"], weights)
    labels.set_tags({i: [*others, ours.coreset] for i, (others,) in tags.items()})
    ownership.save_view(
        labels.dataset,
        ours.coreset_view,
        labels.dataset.match_tags(ours.coreset),
        "a small weighted set to train on",
    )
