r"""How well importance ranks wrong labels, beside what users have today.

    scripts/bench quality --json quality.json                        # digits with made-up noise
    scripts/bench quality --data cifar.parquet --weights resnet18.safetensors --image-size 112 \
        --label human_aggregate --true-label true_label --save cifar.npz
    scripts/bench quality --embeddings cifar.npz                     # the same without the images
    scripts/bench quality --embeddings cifar.npz --probabilities out_of_fold.npy

Peers: three scores of cleanlab and FiftyOne Brain's mistakenness, all from 5-fold out-of-fold
logistic regression with the C that ours chose; neighbours; the published method's two-class
reduction; random. Needs the extra: pip install -e '.[bench]'. Each runs in a process of its own.
Measures: average precision over all rows (ap) and as mean over classes (per_class_ap), share of
errors among the first 50 and 300 of a class (p50, p300). Also: how far the probabilities of being
wrong are from the truth, before and after 100 random controls; how the rest is ranked after 300 and
1,000 verdicts on the head of the queue, to its ranking without them. With --probabilities (one row
a label, one column a class in the order of their sorted names): the same with a network's own
out-of-fold predictions, alone and beside the embeddings, against cleanlab on the same predictions.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from _data import LabeledRows, digits_with_noise, embed_parquet, read_columns, rows_of
from _measure import measure, write_json
from _peers import CLEANLAB, PEERS, cleanlab_on, ours

MIN_ERRORS = 100  # of a class that is compared on its own
VERDICTS = 50  # half relabeled, half deleted, before scoring again
REVIEWED = (300, 1_000)  # of the head of the queue, at most a fifth of the rows
CONTROLS, DRAWS = 100, 200
BINS = 15  # of the calibration error


def run_one(name: str, rows: LabeledRows, C: float, pipe: Any) -> None:
    """Score the rows with one method, in this process."""
    X, labels = rows.embeddings, rows.labels
    few = slice(0, 200)  # imports are neither timed nor counted as memory
    if name == "importance":
        ours(X[few], labels[few] % 2)
        scores, seconds, before, peak = measure(lambda: ours(X, labels))
        cost = {"seconds": seconds, "peak_rss_bytes": peak, "grown_bytes": peak - before}
        more = {**rescore(rows, scores), **honesty(rows, scores), **after_verdicts(rows, scores)}
        pipe.send((scores.importance, scores.model.C, {**cost, **more}))
    else:
        PEERS[name](X[few], labels[few] % 2, C)
        score, seconds, before, peak = measure(lambda: PEERS[name](X, labels, C))
        cost = {"seconds": seconds, "peak_rss_bytes": peak, "grown_bytes": peak - before}
        pipe.send((score, C, cost))


def rescore(rows: LabeledRows, scores: Any) -> dict[str, float]:
    """Seconds to score again after verdicts, and how that agrees with starting from scratch."""
    from scipy.stats import spearmanr

    first = np.argsort(-scores.importance)[:VERDICTS]
    verified, weight = np.full(len(rows.labels), -1), np.ones(len(rows.labels))
    verified[first[::2]] = scores.suggested_class[first[::2]]
    weight[first[1::2]] = 0
    X, labels = rows.embeddings, rows.labels
    again, seconds, *_ = measure(
        lambda: ours(X, labels, weight, verified=verified, warm_start=scores.model)
    )
    scratch = ours(X, labels, weight, verified=verified)
    agreement = float(spearmanr(again.importance, scratch.importance).statistic)
    return {"rescore_seconds": seconds, "rescore_spearman": agreement}


def honesty(rows: LabeledRows, scores: Any) -> dict[str, float]:
    """Calibration error and total of the probabilities, as they are and after random controls."""
    from coreset_cleaning.core.judging.odds import fit_odds
    from coreset_cleaning.core.judging.plan import expected_errors
    from coreset_cleaning.core.scoring.calibration import calibrate

    said, wrong = scores.wrong_probability[rows.judged], rows.wrong[rows.judged]
    classes = rows.labels[rows.judged].astype(str).tolist()
    rng = np.random.default_rng(0)
    totals: dict[str, list[float]] = {"calibrated": [], "planned": []}
    for _ in range(DRAWS):
        drawn = rng.choice(len(said), min(CONTROLS, len(said) // 5), replace=False)
        totals["calibrated"].append(calibrate(said[drawn], wrong[drawn]).expected_errors(said)[0])
        of_drawn = [classes[row] for row in drawn]
        odds = fit_odds(said[drawn], wrong[drawn], of_drawn, np.ones(len(drawn), bool))
        totals["planned"].append(expected_errors(said, classes, odds).value)
    found = {
        "calibration_error": calibration_error(said, wrong),
        "expected_over_errors": float(said.sum() / wrong.sum()),
    }
    for name, values in totals.items():
        share = np.array(values) / wrong.sum()
        found[f"expected_{name}_over_errors"] = float(share.mean())
        found[f"expected_{name}_off_by"] = float(np.sqrt(np.square(share - 1).mean()))
        found[f"expected_{name}_within_10"] = float((np.abs(share - 1) <= 0.1).mean())
    return found


def calibration_error(said: np.ndarray, wrong: np.ndarray) -> float:
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    size = np.bincount(bins, minlength=BINS)
    gap = np.bincount(bins, said - wrong, minlength=BINS)
    return float(np.abs(gap[size > 0]).sum() / len(said))


def after_verdicts(rows: LabeledRows, scores: Any) -> dict[str, float]:
    """AP over the rows that are left after verdicts, to their AP in the ranking before them."""
    from sklearn.metrics import average_precision_score

    queue = np.argsort(-scores.importance, kind="stable")
    queue = queue[rows.true[queue] >= 0]
    found = {}
    for count in REVIEWED:
        verified = np.full(len(rows.labels), -1)
        verified[queue[:count]] = rows.true[queue[:count]]
        if 5 * count > len(rows.labels) or not rows.wrong[verified < 0].any():
            continue
        again = ours(rows.embeddings, rows.labels, verified=verified, warm_start=scores.model)
        rest = rows.judged & (verified < 0)
        after, before = (
            average_precision_score(rows.wrong[rest], importance[rest])
            for importance in (again.importance, scores.importance)
        )
        found[f"rest_after_{count}"] = float(after / before)
    return found


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
    for name, value in mine.items():
        if name.startswith(("calibration", "expected", "rest_after")):
            print(f"  {name:36} {value:.4f}")
    errors = int(rows.wrong.sum())
    return {"rows": len(rows.labels), "errors": errors, "C": C, "scores": scores, **against}


def compare_predictions(rows: LabeledRows, probabilities: np.ndarray) -> dict[str, Any]:
    """Ours with a network's predictions, against cleanlab on the same ones."""
    print(f"\n{rows.name}, with own predictions")
    scores = {
        name: quality(rows, score)
        for name, score in cleanlab_on(probabilities, rows.labels).items()
    }
    best = {key: max(s[key] for s in scores.values()) for key in ("ap", "per_class_ap")}
    for name, X in (("probabilities", None), ("embeddings and probabilities", rows.embeddings)):
        found = ours(X, rows.labels, probabilities=probabilities)
        scores[name] = {
            **quality(rows, found.importance),
            "predictions_seen": found.predictions_seen,
            "calibration_error": calibration_error(
                found.wrong_probability[rows.judged], rows.wrong[rows.judged]
            ),
        }
        for key, value in best.items():
            scores[name][f"{key}_ratio"] = scores[name][key] / value
    for name, s in scores.items():
        ratios = "".join(f"  {s[k]:.3f}" for k in ("ap_ratio", "per_class_ap_ratio") if k in s)
        print(f"  {name:30} {s['ap']:7.4f} {s['per_class_ap']:9.4f}{ratios}", flush=True)
    return scores


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
    parser.add_argument(
        "--probabilities",
        type=Path,
        metavar="NPY",
        help="a network's, out-of-fold: one row a label",
    )
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if args.probabilities and not (args.embeddings or args.data):
        parser.error("--probabilities needs --embeddings or --data")
    report = {}
    for rows in read_rows(args):
        report[rows.name] = compare(rows)
        if args.probabilities:
            own = compare_predictions(rows, np.load(args.probabilities))
            report[rows.name]["own_predictions"] = own
        write_json(args.json, report)


if __name__ == "__main__":
    main()
