"""The options of the command line; docs/command-line.md is written from them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from ..core.review.scope import OTHER_YARDSTICK, TEST_SPLIT, TRAIN_SPLIT
from ..exports.names import ExportFormat
from ..version import __version__
from . import commands
from .commands import Answer
from .options import batch_options, engine_option, image_options, page_options, scope_option


class WrongUsage(SystemExit):
    """The exit after arguments that are not understood, with what is wrong with them and a fix."""

    def __init__(self, code: int | str | None, what: str, fix: str) -> None:
        super().__init__(code)
        self.what = what
        self.fix = fix


class _Parser(argparse.ArgumentParser):
    """Exits as always, and lets `main` say why."""

    def error(self, message: str) -> NoReturn:
        try:
            super().error(message)
        except SystemExit as stopped:
            fix = f"See what is possible: `{self.prog} --help`."
            raise WrongUsage(stopped.code, message, fix) from None


def command_line_parser() -> argparse.ArgumentParser:
    """Return the parser of `coreset-cleaning`."""
    parser = _Parser(
        prog="coreset-cleaning",
        description="Find and fix wrong labels in a FiftyOne dataset, with Label Studio reviewers.",
        epilog="The key of Label Studio is read from LABEL_STUDIO_API_KEY. Exit codes: "
        "0 done, 1 failed, 2 wrong usage, 3 another round is not worth it.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], Answer],
        help_: str,
        server: bool = False,
        dataset: bool = True,
    ) -> argparse.ArgumentParser:
        sub = subcommands.add_parser(name, help=help_, description=help_)
        sub.set_defaults(run=run)
        sub.add_argument("dataset", nargs=None if dataset else "?", help="name of the dataset")
        sub.add_argument(
            "--label-field",
            default="ground_truth",
            help="label field to clean (default: %(default)s)",
        )
        sub.add_argument(
            "--embeddings-field",
            default="resnet18_embedding",
            help="field that holds the embeddings (default: %(default)s)",
        )
        sub.add_argument(
            "--test-tag", default="test", help="sample tag of the test split (default: %(default)s)"
        )
        sub.add_argument(
            "--split",
            choices=(TRAIN_SPLIT, TEST_SPLIT),
            default=TRAIN_SPLIT,
            help=f"{TEST_SPLIT}: clean the test split, in rounds of its own. {OTHER_YARDSTICK} "
            "(default: %(default)s)",
        )
        sub.add_argument("--view", help="saved view to work on (default: the whole dataset)")
        sub.add_argument(
            "--prefix",
            help="what comes before the names of our fields, tags and views (default: the prefix "
            "of the first scoring, else none)",
        )
        sub.add_argument("--json", action="store_true", help="print one JSON document")
        if server:
            sub.add_argument("--url", help="address of Label Studio (default: LABEL_STUDIO_URL)")
            sub.add_argument("--ca-bundle", help="PEM file to trust, for a certificate of your own")
        return sub

    embed = command("embed", commands.embed, "Compute the missing embeddings.")
    embed.add_argument("--model", default="resnet18", help="network to use (default: %(default)s)")
    embed.add_argument(
        "--weights", help="state dict, .pth or .safetensors (default: the published weights)"
    )
    embed.add_argument(
        "--image-size",
        type=int,
        help="side of the network's input in pixels (default: that of the weights)",
    )
    embed.add_argument(
        "--batch-size", type=int, help="images at a time (default: found for this machine)"
    )
    embed.add_argument(
        "--num-workers",
        type=int,
        help="decoding processes, or actors with Ray (default: found for this machine)",
    )
    embed.add_argument(
        "--path-field",
        default="filepath",
        help="field that holds the images' paths or URIs (default: %(default)s)",
    )
    engine_option(embed)
    embed.add_argument("--overwrite", action="store_true", help="compute every vector again")

    score = command("score", commands.score, "Compute the importance of every label.")
    engine_option(score)
    score.add_argument(
        "--num-workers", type=int, help="actors with Ray (default: one per CPU of the cluster)"
    )
    score.add_argument(
        "--probabilities-field",
        help="your own predictions as one more signal: a Classification field with logits, or a "
        "vector field of probabilities (default: none)",
    )
    command("confusion", commands.confusion, "Find the most confused pair of classes.")

    push = command("push", commands.push, "Send the next round to its reviewers.", server=True)
    batch_options(push)
    push.add_argument(
        "--desk",
        choices=("labelstudio", "app"),
        default="labelstudio",
        help="where people answer: Label Studio, or FiftyOne's App (default: %(default)s)",
    )
    image_options(push)
    page_options(push)
    push.add_argument(
        "--reviewers", type=int, default=1, help="answers wanted per task (default: %(default)s)"
    )
    push.add_argument(
        "--hide-suggestion", action="store_true", help="hide the suggested class from reviewers"
    )
    push.add_argument(
        "--new-class",
        action="append",
        default=[],
        metavar="CLASS",
        help="class that reviewers may choose although the dataset does not have it yet",
    )
    push.add_argument(
        "--context",
        choices=("crop", "image"),
        default="crop",
        help="what reviewers see of objects: a crop, or the whole image (default: %(default)s)",
    )

    pull = command("pull", commands.pull, "Fetch the reviewers' answers.", server=True)
    pull.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="pull every SECONDS until the round is complete",
    )
    pull.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="with --watch: stop waiting after SECONDS"
    )
    pull.add_argument(
        "--rescore",
        action="store_true",
        help="score again when something has changed, and say what that moves in the queue",
    )

    evaluate = command(
        "evaluate", commands.evaluate, "Measure AUROC and say whether another round is worth it."
    )
    evaluate.add_argument(
        "--budget",
        type=int,
        help="most images you are willing to review in all (default: no limit)",
    )
    evaluate.add_argument(
        "--publish", action="store_true", help="also publish it to the App's Model Evaluation panel"
    )

    command("status", commands.status, "List the rounds.")

    yields = command(
        "yields",
        commands.yields,
        "Estimate how noisy a class or the dataset is and what another round would find.",
    )
    yields.add_argument(
        "--class",
        dest="class_of_interest",
        help="class to report on (default: what the last round was drawn from)",
    )
    scope_option(yields, "dataset: report on the whole dataset; class: on the class reviewed last")

    plan = command(
        "plan",
        commands.plan,
        "Say how many wrong labels the next reviews will find, and where they are worth most.",
    )
    plan.add_argument(
        "--budget", type=int, default=300, help="reviews to plan (default: %(default)s)"
    )

    charts = command(
        "charts", commands.charts, "Draw AUROC, verdicts and yield per round as PNG files."
    )
    charts.add_argument("folder", help="folder for the files")

    undo = command("undo", commands.undo, "Take a round's answers back, or apply them again.")
    undo.add_argument("round", type=int, help="number of the round")
    undo.add_argument("--sample", metavar="ID", help="only this sample of the round")
    undo.add_argument("--redo", action="store_true", help="apply the answers again")

    close = command(
        "close", commands.close, "End a round although not every task is answered.", server=True
    )
    close.add_argument("--round", type=int, help="number of the round (default: the open round)")
    close.add_argument(
        "--local",
        action="store_true",
        help="leave Label Studio alone: pull nothing and delete nothing there",
    )
    close.add_argument(
        "--delete-tasks", action="store_true", help="also delete its unanswered tasks"
    )

    coreset = command(
        "coreset", commands.coreset, "Tag a small weighted set of samples to train on."
    )
    coreset.add_argument("m", type=int, help="number of draws")

    command(
        "proposals",
        commands.proposals,
        "List near-duplicates of corrected samples that still carry the wrong label.",
    )

    audit = command("audit", commands.audit, "Write every review event to a .jsonl or .csv file.")
    audit.add_argument("file", help="file to write; one that exists is replaced")

    export = command(
        "export",
        commands.export,
        "Write the cleaned labels for other programs; nothing is ever overwritten.",
    )
    export.add_argument(
        "target", help="new or empty folder; with csv and changes, new file (.csv or .json)"
    )
    export.add_argument(
        "--format",
        choices=[form.value for form in ExportFormat],
        help="what to write; changes: what reviewers changed, who did, and why (default: csv for a "
        "name that ends in .csv, else image-folder)",
    )
    export.add_argument(
        "--keep-deleted",
        action="store_true",
        help="keep labels with weight 0, with their weight (default: leave them out)",
    )

    doctor = command(
        "doctor",
        commands.doctor,
        "Check the set-up: one line per finding, each with its fix.",
        server=True,
        dataset=False,
    )
    image_options(doctor)
    doctor.add_argument(
        "--submit-key",
        metavar="KEY",
        help="submit pages in Label Studio with this key, such as enter (default: leave it as it "
        "is); set for the owner of the API key alone",
    )

    loop = command(
        "loop",
        commands.run_loop,
        "Run whole rounds unattended, waiting for the reviewers.",
        server=True,
    )
    batch_options(loop)
    page_options(loop)
    loop.add_argument(
        "--rounds", type=int, default=1, help="most rounds to run (default: %(default)s)"
    )
    loop.add_argument(
        "--watch",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="seconds between two pulls (default: %(default)s)",
    )
    loop.add_argument(
        "--budget",
        type=int,
        help="most images you are willing to review in all (default: no limit)",
    )

    text = "Register this package with FiftyOne: write a small folder among its plugins."
    install = subcommands.add_parser("install-plugin", help=text, description=text)
    install.set_defaults(run=commands.install_plugin)
    install.add_argument("--plugins-dir", help="folder of plugins (default: FiftyOne's own)")
    install.add_argument("--uninstall", action="store_true", help="remove that folder again")
    install.add_argument("--json", action="store_true", help="print one JSON document")
    return parser
