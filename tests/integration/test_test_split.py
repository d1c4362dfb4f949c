"""The test split as what is cleaned: in rounds of its own, and with another yardstick after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.cli import main
from coreset_cleaning.core.errors import DataError

FIELDS = ("coreset_importance", "wrong_probability", "ground_truth.label")


def columns(dataset: Any, tag: str) -> list[tuple[Any, ...]]:
    return sorted(zip(*dataset.match_tags(tag).values(["id", *FIELDS]), strict=True))


def test_the_test_split_has_rounds_of_its_own(confused_scored: Any) -> None:
    dataset = confused_scored.dataset
    train, mine = CleaningLoop(dataset), CleaningLoop(dataset, split="test")
    before = columns(dataset, "train")
    train.evaluate_round()
    assert train.is_scored()
    assert not mine.is_scored()
    victim = dataset.match_tags("test").first()
    true = victim.ground_truth.label
    victim.ground_truth.label = {"digit 1": "digit 3"}.get(true, "digit 1")
    victim.save()

    report = mine.compute_importance()
    assert report.samples == len(dataset.match_tags("test"))
    assert columns(dataset, "train") == before
    queue = mine.queue_view(scope="dataset")
    assert {tag for tags in queue.values("tags") for tag in tags} >= {"test"}
    assert victim.id in queue.values("id")[:5]
    assert mine.plan(10).whole.unreviewed == report.samples
    assert train.plan(10).whole.unreviewed == len(before)

    pushed = mine.push_round(AppDesk(), n=5, controls=0, scope="dataset")
    assert (train.history(), len(mine.history())) == ([], 1)
    verdicts: dict[str, Any] = dict.fromkeys(mine.sample_ids(pushed.round), "keep")
    mine.record_verdicts({**verdicts, victim.id: ("relabel", true)})
    assert dataset[victim.id].ground_truth.label == true
    assert mine.plan(10).n_verdicts == 5
    assert train.plan(10).n_verdicts == 0
    assert train.next_step().reasons[0] == "No round has been reviewed yet."

    # Held-out numbers from before and after are not those of the same labels.
    after = train.evaluate_round()
    assert after.test_changes == 1
    assert "not measured with the same yardstick" in str(after)

    # A round of the rest goes on beside it, under a number of its own.
    other = train.push_round(AppDesk(), n=5, controls=0, scope="dataset")
    assert other.round == pushed.round + 1
    assert not train.sample_ids(other.round) & mine.sample_ids(pushed.round)
    train.record_verdicts(dict.fromkeys(train.sample_ids(other.round), "keep"))
    mine.undo_round(pushed.round)
    assert dataset[victim.id].ground_truth.label != true
    assert train.evaluate_round().test_changes == 0


def test_a_round_of_each_split_may_be_open(confused_scored: Any) -> None:
    dataset = confused_scored.dataset
    train, mine = CleaningLoop(dataset), CleaningLoop(dataset, split="test")
    mine.compute_importance()
    one = train.push_round(AppDesk(), n=4, controls=0, scope="dataset").round
    two = mine.push_round(AppDesk(), n=4, controls=0, scope="dataset").round
    train.record_verdicts(dict.fromkeys(train.sample_ids(one), "delete"))
    mine.record_verdicts(dict.fromkeys(mine.sample_ids(two), "delete"))
    assert len(dataset.match_tags("cleaning:deleted")) == 8
    scored = train.compute_importance()  # what was deleted in the test split is none of its rows
    assert scored.samples == len(dataset.match_tags("train"))
    held_out = train.evaluate_round()
    assert held_out.test_changes == 4


def test_what_can_not_be_is_refused(confused_scored: Any, digits: Any) -> None:
    dataset = confused_scored.dataset
    with pytest.raises(DataError, match='must be "train" or "test", got \'both\''):
        CleaningLoop(dataset, split="both")
    with pytest.raises(DataError, match="must have a test split to clean"):
        CleaningLoop(dataset, test_tag="holdout", split="test")
    bare = CleaningLoop(digits.dataset, embeddings_field="pixels", split="test")
    with pytest.raises(DataError, match="must have been scored outside the test split"):
        bare.compute_importance()
    with pytest.raises(DataError, match="must have been scored"):
        CleaningLoop(dataset, split="test").plan()


def test_the_command_line_cleans_the_test_split(
    confused_scored: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = confused_scored.dataset.name
    assert main(["score", name, "--split", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == len(
        confused_scored.dataset.match_tags("test")
    )
    push = ["push", name, "--split", "test", "--desk", "app", "-n", "4", "--controls", "0"]
    assert main([*push, "--scope", "dataset"]) == 0
    assert "yardstick" in capsys.readouterr().out
    assert main(["status", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_forms_offer_the_test_split_and_warn(confused_scored: Any) -> None:
    from fiftyone.operators import types
    from fiftyone.operators.executor import ExecutionContext

    from coreset_cleaning.app.context import loop_for
    from coreset_cleaning.app.operators.fields import add_split

    dataset = confused_scored.dataset

    def asked(**params: Any) -> tuple[ExecutionContext, dict[str, Any]]:
        request = {"dataset_name": dataset.name, "params": params}
        inputs = types.Object()
        add_split(ctx := ExecutionContext(request_params=request), inputs)
        return ctx, inputs.to_json()["properties"]

    ctx, fields = asked()
    assert (list(fields), fields["split"]["default"]) == (["split"], "train")
    assert not loop_for(ctx).samples.of_test_split
    ctx, fields = asked(split="test")
    assert list(fields) == ["split", "yardstick"]
    assert loop_for(ctx).samples.of_test_split
    dataset.untag_samples("test")
    assert asked()[1] == {}
