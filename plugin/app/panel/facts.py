"""What the panel shows: where a dataset stands in the loop, as plain JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...core.review.states import RoundState, open_row
from ...core.review.verdicts import Outcome
from ...reports.charts import budget_points
from .. import settings
from ..confusion import load_confusion
from ..context import PLUGIN, loop_for
from ..server import server_state
from . import plan_card
from .steps import Stage
from .whole import COUNTS, are_few

if TYPE_CHECKING:
    from ...core.judging.stopping import StopDecision
    from ...loop import CleaningLoop


def collect(ctx: Any, *, anew: bool = False) -> dict[str, Any]:
    """Return all that the panel shows of the dataset; with `anew` the server is asked again."""
    if ctx.dataset is None:
        return {"step": Stage.NO_DATASET.value}
    if ctx.dataset.media_type is None:
        return {"step": Stage.NO_SAMPLES.value}
    if ctx.dataset.media_type != "image":
        return {"step": Stage.NO_IMAGES.value}
    fields = settings.label_fields(ctx.dataset)
    if not fields:
        return {"step": Stage.NO_LABELS.value}
    chosen = settings.resolve(ctx.dataset)
    facts: dict[str, Any] = {
        "dataset": ctx.dataset.name,
        "persistent": bool(ctx.dataset.persistent),
        "label_field": chosen.label_field,
        "label_fields": fields,
        "locked": bool(ctx.dataset.get_field(chosen.label_field).read_only),
        **delegated(ctx.dataset.name),
        "confusion": load_confusion(ctx.dataset, chosen.label_field),
        "server": server_state(ctx, anew=anew).to_dict(),
    }
    vectors = settings.embeddings_fields(ctx.dataset, chosen.label_field)
    if chosen.embeddings_field not in vectors:
        return {**facts, "step": Stage.NO_EMBEDDINGS.value}
    loop = loop_for(ctx)
    if not loop.is_scored():
        return {**facts, "step": Stage.NO_IMPORTANCE.value}
    few = are_few(loop)
    found = {**facts, **rounds(loop, predict=few)}
    found |= COUNTS.get(loop, has_yields=bool(found["yields"]) and not few)
    # They are for those who have not begun: what was reviewed since has changed the data.
    data = [] if found["rounds"] else settings.findings(ctx.dataset, chosen.label_field)
    return {**found, "data": data}


def have_changed(ctx: Any, facts: dict[str, Any]) -> bool:
    """Tell whether something has changed by itself: runs, a count, or the state of the server."""
    if facts.get("counting") and not COUNTS.is_counting(
        str(ctx.dataset._doc.id), facts["label_field"]
    ):
        return True
    found = {**delegated(ctx.dataset.name), "server": server_state(ctx, wait=0.0).to_dict()}
    return any(facts.get(name) != now for name, now in found.items())


def rounds(loop: CleaningLoop, predict: bool = False) -> dict[str, Any]:
    """Return rounds, evaluations and the decision; no sample is read for it, unless to predict."""
    seen = loop.overview(predict=predict)
    history = seen.history
    evaluations = [(0, seen.baseline)] if seen.baseline else []
    evaluations += [(r["round"], r["evaluation"]) for r in history if r["evaluation"]]
    # Of an undone round nothing is left to pull, to evaluate or to go on from.
    standing = [row for row in history if RoundState.of(row) is not RoundState.UNDONE]
    return {
        "rounds": [_slim_round(loop, row) for row in history],
        "auroc": [_slim_evaluation(k, value, seen.leading(value)) for k, value in evaluations],
        "budget": budget_points(_counted(standing), None) if seen.yields else None,
        "yields": str(seen.yields) if seen.yields else "",
        "meter": str(seen.meter) if seen.meter and seen.meter.tells else "",
        "reasons": list(seen.decision.reasons) if standing else [],
        "plan": plan_card.facts(seen),
        "importance": [asdict(bar) for bar in seen.importance],
        "next_round": seen.next_round,
        "step": _stage(standing, seen.decision).value,
    }


def _counted(standing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in standing if row["reviewed"]]


def _stage(standing: list[dict[str, Any]], decision: StopDecision) -> Stage:
    """Say where the rounds stand that are not undone."""
    if not standing:
        return Stage.READY
    if open_row(standing):
        return Stage.OPEN
    if standing[-1]["evaluation"] is None:
        return Stage.PULLED
    if decision.continue_:
        return Stage.GO_ON
    return Stage.LEFT if decision.proposal else Stage.DONE


def _slim_round(loop: CleaningLoop, row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("round", "size", "reviewed")},
        **{outcome.value: row[outcome.value] for outcome in Outcome},
        "errors": row["errors_found"],
        "class": row["class_of_interest"],
        "scope": row["scope"],
        "desk": row["desk"],
        "n_controls": row["n_controls"],
        "control_errors": row["control_errors"],
        "seconds_per_image": row["seconds_per_image"],
        "seconds_per_error": row["seconds_per_error"],
        "state": RoundState.of(row).value,
        "url": row["url"] or "",
        "view": loop.round_view_name(row["round"]),
    }


def _slim_evaluation(number: int, evaluation: dict[str, Any], what: str) -> dict[str, Any]:
    """Keep what the chart draws: the scores that lead."""
    scores = evaluation[what]
    random, blind = scores.get("random_deletion") or {}, scores.get("blind_deletion") or {}
    return {
        "round": number,
        "what": what.replace("_", " "),
        "cv": scores["cv"],
        "frozen": scores["frozen"],
        "heldout": scores.get("heldout"),
        "interval": scores.get("heldout_interval"),
        "random": random.get("cv"),
        "blind": blind.get("cv"),
    }


def delegated(dataset_name: str) -> dict[str, list[dict[str, Any]]]:
    """Return this plugin's delegated runs on the dataset: unfinished ones, and those that failed.

    A failed run is shown until the same operator has been queued again.
    """
    from fiftyone.operators.delegated import DelegatedOperationService

    newest: dict[str, Any] = {}
    shown: dict[str, list[dict[str, Any]]] = {"running": [], "failed": []}
    runs = DelegatedOperationService().list_operations(dataset_name=dataset_name)
    for run in sorted(runs, key=lambda run: run.queued_at):
        if not run.operator.startswith(f"{PLUGIN}/"):
            continue
        newest[run.operator] = run
        if run.run_state in _UNFINISHED:
            status = run.status
            shown["running"].append(
                {
                    "name": _title(run),
                    "state": run.run_state,
                    "progress": getattr(status, "progress", None),
                    "label": getattr(status, "label", None) or "",
                }
            )
    shown["failed"] = [
        {"name": _title(run), "text": _failure(run)}
        for run in newest.values()
        if run.run_state == "failed"
    ]
    return shown


_UNFINISHED = ("scheduled", "queued", "running")


def _title(run: Any) -> str:
    return str(run.operator.rsplit("/", 1)[1]).replace("_", " ").capitalize()


def _failure(run: Any) -> str:
    """Return the message of a failed run: the last line of its traceback, less its exception."""
    lines = str(getattr(run.result, "error", None) or "").strip().splitlines()
    if not lines:
        return "It was stopped before it had finished."
    name, _, message = lines[-1].partition(": ")
    text = message if message and " " not in name else lines[-1]
    # When the form refuses by now, its words come after "Reason: ".
    return text.partition("Reason: ")[2] or text if text.startswith("Validation error") else text
