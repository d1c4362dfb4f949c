"""Scores find planted label errors, refuse bad input and keep their laws."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given as given_data
from hypothesis import settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring import doubt, logistic
from coreset_cleaning.core.scoring import importance as module
from coreset_cleaning.core.scoring import model as label_model
from coreset_cleaning.core.scoring import signals as signals_module
from coreset_cleaning.core.scoring.channel import fit_noisy_softmax
from coreset_cleaning.core.scoring.doubt import doubt_of_logits, log_shift, ratios
from coreset_cleaning.core.scoring.features import as_features
from coreset_cleaning.core.scoring.importance import score_labels
from coreset_cleaning.core.scoring.linalg import row_hash, standardise
from coreset_cleaning.core.scoring.logistic import fit_softmax
from coreset_cleaning.core.scoring.model import logits
from coreset_cleaning.core.scoring.rows import ArrayRows, gather
from coreset_cleaning.core.scoring.sampling import sample_coreset
from coreset_cleaning.core.scoring.signals import side_parts

# Fits stop at a tolerance: two ways to the same optimum agree so far in the smallest importance.
RTOL = 5e-2
SCORES = (
    "importance", "wrong_probability", "suggested_class", "suggested_probability", "influence",
    "knn_disagreement",
)  # fmt: skip

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


def blobs(n=600, d=16, k=4, flips=0.08, seed=0, separation=1.2):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    X = separation * rng.standard_normal((k, d))[true] + rng.standard_normal((n, d))
    given = true.copy()
    wrong = rng.random(n) < flips
    given[wrong] = (true[wrong] + 1) % k
    return X.astype(np.float32), given, true


def network(true, rng, k=4, sharpness=2.5):
    """Out-of-fold predictions of a network of some skill."""
    z = rng.standard_normal((len(true), k))
    z[np.arange(len(true)), true] += sharpness
    p = np.exp(1.5 * z)
    return p / p.sum(axis=1, keepdims=True)


def average_precision(bad, score):
    hits = bad[np.argsort(-score, kind="stable")]
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()


def assert_sane(scores, n, k):
    for name in ("importance", "wrong_probability", "suggested_probability", "influence"):
        values = getattr(scores, name)
        assert values.shape == (n,)
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
    assert (scores.wrong_probability <= 1).all()
    assert (scores.suggested_probability <= scores.wrong_probability + 1e-9).all()
    assert ((scores.knn_disagreement >= 0) & (scores.knn_disagreement <= 1)).all()
    assert scores.noise_channel.shape == (k, k)
    np.testing.assert_allclose(scores.noise_channel.sum(axis=1), 1)


# ---- finding errors -----------------------------------------------------------------------------


def test_planted_errors_come_first():
    X, given, true = blobs()
    scores = score_labels(X, given)
    wrong = given != true
    first = np.argsort(-scores.importance)[: wrong.sum()]
    assert wrong[first].mean() > 0.95
    assert (scores.suggested_class[wrong] == true[wrong]).mean() > 0.95
    assert not (scores.second_class == scores.suggested_class).any()
    assert not (scores.second_class == given).any()
    assert set(scores.second_class) == set(given)
    two = score_labels(X, (given > 1).astype(int))
    assert set(two.second_class) == {-1}  # of two classes, one is given and one suggested
    assert (scores.wrong_probability[wrong] > 0.5).mean() > 0.7
    assert (scores.wrong_probability[~wrong] < 0.5).mean() > 0.98
    assert_sane(scores, len(X), 4)


def test_errors_are_found_with_more_features_than_rows():
    X, given, true = blobs(n=300, d=400, k=5, separation=0.35)
    scores = score_labels(X, given)
    assert scores.model.fold_coef is not None
    assert average_precision(given != true, scores.importance) > 0.9


def test_channel_tells_the_direction_of_the_confusion():
    X, given, _ = blobs(n=2000, separation=0.6)
    channel = score_labels(X, given).noise_channel
    confused = np.array([channel[c, (c + 1) % 4] for c in range(4)])
    unconfused = np.array([channel[c, (c + 2) % 4] for c in range(4)])
    assert confused.min() > 3 * unconfused.max()


# ---- laws ---------------------------------------------------------------------------------------


def test_total_sensitivity_is_the_sum_of_importance():
    X, given, _ = blobs()
    scores = score_labels(X, given)
    assert scores.total_sensitivity == pytest.approx(scores.importance.sum(), rel=1e-12)


@settings(max_examples=8, deadline=None)
@given_data(
    seed=st.integers(0, 1000),
    n=st.integers(40, 400),
    d=st.sampled_from([3, 20, 60]),
    positive=st.booleans(),
)
def test_the_order_of_rows_changes_no_score(seed, n, d, positive):
    X, given, true = blobs(n=n, d=d, seed=seed, separation=0.6)
    X = np.exp(X) if positive else X
    rng = np.random.default_rng(seed)
    X[: n // 10] = X[n // 10 : 2 * (n // 10)]  # some twice, perhaps with different labels
    rows = rng.permutation(n)
    verified = np.where(rng.random(n) < 0.1, true, -1)
    weight = rng.choice([0.0, 1.0, 2.0], n, p=[0.1, 0.8, 0.1])
    scores = score_labels(X, given, weight, verified=verified)
    moved = score_labels(X[rows], given[rows], weight[rows], verified=verified[rows])
    twin = np.isin(np.arange(n), np.arange(n // 10 * 2))[rows]
    for name in SCORES:
        mine, theirs = getattr(scores, name)[rows], getattr(moved, name)
        np.testing.assert_allclose(theirs[~twin], mine[~twin], rtol=1e-9, atol=0)
        # Which of two identical rows comes first is open, and float32 products depend on the place.
        np.testing.assert_allclose(theirs, mine, rtol=1e-5, atol=0)
    again = score_labels(
        X[rows], given[rows], weight[rows], verified=verified[rows], warm_start=scores.model
    )
    assert again.model.bound is scores.model.bound


@settings(max_examples=8, deadline=None)
@given_data(seed=st.integers(0, 1000))
def test_names_of_classes_change_nothing(seed):
    X, given, _ = blobs(n=200, seed=seed)
    names = np.random.default_rng(seed).permutation(4)
    scores, moved = score_labels(X, given), score_labels(X, names[given])
    np.testing.assert_allclose(moved.importance, scores.importance, rtol=RTOL, atol=1e-9)
    np.testing.assert_array_equal(moved.knn_disagreement, scores.knn_disagreement)
    # Two guesses that are as good as equal may change places.
    same = moved.suggested_class == names[scores.suggested_class]
    np.testing.assert_array_equal(moved.suggested_class[~same], names[scores.second_class[~same]])
    np.testing.assert_array_equal(moved.second_class[~same], names[scores.suggested_class[~same]])
    assert np.mean(~same) <= 0.01
    np.testing.assert_allclose(
        moved.suggested_probability, scores.suggested_probability, rtol=0.02, atol=1e-6
    )
    np.testing.assert_allclose(
        moved.noise_channel[np.ix_(names, names)], scores.noise_channel, atol=1e-3
    )


@settings(max_examples=8, deadline=None)
@given_data(seed=st.integers(0, 1000))
def test_doubling_a_weight_equals_duplicating_the_row(seed):
    X, given, _ = blobs(n=200, seed=seed)
    weight = np.ones(200)
    twice = np.random.default_rng(seed).choice(200, 20, replace=False)
    weight[twice] = 2
    # What stops early ends elsewhere with every other rounding.
    with (
        patch.multiple(label_model, STEPS=40, FOLD_STEPS=300),
        patch.multiple(signals_module, SETTLED=1e-6, MAX_ROUNDS=200),
        patch.multiple(doubt, SETTLED=1e-6, MAX_ROUNDS=200),
        patch.dict(fit_softmax.__kwdefaults__, tolerance=1e-11),
    ):
        heavy = score_labels(X, given, weight)
        copied = score_labels(np.vstack([X, X[twice]]), np.append(given, given[twice]))
    together = copied.importance[:200].copy()
    together[twice] += copied.importance[200:]
    np.testing.assert_allclose(together, heavy.importance, rtol=RTOL, atol=1e-9)
    np.testing.assert_allclose(copied.knn_disagreement[:200], heavy.knn_disagreement, atol=1e-12)


def test_weight_zero_rows_influence_nothing():
    X, given, _ = blobs()
    weight = np.ones(len(X))
    weight[:50] = 0
    changed = X.copy()
    changed[:50] = 1e3
    a = score_labels(X, given, weight)
    b = score_labels(changed, (given + (weight == 0)) % 4, weight)
    c = score_labels(X[50:], given[50:])
    assert (a.importance[:50] == 0).all()
    np.testing.assert_allclose(a.importance, b.importance, rtol=1e-9)
    np.testing.assert_allclose(a.importance[50:], c.importance, rtol=1e-4, atol=1e-12)
    np.testing.assert_array_equal(a.knn_disagreement[50:], b.knn_disagreement[50:])
    np.testing.assert_array_equal(a.knn_disagreement[50:], c.knn_disagreement)


def in_order_of_hash(X, *arrays):
    """Rows as the model has them."""
    order = np.argsort(row_hash(X, 0))
    return X[order], *(array[order] for array in arrays)


def without_own_label(model, features, z, symbols):
    """The classifier's logits as a fit would give them that lacks the row: one Newton step."""
    if model.fold_coef is not None:
        return z
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    q = np.hstack([model.channel, np.eye(len(model.channel))]).T[symbols] * p
    q /= q.sum(axis=1, keepdims=True)
    information = 2 * model.bound.values[:, None] * model.signals.information
    variance = np.square(model.bound.along(features)) @ (1 / (information + 1 / model.C))
    return (z + variance * (p - q)).astype(np.float32)


