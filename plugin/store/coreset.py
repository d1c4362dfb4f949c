"""The coreset on the dataset: a tag, a field with the weights, and a saved view."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo

from . import appearance, ownership
from .labels import LabelField
from .selection import Selection, Split


def write_coreset(labels: LabelField, weights: Mapping[str, float]) -> None:
    """Replace the coreset by these labels, a mapping from label id to weight."""
    ours = labels.names
    text = appearance.descriptions(labels.names)[ours.coreset_weight]
    ownership.declare(labels.dataset, ours.coreset_weight, text, ftype=fo.FloatField)
    ids, tags_of = labels.values(
        Selection(Split.VIEW, with_tags=(ours.coreset,)), [labels.tags_path]
    )
    labels.set_tags(
        {i: [t for t in tags if t != ours.coreset] for i, tags in zip(ids, tags_of, strict=True)}
    )
    [ids] = labels.values(Selection(Split.VIEW, has=(ours.coreset_weight,)), [])
    labels.set_values(ours.coreset_weight, dict.fromkeys(ids))
    labels.set_values(ours.coreset_weight, weights)
    tags = labels.columns(["tags"], weights)
    labels.set_tags({i: [*others, ours.coreset] for i, (others,) in tags.items()})
    ownership.save_view(
        labels.dataset,
        ours.coreset_view,
        labels.to_save(Selection(Split.DATASET, with_tags=(ours.coreset,))),
        "a small weighted set to train on",
    )
