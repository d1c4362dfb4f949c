"""AUROC: right numbers, honest controls, and the trap of deleting what is hard."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.judging.auroc import bootstrap_auroc, macro_auroc, weighted_auroc
from coreset_cleaning.core.judging.evaluation import AurocEvaluation, evaluate_auroc
from coreset_cleaning.core.judging.stopping import RoundSummary, next_step
from coreset_cleaning.core.scoring.crossval import LabelState, Task


def blobs(n=400, d=20, k=3, spread=0.45, seed=0):
    centres = np.random.default_rng(1234).standard_normal((k, d))
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return spread * centres[y] + rng.standard_normal((n, d)), y


def losses(X, y):
    """Out-of-sample-like loss of every row: how hard it is."""
    model = LogisticRegression(C=0.01, max_iter=500).fit(X, y)
    return -model.predict_log_proba(X)[np.arange(len(y)), y]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
    )
)
def test_weighted_auroc_is_scikit_learns(rows):
    scores, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    area = weighted_auroc(scores, positive, weight.astype(float))
    if min(weight[positive].sum(), weight[~positive].sum()) == 0:
        assert np.isnan(area)
        return
    assert area == pytest.approx(roc_auc_score(positive, scores, sample_weight=weight))


def test_macro_auroc_is_scikit_learns():
    rng = np.random.default_rng(0)
    p, y, w = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200), rng.random(200)
    expected = np.mean([roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(4)])
    assert macro_auroc(p, y, w) == pytest.approx(expected)
    assert macro_auroc(p, y, np.stack([w, w])) == pytest.approx([expected, expected])


def test_bootstrap_replicates_are_resamples_and_paired():
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(2), 50), rng.integers(0, 2, 50)
    replicates = bootstrap_auroc(p, y, 40, random_state=3)
    np.testing.assert_array_equal(replicates, bootstrap_auroc(p, y, 40, random_state=3))
    # A classifier that ranks alike gets the same replicates, however it scores.
    np.testing.assert_allclose(bootstrap_auroc(p**3, y, 40, random_state=3)[0], replicates[0])
    assert len(bootstrap_auroc(p, y, 0, random_state=3)) == 0


@pytest.mark.parametrize("d", [10, 300])  # fewer and more columns than rows
def test_a_fit_is_scikit_learns(d):
    X, y = blobs(n=200, d=d)
    T, ty = blobs(n=100, d=d, seed=1)
    task = Task(X, y, (T, ty), 3, 5, 0)
    task.penalty = 100.0
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float)
    scaler = StandardScaler().fit(X)
    # A column of ones instead of an intercept: it is penalised, as here.
    train = np.c_[scaler.transform(X), np.ones(200)]
    test = np.c_[scaler.transform(T), np.ones(100)]
    reference = LogisticRegression(C=1 / 100, fit_intercept=False, tol=1e-8, max_iter=2000)
    reference.fit(train, y, sample_weight=weight)
    np.testing.assert_allclose(
        task.on_test(LabelState(y, weight)), reference.predict_proba(test), atol=0.02
    )


def test_cross_validation_is_the_published_protocol():
    X, y = blobs()
    weight = np.random.default_rng(0).random(len(X))
    task = Task(X, y, None, 3, 5, 0)
    areas = []
    for k in range(5):
        train, test = task.fold != k, task.fold == k
        Z = StandardScaler().fit_transform(X)
        model = LogisticRegression(C=1 / task.penalty, max_iter=1000)
        model.fit(Z[train], y[train], sample_weight=weight[train])
        areas.append(macro_auroc(model.predict_proba(Z[test]), y[test], weight[test]))
    result = evaluate_auroc(X, y, weight, given_labels=y)
    assert result.all_classes.cv == pytest.approx(np.mean(areas), abs=0.002)


def test_the_held_out_interval_holds_95_percent_of_the_replicates():
    X, y = blobs()
    T, ty = blobs(n=100, seed=1)
    scores = evaluate_auroc(
        X, y, np.ones(len(X)), given_labels=y, test_embeddings=T, test_labels=ty, n_bootstrap=99
    ).all_classes
    wanted = np.percentile(scores.heldout_replicates, [2.5, 97.5])
    assert scores.heldout_interval == pytest.approx(tuple(wanted))


def test_folds_are_stratified():
    X, y = blobs(n=403)
    task = Task(X, y, None, 3, 5, 0)
    for k in range(3):
        counts = np.bincount(task.fold[y == k], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_the_same_seed_gives_the_same_numbers():
    X, y = blobs()
    T, ty = blobs(n=100, seed=1)

    def run(seed):
        return evaluate_auroc(
            X,
            y,
            np.ones(400),
            given_labels=y,
            test_embeddings=T,
            test_labels=ty,
            n_bootstrap=20,
            random_state=seed,
        )

    assert run(0) == run(0)
    assert run(0).all_classes.cv != run(1).all_classes.cv


def test_an_evaluation_survives_json():
    X, y = blobs()
    weight = np.ones(400)
    weight[:5] = 0
    result = evaluate_auroc(
        X,
        y,
        weight,
        given_labels=y,
        importance=losses(X, y),
        pair=(0, 1),
        test_embeddings=X[:90],
        test_labels=y[:90],
        n_controls=2,
        n_bootstrap=10,
    )
    assert AurocEvaluation.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert result.n_changed == 5


def test_without_test_split_and_changes_there_is_nothing_to_compare():
    X, y = blobs()
    scores = evaluate_auroc(X, y, np.ones(400), given_labels=y).all_classes
    assert scores.cv == scores.frozen
    assert (scores.heldout, scores.heldout_interval, scores.heldout_replicates) == (None, None, ())
    assert scores.random_deletion is None
    assert scores.blind_deletion is None


def test_frozen_scores_what_was_deleted():
    X, y = blobs(spread=0.25)
    weight = np.ones(400)
    weight[np.argsort(-losses(X, y))[:40]] = 0
    scores = evaluate_auroc(X, y, weight, given_labels=y).all_classes
    assert scores.cv > scores.frozen + 0.02
    scoring = weight > 0  # rows outside the frozen set are not scored
    scores = evaluate_auroc(X, y, weight, given_labels=y, scoring_rows=scoring).all_classes
    assert scores.cv == pytest.approx(scores.frozen)


def test_a_label_that_leaves_the_pair_leaves_its_auroc():
    X, y = blobs()
    moved = y.copy()
    moved[np.flatnonzero(y == 0)[:10]] = 2
    result = evaluate_auroc(X, moved, np.ones(400), given_labels=y, pair=(0, 1), n_controls=1)
    gone = np.where(moved == y, 1.0, 0.0)
    deleted = evaluate_auroc(X, y, gone, given_labels=y, pair=(0, 1), n_controls=1)
    assert result.pair.cv == pytest.approx(deleted.pair.cv)
    assert result.all_classes.cv != deleted.all_classes.cv


def test_correcting_errors_raises_every_number_above_the_controls():
    X, true = blobs(n=800, spread=0.6)
    T, ty = blobs(n=1200, spread=0.6, seed=1)
    rng = np.random.default_rng(0)
    # Labels are wrong where the classes are told apart by a direction, so that they mislead.
    given_labels = true.copy()
    wrong = (true == 1) & (X[:, 0] > np.median(X[true == 1, 0]))
    given_labels[wrong] = 0
    scores = evaluate_auroc(
        X,
        true,
        np.ones(800),
        given_labels=given_labels,
        importance=rng.random(800),
        test_embeddings=T,
        test_labels=ty,
    ).all_classes
    before = evaluate_auroc(
        X, given_labels, np.ones(800), given_labels=given_labels, test_embeddings=T, test_labels=ty
    ).all_classes
    assert scores.cv > before.cv
    assert scores.heldout > before.heldout
    assert scores.heldout > scores.random_deletion.heldout
    assert np.percentile(np.subtract(scores.heldout_replicates, before.heldout_replicates), 2.5) > 0


def test_the_trap_is_caught():
    """No label is wrong, and a reviewer deletes what is hard: the published number soars."""
    X, y = blobs(n=600, k=2, spread=0.25)
    T, ty = blobs(n=1500, k=2, spread=0.25, seed=1)
    importance = losses(X, y)
    order = np.argsort(-importance)
    weight = np.ones(600)

    def measure():
        return evaluate_auroc(
            X,
            y,
            weight,
            given_labels=y,
            importance=importance,
            pair=(1, 0),
            test_embeddings=T,
            test_labels=ty,
            n_controls=3,
            n_bootstrap=100,
        )

    baseline = measure()
    history = []
    for number in range(1, 5):
        weight[order[: 20 * number]] = 0
        history.append(RoundSummary(number, 20, 20, 0, 0, measure()))
    cv = [baseline.pair.cv, *(row.evaluation.pair.cv for row in history)]
    assert (np.diff(cv) > 0).all()
    assert cv[-1] > cv[0] + 0.03
    last = history[-1].evaluation.pair
    assert last.heldout <= baseline.pair.heldout + 0.001
    # The controls say so: blind deletion reaches the same, random deletion nothing.
    assert last.blind_deletion.cv == pytest.approx(last.cv, abs=1e-4)
    assert abs(last.random_deletion.cv - baseline.pair.cv) < 0.01
    decision = next_step(history, baseline=baseline)
    assert not decision.continue_
    assert any("nothing was gained" in reason for reason in decision.reasons)
    assert any("blindly" in reason for reason in decision.reasons)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 100), rare=st.integers(1, 6))
def test_rare_classes_do_no_harm(seed, rare):
    X, y = blobs(n=60, seed=seed)
    y[:rare] = 3
    scores = evaluate_auroc(X, y, np.ones(60), given_labels=y).all_classes
    assert 0 <= scores.cv <= 1


def test_more_columns_than_rows():
    X, y = blobs(n=120, d=400, spread=0.3)
    T, ty = blobs(n=60, d=400, spread=0.3, seed=1)
    scores = evaluate_auroc(
        X, y, np.ones(120), given_labels=y, pair=(0, 1), test_embeddings=T, test_labels=ty
    )
    assert scores.pair.cv > 0.8
    assert scores.all_classes.heldout > 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"given_labels": np.zeros(5, int)}, "given_labels: must have one entry per row"),
        ({"importance": np.zeros(5)}, "importance: must have one entry per row"),
        ({"sample_weight": -np.ones(60)}, "sample_weight: must be finite, not negative"),
        ({"labels": np.zeros(60, int), "given_labels": np.zeros(60, int)}, "two classes"),
        ({"embeddings": np.full((60, 20), np.nan)}, "embeddings: must be finite"),
        (
            {"test_embeddings": np.full((9, 20), np.nan), "test_labels": np.arange(9) % 3},
            "test_embeddings: must be finite",
        ),
    ],
)
def test_bad_input_is_named(change, message):
    X, y = blobs(n=60)
    arguments = {"embeddings": X, "labels": y, "sample_weight": np.ones(60), "given_labels": y}
    with pytest.raises(DataError, match=message):
        evaluate_auroc(**{**arguments, **change})