def shifted_losses(X, given, scores, probabilities=None, verified=None):
    """Function of θ: every row's loss, with the terms that do not depend on θ held fixed.

    Rows come in the order of their hash, see `in_order_of_hash`.
    """
    model, n = scores.model, len(X)
    signals, k = model.signals, len(model.classes)
    weight = np.ones(n)
    features = standardise(X, model.mean, model.scale).astype(float)
    current = given if verified is None else np.where(verified >= 0, verified, given)
    near, nearest = (model.neighbors.class_shares(current, weight, k, c) for c in (30, 8))
    predictions = np.empty((n, 0)) if probabilities is None else probabilities
    parts = side_parts(near, nearest, predictions)
    z = logits(X, model.hashed, *model.for_logits())[1]
    symbols = given if verified is None else np.where(verified >= 0, verified + k, given)
    left_out = signals.combine([without_own_label(model, features, z, symbols), *parts])
    shift = np.tensordot(signals.weights[1:], np.stack(parts), 1) + signals.offsets
    shift = shift + np.log(model.channel).T[given]
    shift += log_shift(ratios(signals.by_doubt, signals.channel), doubt_of_logits(left_out), given)
    shift += signals.weights[0] * (z - features @ model.coef.T)
    index = np.arange(n)

    def losses(theta):
        z = signals.weights[0] * features @ theta.T + shift
        z -= z[index, given][:, None]
        return np.log(np.exp(z).sum(axis=1))

    return losses, features


