"""The demo from the first image to the report, once its database is there."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import time
from pathlib import Path
from typing import Any

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.cli import progress_bar, wait_for_reviews
from coreset_cleaning.core.errors import WeightsError
from coreset_cleaning.core.review.scope import WHOLE_DATASET, Scope
from demonstration import data, report
from demonstration.coco import coco
from demonstration.reviewer import AppReviewer, SimulatedReviewer
from label_studio_server import LabelStudioProcess
from own_database import free_port

OFFLINE_MODEL = "efficientnet-lite0"
# Images this small hold nothing that a larger input would show.
SMALL_IMAGE, SMALL_INPUT = 96, 112


def run(args: argparse.Namespace, run_folder: Path, cleanup: contextlib.ExitStack) -> None:
    """Prepare, run the rounds, report; servers are left to `cleanup`."""
    started = time.monotonic()
    name, images = prepare(args, run_folder / "images")
    known = all(image.true_label is not None for image in images if not image.test)
    if args.reviewer == "simulated" and not known:
        raise data.DataError(
            "--reviewer simulated needs the true labels, and this data has none.",
            "Use --reviewer human, or name their column with --true-label.",
        )
    train = sum(not image.test for image in images)
    print(f"{len(images)} images, {train} to be cleaned, {len(images) - train} held out.")

    dataset = data.build_dataset(f"coreset-cleaning-demo-{name}", images)
    loop = embed(dataset, args, images)
    with progress_bar("Importance") as progress:
        print(loop.compute_importance(progress=progress))
    pair = loop.find_confused_pair()
    # Of the whole dataset, no class is the class of interest.
    reviewed = None if args.scope == "dataset" else pair.class_of_interest
    print(
        f"Most confused: {pair.rate:.1%} of {pair.rival!r} in the test split are taken for "
        f"{pair.class_of_interest!r}. "
        + (f"So what is labeled {reviewed!r}" if reviewed else "The whole dataset")
        + " is reviewed."
    )
    baseline = loop.evaluate_round()
    print(baseline)

    if args.desk == "app" and args.reviewer == "human":
        review_in_the_app(dataset, loop)
        return
    process = None
    server: Any = AppDesk()
    truth, rival = data.truths(dataset, images), pair.rival if reviewed else None
    reviewer: SimulatedReviewer | AppReviewer | None = AppReviewer(loop, truth, rival)
    if args.desk == "labelstudio":
        print("Starting Label Studio …", flush=True)
        process = cleanup.enter_context(LabelStudioProcess(run_folder / "label-studio"))
        server = LabelStudioServer(process.url, process.admin_token)
        reviewer = None
        if args.reviewer == "simulated":
            reviewer = SimulatedReviewer(
                process.url,
                process.add_user("reviewer@example.com"),
                truth,
                rival=rival,
                dataset_id=loop.samples.dataset_id,
                label_field=data.LABEL_FIELD,
                n_classes=len(pair.classes),
            )
        else:
            print(f"Log in as {process.admin_email}, password {process.admin_password}")

    n = args.n or batch_size(images, reviewed)
    rows = []
    for _ in range(args.rounds):
        rows.append(one_round(loop, server, reviewer, n, args))
        print(report.table_line(rows[-1]) if len(rows) > 1 else report.table_start(rows[-1]))
    print(loop.yields())
    decision = loop.next_step()
    print(f"{decision.advice}: {' '.join(decision.reasons)}")

    result = {
        "data": name,
        "images": len(images),
        "scope": args.scope,
        "class_of_interest": reviewed or WHOLE_DATASET,
        "rival": pair.rival if reviewed else None,
        "random_precision": report.error_rate(images, reviewed) if known else None,
        "round_size": n,
        "network": loop.recorded_network(),
        "baseline": baseline.evaluation.to_dict(),
        "rounds": rows,
        "seconds": round(time.monotonic() - started, 1),
        "dataset": dataset.name,
        "label_studio": loop.history()[-1]["url"],
    }
    folder = Path(args.report)
    beside = [json.loads(Path(path).read_text()) for path in args.beside]
    written = report.write(folder, result, loop.history(), loop.importance_bars(), beside)
    for path in written:
        print(f"Report: {path}")
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=2) + "\n")
        print(f"Numbers: {args.json}")
    if args.keep:
        stay(dataset, process, result["label_studio"])


def prepare(args: argparse.Namespace, folder: Path) -> tuple[str, list[data.DemoImage]]:
    """Return the data set's name and images; those that are made go to `folder`."""
    print("Preparing the images …", flush=True)
    if args.data in ("digits", "fashion-mnist"):
        make = data.digits if args.data == "digits" else data.fashion_mnist
        return args.data, make(folder, args.seed, args.wrong, args.limit)
    path = Path(args.data)
    name = re.sub(r"\W+", "-", path.stem).strip("-") or "data"
    if path.is_dir():
        return name, data.image_folder(path, args.seed, args.limit)
    if path.suffix == ".parquet" and path.is_file():
        return name, data.parquet(
            path,
            folder,
            args.seed,
            args.limit,
            args.label,
            args.true_label,
            args.split,
        )
    if path.suffix == ".json" and path.is_file():
        return name, coco(path, args.seed, args.wrong, args.limit)
    raise data.DataError(
        "--data must be digits, fashion-mnist, a folder with one subfolder for each class, a "
        f".parquet file or a COCO .json file, got {args.data!r}.",
        "Choose one of these.",
    )


