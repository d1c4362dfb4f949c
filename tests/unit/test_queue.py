"""Batches: the top of the queue, blinded controls, near-duplicates side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.queue import (
    BatchItem,
    default_max_per_class,
    draw_batch,
    share_controls,
    split_evenly,
)


def ids(m: int) -> list[str]:
    return [f"sample{i:04d}" for i in range(m)]


@given(
    m=st.integers(1, 60),
    n=st.integers(1, 30),
    controls=st.integers(0, 10),
    seed=st.integers(0, 5),
    share=st.sampled_from([0.2, 1.0]),
)
def test_a_batch_is_the_top_of_the_queue_and_controls(m, n, controls, seed, share):
    controls = min(controls, n)
    rng = np.random.default_rng(seed)
    importance, eligible = rng.random(m), rng.random(m) < share
    batch = draw_batch(ids(m), importance, eligible, n, controls, seed)
    rows = [row for row, _ in batch]
    assert len(rows) == len(set(rows)) == min(n, eligible.sum())
    assert eligible[rows].all()
    drawn = {row for row, control in batch if control}
    assert len(drawn) == min(controls, len(rows))
    top = {row for row, control in batch if not control}
    passed_over = [r for r in np.flatnonzero(eligible) if r not in top | drawn]
    assert all(importance[r] <= importance[t] for r in passed_over for t in top)


def test_a_draw_repeats_and_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    names, importance = ids(40), rng.random(40).round(1)
    batch = draw_batch(names, importance, np.ones(40, bool), 10, 3, 7)
    order = rng.permutation(40)
    again = draw_batch([names[i] for i in order], importance[order], np.ones(40, bool), 10, 3, 7)
    assert [(names[i], c) for i, c in batch] == [(names[order[i]], c) for i, c in again]
    assert batch != draw_batch(names, importance, np.ones(40, bool), 10, 3, 8)


def test_controls_are_uniform_and_their_place_tells_nothing():
    drawn, places = np.zeros(20), np.zeros(10)
    for seed in range(2000):
        batch = draw_batch(ids(20), np.arange(20), np.ones(20, bool), 10, 2, seed)
        for place, (row, control) in enumerate(batch):
            drawn[row] += control
            places[place] += control
    # 4,000 draws over 20 rows and 10 places: five standard deviations.
    np.testing.assert_allclose(drawn, 200, atol=5 * np.sqrt(200))
    np.testing.assert_allclose(places, 400, atol=5 * np.sqrt(400))


@pytest.mark.parametrize(("n", "controls"), [(0, 0), (5, 6), (5, -1)])
def test_impossible_sizes_are_refused(n, controls):
    with pytest.raises(DataError, match=f"n={n}, controls={controls}"):
        draw_batch(ids(9), np.zeros(9), np.ones(9, bool), n, controls)


def test_lengths_must_agree():
    with pytest.raises(DataError, match="9, 8 and 9"):
        draw_batch(ids(9), np.zeros(8), np.ones(9, bool), 5, 0)


def test_embeddings_must_belong_to_the_samples():
    with pytest.raises(DataError, match="8 rows for 9 samples"):
        draw_batch(ids(9), np.zeros(9), np.ones(9, bool), 5, 0, embeddings=np.ones((8, 2)))


def test_near_duplicates_come_along_and_stand_side_by_side():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 16))
    X[40] = 2 * X[3]  # the same direction
    X[41] = X[3] + 1e-3
    importance = np.linspace(1, 0, 50)
    eligible = np.ones(50, bool)
    eligible[41] = False
    for seed in range(5):
        rows = [
            row for row, _ in draw_batch(ids(50), importance, eligible, 10, 0, seed, embeddings=X)
        ]
        assert set(rows) == {*range(9), 40}
        assert abs(rows.index(3) - rows.index(40)) == 1


def test_what_all_vectors_share_displaces_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 16)) + 50  # any two have a cosine above 0.99
    X[150] = X[3] + 1e-3
    batch = draw_batch(ids(200), np.linspace(1, 0, 200), np.ones(200, bool), 10, 0, embeddings=X)
    assert {row for row, _ in batch} == {*range(9), 150}


def test_a_group_of_duplicates_never_overfills_the_batch():
    X = np.ones((20, 4))
    batch = draw_batch(ids(20), np.arange(20), np.ones(20, bool), 7, 2, 0, embeddings=X)
    assert len({row for row, _ in batch}) == 7
    assert sum(control for _, control in batch) == 2


def test_a_duplicate_of_a_duplicate_is_shown_with_them():
    # A chain: neighbours are near-duplicates, its ends are not.
    angles = np.array([0.0, 0.15, 0.3])
    X = np.zeros((12, 12))
    X[:3, 0], X[:3, 1] = np.cos(angles), np.sin(angles)
    X[3:, 2:] = np.eye(9, 10)
    assert np.cos(0.15) > 0.98 > np.cos(0.3)
    for seed in range(3):
        batch = draw_batch(
            ids(12), np.linspace(1, 0, 12), np.ones(12, bool), 6, 0, seed, embeddings=X
        )
        rows = [row for row, _ in batch]
        assert sorted(rows) == [0, 1, 2, 3, 4, 5]
        places = [rows.index(row) for row in (0, 1, 2)]
        assert max(places) - min(places) == 2


@given(n=st.integers(1, 12), seed=st.integers(0, 30))
def test_duplicates_never_change_the_size_of_a_batch(n, seed):
    X = np.random.default_rng(seed).standard_normal((15, 2))  # many near-duplicates
    batch = draw_batch(ids(15), np.arange(15), np.ones(15, bool), n, n // 4, seed, embeddings=X)
    assert len({row for row, _ in batch}) == len(batch) == n


def test_what_comes_first_comes_before_importance():
    first = np.arange(20) < 2  # the least important ones
    batch = draw_batch(ids(20), np.arange(20), np.ones(20, bool), 4, 0, 0, first=first)
    assert {row for row, _ in batch} == {0, 1, 19, 18}


@given(
    quotas=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1),
    share=st.floats(0, 1),
)
def test_controls_are_shared_in_proportion(quotas, share):
    n = sum(quotas.values())
    controls = int(share * n)
    shares = share_controls(quotas, controls)
    assert list(shares) == list(quotas)
    assert sum(shares.values()) == controls
    for name, quota in quotas.items():
        assert 0 <= shares[name] <= quota
        assert abs(shares[name] - controls * quota / n) < 1


@given(n=st.integers(1, 60), k=st.integers(1, 6))
def test_a_batch_is_split_evenly(n, k):
    names = list("abcdef"[:k])
    if n < k:
        with pytest.raises(DataError, match=f"got n={n}"):
            split_evenly(n, names)
        return
    quotas = split_evenly(n, names)
    assert (list(quotas), sum(quotas.values())) == (names, n)
    assert max(quotas.values()) - min(quotas.values()) <= 1
    assert list(quotas.values()) == sorted(quotas.values(), reverse=True)


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_impossible_classes_are_refused(names):
    with pytest.raises(DataError, match="one or more, each once"):
        split_evenly(10, names)


def test_items_survive_json():
    item = BatchItem("a", 0, 0.5, "<b>&$ 🐈", 1.0, False, "dog", 0.4)
    assert BatchItem.from_dict(json.loads(json.dumps(item.to_dict()))) == item


# ---- a queue of several classes


def cohort(seed, m=60, k=4):
    """A queue of k classes: ids, importance, who may be served, classes."""
    rng = np.random.default_rng(seed)
    names = [f"class {code}" for code in rng.integers(0, k, m)]
    return ids(m), rng.random(m).round(2), rng.random(m) < 0.8, names


def counts(names, batch):
    return {name: sum(names[row] == name for row, _ in batch) for name in set(names)}


draws = {
    "seed": st.integers(0, 20),
    "n": st.integers(1, 30),
    "controls": st.integers(0, 8),
    "limit": st.one_of(st.none(), st.integers(1, 12)),
}


@given(**draws, duplicates=st.booleans())
def test_a_batch_of_several_classes_is_full_and_within_its_quota(
    seed, n, controls, limit, duplicates
):
    names_, importance, eligible, classes = cohort(seed)
    controls = min(controls, n)
    X = np.random.default_rng(seed).standard_normal((60, 2)) if duplicates else None
    batch = draw_batch(
        names_, importance, eligible, n, controls, seed,
        embeddings=X, classes=classes, max_per_class=limit,
    )  # fmt: skip
    rows = [row for row, _ in batch]
    assert len(rows) == len(set(rows)) == min(n, eligible.sum())
    assert eligible[rows].all()
    assert sum(control for _, control in batch) == min(controls, len(rows))
    if limit is None:
        return
    # More than the quota only as controls, or when the others had nothing left to give.
    mine = counts(classes, batch)
    drawn = counts(classes, [item for item in batch if item[1]])
    over = {name for name in mine if mine[name] > max(limit, drawn[name])}
    left = {classes[row] for row in np.flatnonzero(eligible) if row not in rows}
    if over:
        assert all(mine[name] >= limit for name in left - over)


@given(**draws)
def test_of_several_classes_the_most_important_are_shown_that_the_quota_allows(
    seed, n, controls, limit
):
    names_, importance, eligible, classes = cohort(seed)
    batch = draw_batch(
        names_, importance, eligible, n, min(controls, n), seed,
        classes=classes, max_per_class=limit,
    )  # fmt: skip
    shown = {row for row, _ in batch}
    top = [row for row, control in batch if not control]
    mine = counts(classes, batch)
    for passed in set(np.flatnonzero(eligible)) - shown:
        full = limit is not None and mine[classes[passed]] >= limit
        # Within a class always, and across classes unless its own is full.
        assert all(
            importance[passed] <= importance[row]
            for row in top
            if classes[row] == classes[passed] or not full
        )


@given(**draws)
def test_labels_of_one_class_are_shown_one_after_the_other(seed, n, controls, limit):
    names_, importance, eligible, classes = cohort(seed)
    batch = draw_batch(
        names_, importance, eligible, n, min(controls, n), seed,
        classes=classes, max_per_class=limit,
    )  # fmt: skip
    shown = [classes[row] for row, _ in batch]
    blocks = [name for k, name in enumerate(shown) if k == 0 or shown[k - 1] != name]
    assert len(blocks) == len(set(blocks))


def test_place_tells_nothing_of_control_or_class():
    # Two classes of five labels each: within each block a control is anywhere.
    classes = ["cat"] * 10 + ["dog"] * 10
    places, first = np.zeros(5), 0
    for seed in range(2000):
        batch = draw_batch(
            ids(20), np.arange(20) % 10, np.ones(20, bool), 10, 2, seed,
            classes=classes, max_per_class=5,
        )  # fmt: skip
        shown = [classes[row] for row, _ in batch]
        assert shown.count("cat") == 5
        first += shown[0] == "cat"
        for place, (_, control) in enumerate(batch):
            places[place % 5] += control
    np.testing.assert_allclose(places, 800, atol=5 * np.sqrt(800))
    assert abs(first - 1000) < 5 * np.sqrt(500)


def test_controls_of_the_whole_dataset_are_drawn_uniformly_over_all_classes():
    classes, drawn = ["cat"] * 15 + ["dog"] * 5, np.zeros(20)
    for seed in range(2000):
        batch = draw_batch(
            ids(20), np.arange(20), np.ones(20, bool), 6, 2, seed, classes=classes, max_per_class=3
        )
        for row, control in batch:
            drawn[row] += control
    np.testing.assert_allclose(drawn, 200, atol=5 * np.sqrt(200))


def test_near_duplicates_come_along_that_carry_the_same_label():
    X = np.eye(12)
    X[8] = X[0] + 1e-3
    X[11] = X[0] - 1e-3  # another class
    classes = ["cat", "dog"] * 6
    for seed in range(5):
        batch = draw_batch(
            ids(12), np.linspace(1, 0, 12), np.ones(12, bool), 6, 0, seed,
            embeddings=X, classes=classes,
        )  # fmt: skip
        rows = [row for row, _ in batch]
        assert set(rows) == {0, 1, 2, 3, 4, 8}
        assert abs(rows.index(8) - rows.index(0)) == 1


@given(seed=st.integers(0, 20), limit=st.one_of(st.none(), st.integers(1, 5)))
def test_only_the_top_of_the_queue_is_asked_for_its_embeddings(seed, limit):
    m, n = 2000, 10
    names_, importance, eligible, classes = cohort(seed, m)
    X = np.random.default_rng(seed).standard_normal((m, 3))
    asked: list[int] = []

    def read(rows):
        asked.extend(rows.tolist())
        return X[rows]

    options = {"classes": classes, "max_per_class": limit}
    batch = draw_batch(names_, importance, eligible, n, 2, seed, embeddings=read, **options)
    assert len(asked) <= 21 * n
    assert {row for row, control in batch if not control} <= set(asked)
    # Where all of it is near, as many as there are, the draw is that of all embeddings.
    few = draw_batch(
        names_[:150], importance[:150], eligible[:150], n, 2, seed,
        embeddings=lambda rows: X[rows], classes=classes[:150], max_per_class=limit,
    )  # fmt: skip
    assert few == draw_batch(
        names_[:150], importance[:150], eligible[:150], n, 2, seed,
        embeddings=X[:150], classes=classes[:150], max_per_class=limit,
    )  # fmt: skip


def test_a_draw_of_several_classes_does_not_depend_on_the_order_of_rows():
    names_, importance, eligible, classes = cohort(3)
    order = np.random.default_rng(1).permutation(60)

    def draw(rows):
        batch = draw_batch(
            [names_[i] for i in rows], importance[rows], eligible[rows], 20, 4, 7,
            classes=[classes[i] for i in rows], max_per_class=6,
        )  # fmt: skip
        return [(names_[rows[i]], control) for i, control in batch]

    assert draw(np.arange(60)) == draw(order)


def test_what_is_in_conflict_comes_before_importance_in_the_whole_dataset():
    classes = ["cat", "dog"] * 10
    first = np.arange(20) < 2
    batch = draw_batch(
        ids(20), np.arange(20), np.ones(20, bool), 6, 0, 0,
        first=first, classes=classes, max_per_class=3,
    )  # fmt: skip
    assert {row for row, _ in batch} == {0, 1, 19, 18, 17, 16}


def test_quotas_and_classes_of_a_draw_are_checked():
    with pytest.raises(DataError, match="max_per_class must be at least 1, got 0"):
        draw_batch(ids(9), np.zeros(9), np.ones(9, bool), 5, 0, classes="a" * 9, max_per_class=0)
    with pytest.raises(DataError, match="got 8 for 9 samples"):
        draw_batch(ids(9), np.zeros(9), np.ones(9, bool), 5, 0, classes="a" * 8)


@given(n=st.integers(1, 100), k=st.integers(1, 30))
def test_by_default_a_class_gets_half_or_twice_its_even_share(n, k):
    limit = default_max_per_class(n, k)
    assert limit >= n / 2
    assert limit * k >= n  # the quota never keeps a batch from being full
    assert limit <= max(n / 2, 2 * n / k, n if k < 3 else 0) + 1
