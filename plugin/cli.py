"""Command line: the same use cases as the App, headless.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 another round is not worth it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .core.errors import CleaningError
from .version import __version__

if TYPE_CHECKING:
    from .desks.labelstudio.connection import LabelStudioServer
    from .loop import CleaningLoop
    from .reports import PullReport

FAILED, STOP = 1, 3

# A command returns what to print: (as JSON, as text, exit code).
Answer = tuple[Any, str, int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name. Default: those of the process.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage, 3 stop rule reached.
    """
    args = command_line_parser().parse_args(argv)
    try:
        answer: Answer = args.run(args)
    except CleaningError as error:
        if args.json:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        print(f"coreset-cleaning {args.command}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; call the same again to go on", file=sys.stderr)
        return FAILED
    data, text, code = answer
    print(json.dumps(data, indent=2) if args.json else text)
    return code


# ---- the commands


def _embed(args: argparse.Namespace) -> Answer:
    with progress_bar("embedding") as progress:
        report = _loop(args).compute_embeddings(
            model=args.model,
            weights=args.weights,
            batch_size=args.batch_size,
            num_workers=args.num_workers,
            image_size=args.image_size,
            path_field=args.path_field,
            engine=args.engine,
            overwrite=args.overwrite,
            progress=progress,
        )
    return report.to_dict(), str(report), 0


def _score(args: argparse.Namespace) -> Answer:
    with progress_bar("scoring") as progress:
        report = _loop(args).compute_importance(
            progress, engine=args.engine, num_workers=args.num_workers
        )
    return report.to_dict(), str(report), 0


def _confusion(args: argparse.Namespace) -> Answer:
    pair = _loop(args).find_confused_pair()
    data = {
        "class_of_interest": pair.class_of_interest,
        "rival": pair.rival,
        "rate": float(pair.rate),
        "classes": list(pair.classes),
        "matrix": pair.matrix.tolist(),
    }
    text = (
        f"{pair.rate:.1%} of {pair.rival} are taken for {pair.class_of_interest}. Look at what is "
        f"labeled {pair.class_of_interest}: `coreset-cleaning push {args.dataset}`."
    )
    return data, text, 0


def _push(args: argparse.Namespace) -> Answer:
    with progress_bar("pushing") as progress:
        report = _loop(args).push_round(
            _server(args),
            n=args.n,
            controls=args.controls,
            class_of_interest=_classes(args),
            images=args.images,
            images_root=args.images_root,
            reviewers_per_task=args.reviewers,
            hide_suggestion=args.hide_suggestion,
            new_classes=args.new_class,
            progress=progress,
        )
    return report.to_dict(), str(report), 0


def _pull(args: argparse.Namespace) -> Answer:
    loop, server = _loop(args), _server(args)
    if args.watch is None:
        report = loop.pull_reviews(server)
    else:
        report = wait_for_reviews(loop, server, args.watch, args.timeout)
    return report.to_dict(), str(report), 0


def wait_for_reviews(
    loop: CleaningLoop, server: LabelStudioServer, seconds: float, timeout: float | None = None
) -> PullReport:
    """Pull every `seconds` until the open round is complete, with a bar of answered tasks."""
    with progress_bar("answered") as progress:
        return loop.wait_for_reviews(server, seconds, timeout=timeout, progress=progress)


def _evaluate(args: argparse.Namespace) -> Answer:
    loop = _loop(args)
    report = loop.evaluate_round()
    decision = loop.next_step(budget=args.budget)
    data = {
        **report.to_dict(),
        "continue": decision.continue_,
        "reasons": list(decision.reasons),
    }
    if args.publish:
        data["fiftyone_evaluation"] = loop.publish_evaluation()
    advice = "Go on" if decision.continue_ else "Stop"
    text = f"{report}\n{advice}: {' '.join(decision.reasons)}"
    return data, text, 0 if decision.continue_ else STOP


def _status(args: argparse.Namespace) -> Answer:
    from . import measure

    loop = _loop(args)
    history = loop.history()
    if not history:
        return [], f"No round yet. Push one: `coreset-cleaning push {args.dataset}`.", 0
    lines = ["round  class            reviewed  errors  relabeled  deleted  state"]
    for row in history:
        state = "undone" if row["undone"] else "closed" if row["closed_at"] else "open"
        lines.append(
            f"{row['round']:>5}  {row['class_of_interest'][:15]:<15}  "
            f"{row['reviewed']:>3} of {row['size']:<3}"
            f"{row['errors_found']:>7}{row['relabeled']:>11}{row['deleted']:>9}  {state}"
        )
    if measure.counted(history):
        lines.append(str(loop.yields()))
    return history, "\n".join(lines), 0


