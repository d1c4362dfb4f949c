"""Objects: crops per second beside FiftyOne's `compute_patch_embeddings`, in turns."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np


def dataset_of_objects(paths: list[str], boxes: int, classes: int = 10) -> Any:
    """Images with boxes of random places and shapes, a sixth to a third of the image wide."""
    import fiftyone as fo

    rng = np.random.default_rng(0)
    dataset = fo.Dataset()
    samples = []
    for path in paths:
        sample = fo.Sample(filepath=path)
        objects = []
        for _ in range(boxes):
            w, h = rng.uniform(1 / 6, 1 / 3, 2)
            box = [rng.uniform(0, 1 - w), rng.uniform(0, 1 - h), w, h]
            objects.append(fo.Detection(label=str(rng.integers(classes)), bounding_box=box))
        sample["ground_truth"] = fo.Detections(detections=objects)
        samples.append(sample)
    dataset.add_samples(samples)
    return dataset


def bench_crops(
    paths: list[str],
    weights: Path,
    theirs: Any,
    *,
    boxes: int,
    image_size: int,
    rounds: int,
    batch_size: int,
) -> dict[str, Any]:
    """Embed the same boxes with the same network both ways; the best round of each counts."""
    from coreset_cleaning import CleaningLoop

    dataset = dataset_of_objects(paths, boxes)
    crops = len(paths) * boxes
    loop = CleaningLoop(dataset)

    def ours() -> None:
        again = dataset.has_field(loop.labels.embeddings_field)
        report = loop.compute_embeddings(weights=weights, image_size=image_size, overwrite=again)
        assert report.computed == crops

    def fiftyone() -> None:
        dataset.compute_patch_embeddings(
            theirs,
            "ground_truth",
            embeddings_field="theirs",
            force_square=True,
            alpha=0.2,  # as our margin of a tenth on each side
            batch_size=batch_size,
        )

    rates: dict[str, list[float]] = {"ours": [], "fiftyone": []}
    cpu_rates: dict[str, list[float]] = {"ours": [], "fiftyone": []}
    for _ in range(rounds):
        for name, way in (("ours", ours), ("fiftyone", fiftyone)):
            begin, cpu = time.perf_counter(), sum(os.times()[:4])
            way()
            rates[name].append(crops / (time.perf_counter() - begin))
            cpu_rates[name].append(crops / (sum(os.times()[:4]) - cpu))
            print(
                f"  {name:10} {rates[name][-1]:8.1f} crops/s, "
                f"{cpu_rates[name][-1]:8.1f} crops/s of CPU time",
                flush=True,
            )
    dataset.delete()
    best = {name: max(values) for name, values in rates.items()}
    cpu_best = {name: max(values) for name, values in cpu_rates.items()}
    return {
        "crops": crops,
        "boxes_per_image": boxes,
        "crops_per_second": best["ours"],
        "fiftyone_crops_per_second": best["fiftyone"],
        "crops_ratio_vs_fiftyone": best["ours"] / best["fiftyone"],
        # In CPU time, which other programs on the machine disturb less.
        "crops_ratio_vs_fiftyone_cpu": cpu_best["ours"] / cpu_best["fiftyone"],
    }
