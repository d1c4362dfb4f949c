"""The published protocol on real label errors: rounds of review by somebody who knows the truth.

    scripts/bench rounds --train train.npz --given human_aggregate --test test.npz

Without files, scikit-learn's digits with made-up label errors, a fifth of them held out. The files
hold `embeddings` and int labels 0..K-1 (or class names, whose sorted order counts); see
--help for their names. The most confused pair is found on the test split, then every round sends
the most important unreviewed labels of the class of interest, with controls, and scores again.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from _data import digits_with_noise
from _measure import write_json
from _options import parse

from coreset_cleaning.core.judging.confusion import predict_confusion
from coreset_cleaning.core.judging.estimates import lift, wilson_interval
from coreset_cleaning.core.judging.evaluation import AurocEvaluation, AurocScores, evaluate_auroc
from coreset_cleaning.core.judging.stopping import RoundSummary, next_step
from coreset_cleaning.core.review.queue import draw_batch
from coreset_cleaning.core.scoring.importance import score_labels


def integer_labels(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind in "iu" else np.unique(values, return_inverse=True)[1]


def read_files(args: argparse.Namespace) -> tuple[np.ndarray, ...]:
    """Embeddings, given and true labels of the training rows; embeddings and labels to test."""
    with np.load(args.train) as train, np.load(args.test) as test:
        labels = [integer_labels(train[name]) for name in (args.given, args.true)]
        return (
            train["embeddings"],
            *labels,
            test["embeddings"],
            integer_labels(test[args.test_labels]),
        )


def read_digits(seed: int) -> tuple[np.ndarray, ...]:
    """The same of scikit-learn's digits, a tenth of the labels taken for the next digit."""
    from sklearn.datasets import load_digits

    rows, true = digits_with_noise()[0], load_digits().target
    test = np.random.default_rng(seed).random(len(true)) < 0.2
    X = rows.embeddings
    return X[~test], rows.labels[~test], true[~test], X[test], true[test]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, metavar="NPZ", help="(default: digits)")
    parser.add_argument("--given", default="human_aggregate", help="labels to clean")
    parser.add_argument("--true", default="true_labels", help="what the reviewer knows")
    parser.add_argument("--test", type=Path, metavar="NPZ", help="needed with --train")
    parser.add_argument("--test-labels", default="given_label")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--controls", type=int, default=5)
    parser.add_argument("--wrong", choices=["relabel", "delete"], default="relabel")
    parser.add_argument("--limit", type=int, help="seeded sample of the training rows")
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, rounds=1, batch=10, controls=2, limit=600)
    if bool(args.train) != bool(args.test):
        parser.error("--train and --test go together")

    X, given, true, test_X, test_y = read_files(args) if args.train else read_digits(args.seed)
    rows = np.arange(len(X))
    if args.limit:
        rows = np.sort(np.random.default_rng(args.seed).choice(rows, args.limit, replace=False))
    X, given, true = X[rows], given[rows], true[rows]
    names = [str(k) for k in range(int(max(given.max(), test_y.max())) + 1)]
    found = predict_confusion(X, given, names, test_embeddings=test_X, test_labels=test_y)
    pair = (int(found.class_of_interest), int(found.rival))
    pool = given == pair[0]
    print(
        f"{len(X)} rows; class {pair[0]} against {pair[1]}: {pool.sum()} rows, "
        f"{(true != given)[pool].mean():.1%} of them wrong",
        flush=True,
    )

    labels, weight = given.copy(), np.ones(len(X))
    scores = score_labels(X, labels, weight, args.seed)
    start_importance = scores.importance

    def evaluate() -> tuple[AurocEvaluation, float]:
        begin = time.perf_counter()
        result = evaluate_auroc(
            X,
            labels,
            weight,
            given_labels=given,
            importance=start_importance,
            test_embeddings=test_X,
            test_labels=test_y,
            pair=pair,
            random_state=args.seed,
        )
        return result, time.perf_counter() - begin

    baseline, seconds = evaluate()
    table: list[dict[str, Any]] = [row(0, baseline, seconds)]
    print_row(table[-1])
    history: list[RoundSummary] = []
    unseen = pool.copy()
    ids = [f"{row:07d}" for row in rows]
    for number in range(1, args.rounds + 1):
        batch = draw_batch(
            ids, scores.importance, unseen, args.batch, args.controls, args.seed + number
        )
        index = np.array([item[0] for item in batch])
        control = np.array([item[1] for item in batch])
        unseen[index] = False
        wrong = true[index] != given[index]
        if args.wrong == "delete":
            weight[index[wrong]] = 0
        else:
            labels[index[wrong]] = true[index[wrong]]
        evaluation, seconds = evaluate()
        history.append(
            RoundSummary(
                round=number,
                reviewed=len(batch),
                errors_found=int(wrong.sum()),
                n_controls=int(control.sum()),
                control_errors=int(wrong[control].sum()),
                evaluation=evaluation,
            )
        )
        decision = next_step(history, baseline=baseline)
        table.append(
            {
                **row(number, evaluation, seconds),
                "reviewed": len(batch),
                "wrong_found": int(wrong.sum()),
                "controls": int(control.sum()),
                "control_errors": int(wrong[control].sum()),
                "continue": decision.continue_,
                "reasons": list(decision.reasons),
            }
        )
        print_row(table[-1])
        scores = score_labels(X, labels, weight, args.seed, warm_start=scores.model)
    reviewed, errors, n_controls, control_errors = (
        sum(getattr(r, name) for r in history)
        for name in ("reviewed", "errors_found", "n_controls", "control_errors")
    )
    summary = {
        "yield": errors / reviewed,
        "yield_of_the_queue": (errors - control_errors) / (reviewed - n_controls),
        "class_error_rate": float((true != given)[pool].mean()),
        "controls": dataclasses.asdict(wilson_interval(control_errors, n_controls)),
        "lift": dataclasses.asdict(
            lift(errors - control_errors, reviewed - n_controls, control_errors, n_controls)
        ),
    }
    print(summary)
    write_json(
        args.json,
        {
            "arguments": {
                key: value if not isinstance(value, Path) else str(value)
                for key, value in vars(args).items()
            },
            "rounds": table,
            **summary,
        },
    )


