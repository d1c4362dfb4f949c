"""The commands: options in, one call of the loop, and what to print out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..core.review.states import RoundState
from .output import progress_bar
from .targets import asked_classes, asked_server, open_loop

if TYPE_CHECKING:
    from ..core.judging.stopping import StopDecision
    from ..desks.labelstudio.connection import LabelStudioServer
    from ..loop import CleaningLoop
    from ..reports import PullReport

FAILED, STOP = 1, 3

# How a finding is marked, by whether it is all right and whether there is something to do.
_MARKS = {(True, False): "ok  ", (True, True): "warn", (False, True): "FAIL"}

# A command returns what to print: (as JSON, as text, exit code).
Answer = tuple[Any, str, int]


def embed(args: argparse.Namespace) -> Answer:
    """Compute the missing embeddings."""
    with progress_bar("embedding") as progress:
        report = open_loop(args).compute_embeddings(
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


def score(args: argparse.Namespace) -> Answer:
    """Score every label."""
    with progress_bar("scoring") as progress:
        report = open_loop(args).compute_importance(
            progress,
            engine=args.engine,
            num_workers=args.num_workers,
            probabilities_field=args.probabilities_field,
        )
    return report.to_dict(), str(report), 0


def confusion(args: argparse.Namespace) -> Answer:
    """Find the most confused pair of classes."""
    pair = open_loop(args).find_confused_pair()
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


def push(args: argparse.Namespace) -> Answer:
    """Send the next round."""
    from ..desks.app import AppDesk

    with progress_bar("pushing") as progress:
        report = open_loop(args).push_round(
            AppDesk() if args.desk == AppDesk.name else asked_server(args),
            n=args.n,
            controls=args.controls,
            scope=args.scope,
            class_of_interest=asked_classes(args),
            max_per_class=args.max_per_class,
            gold=args.gold,
            images=args.images,
            images_root=args.images_root,
            reviewers_per_task=args.reviewers,
            hide_suggestion=args.hide_suggestion,
            new_classes=args.new_class,
            context=args.context,
            sheet=args.sheet,
            examples=args.examples,
            progress=progress,
        )
    return report.to_dict(), str(report), 0


def pull(args: argparse.Namespace) -> Answer:
    """Fetch the answers, once or until the round is complete."""
    loop, server = open_loop(args), asked_server(args)
    if args.watch is None:
        report = loop.pull_reviews(server, rescore=args.rescore)
    else:
        report = wait_for_reviews(loop, server, args.watch, args.timeout)
        report = loop.rescore(report) if args.rescore else report
    return report.to_dict(), str(report), 0


def wait_for_reviews(
    loop: CleaningLoop, server: LabelStudioServer, seconds: float, timeout: float | None = None
) -> PullReport:
    """Pull every `seconds` until the open round is complete, with a bar of answered tasks."""
    with progress_bar("answered") as progress:
        return loop.wait_for_reviews(server, seconds, timeout=timeout, progress=progress)


def evaluate(args: argparse.Namespace) -> Answer:
    """Measure AUROC and decide."""
    loop = open_loop(args)
    report = loop.evaluate_round()
    decision = loop.next_step(budget=args.budget)
    data = {**report.to_dict(), **decision.to_dict()}
    if args.publish:
        data["fiftyone_evaluation"] = loop.publish_evaluation()
    text = f"{report}\n{_advice(decision)}"
    return data, text, 0 if decision.continue_ else STOP


def status(args: argparse.Namespace) -> Answer:
    """List the rounds."""
    loop = open_loop(args)
    history = loop.history()
    if not history:
        return [], f"There is no round yet. Push one: `coreset-cleaning push {args.dataset}`.", 0
    lines = [
        "round  class            reviewed  errors  relabeled  deleted  s/image  s/error  state"
    ]
    for row in history:
        lines.append(
            f"{row['round']:>5}  {row['class_of_interest'][:15]:<15}  "
            f"{row['reviewed']:>3} of {row['size']:<3}"
            f"{row['errors_found']:>7}{row['relabeled']:>11}{row['deleted']:>9}"
            f"{_seconds(row['seconds_per_image']):>9}{_seconds(row['seconds_per_error']):>9}  "
            f"{RoundState.of(row).value}"
        )
    if any(row["reviewed"] and RoundState.of(row) is not RoundState.UNDONE for row in history):
        lines.append(str(loop.yields()))
    meter = loop.meter()
    if meter.tells:
        lines.append(str(meter))
    return history, "\n".join(lines), 0


def undo(args: argparse.Namespace) -> Answer:
    """Take a round's answers back, or apply them again."""
    loop = open_loop(args)
    if args.sample:
        change = loop.redo_sample if args.redo else loop.undo_sample
        changed = change(args.round, args.sample)
    else:
        changed = (loop.redo_round if args.redo else loop.undo_round)(args.round)
    done = "applied again" if args.redo else "undone"
    what = f"Sample {args.sample} of round {args.round}" if args.sample else f"Round {args.round}"
    data = {"round": args.round, "sample": args.sample, "changed": changed, "redo": args.redo}
    return data, f"{what} {done}: {changed} labels updated.", 0


