"""Two Ray workers beside one process, on the same cores: embeddings and importance.

    scripts/bench ray --data photos.parquet --weights resnet18.safetensors --json ray.json

Starting actors takes seconds that only small work notices: embeddings are timed by the images
beyond the first ones, importance from when the actors hold their rows. `*_with_start` has all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import write_json
from _options import parse
from embed import dataset_of, image_files, seconds, weights_file

# This file's name is that of the library it measures.
sys.path.remove(str(Path(__file__).resolve().parent))
START_IMAGES = 512


def bench_embedding(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from coreset_cleaning import CleaningLoop

    paths = image_files(folder, args.data, args.images)
    options = {"weights": weights_file(folder, args.weights), "image_size": args.image_size}
    dataset = dataset_of(paths)

    def run(view: Any, field: str, **engine: Any) -> float:
        def call() -> None:
            CleaningLoop(view, embeddings_field=field).compute_embeddings(
                **options, **engine, overwrite=dataset.has_field(field)
            )

        return seconds(call)

    first = min(START_IMAGES, len(paths) // 2)
    on_ray = {"engine": "ray", "num_workers": args.workers}
    run(dataset.limit(128), "one")  # libraries are loaded by now
    rates: dict[str, list[float]] = {"one": [], "ray": [], "ray_with_start": []}
    for _ in range(args.rounds):
        rates["one"].append(len(paths) / run(dataset, "one"))
        start = run(dataset.limit(first), "ray", **on_ray)
        whole = run(dataset, "ray", **on_ray)
        rates["ray"].append((len(paths) - first) / (whole - start))
        rates["ray_with_start"].append(len(paths) / whole)
        print("  images/s", {name: round(values[-1], 1) for name, values in rates.items()})
    a, b = (np.stack(dataset.values(field)) for field in ("one", "ray"))
    dataset.delete()
    best = {name: max(values) for name, values in rates.items()}
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {
        "images": len(paths),
        "one_images_per_second": best["one"],
        "ray_images_per_second": best["ray"],
        "embedding_ratio": best["ray"] / best["one"],
        "embedding_ratio_with_start": best["ray_with_start"] / best["one"],
        "smallest_cosine": float(cosine.min()),
    }


def bench_importance(args: argparse.Namespace) -> dict[str, Any]:
    import fiftyone as fo

    from coreset_cleaning.core import score_labels
    from coreset_cleaning.ray.rows import RayRows
    from coreset_cleaning.store.vectors import read_vectors, write_vectors

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((args.classes, 512))
    true = rng.integers(0, args.classes, args.rows)
    given = np.where(rng.random(args.rows) < 0.05, (true + 1) % args.classes, true)
    X = (centres[true] + 2.5 * rng.standard_normal((args.rows, 512))).astype(np.float32)
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"{i}.jpg") for i in range(args.rows)])
    ids = dataset.values("id")
    for start in range(0, args.rows, 5_000):
        part = slice(start, start + 5_000)
        write_vectors(dataset, "e", dict(zip(ids[part], X[part], strict=True)))
    one, ray, with_start = [], [], []
    difference = 0.0
    for _ in range(args.rounds):
        _, read, _ = read_vectors(dataset, "e")
        begin = time.perf_counter()
        here = score_labels(read, given)
        one.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        rows = RayRows.of_field(dataset, "e", ids, args.workers)
        ready = time.perf_counter()
        there = score_labels(rows, given)
        end = time.perf_counter()
        rows.close()
        ray.append(end - ready)
        with_start.append(end - begin)
        difference = max(difference, float(np.abs(here.importance - there.importance).max()))
        print(f"  one {one[-1]:.1f} s, ray {ray[-1]:.1f} s, with start {with_start[-1]:.1f} s")
    dataset.delete()
    return {
        "rows": args.rows,
        "classes": args.classes,
        "one_seconds": min(one),
        "ray_seconds": min(ray),
        "ray_seconds_with_start": min(with_start),
        "importance_ratio": min(one) / min(ray),
        "max_abs_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="parquet file with a column `jpeg`")
    parser.add_argument("--weights", type=Path, help="state dict of ResNet18")
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rows", type=int, default=100_000, help="vectors to score (%(default)s)")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2, help="actors, one CPU each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="(%(default)s)")
    tiny = {"images": 64, "image_size": 64, "rows": 2_000, "classes": 5, "workers": 1, "rounds": 1}
    args = parse(parser, database=True, **tiny)
    from ray_cluster import RayCluster

    report: dict[str, Any] = {"workers": args.workers}
    with RayCluster(args.workers), tempfile.TemporaryDirectory() as folder:
        if args.images:
            report |= bench_embedding(args, Path(folder))
        if args.rows:
            report |= bench_importance(args)
    ratios = [report[key] for key in ("embedding_ratio", "importance_ratio") if key in report]
    report["ratio_vs_one_process"] = min(ratios)
    print(json.dumps(report, indent=2))
    write_json(args.json, report)


if __name__ == "__main__":
    main()
