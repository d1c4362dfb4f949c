"""The demo's results: a table in the terminal, and a page with charts."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from coreset_cleaning.core.judging.tally import ImportanceBar
from coreset_cleaning.reports.charts import save_charts
from demonstration.data import DemoImage

COLUMNS = (
    ("round", "round", "{:d}"),
    ("reviewed", "reviewed", "{:d}"),
    ("wrong_found", "errors found", "{:d}"),
    ("relabeled", "relabeled", "{:d}"),
    ("deleted", "deleted", "{:d}"),
    ("precision", "precision", "{:.0%}"),
    ("cv_auroc", "CV AUROC", "{:.4f}"),
    ("frozen_auroc", "frozen AUROC", "{:.4f}"),
    ("heldout_auroc", "held-out AUROC", "{:.4f}"),
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Label cleaning: {data}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
  table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
  th, td {{ padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ccc }}
  img {{ max-width: 100%; margin-top: 1.5rem }}
</style>
<h1>Label cleaning: {data}</h1>
<p>{summary}</p>
<table><tr>{head}</tr>{rows}</table>
{images}
</html>
"""


def error_rate(images: list[DemoImage], label: str | None) -> float:
    """Return the share of wrong labels in what a reviewer could be shown of a class, or of all."""
    of_class = [image for image in images if label in (image.label, None) and not image.test]
    return sum(image.label != image.true_label for image in of_class) / len(of_class)


def table_start(row: dict[str, Any]) -> str:
    """Return the table's head and first row."""
    head = "  ".join(title for _, title, _ in COLUMNS)
    return f"\n{head}\n{table_line(row)}"


def table_line(row: dict[str, Any]) -> str:
    """Return one row under the head."""
    cells = zip(COLUMNS, _cells(row), strict=True)
    return "  ".join(cell.rjust(len(title)) for (_, title, _), cell in cells)


def write(
    folder: Path,
    result: dict[str, Any],
    history: list[dict[str, Any]],
    importance: Sequence[ImportanceBar] = (),
    beside: Sequence[dict[str, Any]] = (),
) -> list[Path]:
    """Write the charts and the page; return the page first, then the charts.

    `beside` are results of other runs, whose curves of errors found are drawn, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    charts = save_charts(
        history,
        folder,
        baseline=result["baseline"],
        random_precision=result["random_precision"],
        importance=importance,
        name=_shown(result) if beside else "this review",
        beside={_shown(other): list(_curve(other)) for other in beside},
    )
    reviewed = sum(row["reviewed"] for row in result["rounds"])
    found = sum(row["wrong_found"] for row in result["rounds"])
    of_class = f" labeled “{result['class_of_interest']}”" if result["rival"] else ""
    summary = (
        f"{found} wrong labels found among {reviewed} reviewed images{of_class} "
        f"({found / reviewed:.0%}"
    )
    if result["random_precision"]:
        summary += f"; a random review would find {result['random_precision']:.0%}"
    summary += ")."
    if result["rival"]:
        summary += f" It is confused with “{result['rival']}”."
    page = folder / "report.html"
    page.write_text(
        _PAGE.format(
            data=html.escape(result["data"]),
            summary=html.escape(summary),
            head="".join(f"<th>{title}</th>" for _, title, _ in COLUMNS),
            rows="".join(
                "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(row)) + "</tr>"
                for row in result["rounds"]
            ),
            images="".join(f'<img src="{c.name}" alt="{c.stem} chart">' for c in charts),
        ),
        encoding="utf-8",
    )
    return [page, *charts]


def _shown(result: dict[str, Any]) -> str:
    """Return what a run has reviewed, in words."""
    if result["scope"] == "dataset":
        return "the whole dataset"
    return f"class “{result['class_of_interest']}”"


def _curve(result: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield images reviewed and errors found after each round."""
    counts = [(row["reviewed"], row["wrong_found"]) for row in result["rounds"]]
    yield from accumulate(counts, lambda total, row: (total[0] + row[0], total[1] + row[1]))


def _cells(row: dict[str, Any]) -> list[str]:
    return ["–" if row[key] is None else form.format(row[key]) for key, _, form in COLUMNS]
