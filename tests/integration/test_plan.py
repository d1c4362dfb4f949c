"""Plans on a dataset: before the first round, after it, and with scores of an older version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.cli import main
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring import importance
from coreset_cleaning.store import views
from support.digits import TRUE_DIGIT


def test_a_plan_before_and_after_a_round(confused_scored: Any) -> None:
    dataset = confused_scored.dataset
    loop = CleaningLoop(dataset)
    rows = zip(*dataset.values(["id", "ground_truth.label", TRUE_DIGIT]), strict=True)
    wrong = {i for i, given, true in rows if given != true}
    plan = loop.plan(40)
    assert (plan.n_verdicts, plan.left_out) == (0, 0)
    queue = loop.queue_view(scope="dataset").values("id")
    assert plan.whole.unreviewed == len(queue)
    found = sum(i in wrong for i in queue[:40])
    assert plan.whole.found.low <= found <= plan.whole.found.high
    assert plan.whole.left.low <= sum(i in wrong for i in queue) <= plan.whole.left.high

    loop.push_round(AppDesk(), n=40, controls=10, scope="dataset")
    batch = loop.rounds.load(1).batch
    loop.record_verdicts(
        {item.sample_id: "delete" if item.sample_id in wrong else "keep" for item in batch}
    )
    after = loop.plan(40)
    assert (after.n_verdicts, after.n_controls) == (40, 10)
    assert after.whole.unreviewed == len(queue) - 40
    decision = loop.next_step()
    assert decision.proposal is not None
    assert any("reviews" in reason for reason in decision.reasons)


def test_the_command_line_plans(confused_scored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name = confused_scored.dataset.name
    assert main(["plan", name, "--budget", "20", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["budget"], data["whole"]["reviews"], len(data["classes"])) == (20, 20, 4)
    assert main(["plan", name]) == 0
    assert "reviews of the whole dataset find" in capsys.readouterr().out


def test_scores_of_an_older_version_have_to_be_computed_again(confused_scored: Any) -> None:
    confused_scored.dataset.delete_sample_field("wrong_probability")
    loop = CleaningLoop(confused_scored.dataset)
    with pytest.raises(DataError, match="'wrong_probability' does not exist"):
        loop.plan()
    loop.push_round(AppDesk(), n=5, controls=0, scope="dataset")  # rounds go on as before
    assert loop.next_step().proposal is None
    loop.compute_importance()
    assert loop.plan(10).whole.reviews == 10


def test_scoring_after_a_pull_starts_from_the_fit_of_another_process(
    confused_scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = confused_scored.dataset
    loop = CleaningLoop(dataset)
    loop.push_round(AppDesk(), n=8, controls=0, scope="dataset")
    loop.record_verdicts(dict.fromkeys(list(loop.sample_ids(1))[:4], "delete"))
    fitted = []
    whole = importance.fit_model
    monkeypatch.setattr(importance, "fit_model", lambda *args: fitted.append(1) or whole(*args))
    other = CleaningLoop(dataset)  # as another process would be: it has fitted nothing yet
    verdicts = dict.fromkeys(list(loop.sample_ids(1))[4:], "delete")
    report = other.rescore(other.record_verdicts(verdicts))
    assert (report.next_labels, fitted) == (50, [])
    # Vectors that have changed are fitted anew.
    first = dataset.match_tags("train").first()
    first["resnet18_embedding"] = first["resnet18_embedding"] + 1
    first.save()
    CleaningLoop(dataset).rescore(report)
    assert fitted


def test_the_next_round_is_planned_once_and_kept(
    confused_scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = CleaningLoop(confused_scored.dataset)
    kept = loop.overview().plan
    assert kept == loop.plan(50)
    monkeypatch.setattr(views, "queue", None)  # reading a queue would fail
    shown = loop.overview()
    assert shown.plan == kept
    assert shown.decision.proposal is not None
    monkeypatch.undo()
    loop.push_round(AppDesk(), n=20, controls=4, scope="dataset")
    assert loop.overview().plan is None
    batch = list(loop.sample_ids(1))
    loop.record_verdicts(dict.fromkeys(batch, "delete"))
    after = loop.overview()
    assert after.plan == loop.plan(20)
    assert after.plan.n_verdicts == 20
    assert sum(bar.wrong + bar.right for bar in after.importance) == 20
    assert after.to_dict()["plan"]["budget"] == 20
    loop.undo_round(1)
    assert loop.overview().plan == kept
    loop.compute_importance()
    assert loop.overview().plan == loop.plan(50)
