"""Run the whole loop on real images, with a real FiftyOne database and a real Label Studio server.

Nothing it starts outlives it. Images, database and Label Studio's data are in a folder of this
run's own in this checkout's .cache, removed at the end; what stays is the report. So two demos may
run side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from coreset_cleaning.core.errors import CleaningError
from own_database import add_database_option, use_own_database

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    try:
        with contextlib.ExitStack() as cleanup:
            folder = run_folder(args, cleanup)
            # Before FiftyOne is imported, and not where the environment says.
            use_own_database(args.database_uri)
            os.environ["FIFTYONE_PLUGINS_DIR"] = str(link_plugin(folder))
            keep_weights_here()
            from demonstration.run import run

            run(args, folder, cleanup)
    except CleaningError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nscripts/demo: interrupted, everything it started is stopped.", file=sys.stderr)
        return 130
    return 0


def run_folder(args: argparse.Namespace, cleanup: contextlib.ExitStack) -> Path:
    """Make this run's folder; it goes at the end, unless a database that stays needs its images."""
    base = CACHE / "demo"
    base.mkdir(parents=True, exist_ok=True)
    if args.database_uri:
        return Path(tempfile.mkdtemp(prefix="run-", dir=base))
    return Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=base)))


def link_plugin(folder: Path) -> Path:
    """Make a plugins folder for FiftyOne's App: a link to this checkout, and nothing else."""
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    return plugins


def keep_weights_here() -> None:
    """Let torch download weights into this checkout, unless it has those of ResNet18 already."""
    usual = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "torch")
    if not any((usual / "hub" / "checkpoints").glob("resnet18-*")):
        os.environ.setdefault("TORCH_HOME", str(CACHE / "torch"))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        default="digits",
        help="digits (default), fashion-mnist, a FOLDER with one "
        "subfolder for each class,\na FILE.parquet with a column jpeg, "
        "or a COCO FILE.json beside its images",
    )
    add("--label", default="label", help="Parquet: column of the labels to be checked")
    add("--true-label", help="Parquet: column of what the simulated reviewer knows")
    add("--split", help="Parquet: column that says 'test' for the test split")
    add("--limit", type=int, help="use a seeded sample of this many images")
    add(
        "--wrong",
        type=float,
        default=0.08,
        help="digits, fashion-mnist, COCO: share of training labels made wrong (%(default)s)",
    )
    add("--reviewer", choices=("simulated", "human"), default="simulated")
    add(
        "--desk",
        choices=("labelstudio", "app"),
        default="labelstudio",
        help="where the reviewer answers: Label Studio, or FiftyOne's App (%(default)s)",
    )
    add("--rounds", type=int, default=6)
    add("-n", type=int, help="images per round (50, or a twelfth of a small class or dataset)")
    add(
        "--scope",
        choices=("class", "dataset"),
        default="class",
        help="review the most confused class, or the whole dataset (%(default)s)",
    )
    add("--controls", type=int, help="random images among them (a tenth)")
    add("--model", default="resnet18")
    add("--weights", help="state dict (.pth, .safetensors) instead of a download")
    add("--image-size", type=int, help="side of the network's input (112 for small images)")
    add("--seed", type=int, default=0)
    add("--report", default="demo-report", help="folder of the report (%(default)s)")
    add("--json", metavar="FILE", help="write the numbers to FILE")
    add(
        "--beside",
        metavar="FILE",
        action="append",
        default=[],
        help="numbers of another run (its --json), whose curve is drawn beside this one's",
    )
    add_database_option(parser)
    add("--keep", action="store_true", help="keep FiftyOne's App and Label Studio open at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
