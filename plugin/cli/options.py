"""Options that several commands have."""

from __future__ import annotations

import argparse


def engine_option(sub: argparse.ArgumentParser) -> None:
    """Where to compute."""
    sub.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on the cluster at RAY_ADDRESS, or on this machine (default: %(default)s)",
    )


def scope_option(sub: argparse.ArgumentParser, what: str) -> None:
    """What the queue is of; `what` says what each choice means."""
    sub.add_argument("--scope", choices=("class", "dataset"), help=what)


def batch_options(sub: argparse.ArgumentParser) -> None:
    """What a round is drawn from."""
    scope_option(
        sub,
        "dataset: the most suspicious labels of all classes; class: those of the most confused "
        "class (default: as in the round before, at first class)",
    )
    sub.add_argument(
        "--max-per-class",
        type=int,
        metavar="N",
        help="with --scope dataset: samples of one class at most (default: half of -n, or "
        "twice an even share where there are fewer than four classes)",
    )
    sub.add_argument("-n", type=int, default=50, help="samples per round (default: %(default)s)")
    sub.add_argument(
        "--controls",
        type=int,
        default=5,
        help="random samples among them, to measure the noise (default: %(default)s)",
    )
    sub.add_argument(
        "--gold",
        type=int,
        default=0,
        help="images more, shown under a label that they don't have, to see how many wrong "
        "labels reviewers miss (default: %(default)s)",
    )
    sub.add_argument(
        "--class",
        dest="class_of_interest",
        action="append",
        help="class to review; repeat it to split the round evenly among several",
    )
    sub.add_argument(
        "--quota",
        action="append",
        metavar="CLASS=N",
        help="samples of one class, instead of --class and -n; repeat it for each class",
    )


def image_options(sub: argparse.ArgumentParser) -> None:
    """How Label Studio gets the images."""
    sub.add_argument(
        "--images",
        choices=("upload", "local", "url"),
        default="upload",
        help="how reviewers get the images (default: %(default)s)",
    )
    sub.add_argument("--images-root", help="with local: the folder that Label Studio may serve")


def page_options(sub: argparse.ArgumentParser) -> None:
    """What a page shows."""
    sub.add_argument(
        "--sheet",
        type=int,
        default=0,
        metavar="N",
        help="show up to N images of one class on a page, such as 20 (default: one at a time)",
    )
    sub.add_argument(
        "--examples",
        type=int,
        default=4,
        metavar="N",
        help="sure images of the class to show beside the others (default: %(default)s)",
    )
