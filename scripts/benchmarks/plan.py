"""How often a plan's intervals hold the wrong labels that the next reviews would find.

    scripts/bench plan --json plan.json                       # digits with made-up noise
    scripts/bench plan --embeddings cifar.npz --label human_aggregate --true-label true_labels

Before any verdict: labels are scored once, and each repetition draws as many of them anew, with
replacement (bootstrap), plans the next reviews of the queue that comes of it, and counts the wrong
ones among them. Labels whose truth is not known are left out. `--refit 0.8` scores a new part of
the labels in each repetition instead, which takes a fit each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _data import LabeledRows, digits_with_noise, read_columns, rows_of
from _measure import write_json
from _options import parse

from coreset_cleaning.core.judging.odds import fit_odds
from coreset_cleaning.core.judging.plan import make_plan
from coreset_cleaning.core.scoring.importance import score_labels

# As far as there are five times as many labels.
BUDGETS = (300, 1_000)


def read_rows(args: argparse.Namespace) -> list[LabeledRows]:
    if args.embeddings is None:
        return digits_with_noise()[: args.sets]
    X, labels, true = read_columns(args.embeddings, "embeddings", args.label, args.true_label)
    return [rows_of(f"{args.embeddings.stem}, {args.label}", X, labels, true)]


def samples(
    rows: LabeledRows, repetitions: int, refit: float | None, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows in the order of their queue, with how likely each is wrong."""
    rng = np.random.default_rng(seed)
    if refit is None:
        scores = score_labels(rows.embeddings, rows.labels)
        judged = np.flatnonzero(rows.judged)
        for _ in range(repetitions):
            drawn = rng.choice(judged, len(judged))
            yield ordered(drawn, scores.importance[drawn], scores.wrong_probability[drawn])
        return
    for _ in range(repetitions):
        part = np.sort(rng.choice(len(rows.labels), round(refit * len(rows.labels)), replace=False))
        scores = score_labels(rows.embeddings[part], rows.labels[part])
        known = rows.judged[part]
        yield ordered(part[known], scores.importance[known], scores.wrong_probability[known])


def ordered(
    rows: np.ndarray, importance: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-importance, kind="stable")
    return rows[order], chance[order]


def coverage(rows: LabeledRows, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return what each budget's interval came to, by budget."""
    found: dict[int, list[tuple[float, float, float, float]]] = {}
    for queue, chance in samples(rows, args.repetitions, args.refit, args.seed):
        classes = [str(code) for code in rows.labels[queue]]
        for budget in args.budget:
            if 5 * budget > len(queue):
                continue
            estimate = make_plan(chance, classes, fit_odds(), budget, args.seed).whole.found
            wrong = float(rows.wrong[queue[:budget]].sum())
            found.setdefault(budget, []).append(
                (wrong, estimate.value, estimate.low, estimate.high)
            )
    return {str(budget): summary(np.array(values)) for budget, values in found.items()}


def summary(values: np.ndarray) -> dict[str, float]:
    wrong, value, low, high = values.T
    return {
        "covers": float(((low <= wrong) & (wrong <= high)).mean()),
        "wrong": float(wrong.mean()),
        "planned": float(value.mean()),
        "low": float(low.mean()),
        "high": float(high.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--embeddings", type=Path, metavar="NPZ", help="embeddings and labels (default: digits)")
    add("--label", default="labels", help="array of given labels")
    add("--true-label", default="true_labels", help="array of true ones")
    add("--repetitions", type=int, default=100)
    add("--budget", type=int, action="append", help=f"reviews (default: {BUDGETS})")
    add("--refit", type=float, metavar="SHARE", help="score this share of the labels each time")
    add("--sets", type=int, default=6, help="label sets of the digits (%(default)s)")
    add("--seed", type=int, default=0)
    args = parse(parser, repetitions=3, sets=1)
    args.budget = args.budget or list(BUDGETS)
    report: dict[str, Any] = {}
    for rows in read_rows(args):
        report[rows.name] = coverage(rows, args)
        for budget, line in report[rows.name].items():
            print(
                f"{line['covers']:6.1%}  {rows.name}: the next {budget} hold {line['wrong']:.0f} "
                f"wrong labels, planned {line['planned']:.0f} ({line['low']:.0f} to "
                f"{line['high']:.0f})",
                flush=True,
            )
    write_json(args.json, {"repetitions": args.repetitions, "coverage": report})


if __name__ == "__main__":
    main()
