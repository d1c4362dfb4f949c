"""What the panel shows: where a dataset stands in the loop, as plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.errors import AuthenticationError, CleaningError, DataError, ServerError
from ...reports.charts import budget_points
from .. import settings
from ..confusion import load_confusion
from ..context import KEY, PLUGIN, URL

if TYPE_CHECKING:
    from ...loop import CleaningLoop
    from ...store.rounds import Round

_SERVER_SECONDS = 2.0

(
    NO_DATASET,
    NO_SAMPLES,
    NO_IMAGES,
    NO_LABELS,
    NO_EMBEDDINGS,
    NO_IMPORTANCE,
    READY,
    OPEN,
    PULLED,
    GO_ON,
    DONE,
) = (
    "no_dataset",
    "no_samples",
    "no_images",
    "no_labels",
    "no_embeddings",
    "no_importance",
    "ready",
    "open",
    "pulled",
    "go_on",
    "done",
)


def collect(ctx: Any) -> dict[str, Any]:
    """Return all that the panel shows of the dataset."""
    if ctx.dataset is None:
        return {"step": NO_DATASET}
    if ctx.dataset.media_type is None:
        return {"step": NO_SAMPLES}
    if ctx.dataset.media_type != "image":
        return {"step": NO_IMAGES}
    fields = settings.label_fields(ctx.dataset)
    if not fields:
        return {"step": NO_LABELS}
    chosen = settings.resolve(ctx.dataset)
    facts: dict[str, Any] = {
        "dataset": ctx.dataset.name,
        "label_field": chosen.label_field,
        "label_fields": fields,
        "locked": bool(ctx.dataset.get_field(chosen.label_field).read_only),
        **delegated(ctx.dataset.name),
        "confusion": load_confusion(ctx.dataset, chosen.label_field),
        "server": server_state(ctx),
    }
    if chosen.embeddings_field not in settings.embeddings_fields(ctx.dataset):
        return {**facts, "step": NO_EMBEDDINGS}
    from ...loop import CleaningLoop

    loop = CleaningLoop(
        ctx.dataset, chosen.label_field, chosen.embeddings_field, test_tag=chosen.test_tag
    )
    if not loop.is_scored():
        return {**facts, "step": NO_IMPORTANCE}
    return {**facts, **rounds(loop)}


def rounds(loop: CleaningLoop) -> dict[str, Any]:
    """Return rounds, evaluations and the decision."""
    from ... import measure

    recorded, start = loop.rounds.all(), loop.rounds.load_start()
    history = measure.history(recorded)
    evaluations = [(0, start.evaluation)] if start and start.evaluation else []
    evaluations += [(r["round"], r["evaluation"]) for r in history if r["evaluation"]]
    facts: dict[str, Any] = {
        "rounds": [_slim_round(row) for row in history],
        "auroc": [_slim_evaluation(number, value) for number, value in evaluations],
        **_yields(loop, recorded, history),
        "reasons": [],
    }
    if not history:
        return {**facts, "step": READY}
    last = history[-1]
    if last["closed_at"] is None:
        return {**facts, "step": OPEN}
    if last["evaluation"] is None:
        return {**facts, "step": PULLED}
    decision = measure.decide(history, start)
    return {
        **facts,
        "step": GO_ON if decision.continue_ else DONE,
        "reasons": list(decision.reasons),
    }


def _slim_round(row: dict[str, Any]) -> dict[str, Any]:
    state = "undone" if row["undone"] else "open" if row["closed_at"] is None else "done"
    keys = ("round", "size", "reviewed", "kept", "relabeled", "deleted", "unsure", "conflict")
    return {
        **{key: row[key] for key in keys},
        "class": row["class_of_interest"],
        "n_controls": row["n_controls"],
        "control_errors": row["control_errors"],
        "state": state,
        "url": row["url"] or "",
    }


def _slim_evaluation(number: int, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Keep what the chart draws: of the pair where there is one, else of all classes."""
    scores = evaluation.get("pair") or evaluation["all_classes"]
    random, blind = scores.get("random_deletion") or {}, scores.get("blind_deletion") or {}
    return {
        "round": number,
        "what": "pair" if evaluation.get("pair") else "all classes",
        "cv": scores["cv"],
        "frozen": scores["frozen"],
        "heldout": scores.get("heldout"),
        "interval": scores.get("heldout_interval"),
        "random": random.get("cv"),
        "blind": blind.get("cv"),
    }


def server_state(ctx: Any) -> dict[str, str]:
    """Tell whether Label Studio can be used: ok, no_key, refused or down, with a sentence."""
    url, key = ctx.secret(URL), ctx.secret(KEY)
    if not url or not key:
        missing = " and ".join(name for name, value in ((URL, url), (KEY, key)) if not value)
        return {
            "state": "no_key",
            "text": f"{missing} must be set in the environment of the FiftyOne server. The key is "
            "in Label Studio under Account & Settings.",
        }
    from ...desks.labelstudio.connection import LabelStudioServer

    try:
        LabelStudioServer(url, key, timeout=_SERVER_SECONDS).get("api/current-user/whoami")
    except (AuthenticationError, DataError) as error:
        return {"state": "refused", "text": str(error)}
    except ServerError as error:
        return {"state": "down", "text": str(error)}
    return {"state": "ok", "text": url}


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


def _yields(
    loop: CleaningLoop, recorded: list[Round], history: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return images reviewed and errors found so far, and what that says of the class."""
    from ... import measure

    rows = measure.counted(history)
    if not rows:
        return {"budget": None, "yields": ""}
    found = measure.yields(loop.samples, loop.rounds, recorded, None, loop.random_state)
    return {"budget": budget_points(rows, None), "yields": str(found)}


def sentence(error: CleaningError) -> str:
    """Return an error as a sentence that begins with a capital letter."""
    text = str(error)
    return text[:1].upper() + text[1:]