def _undo(args: argparse.Namespace) -> Answer:
    loop = _loop(args)
    if args.sample:
        change = loop.redo_sample if args.redo else loop.undo_sample
        changed = change(args.round, args.sample)
    else:
        changed = (loop.redo_round if args.redo else loop.undo_round)(args.round)
    done = "taken in again" if args.redo else "undone"
    what = f"Sample {args.sample} of round {args.round}" if args.sample else f"Round {args.round}"
    data = {"round": args.round, "sample": args.sample, "changed": changed, "redo": args.redo}
    return data, f"{what} {done}: {changed} samples changed.", 0


def _yields(args: argparse.Namespace) -> Answer:
    loop = _loop(args)
    report = loop.yields(args.class_of_interest)
    curve = loop.budget_curve(args.class_of_interest)
    data = {**asdict(report), "budget_curve": [asdict(point) for point in curve]}
    return _finite(data), str(report), 0


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for, unknown and unbounded numbers, by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _charts(args: argparse.Namespace) -> Answer:
    paths = [str(path) for path in _loop(args).save_charts(args.folder)]
    return paths, "\n".join(paths), 0


def _close(args: argparse.Namespace) -> Answer:
    report = _loop(args).close_round(
        None if args.local else _server(args), args.round, delete_tasks=args.delete_tasks
    )
    return report.to_dict(), str(report), 0


def _coreset(args: argparse.Namespace) -> Answer:
    report = _loop(args).sample_coreset(args.m)
    return report.to_dict(), str(report), 0


def _proposals(args: argparse.Namespace) -> Answer:
    found = _loop(args).propose_corrections()
    lines = [
        f"{row['sample']}  {row['label']} -> {row['proposed'] or 'delete'}  "
        f"(like {row['duplicate_of']}, cosine {row['cosine']:.3f})"
        for row in found
    ]
    return found, "\n".join(lines) or "No near-duplicate of a corrected sample is left.", 0


def _audit(args: argparse.Namespace) -> Answer:
    events = _loop(args).export_audit(args.file)
    return {"file": args.file, "events": events}, f"{events} events written to {args.file}.", 0


def _doctor(args: argparse.Namespace) -> Answer:
    from .doctor import check_setup

    findings = check_setup(
        args.dataset,
        args.label_field,
        args.url,
        verify=args.ca_bundle or True,
        images=args.images,
        images_root=args.images_root,
    )
    text = "\n".join(
        f"{'ok  ' if f['ok'] else 'FAIL'}  {f['name']}: {f['detail']}"
        + (f"\n      fix: {f['fix']}" if not f["ok"] else "")
        for f in findings
    )
    return findings, text, 0 if all(f["ok"] for f in findings) else FAILED


def _run_loop(args: argparse.Namespace) -> Answer:
    """Run whole rounds: push, wait for the reviewers, pull, score again, evaluate, decide."""
    loop, server = _loop(args), _server(args)
    if not loop.is_scored():
        loop.compute_importance()
    if loop.rounds.load_start() is None:
        print(loop.evaluate_round(), file=sys.stderr)
    decision = loop.next_step(budget=args.budget)
    for _ in range(args.rounds):
        report = loop.push_round(
            server, n=args.n, controls=args.controls, class_of_interest=_classes(args)
        )
        print(report, file=sys.stderr)
        print(wait_for_reviews(loop, server, args.watch), file=sys.stderr)
        loop.compute_importance()
        print(loop.evaluate_round(), file=sys.stderr)
        decision = loop.next_step(budget=args.budget)
        if not decision.continue_:
            break
    text = f"{'Go on' if decision.continue_ else 'Stop'}: {' '.join(decision.reasons)}"
    data = {
        "continue": decision.continue_,
        "reasons": list(decision.reasons),
        "history": loop.history(),
    }
    return data, text, 0 if decision.continue_ else STOP


def _install_plugin(args: argparse.Namespace) -> Answer:
    from . import installation

    change = installation.uninstall if args.uninstall else installation.install
    state, folder = change(args.plugins_dir)
    text = f"{folder}: {state}."
    if state in ("installed", "updated"):
        text += " Start the FiftyOne App again and open the panel “Label cleaning”."
    return {"state": state, "folder": str(folder)}, text, 0


