"""Signals beside the embeddings: verdicts on record, and predictions of the user's own."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import numpy as np
import pytest

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.usecases.score import with_verdicts
from support.digits import THREE, Digits


def answer(loop: CleaningLoop, digits: Digits, n: int) -> dict[str, str]:
    """Review a round truly; return sample id to the label that was asked about."""
    loop.push_round(AppDesk(), n=n, controls=2, class_of_interest="8")
    batch = loop.rounds.open_round().batch
    loop.record_verdicts(
        {
            item.sample_id: "keep"
            if digits.truth[item.sample_id] == item.label
            else ("relabel", digits.truth[item.sample_id])
            for item in batch
        }
    )
    return {item.sample_id: item.label for item in batch}


def known(loop: CleaningLoop) -> dict[str, tuple[str, str | None]]:
    """Return sample id to the given class and the verified one, as scoring reads them."""
    rows = loop.labels.train_rows()
    found = with_verdicts(rows, loop.rounds.all())
    return {
        label_id: (found.classes[given], found.classes[true] if true >= 0 else None)
        for label_id, given, true in zip(rows.ids, found.given, found.verified, strict=True)
    }


def test_verdicts_are_evidence_about_the_labels_as_they_were_given(
    loop: CleaningLoop, digits: Digits
) -> None:
    asked = answer(loop, digits, 20)
    told = known(loop)
    assert {i: told[i] for i in asked} == {i: (asked[i], digits.truth[i]) for i in asked}
    assert all(true is None for i, (_, true) in told.items() if i not in asked)
    # Undone, they are none; taken in again, they are.
    loop.undo_round(1)
    assert all(true is None for _, true in known(loop).values())
    loop.redo_round(1)
    assert known(loop) == told


def test_a_label_changed_by_hand_since_its_verdict_counts_as_given_anew(
    loop: CleaningLoop, digits: Digits
) -> None:
    first, *_ = answer(loop, digits, 6)
    other = next(name for name in THREE if name not in (digits.truth[first], "8"))
    sample = digits.dataset[first]
    sample.ground_truth.label = other
    sample.save()
    assert known(loop)[first] == (other, None)


def test_a_class_that_lost_all_its_labels_still_teaches(digits: Digits) -> None:
    dataset = digits.dataset
    strange = dataset.match_tags("train").limit(4).values("id")
    dataset.select(strange).set_field("ground_truth.label", "typo").save()
    loop = CleaningLoop(dataset, embeddings_field="pixels")
    loop.compute_importance()
    loop.push_round(AppDesk(), n=4, controls=0, class_of_interest="typo")
    loop.record_verdicts({i: ("relabel", digits.truth[i]) for i in strange})
    assert "typo" not in dataset.distinct("ground_truth.label")
    assert {known(loop)[i] for i in strange} == {("typo", digits.truth[i]) for i in strange}
    report = loop.compute_importance()
    assert report.samples == 240


def predictions(digits: Digits, order: tuple[str, ...], sure: float = 0.6) -> list[Any]:
    """Return what a network says that knows the digits, and is wrong about every twelfth."""
    vectors = []
    for number, label_id in enumerate(digits.dataset.values("id")):
        true = digits.truth[label_id]
        said = order[(order.index(true) + 1) % 3] if number % 12 == 0 else true
        vector = np.full(3, (1 - sure) / 2)
        vector[order.index(said)] = sure
        vectors.append(vector)
    return vectors


def errors_on_top(loop: CleaningLoop, digits: Digits) -> int:
    top = digits.dataset.match_tags("train").sort_by("coreset_importance", reverse=True).limit(30)
    return sum(i in digits.wrong for i in top.values("id"))


@pytest.mark.parametrize("kind", ["vector", "logits"])
def test_own_predictions_are_one_more_signal(digits: Digits, kind: str) -> None:
    dataset = digits.dataset
    # The embeddings say nothing, so whatever is found is found by the predictions.
    noise = np.random.default_rng(0).standard_normal((len(dataset), 4))
    dataset.add_sample_field("noise", fo.VectorField)
    dataset.set_values("noise", list(noise))
    order = ("9", "3", "8")
    vectors = predictions(digits, order)
    if kind == "vector":
        dataset.add_sample_field("mine", fo.VectorField)
        dataset.set_values("mine", vectors)
    else:
        said = [fo.Classification(label="?", logits=np.log(vector)) for vector in vectors]
        dataset.set_values("mine", said)
    dataset.classes["mine"] = list(order)
    dataset.save()
    loop = CleaningLoop(dataset, embeddings_field="noise")
    loop.compute_importance()
    alone = errors_on_top(loop, digits)
    loop.compute_importance(probabilities_field="mine")
    assert errors_on_top(loop, digits) >= alone + 8
    assert loop.score_record()["probabilities_field"] == "mine"


def test_predictions_that_cannot_be_read_are_refused(digits: Digits) -> None:
    loop = CleaningLoop(digits.dataset, embeddings_field="pixels")
    with pytest.raises(DataError, match="it does not exist") as raised:
        loop.compute_importance(probabilities_field="nowhere")
    assert "VectorField" in raised.value.fix
    with pytest.raises(DataError, match=r"one number per class, 3 .* got .64.") as raised:
        loop.compute_importance(probabilities_field="pixels")
    assert "dataset.classes['pixels']" in raised.value.fix
    digits.dataset.add_sample_field("empty", fo.VectorField)
    with pytest.raises(DataError, match=r"no sample .* has a prediction in 'empty'"):
        loop.compute_importance(probabilities_field="empty")
    assert not loop.is_scored()
