"""What the options of a command name: the dataset, the classes, the server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..core.errors import DataError

if TYPE_CHECKING:
    from ..desks.labelstudio.connection import LabelStudioServer
    from ..loop import CleaningLoop


def open_loop(args: argparse.Namespace) -> CleaningLoop:
    """Open the dataset, or the saved view of it, that the options name."""
    import fiftyone as fo

    from ..loop import CleaningLoop

    if not fo.dataset_exists(args.dataset):
        known = ", ".join(fo.list_datasets()[:10]) or "none"
        raise DataError(
            f"there is no dataset {args.dataset!r} in this FiftyOne database.",
            f"Name one that is there ({known}), or point FIFTYONE_DATABASE_URI at its database.",
        )
    dataset = fo.load_dataset(args.dataset)
    view = dataset
    if args.view:
        if not dataset.has_saved_view(args.view):
            known = ", ".join(dataset.list_saved_views()) or "none"
            raise DataError(
                f"dataset {args.dataset!r} has no saved view {args.view!r}.",
                f"Name one that is there ({known}), or save it in the App first.",
            )
        view = dataset.load_saved_view(args.view)
    return CleaningLoop(
        view,
        args.label_field,
        args.embeddings_field,
        test_tag=args.test_tag or None,
        prefix=args.prefix,
        split=args.split,
    )


def asked_classes(args: argparse.Namespace) -> list[str] | dict[str, int] | None:
    """Return the classes asked for, with the samples of each where they are given."""
    asked: list[str] | None = args.class_of_interest
    if not args.quota:
        return asked
    if asked:
        raise DataError(
            "--class and --quota must not be given together: --class splits -n evenly, --quota "
            "says how many samples of each class.",
            "Give one of them.",
        )
    quotas: dict[str, int] = {}
    for text in args.quota:
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal():
            raise DataError(
                f"--quota must be CLASS=N, got {text!r}.", "Write it like this: --quota cat=30."
            )
        quotas[name] = int(number)
    return quotas


def asked_server(args: argparse.Namespace) -> LabelStudioServer:
    """Return the connection that the options name."""
    from ..desks.labelstudio.connection import LabelStudioServer

    return LabelStudioServer(args.url, verify=args.ca_bundle or True)