# ---- shared


def _loop(args: argparse.Namespace) -> CleaningLoop:
    import fiftyone as fo

    from .core.errors import DataError
    from .loop import CleaningLoop

    if not fo.dataset_exists(args.dataset):
        known = ", ".join(fo.list_datasets()[:10]) or "none"
        raise DataError(
            f"there is no dataset {args.dataset!r} in this FiftyOne database. Datasets: {known}."
        )
    dataset = fo.load_dataset(args.dataset)
    view = dataset
    if args.view:
        if not dataset.has_saved_view(args.view):
            known = ", ".join(dataset.list_saved_views()) or "none"
            raise DataError(
                f"dataset {args.dataset!r} has no saved view {args.view!r}. Saved views: {known}."
            )
        view = dataset.load_saved_view(args.view)
    return CleaningLoop(
        view,
        args.label_field,
        args.embeddings_field,
        test_tag=args.test_tag or None,
        cache_dir=args.cache_dir,
    )


def _classes(args: argparse.Namespace) -> list[str] | dict[str, int] | None:
    """Return the classes asked for, with the samples of each where they are given."""
    from .core.errors import DataError

    asked: list[str] | None = args.class_of_interest
    if not args.quota:
        return asked
    if asked:
        raise DataError("--class splits -n evenly and --quota says how many of each: give one.")
    quotas: dict[str, int] = {}
    for text in args.quota:
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal():
            raise DataError(f"--quota must be CLASS=N, for example cat=30, got {text!r}.")
        quotas[name] = int(number)
    return quotas