def yields(args: argparse.Namespace) -> Answer:
    """Estimate noise and what is left."""
    loop = open_loop(args)
    report = loop.yields(args.class_of_interest, scope=args.scope)
    curve = loop.budget_curve(args.class_of_interest, scope=args.scope)
    data = {**asdict(report), "budget_curve": [asdict(point) for point in curve]}
    return data, str(report), 0


def plan(args: argparse.Namespace) -> Answer:
    """Say what reviews will find and where they are worth most."""
    found = open_loop(args).plan(args.budget)
    return found.to_dict(), str(found), 0


def charts(args: argparse.Namespace) -> Answer:
    """Draw the charts."""
    paths = [str(path) for path in open_loop(args).save_charts(args.folder)]
    return paths, "\n".join(paths), 0


def close(args: argparse.Namespace) -> Answer:
    """End a round."""
    report = open_loop(args).close_round(
        None if args.local else asked_server(args), args.round, delete_tasks=args.delete_tasks
    )
    return report.to_dict(), str(report), 0


def coreset(args: argparse.Namespace) -> Answer:
    """Tag a coreset."""
    report = open_loop(args).sample_coreset(args.m)
    return report.to_dict(), str(report), 0


def proposals(args: argparse.Namespace) -> Answer:
    """List near-duplicates that still carry the wrong label."""
    found = open_loop(args).propose_corrections()
    lines = [
        f"{row['sample']}  {row['label']} -> {row['proposed'] or 'delete'}  "
        f"(like {row['duplicate_of']}, cosine {row['cosine']:.3f})"
        for row in found
    ]
    return found, "\n".join(lines) or "No near-duplicate of a corrected sample is left.", 0


def audit(args: argparse.Namespace) -> Answer:
    """Write the ledger to a file."""
    events = open_loop(args).export_audit(args.file)
    return {"file": args.file, "events": events}, f"{events} events written to {args.file}.", 0


def export(args: argparse.Namespace) -> Answer:
    """Write the cleaned labels for other programs."""
    with progress_bar("exporting") as progress:
        report = open_loop(args).export_cleaned(
            args.target, args.format, keep_deleted=args.keep_deleted, progress=progress
        )
    return report.to_dict(), str(report), 0


def doctor(args: argparse.Namespace) -> Answer:
    """Check the set-up."""
    from ..doctor import check_setup

    findings = check_setup(
        args.dataset,
        args.label_field,
        args.url,
        verify=args.ca_bundle or True,
        images=args.images,
        images_root=args.images_root,
        embeddings_field=args.embeddings_field,
        submit_key=args.submit_key,
    )
    text = "\n".join(
        f"{_MARKS[f['ok'], bool(f['fix'])]}  {f['name']}: {f['detail']}"
        + (f"\n      fix: {f['fix']}" if f["fix"] else "")
        for f in findings
    )
    return findings, text, 0 if all(f["ok"] for f in findings) else FAILED


def run_loop(args: argparse.Namespace) -> Answer:
    """Run whole rounds: push, wait for the reviewers, pull, score again, evaluate, decide."""
    loop = open_loop(args)
    with progress_bar("answered") as progress:
        decision = loop.run_rounds(
            asked_server(args),
            args.rounds,
            args.n,
            args.controls,
            scope=args.scope,
            class_of_interest=asked_classes(args),
            max_per_class=args.max_per_class,
            gold=args.gold,
            sheet=args.sheet,
            examples=args.examples,
            seconds=args.watch,
            budget=args.budget,
            report=lambda report: print(report, file=sys.stderr),
            progress=progress,
        )
    text = _advice(decision)
    data = {**decision.to_dict(), "history": loop.history()}
    return data, text, 0 if decision.continue_ else STOP


def install_plugin(args: argparse.Namespace) -> Answer:
    """Register the package with FiftyOne."""
    from . import install

    change = install.uninstall if args.uninstall else install.install
    state, folder = change(args.plugins_dir)
    text = f"{folder}: {state}."
    if state in ("installed", "updated"):
        text += " Restart the FiftyOne App and open the panel “Label cleaning”."
    return {"state": state, "folder": str(folder)}, text, 0


# ---- shared


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _advice(decision: StopDecision) -> str:
    return f"{decision.advice}: {' '.join(decision.reasons)}"
