"""How often the 95 % intervals hold the truth, over seeded simulated reviews.

    scripts/bench coverage --runs 1000 --json coverage.json

Every run draws a class with wrong labels and a queue that finds them imperfectly, reviews some
rounds through the project's own `draw_batch`, and asks whether each interval holds what is true of
that class. AUROC intervals are asked of classifiers whose true AUROC is known.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from _measure import write_json
from _options import parse
from scipy.stats import norm

from coreset_cleaning.core.judging.auroc import bootstrap_auroc
from coreset_cleaning.core.judging.estimates import lift, wilson_interval
from coreset_cleaning.core.judging.yields import RoundYield, predict_batch, yield_report
from coreset_cleaning.core.review.queue import draw_batch

# Size of the class, share of wrong labels, rounds, batch, controls in a batch.
REVIEWS = [
    (800, 0.10, 1, 50, 5),
    (2300, 0.05, 3, 50, 5),
    (2300, 0.10, 6, 50, 5),
    (2300, 0.10, 6, 50, 10),
    (2300, 0.30, 4, 50, 10),
    (1000, 0.40, 3, 50, 5),
    (500, 0.20, 5, 40, 10),
    (300, 0.30, 4, 50, 5),
    (140, 0.15, 2, 50, 10),
]
SIGNAL = 2.0  # standard deviations between wrong and right labels in importance


def simulate_review(rng, n, share, rounds, size, controls):
    """Return the rounds, the wrong labels of the class, those left, and the next batch's yield.

    And the prediction of the last, from what was reviewed before it.
    """
    wrong = rng.random(n) < share
    importance = np.exp(SIGNAL * wrong + rng.standard_normal(n))
    ids = [f"{i:05d}" for i in range(n)]
    unseen = np.ones(n, bool)
    history = []
    for number in range(rounds + 1):
        batch = draw_batch(ids, importance, unseen, size, controls, int(rng.integers(2**31)))
        rows = np.array([row for row, _ in batch])
        control = np.array([is_control for _, is_control in batch])
        if number == rounds:
            left = int(wrong[unseen].sum())
            seen = ~unseen
            predicted = predict_batch(importance[seen], wrong[seen], importance[rows])
            return history, int(wrong.sum()), left, int(wrong[rows].sum()), predicted
        history.append(
            RoundYield(
                int(unseen.sum()),
                len(rows),
                int(wrong[rows].sum()),
                int(control.sum()),
                int(wrong[rows][control].sum()),
            )
        )
        unseen[rows] = False
    raise AssertionError("unreachable")


def review_coverage(runs: int) -> dict[str, float]:
    hits: dict[str, int] = defaultdict(int)
    for setting in REVIEWS:
        name = "n={} p={} rounds={} batch={} controls={}".format(*setting)
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            history, wrong, left, found, predicted = simulate_review(rng, *setting)
            report = yield_report(history, predicted)
            truths = {
                "noise rate": (report.noise_rate, wrong / setting[0]),
                "errors left": (report.errors_left, left),
                "next batch": (report.next_batch, found),
            }
            for what, (estimate, truth) in truths.items():
                hits[f"{what}, {name}"] += estimate.low - 1e-9 <= truth <= estimate.high + 1e-9
    return {key: count / runs for key, count in hits.items()}


def share_coverage(runs: int) -> dict[str, float]:
    """Of independent binomial counts: the share of wrong labels in the queue, and the lift."""
    hits: dict[str, int] = defaultdict(int)
    for reviewed, p, n_controls, p0 in [
        (45, 0.6, 5, 0.1),
        (90, 0.5, 10, 0.1),
        (270, 0.4, 30, 0.1),
        (180, 0.5, 60, 0.2),
        (90, 0.3, 30, 0.3),
    ]:
        name = f"{reviewed} at {p} against {n_controls} at {p0}"
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            errors, control_errors = rng.binomial(reviewed, p), rng.binomial(n_controls, p0)
            precision = wilson_interval(errors, reviewed)
            ratio = lift(errors, reviewed, control_errors, n_controls)
            hits[f"precision, {name}"] += precision.low <= p <= precision.high
            hits[f"lift, {name}"] += ratio.low <= p / p0 <= ratio.high
    return {key: count / runs for key, count in hits.items()}


def auroc_coverage(runs: int) -> dict[str, float]:
    """Held-out AUROC, and the paired difference of two rounds that see the same test split."""
    hits: dict[str, int] = defaultdict(int)
    for m, area, gain in [(360, 0.9, 0.01), (1000, 0.9, 0.0), (1000, 0.8, 0.02)]:
        first, second = (np.sqrt(2) * norm.ppf(a) for a in (area, area + gain))
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            labels = np.arange(m) % 2
            shared, own, other = rng.standard_normal((3, m))
            # Two noisy views of the same test images, as two fits are.
            replicates = []
            for shift, noise in ((first, own), (second, other)):
                scores = shift * labels + 0.95 * shared + np.sqrt(1 - 0.95**2) * noise
                replicates.append(
                    bootstrap_auroc(np.column_stack([-scores, scores]), labels, 400, seed)
                )
            low, high = np.percentile(replicates[0], [2.5, 97.5])
            hits[f"held-out AUROC {area}, m={m}"] += low <= area <= high
            low, high = np.percentile(replicates[1] - replicates[0], [2.5, 97.5])
            hits[f"difference {gain} from {area}, m={m}"] += low <= gain <= high
    return {key: count / runs for key, count in hits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    args = parse(parser, runs=2)
    report: dict[str, float] = {}
    for part in (share_coverage, review_coverage, auroc_coverage):
        for key, share in part(args.runs).items():
            report[key] = share
            print(f"{share:6.1%}  {key}", flush=True)
    write_json(args.json, {"runs": args.runs, "coverage": report})


if __name__ == "__main__":
    main()