def embed(dataset: Any, args: argparse.Namespace, images: list[data.DemoImage]) -> CleaningLoop:
    """Compute embeddings with ResNet18, or say why not and use the offline network."""
    size = args.image_size or (SMALL_INPUT if images_are_small(images) else None)

    def compute(model: str) -> CleaningLoop:
        field = model.replace("-", "_") + "_embedding"
        loop = CleaningLoop(dataset, data.LABEL_FIELD, field, test_tag=data.TEST_TAG)
        with progress_bar("Embeddings") as progress:
            done = loop.compute_embeddings(model, args.weights, image_size=size, progress=progress)
        print(done)
        return loop

    try:
        return compute(args.model)
    except WeightsError as error:
        if args.weights or args.model != "resnet18":
            raise
        print(f"{error}\nSo this demo goes on with {OFFLINE_MODEL}.", flush=True)
        return compute(OFFLINE_MODEL)


def images_are_small(images: list[data.DemoImage]) -> bool:
    """Look at the first images only: a data set's images have one kind of size."""
    from PIL import Image

    sides = []
    for image in images[:20]:
        with contextlib.suppress(OSError), Image.open(image.path) as opened:
            sides.append(max(opened.size))
    return bool(sides) and max(sides) <= SMALL_IMAGE


def batch_size(images: list[data.DemoImage], label: str | None) -> int:
    """Return 50, or less where six rounds of 50 would be most of the class or dataset."""
    labeled = sum(not i.test and label in (i.label, None) for i in images)
    return max(5, min(50, labeled // 12))


def one_round(
    loop: CleaningLoop,
    server: Any,
    reviewer: SimulatedReviewer | AppReviewer | None,
    n: int,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Push, have it reviewed, pull, score again, evaluate; return the round's row."""
    controls = args.controls if args.controls is not None else max(1, n // 10)
    pushed = loop.push_round(server, n=n, controls=controls, scope=args.scope)
    if reviewer:
        reviewer.answer_round(pushed.project)
        if pushed.desk != AppDesk.name:
            loop.pull_reviews(server)
    else:
        print(pushed)
        print(wait_for_reviews(loop, server, seconds=3))
    loop.compute_importance()
    evaluation = loop.evaluate_round().evaluation
    row = loop.history()[-1]
    scores = evaluation.leading(Scope(args.scope))
    return {
        "round": row["round"],
        "reviewed": row["reviewed"],
        "wrong_found": row["errors_found"],
        "relabeled": row["relabeled"],
        "deleted": row["deleted"],
        "precision": row["errors_found"] / row["reviewed"],
        "cv_auroc": scores.cv,
        "frozen_auroc": scores.frozen,
        "heldout_auroc": scores.heldout,
        "all_classes_heldout_auroc": evaluation.all_classes.heldout,
        "n_controls": row["n_controls"],
        "control_errors": row["control_errors"],
    }


def review_in_the_app(dataset: Any, loop: CleaningLoop) -> None:
    """Open the App for a person who reviews there; say afterwards what it has come to."""
    print(
        "In the App, click “Review labels here” above the grid: the icon with a tick and a cross."
    )
    show_app(dataset)
    if loop.rounds.all():
        print(loop.yields())


def stay(dataset: Any, process: LabelStudioProcess | None, round_url: str | None) -> None:
    """Keep the servers and open the App until Ctrl-C."""
    if process is None:
        show_app(dataset)
        return
    print(f"Label Studio:  {round_url}")
    print(f"               log in as {process.admin_email}, password {process.admin_password}")
    show_app(dataset, "Both run")


def show_app(dataset: Any, who: str = "It runs") -> None:
    """Run FiftyOne's App until Ctrl-C; say who runs so long."""
    import fiftyone as fo

    # Not the usual port: where another App answers, FiftyOne joins that one, with its database.
    session = fo.launch_app(dataset, port=free_port(), address="127.0.0.1", remote=True, auto=False)
    print(f"FiftyOne App:  http://127.0.0.1:{session.server_port}/")
    print(f"{who} until you press Ctrl-C.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        session.wait(-1)
    session.close()
