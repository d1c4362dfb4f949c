r"""How well importance ranks wrong labels, beside what users have today.

    scripts/bench quality --json quality.json                        # digits with made-up noise
    scripts/bench quality --data cifar.parquet --weights resnet18.safetensors --image-size 112 \
        --label human_aggregate --true-label true_label --save cifar.npz
    scripts/bench quality --embeddings cifar.npz                     # the same without the images

Peers: three scores of cleanlab and FiftyOne Brain's mistakenness, all from 5-fold out-of-fold
logistic regression with the C that ours chose; neighbours; the published method's two-class
reduction; random. Needs the extra: pip install -e '.[bench]'. Each runs in a process of its own.
Measures: average precision over all rows (ap) and as mean over classes (per_class_ap), share of
errors among the first 50 and 300 of a class (p50, p300).
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from _data import LabeledRows, digits_with_noise, embed_parquet, read_columns, rows_of
from _measure import measure, write_json
from _peers import CLEANLAB, PEERS, ours

MIN_ERRORS = 100  # of a class that is compared on its own
VERDICTS = 50  # half relabeled, half deleted, before scoring again


def run_one(name: str, rows: LabeledRows, C: float, pipe: Any) -> None:
    """Score the rows with one method, in this process."""
    X, labels = rows.embeddings, rows.labels
    few = slice(0, 200)  # imports are neither timed nor counted as memory
    if name == "importance":
        ours(X[few], labels[few] % 2)
        scores, seconds, before, peak = measure(lambda: ours(X, labels))
        cost = {"seconds": seconds, "peak_rss_bytes": peak, "grown_bytes": peak - before}
        pipe.send((scores.importance, scores.model.C, {**cost, **rescore(rows, scores)}))
    else:
        PEERS[name](X[few], labels[few] % 2, C)
        score, seconds, before, peak = measure(lambda: PEERS[name](X, labels, C))
        cost = {"seconds": seconds, "peak_rss_bytes": peak, "grown_bytes": peak - before}
        pipe.send((score, C, cost))


def rescore(rows: LabeledRows, scores: Any) -> dict[str, float]:
    """Seconds to score again after verdicts, and how that agrees with starting from scratch."""
    from scipy.stats import spearmanr

    first = np.argsort(-scores.importance)[:VERDICTS]
    labels, weight = rows.labels.copy(), np.ones(len(rows.labels))
    labels[first[::2]] = scores.suggested_class[first[::2]]
    weight[first[1::2]] = 0
    again, seconds, *_ = measure(lambda: ours(rows.embeddings, labels, weight, scores.model))
    scratch = ours(rows.embeddings, labels, weight)
    agreement = float(spearmanr(again.importance, scratch.importance).statistic)
    return {"rescore_seconds": seconds, "rescore_spearman": agreement}


def in_process(name: str, rows: LabeledRows, C: float) -> tuple[np.ndarray, float, dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_one, args=(name, rows, C, sender))
    process.start()
    sender.close()
    score, C, cost = receiver.recv()
    process.join()
    return score, C, cost


def quality(rows: LabeledRows, score: np.ndarray) -> dict[str, Any]:
    """Average precision and precision at 50 and 300 of one ranking."""
    from sklearn.metrics import average_precision_score

    by_class = {}
    precision: dict[int, list[float]] = {50: [], 300: []}
    for c in np.unique(rows.labels):
        own = rows.judged & (rows.labels == c)
        wrong = rows.wrong[own]
        if not wrong.any():
            continue
        by_class[int(c)] = float(average_precision_score(wrong, score[own]))
        ranked = wrong[np.argsort(-score[own], kind="stable")]
        for n, found in precision.items():
            found.append(float(ranked[:n].mean()))
    return {
        "ap": float(average_precision_score(rows.wrong[rows.judged], score[rows.judged])),
        "per_class_ap": float(np.mean(list(by_class.values()))),
        "p50": float(np.mean(precision[50])),
        "p300": float(np.mean(precision[300])),
        "ap_of_class": by_class,
    }


def compare(rows: LabeledRows) -> dict[str, Any]:
    """All methods on one set of rows, and ours against the best of cleanlab's."""
    print(f"\n{rows.name}: {len(rows.labels)} rows, {rows.wrong.sum()} wrong labels")
    print(f"  {'score':20} {'AP':>7} {'by class':>9} {'P@50':>6} {'P@300':>6} {'s':>7} {'MB':>6}")
    scores: dict[str, Any] = {}
    C = 1.0
    for name in ("importance", *PEERS):
        score, C, cost = in_process(name, rows, C)
        scores[name] = {**quality(rows, score), **cost}
        s = scores[name]
        print(
            f"  {name:20} {s['ap']:7.4f} {s['per_class_ap']:9.4f} {s['p50']:6.3f} {s['p300']:6.3f}"
            f" {s['seconds']:7.2f} {s['grown_bytes'] / 2**20:6.0f}",
            flush=True,
        )
    mine = scores["importance"]
    best = {key: max(scores[peer][key] for peer in CLEANLAB) for key in ("ap", "per_class_ap")}
    large = [
        mine["ap_of_class"][c] / max(scores[peer]["ap_of_class"][c] for peer in CLEANLAB)
        for c in mine["ap_of_class"]
        if rows.wrong[rows.labels == c].sum() >= MIN_ERRORS
    ]
    against = {
        "ap_ratio": mine["ap"] / best["ap"],
        "per_class_ap_ratio": mine["per_class_ap"] / best["per_class_ap"],
        "worst_class_ratio": min(large) if large else None,
        "p300_over_random": mine["p300"] / scores["random"]["p300"],
        "times_faster": scores["self_confidence"]["seconds"] / mine["seconds"],
        "memory_over_embeddings": mine["grown_bytes"] / rows.embeddings.nbytes,
        "rescore_share": mine["rescore_seconds"] / mine["seconds"],
        "rescore_spearman": mine["rescore_spearman"],
    }
    numbers = ", ".join(f"{k} {v:.3f}" for k, v in against.items() if v is not None)
    print(f"  ours against cleanlab's best, C={C:.4f}: {numbers}", flush=True)
    errors = int(rows.wrong.sum())
    return {"rows": len(rows.labels), "errors": errors, "C": C, "scores": scores, **against}


def read_rows(args: argparse.Namespace) -> list[LabeledRows]:
    source = args.embeddings or args.data
    if source is None:
        return digits_with_noise()
    labels, true = read_columns(source, args.label, args.true_label)
    if args.embeddings:
        (X,) = read_columns(source, "embeddings")
    else:
        X = embed_parquet(args.data, args.weights, args.image_size)
        if args.save:
            np.savez(args.save, embeddings=X, labels=labels, true_labels=true)
    return [rows_of(f"{source.stem}, {args.label}", X, labels, true)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--embeddings", type=Path, metavar="NPZ", help="embeddings and labels")
    source.add_argument("--data", type=Path, metavar="PARQUET", help="images (jpeg) and labels")
    parser.add_argument("--label", default="labels", help="array or column of given labels")
    parser.add_argument(
        "--true-label",
        default="true_labels",
        help="of true ones; several separated by | are all right, an empty one is not known",
    )
    parser.add_argument("--weights", type=Path, help="of ResNet18, for --data")
    parser.add_argument("--image-size", type=int, help="pixels a side, for --data")
    parser.add_argument("--save", type=Path, metavar="NPZ", help="keep the embeddings of --data")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    report = {}
    for rows in read_rows(args):
        report[rows.name] = compare(rows)
        write_json(args.json, report)


if __name__ == "__main__":
    main()