def row(number: int, evaluation: AurocEvaluation, seconds: float) -> dict[str, Any]:
    scores = evaluation.pair
    assert isinstance(scores, AurocScores)
    return {
        "round": number,
        "cv": scores.cv,
        "frozen": scores.frozen,
        "heldout": scores.heldout,
        "heldout_interval": scores.heldout_interval,
        "random_deletion": scores.random_deletion and dataclasses.asdict(scores.random_deletion),
        "blind_deletion": scores.blind_deletion and dataclasses.asdict(scores.blind_deletion),
        "all_classes_cv": evaluation.all_classes.cv,
        "all_classes_heldout": evaluation.all_classes.heldout,
        "seconds": round(seconds, 1),
    }


def print_row(line: dict[str, Any]) -> None:
    controls = " ".join(
        f"{key} {line[f'{key}_deletion']['cv']:.4f}/{line[f'{key}_deletion']['heldout']:.4f}"
        for key in ("random", "blind")
        if line[f"{key}_deletion"]
    )
    low, high = line["heldout_interval"]
    print(
        f"round {line['round']}: wrong {line.get('wrong_found', '-')}, cv {line['cv']:.4f}, "
        f"frozen {line['frozen']:.4f}, held-out {line['heldout']:.4f} ({low:.4f} to {high:.4f}); "
        f"{controls}; all classes {line['all_classes_cv']:.4f}/{line['all_classes_heldout']:.4f}; "
        f"{line['seconds']} s {' '.join(line.get('reasons', ()))}",
        flush=True,
    )


if __name__ == "__main__":
    main()
