"""Many objects on few images: seconds and peak memory of each step, beside as many whole images.

    scripts/bench objects --labels 200000 --width 16 --made-up-scores --json objects.json

Made-up labels and vectors, class centres plus noise, 5 % of the labels flipped: once as
`Detections`, --boxes an image, once as one `Classification` an image. Documents are inserted
directly; no picture is opened. With --made-up-scores, random scores are written in place of
computed ones, for sizes at which the fit, which is the same for both, takes too long. Either kind
runs in a process of its own, through the public use cases: vectors and labels are read, all labels
are scored, the queue's head is read, a round is pushed to the App's desk, answered and looked back
at. Memory is that of the process; the database has its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from _measure import measure, resident_bytes, write_json
from _options import parse

KINDS = ("objects", "images")
FLIPS = 0.05
INSERTED = 20_000  # labels at once
MEGABYTE = 1e6


def made_up(n: int, classes: int, width: int) -> Any:
    """Yield the labels and vectors of n rows, in parts."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, width)).astype(np.float32)
    for start in range(0, n, INSERTED):
        true = rng.integers(0, classes, min(INSERTED, n - start))
        flipped = rng.random(len(true)) < FLIPS
        given = np.where(flipped, (true + rng.integers(1, classes, len(true))) % classes, true)
        noise = rng.standard_normal((len(true), width), dtype=np.float32)
        yield given, centres[true] + 2.5 * noise


def make_dataset(n: int, boxes: int, classes: int, width: int) -> Any:
    """A dataset with n labels, so many an image; none: whole images."""
    import fiftyone as fo
    from bson import ObjectId
    from fiftyone.core.utils import serialize_numpy_array

    from coreset_cleaning import CleaningLoop

    dataset = fo.Dataset()
    kind: Any = fo.Detection if boxes else fo.Classification
    label = kind(label="0", **({"bounding_box": [0, 0, 1, 1]} if boxes else {}))
    template = fo.Sample(filepath="0.jpg", tags=["train"])
    template["ground_truth"] = fo.Detections(detections=[label]) if boxes else label
    dataset.add_sample(template)  # declares the fields
    if boxes:
        from coreset_cleaning.store import crops
        from coreset_cleaning.store.crops import Embedded, ImageObjects

        field = CleaningLoop(dataset).labels.embeddings_field
        crops.declare_crops(dataset, field)
    else:
        field = "resnet18_embedding"
        dataset.add_sample_field(field, fo.VectorField)
    collection = dataset._sample_collection
    [stored] = collection.find()
    collection.delete_many({})
    rng = np.random.default_rng(1)
    for given, vectors in made_up(n, classes, width):
        per_image = boxes or 1
        samples, embedded = [], []
        for start in range(0, len(given), per_image):
            sample = {**stored, "_id": ObjectId(), "_rand": float(rng.random())}
            part = range(start, min(len(given), start + per_image))
            if boxes:
                places = [[0.8 * rng.random(), 0.8 * rng.random(), 0.2, 0.2] for _ in part]
                [first] = stored["ground_truth"]["detections"]
                objects = [
                    {**first, "_id": ObjectId(), "label": str(given[k]), "bounding_box": place}
                    for k, place in zip(part, places, strict=True)
                ]
                sample["ground_truth"] = {"_cls": "Detections", "detections": objects}
                ids = [str(found["_id"]) for found in objects]
                image = ImageObjects(str(sample["_id"]), "", ids, np.array(places))
                found = dict(zip(ids, vectors[start : start + per_image], strict=True))
                embedded.append(Embedded(image, found, set()))
            else:
                sample["ground_truth"] = {
                    **stored["ground_truth"],
                    "_id": ObjectId(),
                    "label": str(given[start]),
                }
                sample[field] = serialize_numpy_array(vectors[start])
            samples.append(sample)
        collection.insert_many(samples, ordered=False)
        if boxes:
            crops.write_crops(dataset, field, embedded)
    return dataset


