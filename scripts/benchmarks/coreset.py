r"""Training on a coreset beside training on all rows and on uniform draws of the same size.

    scripts/bench coreset --json coreset.json                                # digits
    scripts/bench coreset --embeddings cifar.npz --label human_aggregate

A fifth of the rows is held out. On the rest, a logistic regression with the C that `score_labels`
chose is fitted on all rows, on coresets, and on uniform draws, several of each. Measures: one
against rest AUROC of the true labels of the rows held out; the loss on all training rows, over that
of the model fitted on them all; and how far off a subset's estimate of that model's loss is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _data import digits_with_noise, read_columns
from _measure import write_json
from _options import parse


def compare(
    X: np.ndarray, labels: np.ndarray, true: np.ndarray, share: float, n_draws: int
) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    from coreset_cleaning.core import sample_coreset, score_labels

    held_out = np.random.default_rng(0).permutation(len(X)) < len(X) // 5
    X = StandardScaler().fit(X[~held_out]).transform(X)
    X_train, given, X_test = X[~held_out], labels[~held_out], X[held_out]
    scores = score_labels(X_train, given)
    C, m = scores.model.C, int(share * len(given))

    def loss(model: Any) -> float:
        p = model.predict_proba(X_train)[np.arange(len(given)), given]
        penalty = 0.5 / C * float(np.square(model.coef_).sum())
        return penalty - float(np.log(np.maximum(p, 1e-300)).sum())

    def fit(rows: np.ndarray, weight: np.ndarray) -> Any:
        regression = LogisticRegression(C=C, max_iter=2000)
        return regression.fit(X_train[rows], given[rows], sample_weight=weight)

    def auroc(model: Any) -> float:
        p = model.predict_proba(X_test)
        return float(roc_auc_score(true[held_out], p, multi_class="ovr"))

    full = fit(np.arange(len(given)), np.ones(len(given)))
    everything, least = auroc(full), loss(full)
    results: dict[str, list[tuple[float, float, float]]] = {"coreset": [], "uniform": []}
    for seed in range(n_draws):
        for name, influence in (("coreset", scores.influence), ("uniform", np.ones(len(given)))):
            rows, weight = sample_coreset(influence, m, random_state=seed)
            model = fit(rows, weight)
            p = full.predict_proba(X_train[rows])[np.arange(len(rows)), given[rows]]
            penalty = 0.5 / C * float(np.square(full.coef_).sum())
            estimate = penalty - float(weight @ np.log(np.maximum(p, 1e-300)))
            results[name].append((auroc(model), loss(model) / least, abs(estimate / least - 1)))
    report: dict[str, Any] = {"rows": len(given), "draws": m, "C": C, "auroc_full": everything}
    print(f"  all {len(given)} rows: AUROC {everything:.4f}, C {C:.4f}")
    for name, found in results.items():
        aurocs, excess, error = np.array(found).T
        report[name] = {
            "auroc": float(aurocs.mean()),
            "auroc_sd": float(aurocs.std(ddof=1)),
            "loss_ratio": float(excess.mean()),
            "loss_error": float(error.mean()),
        }
        print(
            f"  {name} of {m}: AUROC {aurocs.mean():.4f} ± {aurocs.std(ddof=1):.4f}, "
            f"loss on all rows {excess.mean():.3f} times the least, "
            f"loss of the full model estimated to {error.mean():.2%}",
            flush=True,
        )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", type=Path, metavar="NPZ", help="embeddings and labels")
    parser.add_argument("--label", default="labels", help="array of given labels")
    parser.add_argument("--true-label", default="true_labels", help="array of true labels")
    parser.add_argument("--share", type=float, default=0.1, help="draws as share of the rows")
    parser.add_argument("--draws", type=int, default=10, help="coresets to draw")
    args = parse(parser, draws=2)
    if args.embeddings:
        X, labels, true = read_columns(args.embeddings, "embeddings", args.label, args.true_label)
        names = np.unique(true)
        sets = [
            (args.embeddings.stem, X, np.searchsorted(names, labels), np.searchsorted(names, true))
        ]
    else:
        from sklearn.datasets import load_digits

        true = load_digits().target
        sets = [
            (s.name, s.embeddings, s.labels, true)
            for s in digits_with_noise()[: 1 if args.tiny else 3]
        ]
    report = {}
    for name, X, given, true in sets:
        for state, labels in (("as given", given), ("all labels right", true)):
            print(f"\n{name}, {state}", flush=True)
            report[f"{name}, {state}"] = compare(X, labels, true, args.share, args.draws)
            write_json(args.json, report)


if __name__ == "__main__":
    main()