@pytest.mark.parametrize("extra", ["none", "probabilities", "verified", "both"])
@pytest.mark.parametrize(
    ("n", "d", "positive"), [(500, 10, False), (60, 40, False), (600, 40, True)]
)
def test_scores_bound_the_loss_and_give_a_coreset_on_the_ball(n, d, positive, extra):
    X, given, true = blobs(n=n, d=d)
    X, given, true = in_order_of_hash(np.exp(X) if positive else X, given, true)
    rng = np.random.default_rng(0)
    told = {}
    if extra in ("probabilities", "both"):
        told["probabilities"] = network(true, rng)
    if extra in ("verified", "both"):
        told["verified"] = np.where(rng.random(n) < 0.2, true, -1)
    scores = score_labels(X, given, **told)
    seen = gather(as_features(ArrayRows(X)), np.arange(n))
    losses, features = shifted_losses(seen, given, scores, **told)
    model = scores.model
    penalty = 1 / model.C
    matrix = 0.5 * features.T @ features + penalty * np.eye(d + 1)
    root = np.linalg.cholesky(np.linalg.inv(matrix))
    rows, weights = sample_coreset(scores.importance, 20 * n, random_state=0)
    steps = [rng.standard_normal(model.coef.shape) @ root.T for _ in range(100)]
    for row in np.argsort(-scores.importance)[:10]:  # where the bound is sharpest
        push = np.zeros(model.coef.shape)
        push[scores.suggested_class[row]] += root @ root.T @ features[row]
        push[given[row]] -= root @ root.T @ features[row]
        steps += [push, -push]
    for step in steps:
        length = np.sqrt(np.einsum("ki,ij,kj->", step, matrix, step))
        theta = model.coef + scores.radius / length * step
        f = losses(theta)
        rest = 0.5 * penalty * np.sum(theta**2)
        assert (f / (f.sum() + rest) <= scores.importance * (1 + 1e-4)).all()
        assert weights @ f[rows] + rest == pytest.approx(f.sum() + rest, rel=0.1)


