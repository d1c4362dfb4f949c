"""Time and memory of score_labels on synthetic data of growing size.

    scripts/bench scale --sizes 160000,1280000 --classes 1000 --json scale.json

Class centres plus noise, 5 % of the labels flipped, embeddings as a float16 memmap. Every size runs
in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import measure, write_json
from _options import parse

FLIPS = 0.05
BLOCK = 20_000


def synthesise(path: Path, rows: int, classes: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, width)).astype(np.float32)
    true = rng.integers(0, classes, rows)
    given = true.copy()
    flipped = rng.random(rows) < FLIPS
    given[flipped] = (true[flipped] + rng.integers(1, classes, flipped.sum())) % classes
    X = np.lib.format.open_memmap(path, "w+", np.float16, (rows, width))
    for start in range(0, rows, BLOCK):
        part = true[start : start + BLOCK]
        noise = rng.standard_normal((len(part), width), dtype=np.float32)
        X[start : start + BLOCK] = centres[part] + 2.5 * noise
    X.flush()
    return true, given


def one_size(path: Path, given: np.ndarray, true: np.ndarray, verdicts: int, pipe) -> None:
    from sklearn.metrics import average_precision_score

    from coreset_cleaning.core.scoring.importance import score_labels

    stages: list[tuple[str, float]] = []
    begin = time.perf_counter()

    def note(fraction: float, message: str) -> None:
        stages.append((message, round(time.perf_counter() - begin, 1)))
        print(f"  {stages[-1][1]:8.1f} s  {message}", flush=True)

    X = np.load(path, mmap_mode="r")
    scores, seconds, before, peak = measure(lambda: score_labels(X, given, progress=note))
    report = {
        "rows": len(given),
        "classes": int(true.max()) + 1,
        "seconds": seconds,
        "peak_rss_bytes": peak,
        "rss_before_bytes": before,
        "ap": float(average_precision_score(given != true, scores.importance)),
        "knn_ap": float(average_precision_score(given != true, scores.knn_disagreement)),
        "C": scores.model.C,
        "stages": stages,
    }
    first = np.argsort(-scores.importance)[:verdicts]
    fixed = given.copy()
    fixed[first] = true[first]
    begin = time.perf_counter()
    _, warm_seconds, _, _ = measure(
        lambda: score_labels(X, fixed, warm_start=scores.model, progress=note)
    )
    pipe.send({**report, "rescore_seconds": warm_seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="20000,40000,80000,160000", help="comma-separated rows")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--verdicts", type=int, default=50, help="relabels before rescoring")
    parser.add_argument("--folder", help="where the synthetic embeddings go (default: temporary)")
    args = parse(parser, sizes="2000", classes=10, width=32)
    reports = []
    context = multiprocessing.get_context("spawn")
    for rows in map(int, args.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            path = Path(folder) / "embeddings.npy"
            true, given = synthesise(path, rows, args.classes, args.width)
            print(f"{rows} rows, {args.classes} classes", flush=True)
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=one_size, args=(path, given, true, args.verdicts, sender)
            )
            process.start()
            sender.close()
            reports.append(receiver.recv())
            process.join()
        print(json.dumps({k: v for k, v in reports[-1].items() if k != "stages"}), flush=True)
        write_json(args.json, {"sizes": reports})


if __name__ == "__main__":
    main()
