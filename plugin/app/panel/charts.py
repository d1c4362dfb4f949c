"""The panel's charts as Plotly traces: pure, small, readable on a dark and a light page."""

from __future__ import annotations

from typing import Any

from ...core.review.verdicts import Outcome

Chart = tuple[list[dict[str, Any]], dict[str, Any]]

_ORANGE, _BLUE, _GREEN, _GREY, _RED = "#ff6d04", "#4c9be8", "#3fb68b", "#8a8f98", "#e05563"
# The errors at the bottom, where their heights compare; in the colours of the grid.
_VERDICTS = {
    outcome: outcome.color
    for outcome in sorted(Outcome, key=lambda o: (not o.is_error, not o.decides))
}
_CLEAR = "rgba(0,0,0,0)"
_GRID = "rgba(128,128,128,0.25)"
_BELOW = {
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "y": -0.28,
    "yanchor": "top",
    "bgcolor": _CLEAR,
}


def confusion(facts: dict[str, Any]) -> Chart:
    """Draw the share of each true class that is predicted as another; cells of none are empty."""
    classes, shares, counts = facts["classes"], facts["shares"], facts["counts"]
    size = range(len(classes))

    def is_shown(i: int, j: int) -> bool:
        return bool(i != j and counts[i][j] > 0)

    off = [[round(shares[i][j], 4) if is_shown(i, j) else None for j in size] for i in size]
    text = [[f"{counts[i][j]:g}" if is_shown(i, j) else "" for j in size] for i in size]
    trace = {
        "type": "heatmap",
        "x": classes,
        "y": classes,
        "z": off,
        "text": text,
        "texttemplate": "%{text}",
        "hovertemplate": "true %{y}, predicted %{x}: %{z:.1%}<extra>click: open queue</extra>",
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
        "textfont": {"color": "#ffffff"},
        "colorscale": [[0, "#59616b"], [1, _ORANGE]],
        "showscale": False,
        "zmin": 0,
    }
    layout = _layout(
        height=130 + 26 * len(classes),
        margin={"l": 100, "r": 16, "t": 8, "b": 60},
        xaxis={
            "title": {"text": "predicted"},
            "type": "category",
            "tickangle": -35,
            "showgrid": False,
            "range": [-0.5, len(classes) - 0.5],
        },
        yaxis={
            "title": {"text": "true"},
            "type": "category",
            "showgrid": False,
            "range": [len(classes) - 0.5, -0.5],
        },
    )
    return [trace], layout


def auroc(evaluations: list[dict[str, Any]]) -> Chart:
    """Draw the three kinds of AUROC by round, and the blind controls as dotted lines."""
    x = [e["round"] for e in evaluations]

    def line(key: str, name: str, color: str, **style: Any) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": x,
            "y": [e[key] for e in evaluations],
            "line": {"color": color, **style},
            "hovertemplate": "%{y:.4f}",
        }

    heldout = line("heldout", "held-out", _GREEN)
    if all(e["interval"] for e in evaluations):
        heldout["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [e["interval"][1] - e["heldout"] for e in evaluations],
            "arrayminus": [e["heldout"] - e["interval"][0] for e in evaluations],
            "thickness": 1,
        }
    traces = [
        line("cv", "cross-validated", _BLUE),
        line("frozen", "frozen rows", _ORANGE),
        heldout,
        line("random", "control: random", _GREY, dash="dot"),
        line("blind", "control: blind", _RED, dash="dot"),
    ]
    traces = [trace for trace in traces if any(value is not None for value in trace["y"])]
    layout = _layout(
        height=340,
        margin={"l": 60, "r": 16, "t": 8, "b": 40},
        xaxis={"title": {"text": "round"}, "dtick": 1},
        yaxis={"title": {"text": "AUROC"}, "tickformat": ".3f"},
        legend=_BELOW,
        hovermode="x unified",
    )
    return traces, layout


def budget(points: dict[str, list[float]]) -> Chart:
    """Draw wrong labels found against images reviewed, beside what a random review would find."""
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "this review",
            "x": points["reviewed"],
            "y": points["found"],
            "line": {"color": _ORANGE},
            "hovertemplate": "%{y} wrong in %{x} reviewed<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "random review, by the controls",
            "x": points["reviewed"],
            "y": [round(value, 2) for value in points["random"]],
            "line": {"color": _GREY, "dash": "dot"},
            "hovertemplate": "%{y:.1f} at random<extra></extra>",
        },
    ]
    if points["low"]:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "its 95 % interval",
                "x": [*points["reviewed"], *reversed(points["reviewed"])],
                "y": [round(v, 2) for v in (*points["low"], *reversed(points["high"]))],
                "fill": "toself",
                "line": {"width": 0, "color": _GREY},
                "opacity": 0.4,
                "hoverinfo": "skip",
            }
        )
    layout = _layout(
        height=300,
        margin={"l": 60, "r": 16, "t": 8, "b": 40},
        xaxis={"title": {"text": "images reviewed"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "wrong labels found"}, "rangemode": "tozero"},
        legend=_BELOW,
    )
    return traces, layout


def verdicts(rounds: list[dict[str, Any]]) -> Chart:
    """Draw what the reviewers decided in each round, stacked."""
    x = [row["round"] for row in rounds]
    traces = [
        {
            "type": "bar",
            "name": outcome.value,
            "x": x,
            "y": [row[outcome.value] for row in rounds],
            "marker": {"color": color},
        }
        for outcome, color in _VERDICTS.items()
        if any(row[outcome.value] for row in rounds)
    ]
    layout = _layout(
        height=300,
        margin={"l": 60, "r": 16, "t": 8, "b": 40},
        xaxis={"title": {"text": "round"}, "dtick": 1},
        yaxis={"title": {"text": "images"}},
        legend=_BELOW,
        barmode="stack",
    )
    return traces, layout


def importance(bars: list[dict[str, Any]]) -> Chart:
    """Draw what reviewed labels turned out to be, by their importance when they were pushed."""
    ranges = [f"{bar['low']:.2g} to {bar['high']:.2g}" for bar in bars]
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": ranges,
            "y": [bar[name] for bar in bars],
            "marker": {"color": color},
        }
        for name, color in (("wrong", _ORANGE), ("right", _GREY))
    ]
    layout = _layout(
        height=340,
        margin={"l": 60, "r": 16, "t": 32, "b": 90},
        xaxis={"title": {"text": "importance"}, "type": "category", "tickangle": -35},
        yaxis={"title": {"text": "reviewed labels"}},
        # Below, how much room the names of the ranges leave depends on the width.
        legend={**_BELOW, "y": 1.02, "yanchor": "bottom"},
        barmode="stack",
    )
    return traces, layout


def _layout(**options: Any) -> dict[str, Any]:
    for axis in ("xaxis", "yaxis"):
        options[axis] = {"gridcolor": _GRID, "zeroline": False, **options[axis]}
        options[axis]["automargin"] = True
    return {
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "autosize": True,
        "showlegend": "legend" in options,
        **options,
    }