def test_influence_is_the_gradient_in_the_norm_of_the_bound():
    X, given, _ = in_order_of_hash(*blobs(n=500, d=10))
    scores = score_labels(X, given)
    _, features = shifted_losses(X, given, scores)
    model = scores.model
    assert model.fold_coef is None
    matrix = 0.5 * features.T @ features + np.eye(features.shape[1]) / model.C
    leverage = np.sqrt(np.sum(features * np.linalg.solve(matrix, features.T).T, axis=1))
    z = features @ model.coef.T
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), given] -= 1
    wanted = leverage * np.linalg.norm(p, axis=1)
    np.testing.assert_allclose(scores.influence, wanted, rtol=1e-3, atol=1e-6)


def test_few_rows_are_judged_by_five_fits_that_have_not_seen_them():
    X, given, _ = blobs(n=60, d=40)
    assert len(score_labels(X, given).model.fold_coef) == 5


def test_a_fit_that_knows_its_rows_by_heart_ends_early_and_ranks_as_well(monkeypatch):
    X, given, true = blobs(n=1500, d=128, k=50, separation=0.5)
    wrong = given != true
    with patch.object(label_model, "fit_noisy_softmax", wraps=fit_noisy_softmax) as fitted:
        early = score_labels(X, given)
        assert fitted.call_args.kwargs["rounds"] == label_model.BY_HEART_ROUNDS
        monkeypatch.setattr(label_model, "BY_HEART", 0.0)
        late = score_labels(X, given)
        assert fitted.call_args.kwargs["rounds"] == label_model.ROUNDS
    assert average_precision(wrong, early.importance) > 0.999 * average_precision(
        wrong, late.importance
    )
    assert early.expected_errors == pytest.approx(late.expected_errors, rel=0.02)


def test_fits_of_many_rows_that_leave_a_fold_out_end_once_their_steps_tell_nothing(monkeypatch):
    X, given, true = blobs(n=label_model.LARGE_ROWS, d=64, k=100, separation=1.0)
    wrong = given != true
    with patch.object(logistic, "loss_and_gradient", wraps=logistic.loss_and_gradient) as passes:
        early = score_labels(X, given)
        assert early.model.fold_coef is not None
        fewer = passes.call_count
        monkeypatch.setattr(label_model, "FOLD_TOLERANCE_LARGE", label_model.FOLD_TOLERANCE)
        late = score_labels(X, given)
    assert fewer < passes.call_count - fewer
    assert average_precision(wrong, early.importance) > 0.998 * average_precision(
        wrong, late.importance
    )


