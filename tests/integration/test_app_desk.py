"""Rounds that are answered in the App or by a script: no server, the same rules."""

from __future__ import annotations

import getpass
from typing import Any

import fiftyone as fo
import pytest
from gridfs import GridFS
from pymongo.collection import Collection

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import DataError, RoundError
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.usecases import pull


@pytest.fixture
def loop(digits: Any) -> CleaningLoop:
    loop = CleaningLoop(digits.dataset, "ground_truth", "pixels")
    loop.compute_importance()
    return loop


def push(loop: CleaningLoop, n: int = 3, **options: Any) -> Round:
    report = loop.push_round(AppDesk(), n=n, controls=0, class_of_interest="3", **options)
    assert (report.desk, report.url, report.created) == ("app", "", n)
    return loop.rounds.load(report.round)


def ids(round_: Round) -> list[str]:
    return [item.sample_id for item in round_.batch]


def test_a_round_is_answered_from_the_first_to_the_last(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, three = ids(push(loop))
    assert set(dataset.match_tags("cleaning:queued").values("id")) == {one, two, three}
    report = loop.record_verdicts({one: ("relabel", "8")}, comments={one: "clearly"})
    assert (report.new_answers, report.changed, report.open_round) == (1, 1, 1)
    assert (report.answered, report.total, report.outcomes) == (1, 3, {"relabeled": 1})
    review = dataset[one].cleaning_review
    assert (review.reviewers, review.comment) == ([getpass.getuser()], "clearly")
    assert review.answer_ids == [f"app:{getpass.getuser()}"]
    assert dataset[one].original_label.label == "3"
    report = loop.record_verdicts({two: "delete", three: "unsure"}, "ann")
    assert (report.closed, report.open_round) == ([1], None)
    assert dataset[two].sample_weight == 0
    assert "cleaning:queued" not in dataset.distinct("tags")
    assert [row["state"] for row in loop.history()] == ["closed"]
    assert loop.undo_round(1) == 3
    assert dataset[one].ground_truth.label == "3"


def test_the_same_person_s_next_answer_edits_the_first_also_when_the_round_has_closed(
    loop: CleaningLoop,
) -> None:
    dataset = loop.samples.dataset
    one, *others = ids(push(loop))
    loop.record_verdicts({one: "delete"}, "ann")
    assert loop.record_verdicts({one: "delete"}, "ann").changed == 1  # it says when, too
    assert loop.record_verdicts(dict.fromkeys([one, *others], "keep"), "ann").closed == [1]
    assert dataset[one].sample_weight == 1
    corrected = loop.record_verdicts({one: ("relabel", "9")}, "ann")
    assert (corrected.new_answers, corrected.closed, corrected.open_round) == (1, [], None)
    assert dataset[one].ground_truth.label == "9"
    assert loop.history()[0]["reviewed"] == 3
    # Of an earlier round than the open one, nothing can be corrected by accident.
    push(loop)
    with pytest.raises(RoundError, match="1 of 1 samples are not in round 2, which is open"):
        loop.record_verdicts({one: "keep"}, "ann")


def test_two_people_disagree(loop: CleaningLoop) -> None:
    [one] = ids(push(loop, n=1, reviewers_per_task=2))
    assert loop.record_verdicts({one: "keep"}, "ann").open_round == 1
    report = loop.record_verdicts({one: "delete"}, "bob")
    assert (report.closed, report.outcomes) == ([1], {"conflict": 1})
    assert loop.samples.dataset[one].sample_weight == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("accept", "must be one of keep, relabel, delete, unsure"),
        ("relabel", "must name a class exactly if it is relabel"),
        (("keep", "8"), "must name a class exactly if it is relabel"),
        (("relabel", "7"), r"must be one of 3, 8, 9, got '7'\. .*new_classes"),
    ],
)
def test_one_answer_that_is_none_and_nothing_is_recorded(
    loop: CleaningLoop, answer: Any, message: str
) -> None:
    one, two, _ = ids(push(loop))
    with pytest.raises(DataError, match=message):
        loop.record_verdicts({one: "delete", two: answer})
    assert loop.rounds.load(1).events == []
    assert loop.samples.dataset[one].sample_weight == 1


