"""Charts of the rounds as files; readable in print and with colour-blind eyes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.judging.estimates import wilson_interval
from ..core.judging.evaluation import leading_scores
from ..core.judging.tally import ImportanceBar
from ..core.judging.yields import RoundYield, budget_curve
from ..core.review.scope import Scope
from ..core.review.verdicts import Outcome

# Okabe and Ito's colours, told apart by marker and line as well.
_BLUE, _ORANGE, _GREEN, _GREY, _PURPLE = "#0072B2", "#E69F00", "#009E73", "#767676", "#CC79A7"
# Colour and hatch of each outcome, the errors first: they stand at the bottom.
_VERDICTS = {
    Outcome.RELABELED: (_BLUE, ""),
    Outcome.DELETED: (_ORANGE, "//"),
    Outcome.WRONG_BOX: (_PURPLE, "oo"),
    Outcome.KEPT: ("#D0D0D0", ""),
    Outcome.UNSURE: ("white", ".."),
    Outcome.CONFLICT: ("white", "xx"),
}


def save_charts(
    history: Sequence[dict[str, Any]],
    folder: Path,
    *,
    baseline: dict[str, Any] | None = None,
    random_precision: float | None = None,
    importance: Sequence[ImportanceBar] = (),
    name: str = "this review",
    beside: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> list[Path]:
    """Draw AUROC, verdicts, errors found against images reviewed, and what importance is worth.

    Parameters
    ----------
    history : sequence of dict
        Rows of `CleaningLoop.history`.
    folder : Path
        Where the PNG files go.
    baseline : dict, optional
        Evaluation before the first round.
    random_precision : float, optional
        Share of wrong labels that a random review finds. Default: estimated from the controls.
    importance : sequence of ImportanceBar, optional
        What reviewed labels turned out to be, by importance.
    name : str, default "this review"
        What the curve of errors found is called.
    beside : mapping of str to sequence of (int, int), optional
        Further curves, by name: images reviewed and errors found after each round.

    Returns
    -------
    list of Path
        auroc.png (only when something was evaluated), verdicts.png, budget.png, importance.png
        (only where there are bars).
    """
    rows = [row for row in history if not row["undone"]]
    paths = []
    points = auroc_points(rows, baseline)
    if points["round"]:
        paths.append(_auroc(points, folder / "auroc.png"))
    paths.append(_verdicts(rows, folder / "verdicts.png"))
    curves = {name: budget_points(rows, random_precision)}
    for other, sums in (beside or {}).items():
        reviewed, found = zip((0, 0), *sums, strict=True)
        curves[other] = {"reviewed": list(map(float, reviewed)), "found": list(map(float, found))}
    paths.append(_budget(curves, folder / "budget.png"))
    if importance:
        paths.append(_importance(importance, folder / "importance.png"))
    return paths


def auroc_points(
    rows: Sequence[dict[str, Any]], baseline: dict[str, Any] | None
) -> dict[str, list[Any]]:
    """Return the AUROC that leads, of pair or all classes, by round: one list per line."""
    scope = Scope(rows[-1]["scope"]) if rows else Scope.CLASS
    points: dict[str, list[Any]] = {
        key: [] for key in ("round", "cv", "frozen", "heldout", "low", "high", "random", "blind")
    }
    start = [(0, baseline)] if baseline else []
    for number, evaluation in start + [(row["round"], row["evaluation"]) for row in rows]:
        if evaluation is None:
            continue
        scores = evaluation[leading_scores(bool(evaluation["pair"]), scope)]
        low, high = scores["heldout_interval"] or (None, None)
        points["round"].append(number)
        points["low"].append(low)
        points["high"].append(high)
        for key in ("cv", "frozen", "heldout"):
            points[key].append(scores[key])
        for key in ("random", "blind"):
            control = scores[f"{key}_deletion"]
            # Before any change, deleting as many rows means deleting none.
            points[key].append(control["cv"] if control else scores["cv"])
    return points


def budget_points(
    rows: Sequence[dict[str, Any]], random_precision: float | None
) -> dict[str, list[float]]:
    """Return images reviewed, errors found, and errors that a random review would have found.

    The random line has a 95 % interval, "low" and "high", when it is estimated from controls.
    """
    # Beside rounds of the whole dataset, those of a class tell nothing of a random review of it.
    whole = any(row["scope"] == Scope.DATASET for row in rows)
    points = budget_curve(
        [
            RoundYield(
                row["pool"],
                row["reviewed"],
                row["errors_found"],
                row["n_controls"],
                row["control_errors"],
                of_part=whole and row["scope"] != Scope.DATASET,
            )
            for row in rows
            if row["reviewed"]
        ]
    )
    reviewed = [float(point.reviewed) for point in points]
    curve = {"reviewed": reviewed, "found": [float(point.found) for point in points]}
    if random_precision is not None:
        return {**curve, "random": [n * random_precision for n in reviewed], "low": [], "high": []}
    drawn = [row for row in rows if not whole or row["scope"] == Scope.DATASET]
    controls = sum(row["n_controls"] for row in drawn)
    if not controls:
        return {**curve, "random": [], "low": [], "high": []}
    lines = [point.random for point in points]
    if len({row["class_of_interest"] for row in rows}) > 1 or math.isnan(lines[-1].value):
        # Of several queues, only the controls' share of all of them is known.
        share = wilson_interval(sum(row["control_errors"] for row in drawn), controls)
        lines = [share.times(n) for n in reviewed]
    return {
        **curve,
        "random": [line.value for line in lines],
        "low": [line.low for line in lines],
        "high": [line.high for line in lines],
    }


def _auroc(points: dict[str, list[Any]], path: Path) -> Path:
    figure, axes = _figure("AUROC by round", "round", "AUROC")
    rounds = points["round"]
    if any(value is not None for value in points["heldout"]):
        known = [i for i, value in enumerate(points["heldout"]) if value is not None]
        at = [rounds[i] for i in known]
        axes.fill_between(
            at,
            [points["low"][i] for i in known],
            [points["high"][i] for i in known],
            color=_GREEN,
            alpha=0.15,
            linewidth=0,
            label="held-out, 95 % interval",
        )
        axes.plot(at, [points["heldout"][i] for i in known], "^-", color=_GREEN, label="held-out")
    # The two often coincide: the wider line lies below.
    axes.plot(rounds, points["frozen"], "s-", color=_ORANGE, linewidth=4, label="frozen rows")
    axes.plot(rounds, points["cv"], "o-", color=_BLUE, markersize=4, label="cross-validated")
    axes.plot(rounds, points["random"], ":", color=_GREY, label="control: random deletion")
    axes.plot(rounds, points["blind"], "--", color=_PURPLE, label="control: blind deletion")
    axes.set_xticks(rounds)
    return _save(figure, axes, path)


def _verdicts(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    figure, axes = _figure("Verdicts by round", "round", "images")
    numbers = [row["round"] for row in rows]
    bottom = [0] * len(rows)
    for outcome, (color, hatch) in _VERDICTS.items():
        counts = [row.get(outcome.value, 0) for row in rows]
        if any(counts):
            axes.bar(
                numbers,
                counts,
                bottom=bottom,
                label=outcome.value,
                color=color,
                hatch=hatch,
                edgecolor="#404040",
                linewidth=0.6,
                width=0.7,
            )
            bottom = [b + c for b, c in zip(bottom, counts, strict=True)]
    axes.set_xticks(numbers)
    return _save(figure, axes, path)


def _budget(curves: Mapping[str, dict[str, list[float]]], path: Path) -> Path:
    """Draw one or more curves, and the random review of the first."""
    figure, axes = _figure("Wrong labels found", "images reviewed", "wrong labels found")
    styles = zip(("o-", "s-", "^-"), (_BLUE, _ORANGE, _GREEN), strict=True)
    for (name, curve), (marker, color) in zip(curves.items(), styles, strict=False):
        axes.plot(curve["reviewed"], curve["found"], marker, color=color, label=name)
    points = next(iter(curves.values()))
    if points["random"]:
        axes.plot(points["reviewed"], points["random"], "--", color=_GREY, label="random review")
    if points["low"]:
        axes.fill_between(
            points["reviewed"],
            points["low"],
            points["high"],
            color=_GREY,
            alpha=0.2,
            linewidth=0,
            label="random, 95 % interval",
        )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.get_major_locator().set_params(integer=True)
    return _save(figure, axes, path)


def _importance(bars: Sequence[ImportanceBar], path: Path) -> Path:
    """Draw what reviewed labels turned out to be, by their importance when they were pushed."""
    title = "Importance of right and wrong labels"
    figure, axes = _figure(title, "importance", "reviewed labels")
    left = [bar.low for bar in bars]
    width = [bar.high - bar.low or bar.low for bar in bars]
    wrong, right = [bar.wrong for bar in bars], [bar.right for bar in bars]
    style = {"align": "edge", "edgecolor": "#404040", "linewidth": 0.6}
    axes.bar(left, wrong, width, color=_ORANGE, hatch="//", label="wrong", **style)
    axes.bar(left, right, width, bottom=wrong, color="#D0D0D0", label="right", **style)
    axes.set_xscale("log")
    axes.yaxis.get_major_locator().set_params(integer=True)
    return _save(figure, axes, path)


def _figure(title: str, x: str, y: str) -> tuple[Any, Any]:
    # Not pyplot: it keeps global state and may open windows.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E0E0E0", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> Path:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=150)
    return path
