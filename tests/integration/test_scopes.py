"""The whole dataset as one queue: views, rounds, yields, evaluation, command line and App."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from fiftyone import ViewField as F

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.cli import main
from coreset_cleaning.core.errors import DataError, RoundError
from coreset_cleaning.store import queues, views


def truly(loop: CleaningLoop, truth: dict[str, str]) -> None:
    """Answer the open round as somebody does who knows the true class."""
    loop.record_verdicts(
        {
            item.sample_id: "keep"
            if truth[item.sample_id] == item.label
            else ("relabel", truth[item.sample_id])
            for item in loop.rounds.open_round().batch
        }
    )


def wrong_now(digits: Any) -> int:
    given = dict(zip(*digits.dataset.values(["id", "ground_truth.label"]), strict=True))
    return sum(given[i] != true for i, true in digits.truth.items())


def test_the_queue_of_the_whole_dataset_is_a_saved_view(loop: CleaningLoop) -> None:
    view = loop.queue_view(scope="dataset")
    importance = view.values("coreset_importance")
    assert importance == sorted(importance, reverse=True)
    assert len(view) == 240
    assert not view.match_tags("test")
    assert set(view.distinct("ground_truth.label")) == {"3", "8", "9"}
    dataset = loop.samples.dataset
    assert dataset.load_saved_view("cleaning queue").values("id") == view.values("id")
    assert loop.queue_view_name(None) == "cleaning queue"
    assert loop.queue_view(scope="dataset", limit=7).values("id") == view.values("id")[:7]
    both = loop.queue_view(scope=["3", "8"])
    assert set(both.distinct("ground_truth.label")) == {"3", "8"}
    assert both.values("coreset_importance") == sorted(
        both.values("coreset_importance"), reverse=True
    )
    assert {"cleaning queue 3", "cleaning queue 8"} <= set(dataset.list_saved_views())
    with pytest.raises(DataError, match="got neither"):
        loop.queue_view()
    # A label that was taken away since is in no queue.
    gone = view.first()
    gone["ground_truth"] = None
    gone.save()
    assert gone.id not in loop.queue_view(scope="dataset").values("id")


def test_a_view_of_the_users_is_never_taken_for_the_queue(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    dataset.save_view("cleaning queue", dataset.limit(3))
    for act in (
        lambda: loop.queue_view(scope="dataset"),
        lambda: loop.push_round(AppDesk(), n=5, controls=0, scope="dataset"),
    ):
        with pytest.raises(DataError, match="'cleaning queue'"):
            act()
    assert len(dataset.load_saved_view("cleaning queue")) == 3
    assert not loop.history()


def test_rounds_of_the_whole_dataset_from_the_first_to_the_decision(
    loop: CleaningLoop, digits: Any
) -> None:
    loop.evaluate_round()
    wrong, found = wrong_now(digits), 0
    served: set[str] = set()
    for number in (1, 2):
        before = loop.queue_view(scope="dataset")
        pools = Counter(before.values("ground_truth.label"))
        # Later rounds are drawn as the first was.
        report = loop.push_round(
            AppDesk(), n=20, controls=4, **({"scope": "dataset"} if number == 1 else {})
        )
        assert (report.scope, report.class_of_interest, report.rival) == (
            "dataset", "whole dataset", None,
        )  # fmt: skip
        assert "Round" in str(report)
        assert "class whole" not in str(report)
        round_ = loop.rounds.open_round()
        batch = round_.batch
        assert [item.rank for item in batch] == list(range(20))
        assert sum(item.control for item in batch) == 4
        assert not {item.sample_id for item in batch} & served
        served |= round_.sample_ids
        assert round_.pools == pools
        # Labels of one class one after the other, none over its quota of two thirds.
        shown = [item.label for item in batch]
        blocks = [c for k, c in enumerate(shown) if k == 0 or shown[k - 1] != c]
        assert len(blocks) == len(set(blocks))
        assert max(Counter(shown).values()) <= 14 == round_.config["options"]["max_per_class"]
        assert Counter(shown)[round_.class_of_interest] == max(Counter(shown).values())
        # Nothing more important was passed over, but for its class's quota.
        queued = {item.sample_id for item in batch if not item.control}
        least = min(item.importance for item in batch if not item.control)
        rest = before.match(F("coreset_importance") > least).exclude(list(round_.sample_ids))
        full = {c for c, k in Counter(shown).items() if k >= 14}
        assert set(rest.distinct("ground_truth.label")) <= full
        assert queued
        truly(loop, digits.truth)
        row = loop.history()[-1]
        found += row["errors_found"]
        assert (row["scope"], row["class_of_interest"]) == ("dataset", "whole dataset")
        assert (row["size"], row["pool"]) == (20, sum(pools.values()))
        loop.compute_importance()
    assert wrong_now(digits) == wrong - found
    assert found > 20  # 15 % are wrong: a random review would find 6

    report = loop.yields()
    assert report == loop.yields(scope="dataset")
    assert report.scope == "dataset"
    assert "the dataset in" in str(report)
    assert 0 <= report.errors_left.low <= wrong - found <= report.errors_left.high <= 200
    assert report.noise_rate.low <= wrong / 240 <= report.noise_rate.high
    assert 0 < report.next_batch.value <= 20
    assert [p.reviewed for p in loop.budget_curve()] == [0, 20, 40]
    assert [p.found for p in loop.budget_curve(scope="dataset")][-1] == found
    # Classes have yields of their own, from the same rounds.
    by_class = [loop.budget_curve(c)[-1] for c in "389"]
    assert (sum(p.reviewed for p in by_class), sum(p.found for p in by_class)) == (40, found)

    evaluated = loop.evaluate_round()
    assert evaluated.scope == "dataset"
    first, *_ = (line for line in str(evaluated).splitlines() if line.startswith("  "))
    assert first.startswith("  all classes:")
    assert json.loads(json.dumps(evaluated.to_dict()))["scope"] == "dataset"
    assert loop.next_step(budget=40).reasons == (
        "The budget is spent: 40 of 40 samples are reviewed.",
    )


def test_scopes_follow_each_other(loop: CleaningLoop, digits: Any) -> None:
    loop.push_round(AppDesk(), n=10, controls=2, class_of_interest="8")
    truly(loop, digits.truth)
    assert loop.yields(scope="dataset").precision.value != loop.yields().precision.value
    assert str(loop.yields(scope="dataset")) == (
        "Nothing has been reviewed yet in a round of the whole dataset."
    )
    loop.push_round(AppDesk(), n=12, controls=3, scope="dataset")
    truly(loop, digits.truth)
    # Asked for by name, the class comes back as it was.
    loop.push_round(AppDesk(), n=6, controls=1, scope="class")
    truly(loop, digits.truth)
    rows = loop.history()
    assert [row["scope"] for row in rows] == ["class", "dataset", "class"]
    assert [row["class_of_interest"] for row in rows] == ["8", "whole dataset", "8"]
    assert loop.yields().scope == "class"
    curve = loop.budget_curve(scope="dataset")
    assert [p.reviewed for p in curve] == [0, 10, 22, 28]
    assert curve[-1].found == sum(row["errors_found"] for row in rows)
    # What the rounds of a class took away is no longer left.
    left = loop.yields(scope="dataset").errors_left
    assert left.low <= wrong_now(digits) <= left.high <= 240 - 28
    loop.undo_round(2)
    assert str(loop.yields(scope="dataset")).startswith("Nothing has been reviewed yet")


def test_a_class_keeps_its_rival_over_a_round_of_the_whole_dataset(loop: CleaningLoop) -> None:
    first = loop.push_round(AppDesk(), n=4, controls=0)
    assert first.rival
    loop.close_round()
    loop.push_round(AppDesk(), n=4, controls=0, scope="dataset")
    loop.close_round()
    # The class of interest of that round may well be the same.
    again = loop.push_round(AppDesk(), n=4, controls=0, class_of_interest=first.class_of_interest)
    assert again.rival == first.rival


def test_an_open_round_is_completed_whatever_is_asked_for(loop: CleaningLoop) -> None:
    loop.push_round(AppDesk(), n=5, controls=1, scope="dataset")
    again = loop.push_round(AppDesk(), n=9, class_of_interest="3")
    assert (again.round, again.scope, again.n) == (1, "dataset", 5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"scope": "3"}, r"got '3'\. To review one class, pass it as a list: scope=\['3'\]"),
        ({"scope": "dataset", "class_of_interest": "3"}, "must not be given together"),
        ({"scope": ["3"], "class_of_interest": "8"}, "must not both name classes"),
        ({"scope": ["3", "7"]}, "got '7'"),
        ({"scope": "class", "max_per_class": 5}, "max_per_class must be left out"),
        ({"scope": "dataset", "max_per_class": 0}, "max_per_class must be at least 1"),
    ],
)
def test_what_can_t_be_meant_is_refused(loop: CleaningLoop, asked: Any, message: str) -> None:
    runs = loop.samples.dataset.list_runs()
    with pytest.raises(DataError, match=message):
        loop.push_round(AppDesk(), n=10, controls=1, **asked)
    assert loop.samples.dataset.list_runs() == runs


def test_a_list_of_classes_is_split_evenly_and_a_quota_holds(loop: CleaningLoop) -> None:
    loop.push_round(AppDesk(), n=6, controls=0, scope=["3", "9"])
    row = loop.history()[0]
    assert (row["scope"], row["class_of_interest"]) == ("class", "3, 9")
    loop.close_round()
    loop.push_round(AppDesk(), n=12, controls=0, scope="dataset", max_per_class=4)
    assert Counter(i.label for i in loop.rounds.open_round().batch) == {"3": 4, "8": 4, "9": 4}


def test_a_dataset_that_is_reviewed_says_so(loop: CleaningLoop) -> None:
    ids = loop.queue_view(scope=["3", "8"]).values("id")[:4]
    view = loop.samples.dataset.select(ids)
    small = CleaningLoop(view, "ground_truth", "pixels", test_tag=None)
    small.push_round(AppDesk(), n=9, controls=1, scope="dataset", max_per_class=1)
    assert len(small.rounds.open_round().batch) == 4  # nothing else is left: over the quota
    small.record_verdicts(dict.fromkeys(small.rounds.open_round().sample_ids, "keep"))
    with pytest.raises(RoundError, match=r"the queue of the whole dataset .* is empty"):
        small.push_round(AppDesk(), n=9, controls=1)


def test_a_push_reads_the_vectors_of_the_top_only(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    from coreset_cleaning.store import classification

    def spy(view: Any, field: str) -> Any:
        read.append(len(view))
        return queues_read(view, field)

    queues_read = classification.read_vectors
    monkeypatch.setattr(classification, "read_vectors", spy)
    loop.push_round(AppDesk(), n=3, controls=1, scope="dataset")
    # The top, the test split of 80 and the batch.
    assert sorted(read) == [3, 40, 80]
    assert len(queues.read_queue(loop.labels, views.queue(loop.labels, None)).ids) == 237


# ---- command line


def test_the_whole_dataset_on_the_command_line(
    loop: CleaningLoop,
    digits: Any,
    label_studio: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)
    fields = ["--embeddings-field", "pixels"]

    def run(*args: str) -> tuple[int, str]:
        code = main([*args, *fields])
        return code, capsys.readouterr().out

    name = digits.dataset.name
    code, text = run("push", name, "-n", "9", "--scope", "dataset", "--max-per-class", "4")
    assert code == 0
    assert "Round 1, whole dataset: 9 tasks created" in text
    batch = loop.rounds.open_round().batch
    assert max(Counter(item.label for item in batch if not item.control).values()) <= 4
    assert "whole dataset" in run("status", name)[1]
    code, text = run("yields", name, "--scope", "dataset", "--json")
    assert (code, json.loads(text)["scope"]) == (0, "dataset")
    code, text = run("push", name, "--scope", "dataset", "--class", "3", "--json")
    assert code == 1
    assert "must not be given together" in text
    with pytest.raises(SystemExit) as usage:
        run("push", name, "--scope", "everything")
    assert usage.value.code == 2


def test_charts_of_the_whole_dataset_show_all_classes(loop: CleaningLoop, digits: Any) -> None:
    from coreset_cleaning.reports.charts import auroc_points, budget_points

    loop.evaluate_round()
    loop.push_round(AppDesk(), n=12, controls=3, scope="dataset")
    truly(loop, digits.truth)
    loop.evaluate_round()
    rows, found = loop.history(), loop.rounds.evaluations()
    points = auroc_points(rows, found[0])
    assert points["cv"] == [found[k]["all_classes"]["cv"] for k in (0, 1)]
    assert found[1]["pair"]["cv"] not in points["cv"]
    curve, drawn = budget_points(rows, None), loop.budget_curve()
    np.testing.assert_allclose(curve["random"], [p.random.value for p in drawn])
    assert curve["reviewed"] == [0, 12]