def test_answers_need_a_round_that_shows_the_sample(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    with pytest.raises(RoundError, match=r"has no round to answer\. Push one first"):
        loop.record_verdicts({dataset.first().id: "keep"})
    round_ = push(loop)
    outside = dataset.exclude(round_.sample_ids).first().id
    with pytest.raises(RoundError, match=r"not in round 1.*cleaning round 001"):
        loop.record_verdicts({outside: "keep"})
    loop.undo_round(1)
    with pytest.raises(RoundError, match="has no round to answer"):
        loop.record_verdicts({ids(round_)[0]: "keep"})


def test_a_class_that_was_announced_or_listed_may_be_given(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    dataset.classes = {"ground_truth": ["3", "8", "9", "listed"]}
    dataset.save()
    one, two, three = ids(push(loop, new_classes=["zero"]))
    loop.record_verdicts({one: ("relabel", "zero"), two: ("relabel", "listed")})
    assert [dataset[i].ground_truth.label for i in (one, two)] == ["zero", "listed"]
    dataset.reload()
    assert dataset.classes["ground_truth"] == ["3", "8", "9", "listed", "zero"]
    with pytest.raises(DataError, match="listed, zero, got 'seven'"):
        loop.record_verdicts({three: ("relabel", "seven")})


def test_one_desk_does_not_go_on_with_the_other_s_round(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    push(loop)
    with pytest.raises(RoundError, match="open at the desk 'app', got 'labelstudio'"):
        loop.push_round(server)
    with pytest.raises(RoundError, match="no round at the desk 'labelstudio'"):
        loop.pull_reviews(server)
    # What can be fetched of the App has been recorded already.
    assert loop.pull_reviews(AppDesk()).new_answers == 0
    assert loop.close_round(server).answered == 0
    with pytest.raises(DataError, match="must be a LabelStudioServer or a desk, got str"):
        loop.push_round("http://127.0.0.1")


def test_a_push_again_changes_nothing(loop: CleaningLoop) -> None:
    round_ = push(loop)
    loop.record_verdicts({ids(round_)[0]: "keep"})
    changed_at = loop.samples.dataset.values("last_modified_at")
    again = loop.push_round(AppDesk())
    assert (again.round, again.n) == (1, 3)
    assert loop.samples.dataset.values("last_modified_at") == changed_at


def test_batches_are_read_once_and_answers_every_time(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = ids(push(loop))
    other = CleaningLoop(loop.samples.dataset, "ground_truth", "pixels")
    assert other.history()[0]["reviewed"] == 0
    read: list[Any] = []
    get = GridFS.get
    monkeypatch.setattr(GridFS, "get", lambda *args: read.append(args) or get(*args))
    loop.record_verdicts({one: "keep"})
    assert other.history()[0]["reviewed"] == 1
    assert read == []


def test_recording_answers_reads_little_of_the_dataset(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 50,000 samples, going through all of them is what takes the time."""
    one, two, _ = ids(push(loop))
    dataset = loop.samples.dataset
    seen, whole = [], []
    aggregate = Collection.aggregate

    def watched(self: Collection[Any], pipeline: Any, *args: Any, **options: Any) -> Any:
        if self.name == dataset._sample_collection_name:
            seen.append(pipeline)
            by_id = any("_id" in stage.get("$match", {}) for stage in pipeline)
            if not by_id and not any("$limit" in stage for stage in pipeline):
                whole.append(pipeline)
        return aggregate(self, pipeline, *args, **options)

    monkeypatch.setattr(Collection, "aggregate", watched)
    loop.record_verdicts({one: "delete", two: ("relabel", "8")})
    assert seen
    assert whole == []
    dataset.distinct("ground_truth.label")
    assert len(whole) == 1


def test_recording_answers_reads_the_labels_of_its_round_alone(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With thousands of verdicts, reading what they have changed is what takes the time."""
    first = push(loop)
    loop.record_verdicts(dict.fromkeys(ids(first), "delete"))
    second = push(loop)
    read = []
    aggregate = Collection.aggregate

    def watched(self: Collection[Any], pipeline: Any, *args: Any, **options: Any) -> Any:
        read.append(str(pipeline))
        return aggregate(self, pipeline, *args, **options)

    monkeypatch.setattr(Collection, "aggregate", watched)
    loop.record_verdicts(dict.fromkeys(ids(second), "keep"))
    assert all(any(i in pipeline for pipeline in read) for i in ids(second))
    assert not any(i in pipeline for pipeline in read for i in ids(first))


def test_what_was_cut_off_at_the_end_of_a_round_is_finished_by_the_next_push(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *others = ids(push(loop))
    with monkeypatch.context() as patch:
        patch.setattr(pull, "write_back", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.record_verdicts({one: "delete", **dict.fromkeys(others, "keep")})
    assert loop.samples.dataset[one].sample_weight == 1
    push(loop)
    assert loop.samples.dataset[one].sample_weight == 0


def _interrupt(*args: Any) -> None:
    raise KeyboardInterrupt


def test_labels_of_whole_images_have_no_box_that_could_be_wrong(loop: CleaningLoop) -> None:
    [one] = ids(push(loop, n=1))
    with pytest.raises(DataError, match=r"must not be 'wrong_box'.* are of whole images"):
        loop.record_verdicts({one: "wrong_box"})
    assert "cleaning wrong_box" not in loop.samples.dataset.list_saved_views()


# ---- by the page


def test_a_round_is_reviewed_by_the_page_and_the_last_page_taken_back(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    assert loop.next_page() is None
    order = ids(push(loop, n=5))
    page = loop.next_page(2)
    assert page is not None
    assert list(page.label_ids) == order[:2]
    assert (page.number, page.of, page.answered, page.total) == (1, 3, 0, 5)
    report = loop.commit_page(order[:2], {order[0]: "default"}, seconds=6.0)
    assert (report.answered, report.outcomes) == (2, {"relabeled": 1, "kept": 1})
    suggested = page.suggestions[order[0]]
    assert dataset[order[0]].ground_truth.label == suggested
    assert loop.history()[0]["seconds_per_image"] == 3.0

    loop.commit_page(order[2:4], {order[2]: "alt"}, {order[2]: "delete"}, "ann")
    assert dataset[order[2]].sample_weight == 0
    report = loop.commit_page(order[4:], {})
    assert (report.closed, loop.next_page()) == ([1], None)

    assert loop.take_back_page() == {order[4]: None}  # which opens the round again
    page = loop.next_page(2)
    assert page is not None
    assert list(page.label_ids) == order[4:]
    assert loop.take_back_page() == {order[2]: "alt", order[3]: None}
    assert dataset[order[2]].sample_weight == 1
    assert loop.take_back_page() == {order[0]: "default", order[1]: None}
    assert dataset[order[0]].ground_truth.label == "3"
    with pytest.raises(RoundError, match="no page to take back"):
        loop.take_back_page()
    assert set(dataset.match_tags("cleaning:queued").values("id")) == set(order)


def test_a_page_that_is_not_of_the_open_round_changes_nothing(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    with pytest.raises(RoundError, match="no open round"):
        loop.commit_page([dataset.first().id], {})
    order = ids(push(loop))
    strange = next(i for i in dataset.values("id") if i not in order)
    with pytest.raises(RoundError, match="1 of 2 images are not in round 1"):
        loop.commit_page([order[0], strange], {order[0]: "default"})
    with pytest.raises(RoundError, match="at least 1 image, got 0"):
        loop.next_page(0)
    assert loop.history()[0]["reviewed"] == 0


def test_scoring_again_leaves_what_a_click_stands_for(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    round_ = push(loop, n=6)
    one, *others = ids(round_)
    loop.record_verdicts({one: "keep"})
    field = "suggested_label.label"
    before = dict(zip(*dataset.values(["id", field]), strict=True))
    # Somebody makes one class of two.
    rest = dataset.exclude(ids(round_))
    rest.set_values(
        "ground_truth.label", [c.replace("9", "8") for c in rest.values("ground_truth.label")]
    )
    loop.compute_importance()
    now = dict(zip(*dataset.values(["id", field]), strict=True))
    page = CleaningLoop(dataset, "ground_truth", "pixels").next_page(6)
    assert page is not None
    assert page.label_ids == tuple(others)
    assert {i: now[i] for i in others} == page.suggestions == {i: before[i] for i in others}
    assert "9" in page.suggestions.values()
    assert "9" not in {now[i] for i in [one, *rest.values("id")]}  # nobody is asked about these


def test_taking_a_page_back_leaves_a_round_closed_when_another_is_open(loop: CleaningLoop) -> None:
    order = ids(push(loop, n=2))
    loop.commit_page(order, {})
    second = ids(push(loop, n=2))
    with pytest.raises(RoundError, match="no page to take back"):
        loop.take_back_page()
    loop.commit_page(second[:1], {})
    assert loop.take_back_page() == {second[0]: None}
    assert [row["state"] for row in loop.history()] == ["closed", "open"]


# ---- FiftyOne's own annotation


def edit(dataset: Any, sample_id: str, label: str) -> None:
    """Change a label as the tab "Annotate" does: the label keeps its id."""
    dataset.set_values("ground_truth.label", {sample_id: label}, key_field="id")


def test_a_label_that_was_edited_by_hand_is_answered(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, three = ids(push(loop))
    assert dataset.active_label_schemas == ["ground_truth"]
    assert set(dataset.label_schemas["ground_truth"]["classes"]) == set(loop.label_choices())
    edit(dataset, one, "8")
    report = loop.pull_reviews(AppDesk())
    assert (report.new_answers, report.answered, report.outdated) == (1, 1, [])
    assert dataset[one].cleaning_review.verdict == "relabeled"
    assert dataset[one].cleaning_review.reviewers == [getpass.getuser()]
    assert dataset[one].original_label.label == "3"
    assert loop.pull_reviews(AppDesk()).new_answers == 0

    edit(dataset, two, "1")  # on the page, which is saved without a mark
    report = loop.commit_page([two, three], {})
    assert (report.outcomes, report.outdated) == ({"relabeled": 2, "kept": 1}, [])
    assert dataset[two].ground_truth.label == "1"
    loop.undo_round(1)
    assert [dataset[i].ground_truth.label for i in (one, two)] == ["3", "3"]


def test_a_class_that_was_renamed_is_nobody_s_answer(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    order = ids(push(loop, n=3))
    before = loop.history()
    dataset.map_labels("ground_truth", {"3": "three"}).save()
    assert loop.pull_reviews(AppDesk()).new_answers == 0
    with pytest.raises(
        RoundError, match="asks about labels '3', and all that were are 'three' now"
    ):
        loop.commit_page(order, {})
    assert loop.history() == before
    dataset.map_labels("ground_truth", {"three": "3"}).save()
    edit(dataset, order[0], "8")
    assert loop.commit_page(order, {}).outcomes == {"kept": 2, "relabeled": 1}


def test_what_one_of_two_reviewers_said_of_a_whole_class_is_no_renaming(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    order = ids(push(loop, n=2, reviewers_per_task=2))
    rest = dataset.exclude(order)
    rest.set_values(loop.labels.path, [c.replace("3", "8") for c in rest.values(loop.labels.path)])
    verdicts = dict.fromkeys(order, ("relabel", "8"))
    loop.record_verdicts(verdicts, "ann")
    assert set(dataset.distinct(loop.labels.path)) == {"8", "9"}
    assert loop.record_verdicts(verdicts, "bob").closed == [1]


def test_an_attribute_that_the_annotation_does_not_know_is_no_obstacle(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    sample = dataset.first()
    sample.ground_truth["context"] = fo.Classification(label="night")
    sample.save()
    dataset.add_dynamic_sample_fields()
    push(loop)
    assert dataset.active_label_schemas == ["ground_truth"]


def test_an_annotation_that_the_user_has_set_up_stays(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    schema = dataset.generate_label_schemas("ground_truth", scan_samples=False)
    mine = {**schema, "classes": ["mine"], "component": "radio"}
    dataset.update_label_schema("ground_truth", mine)
    push(loop)
    assert dataset.label_schemas["ground_truth"] == mine
    assert dataset.active_label_schemas == []


def test_one_label_at_a_time_with_examples_of_both_classes(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, two, three = ids(push(loop))
    loop.record_verdicts({two: "keep"})
    asked = loop.question(one, examples=2)
    assert asked is not None
    assert (asked.label, asked.answered, asked.previous, asked.next) == ("3", False, None, three)
    assert asked.image == dataset[one].filepath
    assert set(asked.examples) == {"3", asked.suggested_label}
    paths = dict(zip(*dataset.values(["filepath", "ground_truth.label"]), strict=True))
    for cls, images in asked.examples.items():
        assert len(images) == 2
        assert {paths[path] for path in images} == {cls}
    again = loop.question(two)
    assert again is not None
    assert (again.answered, again.previous, again.next) == (True, one, three)
    outside = next(i for i in dataset.values("id") if i not in (one, two, three))
    assert loop.question(outside) is None


def test_scoring_follows_a_pull_that_has_changed_something(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    one, *_ = ids(push(loop))
    assert loop.pull_reviews(AppDesk(), rescore=True).next_labels is None
    before = dict(zip(*dataset.values(["id", "coreset_importance"]), strict=True))
    edit(dataset, one, "8")
    report = loop.pull_reviews(AppDesk(), rescore=True)
    assert report.next_labels is not None
    assert 0 <= report.next_new <= report.next_labels <= 50
    assert f"of the next {report.next_labels} labels" in str(report)
    after = dict(zip(*dataset.values(["id", "coreset_importance"]), strict=True))
    assert before != after
