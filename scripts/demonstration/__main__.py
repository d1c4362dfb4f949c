"""Run the whole loop on real images, with a real FiftyOne database and a real Label Studio server.

Nothing it starts outlives it, and everything it writes is in this checkout's .cache folder, in
the report folder and in the demo's own database.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"

# Before fiftyone is imported: never the user's database, and our plugin in the App.
os.environ["FIFTYONE_DATABASE_DIR"] = str(CACHE / "fiftyone" / "db")
os.environ["FIFTYONE_PLUGINS_DIR"] = str(CACHE / "plugins")
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
os.environ["FIFTYONE_DATABASE_VALIDATION"] = "false"
os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")

from coreset_cleaning import CleaningLoop, LabelStudioServer  # noqa: E402
from coreset_cleaning.cli import progress_bar, wait_for_reviews  # noqa: E402
from coreset_cleaning.core.errors import CleaningError, WeightsError  # noqa: E402
from demonstration import data, report  # noqa: E402
from demonstration.reviewer import SimulatedReviewer  # noqa: E402
from label_studio_server import LabelStudioProcess  # noqa: E402

OFFLINE_MODEL = "efficientnet-lite0"
# Images this small hold nothing that a larger input would show.
SMALL_IMAGE, SMALL_INPUT = 96, 112


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    try:
        with contextlib.ExitStack() as cleanup:
            run(args, cleanup)
    except CleaningError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nscripts/demo: interrupted, everything it started is stopped.", file=sys.stderr)
        return 130
    return 0


def run(args: argparse.Namespace, cleanup: contextlib.ExitStack) -> None:
    """Prepare, run the rounds, report; servers are left to `cleanup`."""
    started = time.monotonic()
    name, images = prepare(args)
    known = all(image.true_label is not None for image in images if not image.test)
    if args.reviewer == "simulated" and not known:
        raise data.DataError(
            "--reviewer simulated needs the true labels, and this data has none. "
            "Use --reviewer human, or name their column with --true-label."
        )
    train = sum(not image.test for image in images)
    print(f"{len(images)} images, {train} to be cleaned, {len(images) - train} held out.")

    link_plugin()
    dataset = data.build_dataset(f"coreset-cleaning-demo-{name}", images)
    loop = embed(dataset, args, images)
    with progress_bar("Importance") as progress:
        print(loop.compute_importance(progress=progress))
    pair = loop.find_confused_pair()
    print(
        f"Most confused: {pair.rate:.1%} of {pair.rival!r} in the test split are taken for "
        f"{pair.class_of_interest!r}, so what is labeled {pair.class_of_interest!r} is reviewed."
    )
    baseline = loop.evaluate_round()
    print(baseline)

    print("Starting Label Studio …", flush=True)
    process = cleanup.enter_context(
        LabelStudioProcess(CACHE / "demo" / "label-studio", log=CACHE / "demo" / "label-studio.log")
    )
    server = LabelStudioServer(process.url, process.admin_token)
    reviewer = None
    if args.reviewer == "simulated":
        ids, truths = dataset.values(["id", f"{data.TRUTH_FIELD}.label"])
        reviewer = SimulatedReviewer(
            process.url,
            process.add_user("reviewer@example.com"),
            dict(zip(ids, truths, strict=True)),
            rival=pair.rival,
            dataset_id=loop.samples.dataset_id,
            label_field=data.LABEL_FIELD,
            n_classes=len(pair.classes),
        )
    else:
        print(f"Log in as {process.admin_email}, password {process.admin_password}")

    n = args.n or batch_size(images, pair.class_of_interest)
    rows = []
    for _ in range(args.rounds):
        rows.append(one_round(loop, server, reviewer, n, args))
        print(report.table_line(rows[-1]) if len(rows) > 1 else report.table_start(rows[-1]))
    print(loop.yields())
    decision = loop.next_step()
    print(
        f"{'Another round is worth it' if decision.continue_ else 'Stop here'}: "
        f"{' '.join(decision.reasons)}"
    )

    result = {
        "data": name,
        "images": len(images),
        "class_of_interest": pair.class_of_interest,
        "rival": pair.rival,
        "random_precision": report.error_rate(images, pair.class_of_interest) if known else None,
        "round_size": n,
        "network": loop.recorded_network(),
        "baseline": baseline.evaluation.to_dict(),
        "rounds": rows,
        "seconds": round(time.monotonic() - started, 1),
        "dataset": dataset.name,
        "label_studio": loop.history()[-1]["url"],
    }
    folder = Path(args.report)
    for path in report.write(folder, result, loop.history()):
        print(f"Report: {path}")
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=2) + "\n")
        print(f"Numbers: {args.json}")
    if args.keep:
        stay(dataset, process, result["label_studio"])


def prepare(args: argparse.Namespace) -> tuple[str, list[data.DemoImage]]:
    """Return the data set's name and images."""
    print("Preparing the images …", flush=True)
    if args.data in ("digits", "fashion-mnist"):
        folder = CACHE / "demo" / args.data
        if args.data == "digits":
            return "digits", data.digits(folder, args.seed, args.wrong, args.limit)
        return "fashion-mnist", data.fashion_mnist(folder, args.seed, args.wrong, args.limit)
    path = Path(args.data)
    name = re.sub(r"\W+", "-", path.stem).strip("-") or "data"
    if path.is_dir():
        return name, data.image_folder(path, args.seed, args.limit)
    if path.suffix == ".parquet" and path.is_file():
        return name, data.parquet(
            path,
            CACHE / "demo" / name,
            args.seed,
            args.limit,
            args.label,
            args.true_label,
            args.split,
        )
    raise data.DataError(
        "--data must be digits, fashion-mnist, a folder with one subfolder a class, or a .parquet "
        f"file, got {args.data!r}."
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


def batch_size(images: list[data.DemoImage], class_of_interest: str) -> int:
    """Return 50, or less where six rounds of 50 would be most of the class."""
    labeled = sum(not i.test and i.label == class_of_interest for i in images)
    return max(5, min(50, labeled // 12))


def one_round(
    loop: CleaningLoop,
    server: LabelStudioServer,
    reviewer: SimulatedReviewer | None,
    n: int,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Push, have it reviewed, pull, score again, evaluate; return the round's row."""
    controls = args.controls if args.controls is not None else max(1, n // 10)
    pushed = loop.push_round(server, n=n, controls=controls)
    if reviewer:
        reviewer.answer_round(pushed.project)
        loop.pull_reviews(server)
    else:
        print(pushed)
        print(wait_for_reviews(loop, server, seconds=3))
    loop.compute_importance()
    evaluation = loop.evaluate_round().evaluation
    row = loop.history()[-1]
    scores = evaluation.pair or evaluation.all_classes
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


def link_plugin() -> None:
    """Make FiftyOne's App find the plugin: a link to this checkout in the demo's plugin folder."""
    folder = CACHE / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "label-cleaning"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT, target_is_directory=True)


def stay(dataset: Any, process: LabelStudioProcess, round_url: str) -> None:
    """Keep the servers and open the App until Ctrl-C."""
    import fiftyone as fo

    session = fo.launch_app(dataset, address="127.0.0.1", remote=True, auto=False)
    print(f"FiftyOne App:  http://127.0.0.1:{session.server_port}/")
    print(f"Label Studio:  {round_url}")
    print(f"               log in as {process.admin_email}, password {process.admin_password}")
    print("Both run until you press Ctrl-C.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        session.wait(-1)
    session.close()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        default="digits",
        help="digits (default), fashion-mnist, a FOLDER with one "
        "subfolder a class,\nor a FILE.parquet with a column jpeg",
    )
    add("--label", default="label", help="Parquet: column of the labels to be checked")
    add("--true-label", help="Parquet: column of what the simulated reviewer knows")
    add("--split", help="Parquet: column that says 'test' for the test split")
    add("--limit", type=int, help="use a seeded sample of this many images")
    add(
        "--wrong",
        type=float,
        default=0.08,
        help="digits, fashion-mnist: share of training labels made wrong (%(default)s)",
    )
    add("--reviewer", choices=("simulated", "human"), default="simulated")
    add("--rounds", type=int, default=6)
    add("-n", type=int, help="images a round (50, or a twelfth of a small class)")
    add("--controls", type=int, help="random images among them (a tenth)")
    add("--model", default="resnet18")
    add("--weights", help="state dict (.pth, .safetensors) instead of a download")
    add("--image-size", type=int, help="side of the network's input (112 for small images)")
    add("--seed", type=int, default=0)
    add("--report", default="demo-report", help="folder of the report (%(default)s)")
    add("--json", metavar="FILE", help="write the numbers to FILE")
    add("--keep", action="store_true", help="keep FiftyOne's App and Label Studio open at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