def test_a_coreset_drawn_by_influence_trains_a_model_nearer_to_that_of_all_rows():
    X, given, _ = blobs(n=3000, d=20, flips=0.02)
    scores = score_labels(X, given)
    full = LogisticRegression(C=scores.model.C, max_iter=2000).fit(X, given)
    distance = {"influence": 0.0, "uniform": 0.0}
    for seed in range(10):
        for name, influence in (("influence", scores.influence), ("uniform", np.ones(len(X)))):
            rows, weight = sample_coreset(influence, 300, random_state=seed)
            model = LogisticRegression(C=scores.model.C, max_iter=2000)
            model.fit(X[rows], given[rows], sample_weight=weight)
            distance[name] += np.abs(model.predict_proba(X) - full.predict_proba(X)).mean()
    assert distance["influence"] < 0.9 * distance["uniform"]


# ---- verdicts -----------------------------------------------------------------------------------


def reviewed(given, true, first):
    verified = np.full(len(given), -1)
    verified[first] = true[first]
    return verified


def test_verdicts_do_not_make_the_channel_forget_how_labels_go_wrong():
    X, given, true = blobs(n=3000, separation=0.5, flips=0.15)
    before = score_labels(X, given)
    first = np.argsort(-before.importance)[:300]
    verified = reviewed(given, true, first)
    corrected = given.copy()
    corrected[first] = true[first]
    actual = np.zeros((4, 4))
    np.add.at(actual, (true, given), 1)
    actual /= actual.sum(axis=1, keepdims=True)

    def miss(scores):
        return np.abs(scores.noise_channel - actual).mean()

    after = miss(score_labels(X, given, verified=verified))
    assert after < 0.75 * miss(before)
    assert miss(score_labels(X, corrected)) > 1.5 * after  # the corrected ones are forgotten


@pytest.mark.parametrize("warm", [False, True])
def test_verdicts_rank_the_rest_better_than_no_verdicts_do(warm):
    ratios = []
    for seed in range(4):
        X, given, true = blobs(n=3000, separation=0.5, flips=0.15, seed=seed)
        before = score_labels(X, given)
        first = np.argsort(-before.importance)[:300]
        after = score_labels(
            X,
            given,
            verified=reviewed(given, true, first),
            warm_start=before.model if warm else None,
        )
        rest = np.setdiff1d(np.arange(len(X)), first)
        wrong = (given != true)[rest]
        ratios.append(
            average_precision(wrong, after.importance[rest])
            / average_precision(wrong, before.importance[rest])
        )
    assert np.mean(ratios) > 1.01
    assert min(ratios) > 1


def test_keep_teaches_as_relabel_does():
    # Only rows whose label was right are reviewed: their kind must look less suspicious.
    X, given, true = blobs(n=3000, separation=0.5, flips=0.15)
    before = score_labels(X, given)
    right = np.flatnonzero(given == true)
    first = right[np.argsort(-before.importance[right])[:100]]
    after = score_labels(X, given, verified=reviewed(given, true, first))
    rest = np.setdiff1d(right, first)
    assert after.wrong_probability[rest].mean() < before.wrong_probability[rest].mean()


def test_scores_of_a_verified_row_are_about_the_given_label():
    X, given, true = blobs()
    first = np.argsort(-score_labels(X, given).importance)[:20]
    assert (given != true)[first].all()
    scores = score_labels(X, given, verified=reviewed(given, true, first))
    assert (scores.wrong_probability[first] > 0.5).all()
    assert (scores.suggested_class[first] == true[first]).mean() > 0.9
    assert_sane(scores, len(X), 4)


def test_a_class_that_only_verdicts_know():
    X, given, true = blobs()
    given[given == 3] = 0
    first = np.flatnonzero(true == 3)[:40]
    scores = score_labels(X, given, n_classes=4, verified=reviewed(given, true, first))
    rest = np.setdiff1d(np.flatnonzero(true == 3), first)
    assert (scores.suggested_class[rest] == 3).mean() > 0.9
    assert scores.noise_channel[3, 0] > 0.9
    assert_sane(scores, len(X), 4)