def _server(args: argparse.Namespace) -> LabelStudioServer:
    from .desks.labelstudio.connection import LabelStudioServer

    return LabelStudioServer(args.url, verify=args.ca_bundle or True)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show a progress bar on stderr, if that is a terminal; give a callable (fraction, message)."""
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}%|{bar}| {postfix} {elapsed}<{remaining}"
    with tqdm(total=100, desc=title, bar_format=layout, disable=not sys.stderr.isatty()) as bar:

        def advance(fraction: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(100 * fraction - bar.n)

        yield advance


def command_line_parser() -> argparse.ArgumentParser:
    """Return the parser of `coreset-cleaning`; the documentation is written from it, too."""
    parser = argparse.ArgumentParser(
        prog="coreset-cleaning",
        description="Find and fix wrong labels of a FiftyOne dataset with Label Studio reviewers.",
        epilog="The Label Studio key comes from the environment: LABEL_STUDIO_API_KEY. Exit codes: "
        "0 done, 1 failed, 2 wrong usage, 3 another round is not worth it.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], Answer],
        help_: str,
        server: bool = False,
        dataset: bool = True,
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=help_)
        sub.set_defaults(run=run)
        sub.add_argument("dataset", nargs=None if dataset else "?", help="name of the dataset")
        sub.add_argument(
            "--label-field", default="ground_truth", help="field to clean (%(default)s)"
        )
        sub.add_argument(
            "--embeddings-field", default="resnet18_embedding", help="vector field (%(default)s)"
        )
        sub.add_argument("--test-tag", default="test", help="tag of the test split (%(default)s)")
        sub.add_argument("--view", help="name of a saved view to stay inside")
        sub.add_argument("--cache-dir", help="folder for memory-mapped copies of the embeddings")
        sub.add_argument("--json", action="store_true", help="print JSON")
        if server:
            sub.add_argument("--url", help="Label Studio's address (LABEL_STUDIO_URL)")
            sub.add_argument("--ca-bundle", help="PEM file of its certificate, if self-signed")
        return sub

    def engine(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--engine",
            choices=("local", "ray"),
            default="local",
            help="ray: on the cluster of RAY_ADDRESS or of this machine (%(default)s)",
        )

    embed = command("embed", _embed, "Compute the embeddings that are missing.")
    embed.add_argument("--model", default="resnet18", help="network (%(default)s)")
    embed.add_argument("--weights", help="state dict (.pth, .safetensors)")
    embed.add_argument("--image-size", type=int, help="side of the network's input in pixels")
    embed.add_argument("--batch-size", type=int, help="images at a time (found for the machine)")
    embed.add_argument("--num-workers", type=int, help="processes that decode; with Ray: actors")
    embed.add_argument(
        "--path-field", default="filepath", help="field of the images' paths or URIs (%(default)s)"
    )
    engine(embed)
    embed.add_argument("--overwrite", action="store_true", help="compute all vectors anew")

    score = command("score", _score, "Compute the importance of every sample.")
    engine(score)
    score.add_argument("--num-workers", type=int, help="with Ray: actors")
    command("confusion", _confusion, "Find the most confused pair of classes.")

    def batch_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("-n", type=int, default=50, help="samples a round (%(default)s)")
        sub.add_argument(
            "--controls", type=int, default=5, help="random samples among them (%(default)s)"
        )
        sub.add_argument(
            "--class",
            dest="class_of_interest",
            action="append",
            help="class to review; several split the round evenly",
        )
        sub.add_argument(
            "--quota",
            action="append",
            metavar="CLASS=N",
            help="samples of a class, instead of --class and -n; once a class",
        )

    def image_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--images",
            choices=("upload", "local", "url"),
            default="upload",
            help="how reviewers get the images (%(default)s)",
        )
        sub.add_argument("--images-root", help="with local: the folder that Label Studio may serve")

    push = command("push", _push, "Send the next round to Label Studio.", server=True)
    batch_options(push)
    image_options(push)
    push.add_argument("--reviewers", type=int, default=1, help="answers a task (%(default)s)")
    push.add_argument("--hide-suggestion", action="store_true", help="do not show our suggestion")
    push.add_argument(
        "--new-class",
        action="append",
        default=[],
        metavar="CLASS",
        help="class that reviewers may give although the dataset does not have it",
    )

    pull = command("pull", _pull, "Fetch the reviewers' answers.", server=True)
    pull.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="pull every SECONDS until the round is complete",
    )
    pull.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="with --watch: return after SECONDS"
    )

    evaluate = command("evaluate", _evaluate, "Measure AUROC and decide whether to go on.")
    evaluate.add_argument("--budget", type=int, help="images to review at most")
    evaluate.add_argument(
        "--publish", action="store_true", help="show it in the App's Model Evaluation panel, too"
    )

    command("status", _status, "Show the rounds.")

    yields = command("yields", _yields, "Say how noisy a class is and what another round brings.")
    yields.add_argument("--class", dest="class_of_interest", help="(that of the last round)")

    charts = command("charts", _charts, "Draw AUROC, verdicts and budget by round as PNG files.")
    charts.add_argument("folder")

    undo = command("undo", _undo, "Leave a round's answers out, or take them in again.")
    undo.add_argument("round", type=int)
    undo.add_argument("--sample", metavar="ID", help="only this sample of the round")
    undo.add_argument("--redo", action="store_true", help="take the answers in again")

    close = command("close", _close, "End a round and delete its tab.", server=True)
    close.add_argument("--round", type=int, help="(the open one)")
    close.add_argument("--local", action="store_true", help="leave Label Studio alone")
    close.add_argument(
        "--delete-tasks", action="store_true", help="delete its tasks without an answer, too"
    )

    coreset = command("coreset", _coreset, "Tag a small weighted set to train on.")
    coreset.add_argument("m", type=int, help="number of draws")

    command("proposals", _proposals, "List near-duplicates of corrected samples.")

    audit = command("audit", _audit, "Write all events to a .jsonl or .csv file.")
    audit.add_argument("file")

    doctor = command(
        "doctor",
        _doctor,
        "Check versions, database, weights, server, key, project, round and images.",
        server=True,
        dataset=False,
    )
    image_options(doctor)

    loop = command("loop", _run_loop, "Run whole rounds, waiting for the reviewers.", server=True)
    batch_options(loop)
    loop.add_argument("--rounds", type=int, default=1, help="rounds at most (%(default)s)")
    loop.add_argument(
        "--watch", type=float, default=10.0, metavar="SECONDS", help="pause between two pulls"
    )
    loop.add_argument("--budget", type=int, help="images to review at most")

    text = "Tell FiftyOne of this package: write a small folder among its plugins."
    install = commands.add_parser("install-plugin", help=text, description=text)
    install.set_defaults(run=_install_plugin)
    install.add_argument("--plugins-dir", help="folder of plugins (FiftyOne's own)")
    install.add_argument("--uninstall", action="store_true", help="remove the folder again")
    install.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
