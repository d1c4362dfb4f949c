"""The coreset on the dataset: a tag, a field with the weights, and a saved view."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo

from .samples import Samples

TAG = "coreset"
WEIGHT = "coreset_weight"
VIEW = "coreset"


def write_coreset(samples: Samples, weights: Mapping[str, float]) -> None:
    """Replace the coreset by these samples, a mapping from sample id to weight."""
    dataset = samples.dataset
    samples.view.match_tags(TAG).untag_samples(TAG)
    dataset.add_sample_field(WEIGHT, fo.FloatField)
    samples.view.clear_sample_field(WEIGHT)
    samples.set_values(WEIGHT, weights)
    dataset.select(list(weights)).tag_samples(TAG)
    dataset.save_view(VIEW, samples.view.match_tags(TAG), overwrite=True)