@pytest.mark.parametrize(
    ("verified", "message"),
    [
        (np.zeros(5, int), r"verified: must be an int array of shape \(6,\)"),
        (np.zeros(6), "verified: must be an int array"),
        (np.full(6, 2), r"verified: must lie in -1..1, got 2 in row 0 \(6 rows"),
        (np.full(6, -2), "must lie in -1..1, got -2"),
    ],
)
def test_bad_verdicts_are_named(verified, message):
    with pytest.raises(DataError, match=message):
        score_labels(X, Y, verified=verified)


# ---- own predictions ----------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [False, True])
def test_predictions_of_a_network_find_errors(alone):
    X, given, true = blobs(n=2000, separation=0.4, flips=0.1)
    p = network(true, np.random.default_rng(0))
    wrong = given != true
    scores = score_labels(None if alone else X, given, probabilities=p)
    assert_sane(scores, len(X), 4)
    assert not scores.predictions_seen
    index = np.arange(len(given))
    raw = average_precision(wrong, 1 - p[index, given])
    assert average_precision(wrong, scores.importance) > raw
    if not alone:
        embeddings = average_precision(wrong, score_labels(X, given).importance)
        assert average_precision(wrong, scores.importance) > embeddings
    assert scores.wrong_probability.sum() == pytest.approx(wrong.sum(), rel=0.3)


def test_a_network_that_has_seen_the_labels_is_told_apart():
    _, given, true = blobs(n=2000)
    rng = np.random.default_rng(0)
    fresh, seen = network(true, rng), network(given, rng, sharpness=3)
    seen[np.arange(len(given)), given] += 0.5
    seen /= seen.sum(axis=1, keepdims=True)
    assert not score_labels(None, given, probabilities=fresh).predictions_seen
    warned = score_labels(None, given, probabilities=seen)
    assert warned.predictions_seen
    assert any("out-of-fold" in warning for warning in warned.warnings)


def test_a_row_without_a_prediction_is_scored_by_the_rest():
    X, given, true = blobs()
    p = network(true, np.random.default_rng(0))
    p[::2] = 0
    scores = score_labels(X, given, probabilities=p)
    assert_sane(scores, len(X), 4)
    wrong = given != true
    assert average_precision(wrong[::2], scores.importance[::2]) > 0.9


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.full((6, 3), 1 / 3), r"probabilities: must be a float array of shape \(6, 2\)"),
        (np.ones((6, 2), int), "probabilities: must be a float array"),
        (np.full((6, 2), 0.9), "add up to 1 in every row, got 6 rows"),
        (np.full((6, 2), np.nan), "add up to 1 in every row, got 6 rows"),
    ],
)
def test_bad_probabilities_are_named(probabilities, message):
    with pytest.raises(DataError, match=message):
        score_labels(X, Y, probabilities=probabilities)


def test_nothing_to_score_by():
    with pytest.raises(DataError, match="embeddings, probabilities or both, got neither"):
        score_labels(None, Y)


# ---- honest probabilities -----------------------------------------------------------------------


@pytest.mark.parametrize("flips", [0.05, 0.1, 0.2])
def test_probabilities_of_being_wrong_add_up_to_the_wrong_labels(flips):
    X, given, true = blobs(n=3000, d=100, separation=0.3, flips=flips)
    scores = score_labels(X, given)
    wrong = given != true
    assert scores.expected_errors == pytest.approx(wrong.sum(), rel=0.25)
    assert scores.expected_errors == pytest.approx(scores.wrong_probability.sum())
    verified = np.where(np.arange(3000) < 1000, true, -1)
    after = score_labels(X, given, verified=verified)
    assert after.expected_errors == pytest.approx(after.wrong_probability[1000:].sum())


def test_probabilities_add_up_with_many_classes_of_few_rows():
    X, given, true = blobs(n=1500, d=64, k=75, separation=0.5)
    scores = score_labels(X, given)
    assert scores.expected_errors == pytest.approx((given != true).sum(), rel=0.5)


