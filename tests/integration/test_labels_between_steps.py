"""Labels, classes and samples that change between two steps; what is left out is reported."""

from __future__ import annotations

import json
from typing import Any

import fiftyone as fo
import numpy as np
import pytest

from coreset_cleaning import AppDesk
from coreset_cleaning.core.errors import BusyError, CleaningError, DataError
from coreset_cleaning.store import lock
from coreset_cleaning.usecases import pull
from support.neighbours import OURS, batch, documents, labels_of, loop_of, push, refusal, tiny


class Recorder(AppDesk):
    """A desk that remembers what it was given."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.classes: tuple[str, ...] = ()

    def check(self, subject: Any, options: Any, images: Any) -> None:
        self.classes = subject.classes

    def send(
        self, subject: Any, options: Any, round_: int, tasks: Any, progress: Any = None
    ) -> Any:
        self.tasks = [task.sample_id for task in tasks]
        return super().send(subject, options, round_, tasks, progress)


def scored(dataset: Any, field: str = "a", **options: Any) -> Any:
    loop = loop_of(dataset, field, **options)
    loop.compute_importance()
    return loop


# ---- an answer is about the label that was shown


@pytest.mark.parametrize("answer", ["keep", "delete", "unsure", ("relabel", "B")])
def test_an_answer_about_a_label_that_was_edited_since_is_reported_and_changes_nothing(
    answer: Any,
) -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    edited, other = push(loop, n=2, controls=0)
    dataset.set_values("a.label", {edited: "B"}, key_field="id")
    before = documents(dataset)["samples"][edited]
    report = loop.record_verdicts({edited: answer, other: "keep"})
    assert report.outdated == [edited]
    assert "1 answers are about a label that has changed" in str(report)
    sample = documents(dataset)["samples"][edited]
    waits = {OURS.queued}
    assert {**sample, "tags": set(sample["tags"])} == {
        **before,
        "tags": set(before["tags"]) - waits,
    }
    assert report.closed == [1]
    # It is served again, as what it is now, and then answered.
    if answer == ("relabel", "B"):  # which it has become
        assert edited not in push(loop, n=20, cls="B")
        return
    assert edited in push(loop, n=20, cls="B")
    loop.record_verdicts({edited: ("relabel", "A")})
    assert labels_of(dataset)[edited] == "A"
    loop.undo_sample(2, edited)
    assert labels_of(dataset)[edited] == "B"
    loop.undo_round(1)
    assert labels_of(dataset)[edited] == "B"


def test_an_edit_after_the_answer_stays_whatever_is_undone_around_it() -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    first, second = push(loop, n=2, controls=0)
    loop.record_verdicts({first: "keep"})
    dataset.set_values("a.label", {first: "B"}, key_field="id")
    dataset.set_values(OURS.weight, {first: 0.25}, key_field="id")
    loop.record_verdicts({second: ("relabel", "B")})
    loop.undo_sample(1, second)
    assert labels_of(dataset)[first] == "B"
    loop.undo_round(1)
    assert labels_of(dataset)[first] == "B"
    assert dataset[first][OURS.weight] == 0.25


def test_undoing_twice_changes_nothing() -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    asked = push(loop, n=3)
    loop.record_verdicts(dict.fromkeys(asked, ("relabel", "B")))
    for undo in (
        lambda: loop.undo_sample(1, asked[0]),
        lambda: loop.undo_round(1),
        lambda: loop.redo_round(1),
        lambda: loop.redo_sample(1, asked[0]),
    ):
        assert undo() > 0
        before = documents(dataset)
        assert undo() == 0
        assert documents(dataset) == before


# ---- classes


def test_after_a_class_was_renamed_the_same_loop_scores_like_a_new_one() -> None:
    dataset = tiny(40)
    loop = scored(dataset)
    loop.evaluate_round()
    labels = {i: "Z" for i, label in labels_of(dataset).items() if label == "A"}
    dataset.set_values("a.label", labels, key_field="id")
    loop.compute_importance()
    found = dict(zip(*dataset.values(["id", OURS.importance]), strict=True))
    scored(dataset)
    fresh = dict(zip(*dataset.values(["id", OURS.importance]), strict=True))
    np.testing.assert_allclose([found[i] for i in fresh], list(fresh.values()), rtol=1e-4)
    report = loop.evaluate_round()
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.evaluation.all_classes.cv > 0.5


def test_a_class_that_lost_all_its_labels_is_no_trouble() -> None:
    dataset = tiny(30, typos=3)
    loop = scored(dataset)
    loop.evaluate_round()
    asked = push(loop, n=3, cls="typo")
    loop.record_verdicts(dict.fromkeys(asked, ("relabel", "A")))
    assert str(loop.yields())
    assert loop.yields("typo")
    assert loop.budget_curve()
    assert loop.history()[0]["relabeled"] == 3
    loop.compute_importance()
    json.dumps(loop.evaluate_round().to_dict(), allow_nan=False)
    assert loop.next_step()
    assert loop.publish_evaluation()
    assert "got 'typo'" in refusal(loop.push_round, AppDesk()).what
    assert push(loop, cls="A")


def test_classes_that_the_dataset_lists_for_other_fields_are_not_offered() -> None:
    dataset = tiny(20)
    dataset.default_classes = ["A", "B", *(f"other {i}" for i in range(90))]
    dataset.save()
    loop, desk = scored(dataset), Recorder()
    loop.push_round(desk, n=2, controls=0, class_of_interest="A", new_classes=["new"])
    assert desk.classes == ("A", "B", "new")
    before = documents(dataset)
    error = refusal(loop.record_verdicts, dict.fromkeys(batch(loop), ("relabel", "other 3")))
    assert "'other 3'" in error.what
    assert documents(dataset) == before
    loop.record_verdicts(dict.fromkeys(batch(loop), ("relabel", "new")))
    assert dataset.default_classes[-1] == "new"


def test_an_empty_class_name_is_refused_with_field_and_sample() -> None:
    dataset = tiny(20)
    sample = dataset.first()
    sample.a.label = ""
    sample.save()
    before = documents(dataset)
    error = refusal(loop_of(dataset).compute_importance)
    assert "'a'" in error.what
    assert sample.id in error.what
    assert documents(dataset) == before
    exec(error.fix.split(": ", 1)[1], {"dataset": dataset, "fiftyone": fo})
    assert loop_of(dataset).compute_importance().unlabeled == 1


# ---- two label fields


def test_two_label_fields_are_cleaned_independently() -> None:
    dataset = tiny(30, fields=("a", "b"))
    of_a, of_b = scored(dataset), loop_of(dataset, "b")
    assert of_a.is_scored()
    assert not of_b.is_scored()
    before = documents(dataset)
    assert "compute_importance" in refusal(push, of_b, cls="x").fix
    assert documents(dataset) == before
    importance = dataset.values(OURS.importance)
    of_b.compute_importance()
    assert dataset.values(OURS.importance) == importance
    assert set(dataset.distinct("suggested_label_b.label")) <= {"x", "y"}
    # Both are in review at once, about the same samples, and both write their verdicts.
    in_a, in_b = set(push(of_a, n=30)), set(push(of_b, n=30, cls="x"))
    both = sorted(in_a & in_b)
    assert len(both) > 5
    of_a.record_verdicts(dict.fromkeys(both, "delete"))
    of_b.record_verdicts(dict.fromkeys(both, ("relabel", "y")))
    view = dataset.select(both)
    assert set(view.values(OURS.weight)) == {0.0}
    assert set(view.values("sample_weight_b")) == {1.0}
    assert set(view.values("b.label")) == {"y"}
    assert set(view.values("a.label")) == {"A"}
    of_a.undo_round(1)
    assert set(view.values("b.label")) == {"y"}
    assert [row["state"] for row in of_a.history()] == ["undone"]
    assert [(row["round"], row["relabeled"]) for row in of_b.history()] == [(2, len(both))]


# ---- what is refused, and what is lost on the way


def test_a_push_that_the_desk_refuses_has_changed_nothing() -> None:
    class Full(AppDesk):
        def check(self, subject: Any, options: Any, images: Any) -> None:
            raise DataError("The desk is full.", "Come again.")

    dataset = tiny(20)
    loop = scored(dataset)
    before = documents(dataset)
    with pytest.raises(DataError, match="desk is full"):
        loop.push_round(Full(), n=3, controls=0, class_of_interest="A")
    assert documents(dataset) == before
    assert push(loop, n=3)


def test_a_task_that_lacks_an_answer_is_made_again_and_one_that_has_all_is_not() -> None:
    dataset, desk = tiny(20), Recorder()
    loop = scored(dataset)
    asked = push(loop, n=3, reviewers_per_task=2)
    loop.record_verdicts(dict.fromkeys(asked[:2], "keep"), reviewer="ann")
    loop.record_verdicts({asked[0]: "keep"}, reviewer="bob")
    report = loop.push_round(desk)
    assert set(desk.tasks) == set(asked[1:])
    assert (report.created, report.existing) == (2, 1)
    report = loop.record_verdicts(dict.fromkeys(asked[1:], "keep"), reviewer="bob")
    assert (report.answered, report.open_round) == (2, 1)
    assert loop.record_verdicts({asked[2]: "keep"}, reviewer="ann").open_round is None


@pytest.mark.parametrize("deleted", [1, 3])
def test_samples_that_are_gone_do_not_keep_a_round_open(deleted: int) -> None:
    dataset, desk = tiny(20), Recorder()
    loop = scored(dataset)
    asked = push(loop, n=3)
    dataset.delete_samples(asked[:deleted])
    loop.push_round(desk)
    assert set(desk.tasks) == set(asked[deleted:])
    assert loop.record_verdicts(dict.fromkeys(asked[deleted:], "keep")).closed == [1]
    assert loop.undo_round(1) == 3 - deleted
    assert push(loop, n=3)


class Killed(BaseException):
    pass


def test_closing_a_round_of_a_read_only_field_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    asked = push(loop, n=3)

    def die(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(pull, "write_back", die)  # the answer is on record, the label unchanged
        with pytest.raises(Killed):
            loop.record_verdicts({asked[0]: ("relabel", "B")})
    field = dataset.get_field("a")
    field.read_only = True
    field.save()
    before = documents(dataset)
    error = refusal(loop_of(dataset).close_round)
    assert documents(dataset) == before
    exec(error.fix.removeprefix("Unlock it: "), {"dataset": dataset})
    assert loop_of(dataset).close_round().answered == 1
    assert labels_of(dataset)[asked[0]] == "B"


def test_tags_that_are_read_only_are_left_as_they_are() -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    field = dataset.get_field("tags")
    field.read_only = True
    field.save()
    before = dataset.values("tags")
    error = refusal(lambda: loop.labels.set_tags({dataset.first().id: ["another"]}))
    assert dataset.values("tags") == before
    exec(error.fix.removeprefix("Unlock it: "), {"dataset": dataset})
    loop.labels.set_tags({dataset.first().id: ["another"]})
    assert dataset.first().tags == ["another"]


LOCKED = {
    "push": lambda loop, asked: loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="B"),
    "record": lambda loop, asked: loop.record_verdicts({asked[2]: "keep"}),
    "pull": lambda loop, asked: loop.pull_reviews(AppDesk()),
    "undo": lambda loop, asked: loop.undo_round(1),
    "undo one": lambda loop, asked: loop.undo_sample(1, asked[0]),
    "close": lambda loop, asked: loop.close_round(),
}


@pytest.mark.parametrize("step", LOCKED.values(), ids=LOCKED)
def test_a_lock_that_was_lost_is_noticed_before_anything_is_written(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    asked = push(loop, n=3)
    loop.record_verdicts({asked[0]: ("relabel", "B"), asked[1]: "delete"})
    before, looks = documents(dataset), []
    list_keys = lock.foos.ExecutionStore.list_keys

    def gone_after_the_first_look(self: Any) -> list[str]:
        looks.append(1)
        return list_keys(self) if len(looks) == 1 else []

    with monkeypatch.context() as patched:
        patched.setattr(lock.foos.ExecutionStore, "list_keys", gone_after_the_first_look)
        with pytest.raises(BusyError, match="lost its lock"):
            step(loop, asked)
    assert documents(dataset) == before
    step(loop, asked)


# ---- what belongs where


def test_an_evaluation_after_an_undo_belongs_to_the_last_round_that_counts() -> None:
    dataset = tiny(30)
    loop = scored(dataset)
    for number in (1, 2):
        loop.record_verdicts(dict.fromkeys(push(loop, n=3), ("relabel", "B")))
        assert loop.evaluate_round().round == number
    loop.undo_round(2)
    before = loop.history()
    assert loop.evaluate_round().round == 1
    rows = loop.history()
    assert rows[1]["evaluation"] == before[1]["evaluation"]
    assert rows[0]["evaluation"] is not None
    loop.undo_round(1)
    assert loop.evaluate_round().round == 0
    assert 0 in loop.rounds.evaluations()


def test_saved_views_of_outcomes_show_the_whole_dataset() -> None:
    dataset = tiny(30)
    loop = scored(dataset.limit(15))
    loop.record_verdicts(dict.fromkeys(push(loop, n=2), "delete"))
    loop = scored(dataset)
    loop.record_verdicts(dict.fromkeys(push(loop, n=12), "delete"))
    deleted = dataset.load_saved_view("cleaning deleted")
    assert len(deleted) == dataset.match_tags("cleaning:deleted").count() == 14


def test_what_no_queue_can_show_is_reported() -> None:
    dataset = tiny(20)
    dataset.add_samples(
        [
            fo.Sample(filepath="/no/vector.png", a=fo.Classification(label="A")),
            fo.Sample(filepath="/no/label.png", vec=np.ones(6, np.float32)),
        ]
    )
    loop = loop_of(dataset)
    report = loop.compute_importance()
    assert (report.samples, report.without_vector, report.unlabeled) == (20, 1, 1)
    assert "1 labeled samples without an embedding" in str(report)
    assert "1 samples without a label" in str(report)
    report = loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="A")
    assert report.unscored == 1
    assert "1 labels without a score" in str(report)


def test_a_dataset_that_fiftyone_will_not_keep_is_warned_of() -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    for report in (loop.compute_importance(), loop.push_round(AppDesk(), n=2, controls=0)):
        assert not report.persistent
        assert "This dataset is not persistent" in str(report)
        exec(str(report).rpartition("Keep it: ")[2], {"dataset": dataset})
        assert dataset.persistent
        dataset.persistent = False
    dataset.persistent = True
    assert "persistent" not in str(loop.compute_importance())
    dataset.delete()


def test_a_dataset_that_is_gone_says_so() -> None:
    dataset = tiny(20)
    loop = scored(dataset)
    push(loop, n=2)
    dataset.clear()
    loop.close_round()
    with pytest.raises(CleaningError):
        loop.compute_importance()
