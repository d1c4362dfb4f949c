r"""The way to Label Studio and back, beside FiftyOne's built-in Label Studio backend.

    scripts/bench labelstudio --json labelstudio.json

One real server that holds tasks of others as well, both with local files and a legacy token. At
every size, a dataset of its own for each: push that many tasks, answer them through the server's
API, pull. The ratios are of medians over several runs of the first size, after a small one that is
not counted. Each run is in a process of its own as a user's would be: what an earlier run leaves
in memory makes Python's collector slow. The server has such a collector as well; it may clear up
after one way in the next, 0.2 to 0.3 s, so the two take turns at being first. Then the contract
test that injects faults between client and server, for its counts.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from _measure import write_json
from _options import parse

ROOT = Path(__file__).resolve().parents[2]
WRONG = 0.1
FIELD = "ground_truth"
NAMES = ("even", "odd")
WIDTH = 512  # numbers in an embedding, as of ResNet18


def make_dataset(name: str, folder: Path, n: int) -> tuple[Any, dict[str, str]]:
    """Handwritten digits named even or odd, some of them wrongly, n of them given as even.

    Scored, since a user sends to review what importance has found, whichever way it is sent.
    """
    import fiftyone as fo
    from PIL import Image
    from sklearn.datasets import load_digits

    from coreset_cleaning import CleaningLoop

    digits = load_digits()
    rng = np.random.default_rng(0)
    to_width = rng.normal(0, 1 / 8, (64, WIDTH))
    folder.mkdir(parents=True)
    samples, truths = [], []
    while n:
        index = len(samples)
        row = index % len(digits.target)
        true = NAMES[digits.target[row] % 2]
        given = NAMES[1 - NAMES.index(true)] if rng.random() < WRONG else true
        # The second copy is no duplicate.
        vector = (digits.data[row] + rng.normal(0, 1, 64)) @ to_width
        path = folder / f"{index:05d}.png"
        Image.fromarray((255 - digits.images[row] * (255 / 16)).astype(np.uint8)).save(path)
        samples.append(
            fo.Sample(
                filepath=str(path),
                resnet18_embedding=vector.astype(np.float32),
                **{FIELD: fo.Classification(label=given)},
            )
        )
        truths.append(true)
        n -= given == "even"
    dataset = fo.Dataset(name)
    ids = dataset.add_samples(samples)
    del samples  # FiftyOne would read each anew after every write
    CleaningLoop(dataset, label_field=FIELD).compute_importance()
    return dataset, dict(zip(ids, truths, strict=True))


def populate(process: Any, others: int) -> None:
    """Give the server tasks of somebody else, as one in use has."""
    from coreset_cleaning import LabelStudioServer

    server = LabelStudioServer(process.url, process.admin_token)
    config = '<View><Image name="image" value="$image"/></View>'
    project = server.post("api/projects/", {"title": "Others", "label_config": config})["id"]
    task = {"data": {"image": "http://127.0.0.1/1.jpg"}}
    for _ in range(0, others, 1000):
        server.post(f"api/projects/{project}/import", [task] * min(others, 1000))


@dataclass(frozen=True)
class Server:
    """What a run needs to know of the server."""

    url: str
    admin_token: str
    document_root: Path


def alone(way: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Call one of the ways in a process of its own, which has imported what both import first."""
    with get_context("spawn").Pool(1, import_libraries) as pool:
        return pool.apply(way, arguments)


def import_libraries() -> None:
    import label_studio_sdk.converter.brush  # noqa: F401
    import lxml.etree  # noqa: F401

    from coreset_cleaning import CleaningLoop, LabelStudioServer  # noqa: F401


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def is_right(dataset: Any, truth: dict[str, str], reviewed: set[str], given: dict[str, str]) -> int:
    """How many samples have the label they should have: true if reviewed, else as it was."""
    dataset.reload()
    now = dict(zip(*dataset.values(["id", f"{FIELD}.label"]), strict=True))
    return sum(now[i] == (truth[i] if i in reviewed else given[i]) for i in given)


def ours(process: Server, name: str, n: int) -> dict[str, Any]:
    from coreset_cleaning import CleaningLoop, LabelStudioServer
    from demonstration.reviewer import SimulatedReviewer

    dataset, truth = make_dataset(f"bench-{name}", process.document_root / name, n)
    try:
        given = dict(zip(*dataset.values(["id", f"{FIELD}.label"]), strict=True))
        loop = CleaningLoop(dataset, label_field=FIELD)
        server = LabelStudioServer(process.url, process.admin_token)
        server.get("api/version")
        report, push = timed(
            lambda: loop.push_round(
                server,
                n=n,
                controls=0,
                class_of_interest="even",
                images="local",
                images_root=process.document_root,
            )
        )
        SimulatedReviewer(
            process.url,
            process.admin_token,
            truth,
            rival="odd",
            dataset_id=str(dataset._doc.id),
            label_field=FIELD,
            n_classes=2,
        ).answer_round(report.project)
        _, pull = timed(lambda: loop.pull_reviews(server))
        reviewed = {i for i, label in given.items() if label == "even"}
        right = is_right(dataset, truth, reviewed, given)
        return {"push_seconds": push, "pull_seconds": pull, "right": right, "samples": len(given)}
    finally:
        dataset.delete()


