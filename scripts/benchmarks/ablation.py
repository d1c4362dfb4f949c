r"""What each part of the importance is worth: the same sets with one part changed at a time.

    scripts/bench ablation                                                   # digits
    scripts/bench ablation cifar.npz:human_aggregate cifar.npz:human_1 --json ablation.json

A set is FILE.npz:LABELS, or FILE.npz:LABELS:TRUE_LABELS. Measure: average precision over all rows
and as mean over classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from _data import LabeledRows, digits_with_noise, read_columns, rows_of
from _measure import write_json
from _options import parse
from scipy.sparse import csr_array

from coreset_cleaning.core.scoring import channel, model, neighbors, sensitivity, signals, tuning
from coreset_cleaning.core.scoring.importance import score_labels


def rounds(n: int) -> Callable[..., Any]:
    """The EM fit with another number of rounds."""
    fit = model.fit_noisy_softmax
    return lambda *args, **options: fit(*args, **{**options, "rounds": n})


def keep_channel(
    features: Any, labels: Any, weight: Any, coef: Any, current: Any, known: Any = 0
) -> Any:
    return current


def starting_at(weight: float, few_rows: float) -> list[tuple[Any, str, Any]]:
    """Other weights of the neighbours before anything is learned."""
    return [
        (signals, "START", (1.0, weight, 0.0)),
        (signals, "START_FEW_ROWS", (1.0, few_rows, 0.0)),
    ]


def no_shares(self: Any, labels: Any, weight: Any, n_classes: int, count: int = 0) -> Any:
    return csr_array((len(labels), n_classes))


NO_NEIGHBORS = [(neighbors.Neighbors, "class_shares", no_shares)]
NO_CHANNEL = [(channel, "update_channel", keep_channel), (channel, "START_NOISE", 1e-9)]

# One change a variant: module, name, value.
VARIANTS: dict[str, list[tuple[Any, str, Any]]] = {
    "as it is": [],
    "no noise channel": NO_CHANNEL,
    "nothing learned from the labels": [(signals, "PRIOR_ROWS", 1e12)],
    "learned without shrinking": [(signals, "PRIOR_ROWS", 0)],
    "no neighbours": NO_NEIGHBORS,
    "neighbours, start at half": starting_at(0.1, 0.2),
    "neighbours, start at twice": starting_at(0.4, 0.8),
    "neither channel nor neighbours": [*NO_CHANNEL, *NO_NEIGHBORS],
    "no prior noise in the left-out channel": [(signals, "NOISE_PRIOR", 0.0)],
    "C = 0.001": [(tuning, "C_GRID", (0.001,))],
    "C = 0.01": [(tuning, "C_GRID", (0.01,))],
    "C = 0.1": [(tuning, "C_GRID", (0.1,))],
    "C = 1": [(tuning, "C_GRID", (1.0,))],
    "3 rounds of EM": [(model, "fit_noisy_softmax", rounds(3))],
    "40 rounds of EM": [(model, "fit_noisy_softmax", rounds(40))],
    "prior 1 a cell": [(channel, "CELL_PRIOR", 1.0)],
    "prior 20 a cell": [(channel, "CELL_PRIOR", 20.0), (channel, "PRIOR_SHARE", 1.0)],
    "channel starts at 3 % noise": [(channel, "START_NOISE", 0.03)],
    "channel starts at 30 % noise": [(channel, "START_NOISE", 0.3)],
    "never cross-fits": [(model, "MEMORISED", 0.0)],
    "always cross-fits": [(model, "MEMORISED", 9.0)],
    "radius x 10": [
        (sensitivity, "weighted_median", lambda v, w: 10 * weighted_median(v, w)),
    ],
    "radius x 1000": [
        (sensitivity, "weighted_median", lambda v, w: 1000 * weighted_median(v, w)),
    ],
}
weighted_median = sensitivity.weighted_median


def quality(rows: LabeledRows, score: np.ndarray) -> tuple[float, float]:
    from sklearn.metrics import average_precision_score

    by_class = [
        average_precision_score(rows.wrong[mine], score[mine])
        for mine in (rows.judged & (rows.labels == k) for k in np.unique(rows.labels))
        if rows.wrong[mine].any()
    ]
    whole = average_precision_score(rows.wrong[rows.judged], score[rows.judged])
    return float(whole), float(np.mean(by_class))


def read_sets(sources: list[str]) -> Iterator[LabeledRows]:
    for source in sources:
        file, label, *true = source.split(":")
        columns = read_columns(Path(file), "embeddings", label, true[0] if true else "true_labels")
        yield rows_of(f"{Path(file).stem}, {label}", *columns)
    yield from digits_with_noise()


def tiny_set() -> LabeledRows:
    rows, few = digits_with_noise()[0], slice(0, 300)
    columns = (rows.embeddings, rows.labels, rows.wrong, rows.judged, rows.true)
    return LabeledRows(rows.name, *(column[few] for column in columns))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="NPZ:LABELS[:TRUE_LABELS]")
    args = parse(parser)
    report: dict[str, dict[str, Any]] = {}
    for rows in [tiny_set()] if args.tiny else read_sets(args.sets):
        print(f"\n{rows.name}: {len(rows.labels)} rows, {rows.wrong.sum()} wrong labels")
        for name, changes in VARIANTS.items():
            with ExitStack() as stack:
                for module, attribute, value in changes:
                    stack.enter_context(patch.object(module, attribute, value))
                scores = score_labels(rows.embeddings, rows.labels)
            ap, per_class_ap = quality(rows, scores.importance)
            found = {"ap": ap, "per_class_ap": per_class_ap, "C": scores.model.C}
            report.setdefault(name, {})[rows.name] = found
            print(f"  {name:32} AP {ap:.4f}  by class {per_class_ap:.4f}", flush=True)
    print(f"\n{'mean ratio to as it is':32} {'AP':>7} {'by class':>9} {'worst AP':>9}")
    for name, sets in report.items():
        ratios = np.array(
            [
                [found[key] / report["as it is"][s][key] for key in ("ap", "per_class_ap")]
                for s, found in sets.items()
            ]
        )
        print(
            f"{name:32} {ratios[:, 0].mean():7.4f} {ratios[:, 1].mean():9.4f} {ratios.min():9.4f}"
        )
    write_json(args.json, report)


if __name__ == "__main__":
    main()