def test_many_rows_are_ranked_more_surely_than_few():
    found = [
        score_labels(X, given)
        for X, given, _ in (blobs(n=n, d=40, separation=0.4) for n in (100, 400, 1600))
    ]
    reliabilities = [scores.reliability for scores in found]
    assert ["too few" in " ".join(scores.warnings) for scores in found] == [True, True, False]
    assert reliabilities == sorted(reliabilities)
    assert 0 < reliabilities[0] < 0.8 < 0.9 < reliabilities[2] < 1


# ---- scale and warm start -----------------------------------------------------------------------


def test_fit_on_a_drawn_subset_ranks_like_the_full_fit(monkeypatch):
    X, given, true = blobs(n=6000, separation=0.7)
    full = score_labels(X, given)
    monkeypatch.setattr(module, "FIT_ROWS", 1500)
    monkeypatch.setattr(module, "FIT_ROWS_PER_CLASS", 1)
    drawn = score_labels(X, given)
    assert drawn.model.rows is not None
    assert len(drawn.model.rows) < 2500
    assert spearmanr(full.importance, drawn.importance).statistic > 0.95
    wrong = given != true
    assert average_precision(wrong, drawn.importance) > 0.95 * average_precision(
        wrong, full.importance
    )


@pytest.mark.parametrize("fit_rows", [100_000, 800])
@pytest.mark.parametrize(("n", "d"), [(2000, 16), (150, 100)])
def test_warm_start_agrees_with_a_run_from_scratch(monkeypatch, fit_rows, n, d):
    monkeypatch.setattr(module, "FIT_ROWS", fit_rows)
    monkeypatch.setattr(module, "FIT_ROWS_PER_CLASS", 1)
    X, given, true = blobs(n=n, d=d, separation=0.7)
    first = score_labels(X, given)
    queue = np.argsort(-first.importance)
    weight = np.ones(n)
    weight[queue[: n // 100]] = 0
    fixed = given.copy()
    fixed[queue[n // 100 : n // 50]] = true[queue[n // 100 : n // 50]]
    warm = score_labels(X, fixed, weight, warm_start=first.model)
    cold = score_labels(X, fixed, weight)
    assert warm.model.bound is first.model.bound
    assert spearmanr(warm.importance, cold.importance).statistic > 0.99
    assert (warm.importance[weight == 0] == 0).all()


def test_warm_start_on_other_rows_is_a_run_from_scratch():
    X, given, _ = blobs(n=300)
    other, other_given, _ = blobs(n=300, seed=1)
    warm = score_labels(other, other_given, warm_start=score_labels(X, given).model)
    cold = score_labels(other, other_given)
    np.testing.assert_array_equal(warm.importance, cold.importance)


def test_warm_start_after_a_class_was_renamed_is_a_run_from_scratch():
    # "a" becomes "z": sorted, the same number means another class for every row.
    X, given, _ = blobs()
    first = score_labels(X, given, class_names=list("abcd"))
    renamed = (given - 1) % 4
    warm = score_labels(X, renamed, class_names=list("bcdz"), warm_start=first.model)
    cold = score_labels(X, renamed, class_names=list("bcdz"))
    np.testing.assert_array_equal(warm.importance, cold.importance)
    again = score_labels(X, given, class_names=list("abcd"), warm_start=first.model)
    assert again.model.bound is first.model.bound


@pytest.mark.parametrize("names", [list("abc"), list("abcc"), list("abcde")])
def test_class_names_are_one_for_each_class(names):
    X, given, _ = blobs(n=50)
    with pytest.raises(DataError, match="class_names: must be 4 different names"):
        score_labels(X, given, n_classes=4, class_names=names)


# ---- kinds of input -----------------------------------------------------------------------------


def test_same_random_state_same_scores():
    X, given, _ = blobs()
    first, second = score_labels(X, given, random_state=3), score_labels(X, given, random_state=3)
    np.testing.assert_array_equal(first.importance, second.importance)


def test_memmap_and_float_types_agree(tmp_path):
    X, given, _ = blobs()
    half = X.astype(np.float16)
    np.save(tmp_path / "x.npy", half)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = score_labels(half.astype(np.float64), given)
    for array in (half, half.astype(np.float32), mapped):
        scores = score_labels(array, given)
        np.testing.assert_allclose(scores.importance, expected.importance, rtol=1e-3, atol=1e-10)


def test_missing_and_tiny_classes():
    X, given, _ = blobs()
    given = given * 3  # classes 1, 2, 4, ... have no sample
    given[0] = 1
    given[1:3] = 2
    scores = score_labels(X, given, n_classes=20)
    assert_sane(scores, len(X), 20)
    assert set(scores.suggested_class) <= set(given)
    np.testing.assert_array_equal(scores.noise_channel[4], np.eye(20)[4])


def test_a_class_whose_rows_are_all_deleted():
    X, given, _ = blobs()
    weight = np.where(given == 2, 0.0, 1.0)
    scores = score_labels(X, given, weight)
    assert_sane(scores, len(X), 4)
    assert (scores.wrong_probability[given == 2] == 1).all()
    assert 2 not in scores.suggested_class


def test_constant_features_and_duplicate_rows():
    X, given, _ = blobs()
    X = np.column_stack([X, np.full(len(X), 7.0)]).astype(np.float32)
    X[100:200] = X[0]
    assert_sane(score_labels(X, given), len(X), 4)


def test_nothing_to_learn_from():
    assert_sane(score_labels(np.ones((10, 3)), np.arange(10) % 2), 10, 2)
    assert_sane(score_labels(np.array([[0.0], [1.0]]), np.array([0, 1])), 2, 2)


def test_a_thousand_classes():
    X, given, _ = blobs(n=1500, d=8, k=1000, separation=3.0)
    assert_sane(score_labels(X, given, n_classes=1000), 1500, 1000)


@pytest.mark.parametrize("warm", [False, True])
def test_progress_grows_to_one(warm):
    X, given, _ = blobs(n=100)
    start = score_labels(X, given).model if warm else None
    seen = []
    score_labels(
        X,
        given,
        warm_start=start,
        progress=lambda fraction, message: seen.append((fraction, message)),
    )
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert seen[-1] == (1.0, "done")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (SimpleNamespace(X=X[:, 0], y=Y), r"embeddings: must be a number array of shape \(n, d\)"),
        (SimpleNamespace(X=X.astype(str), y=Y), "embeddings: must be a number array"),
        (SimpleNamespace(X=X[:0], y=Y[:0]), "at least 1"),
        (SimpleNamespace(X=X, y=Y[:5]), r"labels: must be an int array of shape \(6,\)"),
        (SimpleNamespace(X=X, y=Y * 1.0), "labels: must be an int array"),
        (SimpleNamespace(X=X, y=Y - 1), r"lie in 0..0, got -1 in row 0 \(3 rows"),
        (SimpleNamespace(X=X, y=Y * 5, n_classes=3), r"lie in 0..2, got 5 in row 1"),
        (SimpleNamespace(X=X, y=Y * 0), "at least two classes, got 1"),
        (SimpleNamespace(X=X, y=Y, w=1.0 - Y), "at least two classes, got 1"),
        (SimpleNamespace(X=X, y=Y, w=Y * 0.0), "at least two classes, got 0"),
        (SimpleNamespace(X=X, y=Y, w=Y - 1.0), "sample_weight: must be finite, not negative"),
        (SimpleNamespace(X=X, y=Y, w=np.ones(3)), r"of shape \(6,\), got shape \(3,\)"),
        (
            SimpleNamespace(X=np.where(X > 8, np.nan, X), y=Y),
            r"NaN or infinity in 2 rows \(4, 5\)",
        ),
    ],
)
def test_bad_input_is_named(arrays, message):
    with pytest.raises(DataError, match=message):
        score_labels(
            arrays.X,
            arrays.y,
            getattr(arrays, "w", None),
            n_classes=getattr(arrays, "n_classes", None),
        )