def write_made_up_scores(loop: Any) -> None:
    """Read all labels and write scores that nothing computed, as `compute_importance` would."""
    from coreset_cleaning.core.scoring.importance import SCORER_VERSION
    from coreset_cleaning.store.marks import declare_review_fields
    from coreset_cleaning.store.scores import ScoreRecord

    rows = loop.labels.train_rows()
    n, rng = len(rows), np.random.default_rng(2)
    names = (
        "importance", "wrong_probability", "suggested_probability", "knn_disagreement", "influence"
    )  # fmt: skip
    scores = {name: rng.random(n) for name in names}
    shifted = (rows.labels + 1) % len(rows.classes)
    loop.labels.record_scores(
        ScoreRecord(
            embeddings_field=loop.labels.embeddings_field,
            model=None,
            probabilities_field=None,
            scorer_version=SCORER_VERSION,
            reliability=1.0,
            classes=list(rows.classes),
            rows=n,
            random_state=0,
            scored_at="2026-01-01T00:00:00+00:00",
        )
    )
    declare_review_fields(loop.labels)
    loop.labels.write_scores(
        rows, SimpleNamespace(**scores, suggested_class=shifted, second_class=rows.labels)
    )


def steps(dataset: Any, made_up_scores: bool) -> dict[str, Callable[[], Any]]:
    """The use cases by name, to be called one after another."""
    from coreset_cleaning import AppDesk, CleaningLoop

    loop = CleaningLoop(dataset)

    def read() -> None:
        assert loop.labels.train_rows().embeddings.shape[1]

    def queue() -> None:
        from coreset_cleaning.store import views

        everything = views.known_queue(loop.labels, None)
        assert len(loop.labels.values(everything, [], limit=50)[0]) == 50

    def answer() -> None:
        batch = loop.rounds.all()[-1].batch
        loop.record_verdicts(
            {
                item.sample_id: ("relabel", item.suggested_label) if k % 2 else "keep"
                for k, item in enumerate(batch)
            }
        )

    return {
        "read": read,
        "score": partial(write_made_up_scores, loop) if made_up_scores else loop.compute_importance,
        "queue": queue,
        "push": lambda: loop.push_round(AppDesk(), n=50, controls=5, scope="dataset"),
        "page": lambda: CleaningLoop(dataset).next_page(20),
        "answer": answer,
        "history": lambda: CleaningLoop(dataset).history(),
        "overview": lambda: CleaningLoop(dataset).overview(),
        "push_again": lambda: CleaningLoop(dataset).push_round(
            AppDesk(), n=50, controls=5, scope="dataset"
        ),
    }


def one_kind(boxes: int, args: argparse.Namespace, pipe: Any) -> None:
    begin = time.perf_counter()
    dataset = make_dataset(args.labels, boxes, args.classes, args.width)
    report: dict[str, Any] = {
        "samples": len(dataset),
        "made_seconds": time.perf_counter() - begin,
        "rss_before_bytes": resident_bytes(),
    }
    made = f"{report['rss_before_bytes'] / MEGABYTE:7.0f} MB"
    print(f"  {'made':11} {report['made_seconds']:8.2f} s, {made}", flush=True)
    try:
        for name, step in steps(dataset, args.made_up_scores).items():
            _, seconds, _, peak = measure(step)
            report |= {f"{name}_seconds": seconds, f"{name}_peak_rss_bytes": peak}
            print(f"  {name:11} {seconds:8.2f} s, {peak / MEGABYTE:7.0f} MB", flush=True)
    finally:
        dataset.delete()
    pipe.send(report)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument("--boxes", type=int, default=10, help="objects an image (%(default)s)")
    parser.add_argument("--classes", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--width", type=int, default=512, help="of a vector (%(default)s)")
    parser.add_argument("--made-up-scores", action="store_true", help="write some, fit nothing")
    parser.add_argument("--kinds", default=",".join(KINDS), help="(%(default)s)")
    args = parse(parser, database=True, labels=400, classes=3, width=16)
    report: dict[str, Any] = {"labels": args.labels, "width": args.width}
    context = multiprocessing.get_context("spawn")
    for kind in args.kinds.split(","):
        print(f"{args.labels} labels, {kind}", flush=True)
        receiver, sender = context.Pipe(duplex=False)
        boxes = args.boxes if kind == "objects" else 0
        process = context.Process(target=one_kind, args=(boxes, args, sender))
        process.start()
        sender.close()
        report[kind] = receiver.recv()
        process.join()
    print(json.dumps(report, indent=2))
    write_json(args.json, report)


if __name__ == "__main__":
    main()
