"""The whole loop against a real database and a real Label Studio server."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import (
    AuthenticationError,
    DataError,
    ProjectMissingError,
    RoundError,
    ServerUnreachableError,
)
from coreset_cleaning.desks.labelstudio.answers import answer_result
from demonstration.reviewer import SimulatedReviewer
from support.answers import answer_samples

FIELDS = (
    "ground_truth.label",
    "ground_truth.id",
    "ground_truth.source",
    "sample_weight",
    "original_label.label",
    "cleaning_review.verdict",
    "tags",
)


def snapshot(dataset: Any) -> dict[str, tuple[Any, ...]]:
    dataset.reload()
    fields = [f for f in FIELDS if dataset.has_field(f.split(".")[0])]
    rows = zip(*dataset.values(["id", *fields]), strict=True)
    return {row[0]: tuple(sorted(v) if isinstance(v, list) else v for v in row[1:]) for row in rows}


@pytest.fixture
def reviewer(label_studio: Any, reviewer_token: str, digits: Any) -> SimulatedReviewer:
    return SimulatedReviewer(
        label_studio.url,
        reviewer_token,
        digits.truth,
        rival="8",
        dataset_id=str(digits.dataset._doc.id),
        label_field="ground_truth",
        n_classes=3,
    )


def test_rounds_find_the_wrong_labels_and_write_everything_back(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer, reviewer: SimulatedReviewer
) -> None:
    wrong, before = digits.wrong, snapshot(digits.dataset)
    baseline = loop.evaluate_round()
    pair = loop.find_confused_pair()
    of_class = {
        i for i, row in before.items() if row[0] == pair.class_of_interest and "train" in row[-1]
    }
    rate = len(of_class & wrong) / len(of_class)

    found = reviewed = 0
    for number in (1, 2):
        pushed = loop.push_round(server, n=12, controls=2)
        assert (pushed.round, pushed.n, pushed.controls, pushed.created) == (number, 12, 2, 12)
        assert reviewer.answer_round(pushed.project) == 12
        pulled = loop.pull_reviews(server)
        assert (pulled.new_answers, pulled.answered, pulled.total) == (12, 12, 12)
        assert pulled.closed == [number]
        loop.compute_importance()
        evaluation = loop.evaluate_round()
        row = loop.history()[-1]
        found += row["errors_found"]
        reviewed += row["reviewed"]

    assert found / reviewed > 2.5 * rate
    assert evaluation.evaluation.pair.heldout >= baseline.evaluation.pair.heldout
    after = snapshot(digits.dataset)
    for sample_id, row in after.items():
        label, label_id, source, weight, original, verdict, tags = row
        assert label_id == before[sample_id][1]
        assert source == "camera 2"
        assert "mine" in tags
        if verdict == "relabeled":
            assert label == digits.truth[sample_id] != before[sample_id][0] == original
            assert "cleaning:relabeled" in tags
        else:
            assert label == before[sample_id][0]
            assert original is None
        assert weight == (0.0 if verdict == "deleted" else 1.0)
        if "test" in tags:
            assert verdict is None
            assert not any(tag.startswith("cleaning:") for tag in tags)
    assert len(digits.dataset) == len(before)
    views = digits.dataset.list_saved_views()
    assert {"cleaning round 001", "cleaning round 002", "cleaning deleted"} <= set(views)
    assert len(digits.dataset.load_saved_view("cleaning round 002")) == 12


def test_push_and_pull_again_change_nothing(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer, reviewer: SimulatedReviewer
) -> None:
    first = loop.push_round(server, n=10, controls=1, class_of_interest="3")
    again = loop.push_round(server, n=10, controls=1, class_of_interest="3")
    assert (again.round, again.created, again.existing, again.url) == (1, 0, 10, first.url)
    reviewer.answer_round(first.project)
    loop.pull_reviews(server)
    changed_at = digits.dataset.values("last_modified_at")
    repeated = loop.pull_reviews(server)
    assert (repeated.new_answers, repeated.changed, repeated.withdrawn) == (0, 0, 0)
    assert digits.dataset.values("last_modified_at") == changed_at


def test_no_sample_is_served_twice_but_unsure_ones(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    first = loop.push_round(server, n=8, controls=0, class_of_interest="3")
    batch = loop.rounds.load(1).batch
    unsure = batch[0].sample_id
    verdicts = {item.sample_id: ("keep", None) for item in batch} | {unsure: ("unsure", None)}
    answer_samples(server, first.project, verdicts)
    loop.pull_reviews(server)
    loop.push_round(server, n=8, controls=0)
    assert loop.rounds.load(2).sample_ids & loop.rounds.load(1).sample_ids <= {unsure}


def test_delete_sets_weight_zero_and_undo_and_redo_are_exact(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=4, controls=0, class_of_interest="8")
    one, two, three, four = (item.sample_id for item in loop.rounds.load(1).batch)
    untouched = snapshot(digits.dataset)
    answer_samples(
        server,
        pushed.project,
        {
            one: ("delete", None),
            two: ("relabel", "9"),
            three: ("keep", None),
            four: ("unsure", None),
        },
    )
    loop.pull_reviews(server)
    reviewed = snapshot(digits.dataset)
    assert reviewed[one][3] == 0.0
    assert reviewed[two][0] == "9"
    assert [reviewed[i][5] for i in (one, two, three, four)] == [
        "deleted",
        "relabeled",
        "kept",
        "unsure",
    ]

    loop.undo_round(1)
    undone = snapshot(digits.dataset)
    # All but the tags that said the samples were in a round.
    assert {i: row[:6] for i, row in undone.items()} == {i: row[:6] for i, row in untouched.items()}
    loop.pull_reviews(server)
    assert snapshot(digits.dataset) == undone

    loop.redo_round(1)
    assert snapshot(digits.dataset) == reviewed


def test_an_edit_changes_the_verdict(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    sample_id = loop.rounds.load(1).batch[0].sample_id
    answer_samples(server, pushed.project, {sample_id: ("delete", None)})
    loop.pull_reviews(server)
    (task,) = [
        t
        for t in server.tasks(project=pushed.project, include="id,data,annotations")
        if t["data"]["push_key"].endswith(sample_id)
    ]
    annotation = task["annotations"][0]["id"]
    server.patch(f"api/annotations/{annotation}/", {"result": answer_result("keep", n_classes=3)})
    assert loop.pull_reviews(server).new_answers == 1
    assert digits.dataset[sample_id].sample_weight == 1.0
    assert digits.dataset[sample_id].cleaning_review.verdict == "kept"


def test_a_deleted_project_loses_nothing_and_can_be_pushed_again(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=3, controls=0, class_of_interest="8")
    sample_id = loop.rounds.load(1).batch[0].sample_id
    answer_samples(server, pushed.project, {sample_id: ("delete", None)})
    loop.pull_reviews(server)
    before = snapshot(digits.dataset)
    server.delete(f"api/projects/{pushed.project}/")
    with pytest.raises(ProjectMissingError, match="Push again"):
        loop.pull_reviews(server)
    assert snapshot(digits.dataset) == before
    again = loop.push_round(server)
    assert (again.round, again.created, again.existing) == (1, 2, 1)
    assert loop.pull_reviews(server).withdrawn == 0
    assert snapshot(digits.dataset) == before


def test_a_failing_server_leaves_no_round(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    before, runs = snapshot(digits.dataset), digits.dataset.list_runs()
    with pytest.raises(ServerUnreachableError):
        loop.push_round(LabelStudioServer("http://127.0.0.1:9", "0" * 40), class_of_interest="3")
    with pytest.raises(AuthenticationError) as refused:
        loop.push_round(LabelStudioServer(server.url, "deadbeef" * 5), class_of_interest="3")
    assert "deadbeef" not in str(refused.value)
    assert digits.dataset.list_runs() == runs
    assert snapshot(digits.dataset) == before


def test_an_image_that_can_t_be_shown_is_named_before_anything_is_written(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer, tmp_path: Path
) -> None:
    gone = loop.queue_view("3").first()
    gone["filepath"] = str(tmp_path / "gone.png")
    gone.save()
    runs = digits.dataset.list_runs()
    with pytest.raises(DataError, match=r"gone\.png"):
        loop.push_round(server, n=5, controls=0, class_of_interest="3")
    digits.dataset.reload()
    assert digits.dataset.list_runs() == runs
    assert "cleaning:queued" not in digits.dataset.distinct("tags")


def test_history_audit_and_clone_carry_the_rounds(
    loop: CleaningLoop,
    digits: Any,
    server: LabelStudioServer,
    reviewer: SimulatedReviewer,
    tmp_path: Path,
) -> None:
    pushed = loop.push_round(server, n=6, controls=2, class_of_interest="9")
    reviewer.answer_round(pushed.project)
    loop.pull_reviews(server)
    assert loop.export_audit(tmp_path / "audit.jsonl") == 6
    assert loop.export_audit(tmp_path / "audit.csv") == 6
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert {line["sample_id"] for line in lines} == loop.rounds.load(1).sample_ids
    assert {line["reviewer"] for line in lines} == {"reviewer@example.com"}
    assert sum(line["pushed_control"] for line in lines) == 2
    with (tmp_path / "audit.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    with pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        loop.export_audit(tmp_path / "audit.txt")

    clone = digits.dataset.clone()
    try:
        copied = CleaningLoop(clone, "ground_truth", "pixels").history()
    finally:
        clone.delete()
    assert [row["reviewed"] for row in copied] == [6]
    assert copied == loop.history()


def test_a_view_is_never_left(digits: Any, server: LabelStudioServer) -> None:
    view = digits.dataset.limit(150)
    inside = set(view.values("id"))
    loop = CleaningLoop(view, "ground_truth", "pixels")
    loop.compute_importance()
    loop.push_round(server, n=10, controls=3, class_of_interest="8")
    assert loop.rounds.load(1).sample_ids <= inside
    outside = digits.dataset.exclude(inside)
    assert set(outside.values("coreset_importance")) == {None}


def test_without_a_test_split_confusion_comes_from_out_of_fold_predictions(digits: Any) -> None:
    loop = CleaningLoop(digits.dataset, "ground_truth", "pixels", test_tag=None)
    pair = loop.find_confused_pair()
    assert pair.matrix.sum() == len(digits.dataset)
    rival, interest = map(pair.classes.index, (pair.rival, pair.class_of_interest))
    assert pair.matrix[rival, interest] > 0


def test_duplicates_are_offered_a_correction_and_test_duplicates_are_reported(
    loop: CleaningLoop, digits: Any, server: LabelStudioServer
) -> None:
    cls = "8"
    wrong = sorted(i for i in digits.wrong if digits.dataset[i].ground_truth.label == cls)
    source = digits.dataset[wrong[0]]
    copy = source.copy()
    digits.dataset.add_sample(copy)
    test = digits.dataset.match_tags("test").first()
    test["pixels"] = source["pixels"]
    test.save()
    pushed = loop.push_round(server, n=1, controls=0, class_of_interest=cls)
    while wrong[0] not in (shown := set(loop.rounds.all()[-1].sample_ids)):
        answer_samples(server, pushed.project, dict.fromkeys(shown, ("keep", None)))
        loop.pull_reviews(server)
        pushed = loop.push_round(server, n=1, controls=0)
    assert loop.propose_corrections() == []
    assert pushed.test_duplicates == 1
    assert "near-duplicates of a test image" in str(pushed)
    answer_samples(server, pushed.project, {wrong[0]: ("relabel", digits.truth[wrong[0]])})
    loop.pull_reviews(server)
    proposals = loop.propose_corrections()
    assert [(p["sample"], p["duplicate_of"]) for p in proposals] == [(copy.id, wrong[0])]
    assert (proposals[0]["label"], proposals[0]["proposed"]) == (cls, digits.truth[wrong[0]])
    digits.dataset.reload()
    assert digits.dataset[copy.id].ground_truth.label == cls


def test_what_all_images_share_makes_none_a_duplicate_of_a_test_image(
    loop: CleaningLoop, digits: Any
) -> None:
    ids, pixels = digits.dataset.values(["id", "pixels"])
    on_white = {i: np.asarray(x) + 100 for i, x in zip(ids, pixels, strict=True)}
    digits.dataset.set_values("pixels", on_white, key_field="id")
    assert loop.push_round(AppDesk(), n=40, controls=0, scope="dataset").test_duplicates == 0


def test_a_coreset_is_tagged_weighted_and_saved(loop: CleaningLoop, digits: Any) -> None:
    report = loop.sample_coreset(60)
    coreset = digits.dataset.load_saved_view("coreset")
    assert 0 < len(coreset) == report.samples <= 60
    assert set(coreset.distinct("tags")) >= {"coreset", "train"}
    assert "test" not in coreset.distinct("tags")
    assert sum(coreset.values("coreset_weight")) == pytest.approx(report.total_weight)


def test_what_is_missing_is_named(digits: Any, server: LabelStudioServer) -> None:
    with pytest.raises(DataError, match=r"'labels'.*does not exist.*ground_truth"):
        CleaningLoop(digits.dataset, "labels")
    loop = CleaningLoop(digits.dataset, "ground_truth", "nowhere")
    with pytest.raises(DataError, match=r"'nowhere'.*coreset-cleaning embed"):
        loop.compute_importance()
    with pytest.raises(DataError, match="coreset-cleaning score"):
        loop.push_round(server, class_of_interest="3")
    with pytest.raises(RoundError, match="coreset-cleaning push"):
        loop.pull_reviews(server)
    with pytest.raises(RoundError, match="no round 7"):
        loop.undo_round(7)
    scored = CleaningLoop(digits.dataset, "ground_truth", "pixels")
    scored.compute_importance()
    with pytest.raises(DataError, match="got '5'"):
        scored.queue_view("5")
    with pytest.raises(DataError, match="controls between 0 and n"):
        scored.push_round(server, n=3, controls=4)
    one_class = digits.dataset.match({"ground_truth.label": "3"})
    with pytest.raises(DataError, match="at least two classes, got 1"):
        CleaningLoop(one_class, "ground_truth", "pixels").compute_importance()