def builtin(process: Server, name: str, n: int) -> dict[str, Any]:
    from fiftyone import ViewField as F

    from coreset_cleaning import LabelStudioServer

    dataset, truth = make_dataset(f"bench-{name}", process.document_root / name, n)
    access = {"url": process.url, "api_key": process.admin_token}
    try:
        given = dict(zip(*dataset.values(["id", f"{FIELD}.label"]), strict=True))
        view = dataset.match(F(f"{FIELD}.label") == "even")
        server = LabelStudioServer(process.url, process.admin_token)
        server.get("api/version")
        results, push = timed(
            lambda: view.annotate(
                "review", backend="labelstudio", label_field=FIELD, classes=list(NAMES), **access
            )
        )

        def answer(item: tuple[int, str]) -> None:
            result = {
                "from_name": FIELD,
                "to_name": "image",
                "type": "choices",
                "value": {"choices": [truth[item[1]]]},
            }
            server.post(f"api/tasks/{item[0]}/annotations/", {"result": [result]})

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(answer, results.uploaded_tasks.items()))
        error = ""
        begin = time.perf_counter()
        try:
            dataset.load_annotations("review", unexpected="ignore", **access)
        except Exception as failure:
            error = f"{type(failure).__name__}: {str(failure)[:200]}"
        pull = time.perf_counter() - begin
        reviewed = {i for i, label in given.items() if label == "even"}
        return {
            "push_seconds": push,
            "pull_seconds": pull,
            "right": is_right(dataset, truth, reviewed, given),
            "samples": len(given),
            "labels_left": dataset.count(f"{FIELD}.label"),
            "error": error,
        }
    finally:
        dataset.delete()


def count_faults() -> dict[str, int]:
    """The counts of the contract test that injects faults, run as it is."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/contract/test_faults.py"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.search(r"injected: (\d+).*duplicates (\d+), losses (\d+)", output)
    sheets = re.search(r"faults around sheets: (\d+)", output)
    if not found or not sheets:
        raise SystemExit(f"tests/contract/test_faults.py printed no counts:\n{output[-2000:]}")
    names = ("faults", "duplicates", "losses", "faults_around_sheets")
    return dict(zip(names, map(int, (*found.groups(), *sheets.groups())), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,2000", help="tasks; ratios are of the first")
    parser.add_argument("--runs", type=int, default=6, help="of the first size (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=50, help="tasks, not counted (%(default)s)")
    parser.add_argument("--others", type=int, default=10_000, help="tasks of somebody else's")
    parser.add_argument(
        "--faults",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="inject faults as well (%(default)s)",
    )
    args = parse(parser, database=True, sizes="20", runs=1, others=100, warm_up=0, faults=False)
    import fiftyone as fo

    from label_studio_server import LabelStudioProcess

    sizes = [int(size) for size in args.sizes.split(",")]
    report: dict[str, Any] = {"sizes": {}}
    with tempfile.TemporaryDirectory() as home:
        root = Path(home) / "images"
        root.mkdir()
        os.environ["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] = str(root)
        os.environ["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] = "true"
        with LabelStudioProcess(Path(home) / "data", document_root=root) as process:
            populate(process, args.others)
            fo.list_datasets()  # the database stays up for as long as this process does
            server = Server(process.url, process.admin_token, root)
            ways = [("ours", ours), ("builtin", builtin)]
            for name, way in ways if args.warm_up else ():
                alone(way, server, f"{name}-warm-up", args.warm_up)
            for n in sizes:
                runs = args.runs if n == sizes[0] else 1
                rows: dict[str, list[dict[str, Any]]] = {"ours": [], "builtin": []}
                report["sizes"][n] = rows
                for run in range(runs):
                    for name, way in ways if run % 2 == 0 else reversed(ways):
                        row = alone(way, server, f"{name}-{n}-{run}", n)
                        rows[name].append(row)
                        print(
                            f"{n} tasks, {name}: push {row['push_seconds']:.2f} s, pull "
                            f"{row['pull_seconds']:.2f} s, {row['right']} of {row['samples']} "
                            f"labels right {row.get('error', '')}",
                            flush=True,
                        )
    first, last = report["sizes"][sizes[0]], report["sizes"][sizes[-1]]
    for key in ("push", "pull"):
        report[f"{key}_ratio"] = float(
            np.median([row[f"{key}_seconds"] for row in first["builtin"]])
            / np.median([row[f"{key}_seconds"] for row in first["ours"]])
        )
    for name, found in last.items():
        report[f"{name}_correct_at_{sizes[-1]}"] = all(
            row["right"] == row["samples"] for row in found
        )
    if args.faults:
        report.update(count_faults())
    print({key: value for key, value in report.items() if key != "sizes"})
    write_json(args.json, report)


if __name__ == "__main__":
    main()
