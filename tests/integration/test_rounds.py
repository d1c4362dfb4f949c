"""Rounds in a real database: other processes, crashes, copies, older versions, users' own edits."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import fiftyone as fo
import numpy as np
import pytest
from gridfs import GridFS
from PIL import Image

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import BusyError, DataError, RoundError
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.desks.labelstudio import desk, images
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.desk import LabelStudioDesk
from coreset_cleaning.store import lock
from coreset_cleaning.store.records import Records
from coreset_cleaning.store.rounds import now
from coreset_cleaning.usecases import evaluate, push


def start_round(
    loop: CleaningLoop, quotas: dict[str, int], controls: int = 0, **options: Any
) -> Round:
    """Push a round that is answered without a server."""
    n = sum(quotas.values())
    report = loop.push_round(AppDesk(), n=n, controls=controls, class_of_interest=quotas, **options)
    return loop.rounds.load(report.round)


def record(
    loop: CleaningLoop, number: int, verdicts: dict[str, str | tuple[str, str | None]]
) -> Any:
    """Answer the open round, whose number must be this."""
    open_ = loop.rounds.open_round()
    assert open_ is not None
    assert open_.number == number
    said = {i: v if isinstance(v, str) or v[1] else v[0] for i, v in verdicts.items()}
    return loop.record_verdicts(said, "ann")


def ids(round_: Round) -> list[str]:
    return [item.sample_id for item in round_.batch]


def in_another_process(dataset: str, code: str) -> subprocess.Popen[str]:
    script = (
        "import fiftyone as fo\n"
        "from coreset_cleaning import CleaningLoop, LabelStudioServer\n"
        "from coreset_cleaning.store import lock\n"
        "lock.WAIT_SECONDS = 300\n"  # they are to meet, on however slow a machine
        f"loop = CleaningLoop(fo.load_dataset({dataset!r}), 'ground_truth', 'pixels')\n{code}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    outputs = [process.communicate(timeout=400) for process in processes]
    for process, (_, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, err
    return [out for out, _ in outputs]


# ---- several processes, and crashes


def test_one_process_pulls_while_another_undoes_and_none_is_lost(
    digits: Any, loop: CleaningLoop, server: LabelStudioServer, label_studio: Any
) -> None:
    pushed = loop.push_round(server, n=6, controls=0, class_of_interest="3")
    for task in server.tasks(project=pushed.project, include="id,data"):
        server.post(
            f"api/tasks/{task['id']}/annotations/", {"result": answer_result("delete", n_classes=3)}
        )
    connect = f"server = LabelStudioServer({label_studio.url!r}, {label_studio.admin_token!r})\n"
    finish(
        in_another_process(digits.dataset.name, connect + "loop.pull_reviews(server)"),
        in_another_process(
            digits.dataset.name, "for _ in range(2): loop.undo_round(1); loop.redo_round(1)"
        ),
        in_another_process(
            digits.dataset.name, "for _ in range(25): assert len(loop.history()) == 1"
        ),
    )
    events = loop.rounds.load(1).events
    kinds = [event.kind.value for event in events]
    assert [kinds.count(kind) for kind in ("review", "undo", "redo")] == [6, 2, 2]
    assert len({event.recorded_at for event in events if event.kind.value != "review"}) == 4
    digits.dataset.reload()
    assert len(digits.dataset.match_tags("cleaning:deleted").match({"sample_weight": 0})) == 6
    # This process has seen none of it, and goes on where the others stopped.
    loop.undo_round(1)
    assert len(loop.rounds.load(1).events) == 11
    assert set(digits.dataset.values("sample_weight")) == {1.0}


def test_a_push_looks_at_each_image_and_asks_for_its_project_once(
    digits: Any, loop: CleaningLoop, server: LabelStudioServer
) -> None:
    reviews = LabelStudioDesk(server)
    with (
        patch.object(desk, "plan_project", wraps=desk.plan_project) as planned,
        patch.object(images, "_check_file", wraps=images._check_file) as looked_at,
    ):
        loop.push_round(reviews, n=4, controls=0)
        assert planned.call_count == 1
        looks = Counter(call.args[0] for call in looked_at.call_args_list)
        paths = digits.dataset.select(ids(loop.rounds.open_round())).values("filepath")
        assert [looks[Path(path)] for path in paths] == [1] * 4
        # Later, the project may be another one: what was found out is for the push at hand alone.
        loop.push_round(reviews, n=4, controls=0)
        assert planned.call_count == 2


def test_a_queue_may_be_shown_by_several_processes_at_once(digits: Any, loop: CleaningLoop) -> None:
    dataset = digits.dataset
    dataset.save_view("mine", dataset.limit(3))
    loop.queue_view("3")
    show = "for k in range(20): loop.queue_view('3'); loop.queue_view(scope='dataset')"
    finish(*(in_another_process(dataset.name, show) for _ in range(2)))
    dataset.reload()
    assert sorted(dataset.list_saved_views()) == ["cleaning queue", "cleaning queue 3", "mine"]
    assert loop.queue_view("3") == dataset.load_saved_view("cleaning queue 3")


def test_answers_that_arrive_during_an_evaluation_stay(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_ = start_round(loop, {"3": 5})
    evaluate_auroc = evaluate.evaluate_auroc

    def slow(*args: Any, **options: Any) -> Any:
        other = CleaningLoop(loop.samples.dataset, "ground_truth", "pixels")
        record(other, 1, dict.fromkeys(ids(round_), ("delete", None)))
        return evaluate_auroc(*args, **options, n_bootstrap=10, n_controls=1)

    monkeypatch.setattr(evaluate, "evaluate_auroc", slow)
    loop.evaluate_round()
    after = loop.rounds.load(1)
    assert len(after.events) == 5
    assert loop.rounds.evaluations()[1] is not None
    assert loop.history()[0]["evaluation"] is not None


def test_a_process_killed_at_any_write_of_an_answer_loses_nothing(
    loop: CleaningLoop, killed_at_write: Any
) -> None:
    round_ = start_round(loop, {"3": 4})
    one, two, three, four = ids(round_)
    record(loop, 1, {one: ("delete", None), two: ("relabel", "8")})
    dataset = loop.samples.dataset
    for step in itertools.count():
        fresh = CleaningLoop(dataset, "ground_truth", "pixels")
        with killed_at_write(step) as killed:
            fresh.record_verdicts({three: "delete", four: "keep"}, "ann")
        dataset.reload()
        row = CleaningLoop(dataset, "ground_truth", "pixels").history()[0]
        # The earlier answers stay; of the new ones, all are on record or none.
        assert row["reviewed"] in (2, 4)
        assert (row["relabeled"], row["deleted"]) in ((1, 1), (1, 2))
        if not killed:
            break
    assert step == 5
    assert row["reviewed"] == 4
    assert row["state"] == "closed"
    columns = ["ground_truth.label", "sample_weight", "cleaning_review.verdict"]
    found = dict(zip(dataset.values("id"), zip(*dataset.values(columns), strict=True), strict=True))
    assert [found[i] for i in (one, two, three, four)] == [
        ("3", 0.0, "deleted"),
        ("8", 1.0, "relabeled"),
        ("3", 0.0, "deleted"),
        ("3", 1.0, "kept"),
    ]


def test_a_process_killed_at_any_write_of_a_push_leaves_a_round_that_the_next_push_completes(
    loop: CleaningLoop, killed_at_write: Any
) -> None:
    dataset = loop.samples.dataset
    for step in itertools.count():
        fresh = CleaningLoop(dataset, "ground_truth", "pixels")
        with killed_at_write(step) as killed:
            start_round(fresh, {"3": 4}, controls=1)
        dataset.reload()
        assert [row["round"] for row in loop.history()] in ([], [1])
        if not killed:
            break
    assert step > 5
    assert dataset.match_tags("cleaning:queued").count() == 4
    assert dataset.match_tags("cleaning:round-001").count() == 4
    assert len(dataset.load_saved_view("cleaning round 001")) == 4
    assert len(dataset.list_runs(method="coreset_cleaning", kind="round")) == 1


def test_a_process_killed_at_any_write_of_an_evaluation_leaves_the_last_one(
    loop: CleaningLoop, killed_at_write: Any
) -> None:
    start_round(loop, {"3": 2})
    loop.rounds.save_evaluation(1, {"measured": "first"})
    dataset = loop.samples.dataset
    for step in itertools.count():
        with killed_at_write(step) as killed:
            loop.rounds.save_evaluation(1, {"measured": "second"})
        dataset.reload()
        found = CleaningLoop(dataset, "ground_truth", "pixels").rounds.evaluations()[1]
        assert found["measured"] in ("first", "second")
        if not killed:
            break
    assert step >= 3
    assert found["measured"] == "second"


def test_a_process_killed_while_it_begins_a_round_leaves_none(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    config = dataset.init_run(
        method="coreset_cleaning", kind="round", round=1, label_field="ground_truth"
    )
    dataset.register_run("cleaning_round_001", config)
    assert loop.history() == []
    # A reader must not tidy up: the round may be in the making.
    assert dataset.has_run("cleaning_round_001")
    with pytest.raises(RoundError, match="no round 1"):
        loop.undo_round(1)
    assert start_round(loop, {"3": 4}).number == 1
    assert [row["round"] for row in loop.history()] == [1]


def test_samples_killed_between_two_fields_are_put_right(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_ = start_round(loop, {"3": 3})
    one, two, three = ids(round_)
    verdicts = {one: ("relabel", "8"), two: ("delete", None), three: ("keep", None)}
    dataset, write = loop.samples.dataset, loop.samples.set_values
    view = dataset.select([one, two, three])
    before = view.values(["ground_truth.label", "sample_weight", "original_label", "tags"])
    record(loop, 1, verdicts)
    after = view.values(["ground_truth.label", "sample_weight", "original_label.label", "tags"])
    assert after[0].count("8") == after[1].count(0) == 1
    loop.undo_round(1)

    class DeadError(Exception):
        pass

    def killed_at(step: int) -> tuple[Callable[[str, Any], None], list[int]]:
        deaths: list[int] = []
        calls = itertools.count()

        def dies(field: str, values: Any) -> None:
            if next(calls) == step:
                deaths.append(step)
                raise DeadError
            write(field, values)

        return dies, deaths

    for step in itertools.count():
        dies, deaths = killed_at(step)
        with monkeypatch.context() as patch:
            patch.setattr(loop.samples, "set_values", dies)
            with contextlib.suppress(DeadError):
                loop.redo_round(1)
        if step % 2:  # whichever call comes next finishes it
            loop.redo_round(1)
            columns = ["ground_truth.label", "sample_weight", "original_label.label", "tags"]
            assert view.values(columns) == after
        loop.undo_round(1)
        columns = ["ground_truth.label", "sample_weight", "original_label"]
        assert view.values(columns) == before[:3]
        if not deaths:
            break
    assert step >= 5  # the writes that change something


def test_a_lock_that_is_held_is_waited_for_and_then_named(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.3)
    start_round(loop, {"3": 2})
    with loop.rounds.lock("pull"), pytest.raises(BusyError, match=r"at work.*\(pull\)"):
        loop.undo_round(1)
    loop.undo_round(1)


# ---- copies and versions


def test_a_clone_has_rounds_of_its_own(loop: CleaningLoop) -> None:
    round_ = start_round(loop, {"3": 4}, controls=1)
    record(loop, 1, dict.fromkeys(ids(round_), ("delete", None)))
    clone = loop.samples.dataset.clone()
    try:
        copy = CleaningLoop(clone, "ground_truth", "pixels")
        assert copy.history() == loop.history()
        assert copy.undo_round(1) == 4
        assert set(clone.values("sample_weight")) == {1.0}
        assert not loop.history()[0]["undone"]
        assert len(loop.rounds.load(1).events) == 4
    finally:
        clone.delete()
    assert loop.undo_round(1) == 4


def test_export_and_import_carry_the_rounds(loop: CleaningLoop, tmp_path: Path) -> None:
    round_ = start_round(loop, {"3": 4}, controls=1)
    one, two, *rest = ids(round_)
    record(
        loop,
        1,
        {one: ("delete", None), two: ("relabel", "8"), **dict.fromkeys(rest, ("keep", None))},
    )
    loop.evaluate_round()
    loop.samples.dataset.export(
        export_dir=str(tmp_path / "copy"),
        dataset_type=fo.types.FiftyOneDataset,
        export_media=False,
    )
    imported = fo.Dataset.from_dir(
        dataset_dir=str(tmp_path / "copy"),
        dataset_type=fo.types.FiftyOneDataset,
        name=f"test-{uuid4().hex}",
    )
    try:
        copy = CleaningLoop(imported, "ground_truth", "pixels")
        assert copy.history() == loop.history()
        assert copy.rounds.load_start() == loop.rounds.load_start()
        assert copy.undo_round(1) == 4
        assert set(imported.values("sample_weight")) == {1.0}
        assert imported[two].ground_truth.label == "3"
    finally:
        imported.delete()


def test_a_round_that_an_older_version_stored_is_read_and_saved_anew(loop: CleaningLoop) -> None:
    """What version 1 wrote: the pool in the run's config, no pools in its results."""
    dataset = loop.samples.dataset
    items = start_round(loop, {"3": 2}).batch
    dataset.delete_run("cleaning_round_001")
    dataset.delete_run("cleaning_start_ground_truth")
    config = dataset.init_run(
        method="coreset_cleaning",
        kind="round",
        round=1,
        label_field="ground_truth",
        class_of_interest="3",
        rival="8",
        seed=1,
        pool=77,
        test_duplicates=0,
        version="0.1.0",
        scorer_version="1",
        created_at=now(),
        options={
            "images": "upload",
            "images_root": None,
            "reviewers_per_task": 1,
            "hide_suggestion": False,
        },
    )
    dataset.register_run("cleaning_round_001", config)
    old = dataset.init_run_results(
        "cleaning_round_001",
        schema=1,
        batch=[item.to_dict() for item in items],
        events=[],
        project={},
        evaluation=None,
        closed_at=None,
    )
    dataset.save_run_results("cleaning_round_001", old)
    round_ = loop.rounds.load(1)
    assert (round_.pools, round_.rival, len(round_.batch)) == ({"3": 77}, "8", 2)
    record(loop, 1, dict.fromkeys(ids(round_), ("delete", None)))
    assert loop.history()[0]["pool"] == 77
    assert loop.yields().precision.value == 1.0
    stored = dataset.get_run_info("cleaning_round_001").config.serialize()
    assert (stored["schema"], len(stored["events"])) == (3, 2)
    content = dataset.load_run_results("cleaning_round_001", cache=False)
    assert (content.schema, content.pools, len(content.batch)) == (3, {"3": 77}, 2)


def test_a_round_of_a_newer_version_is_refused(loop: CleaningLoop) -> None:
    start_round(loop, {"3": 2})
    Records(loop.samples.dataset).update("cleaning_round_001", schema=99)
    with pytest.raises(RoundError, match=r"round 1 .*schema 99.*Update it"):
        loop.history()


# ---- undo of a sample, audit


def test_one_sample_is_undone_and_taken_in_again(loop: CleaningLoop) -> None:
    round_ = start_round(loop, {"3": 3}, controls=1)
    one, *others = ids(round_)
    verdicts = {one: ("relabel", "8"), **dict.fromkeys(others, ("delete", None))}
    record(loop, 1, verdicts)
    assert loop.history()[0]["reviewed"] == 3
    assert loop.undo_sample(1, one) == 1
    sample = loop.samples.dataset[one]
    assert (sample.ground_truth.label, sample.original_label) == ("3", None)
    assert loop.history()[0]["reviewed"] == loop.history()[0]["errors_found"] == 2
    assert one in loop.queue_view("3").values("id")
    assert {loop.samples.dataset[i].sample_weight for i in others} == {0}
    loop.undo_round(1)
    loop.redo_round(1)
    assert loop.samples.dataset[one].ground_truth.label == "3"
    assert loop.redo_sample(1, one) == 1
    assert loop.samples.dataset[one].ground_truth.label == "8"
    with pytest.raises(RoundError, match="sample 'nobody' is not in round 1"):
        loop.undo_sample(1, "nobody")


def test_an_open_round_that_is_undone_gives_way(loop: CleaningLoop) -> None:
    first = start_round(loop, {"3": 3})
    loop.undo_round(1)
    assert loop.rounds.open_round() is None
    second = start_round(loop, {"3": 3})
    assert set(ids(second)) == set(ids(first))  # free again
    with pytest.raises(RoundError, match="Close or undo round 2 first"):
        loop.redo_round(1)
    loop.undo_round(2)
    loop.redo_round(1)
    open_ = loop.rounds.open_round()
    assert open_ is not None
    assert open_.number == 1
    assert loop.samples.dataset.match_tags("cleaning:queued").count() == 3


def test_the_audit_holds_what_was_known_at_push_time(loop: CleaningLoop, tmp_path: Path) -> None:
    loop.export_audit(tmp_path / "empty.csv")
    header = (tmp_path / "empty.csv").read_text().strip().split(",")
    loop.export_audit(tmp_path / "empty.jsonl")
    assert (tmp_path / "empty.jsonl").read_text() == ""
    round_ = start_round(loop, {"3": 2})
    one, two = ids(round_)
    record(loop, 1, {one: ("relabel", "8"), two: ("keep", None)})
    loop.undo_sample(1, one)
    assert loop.export_audit(tmp_path / "audit.csv") == 3
    assert loop.export_audit(tmp_path / "audit.jsonl") == 3
    with (tmp_path / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == header
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["review", "review", "undo"]
    assert {line["sample_id"] for line in lines} == {one, two}
    for line, item in zip(lines, round_.batch, strict=False):
        assert line["pushed_importance"] == item.importance
        assert line["pushed_rank"] == item.rank
        assert line["scorer_version"]
        assert line["embeddings_field"] == "pixels"


# ---- classes


def test_a_round_of_several_classes_keeps_its_quotas(loop: CleaningLoop) -> None:
    round_ = start_round(loop, {"3": 6, "8": 4}, controls=5)
    labels = [item.label for item in round_.batch]
    assert labels == ["3"] * 6 + ["8"] * 4
    assert [item.rank for item in round_.batch] == list(range(10))
    assert [sum(i.control for i in round_.batch if i.label == c) for c in "38"] == [3, 2]
    given = dict(zip(*loop.samples.dataset.values(["id", "ground_truth.label"]), strict=True))
    assert [given[i] for i in ids(round_)] == labels
    record(
        loop,
        1,
        {
            i: ("delete", None) if c == "3" else ("keep", None)
            for i, c in zip(ids(round_), labels, strict=True)
        },
    )
    row = loop.history()[0]
    assert (row["classes"], row["reviewed"], row["errors_found"]) == (["3", "8"], 10, 6)
    assert loop.yields("3").precision.value == 1.0
    assert loop.yields("8").precision.value == 0.0
    assert [p.reviewed for p in loop.budget_curve("8")] == [0, 4]
    # The next round is one of the same classes.
    loop.push_round(AppDesk(), n=5, controls=0)
    assert [item.label for item in loop.rounds.load(2).batch] == ["3"] * 3 + ["8"] * 2


def test_classes_of_a_push_are_checked(loop: CleaningLoop, server: LabelStudioServer) -> None:
    runs = loop.samples.dataset.list_runs()
    for asked, n, message in (
        (["3", "3"], 10, "each once"),
        (["3", "8", "9"], 2, "got n=2"),
        ({"3": 0}, 10, "at least 1"),
        ({"3": 5, "7": 5}, 10, "got '7'"),
    ):
        with pytest.raises(DataError, match=message):
            loop.push_round(server, n=n, controls=0, class_of_interest=asked)
    assert loop.samples.dataset.list_runs() == runs


def test_only_a_class_that_was_announced_gets_in(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    dataset = loop.samples.dataset
    dataset.classes = {"ground_truth": ["3", "8", "9"]}
    dataset.save()
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="3", new_classes=["zero"])
    one, two = ids(loop.rounds.load(1))
    for task in server.tasks(project=pushed.project, include="id,data"):
        label = "zero" if task["data"]["push_key"].endswith(one) else "seven"
        server.post(
            f"api/tasks/{task['id']}/annotations/",
            {"result": answer_result("relabel", label, n_classes=4)},
        )
    report = loop.pull_reviews(server)
    assert dataset[one].ground_truth.label == "zero"
    assert dataset[two].ground_truth.label == "3"
    assert len(report.problems) == 1
    assert "'seven' is not one of the dataset" in report.problems[0]
    dataset.reload()
    assert dataset.classes["ground_truth"] == ["3", "8", "9", "zero"]


def test_giving_its_own_class_to_a_sample_keeps_it(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=1, controls=0, class_of_interest="3")
    (task,) = server.tasks(project=pushed.project, include="id,data")
    server.post(
        f"api/tasks/{task['id']}/annotations/",
        {"result": answer_result("relabel", "3", n_classes=3)},
    )
    assert loop.pull_reviews(server).outcomes == {"kept": 1}
    assert loop.history()[0]["errors_found"] == 0


# ---- what is shown elsewhere


def test_classes_with_like_names_have_queues_of_their_own(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    names = {"3": "c", "8": "C", "9": "c++ 🐈"}
    dataset.set_values(
        "ground_truth.label", [names[v] for v in dataset.values("ground_truth.label")]
    )
    for name in names.values():
        for _ in range(2):
            loop.queue_view(name)
    queues = [view for view in dataset.list_saved_views() if view.startswith("cleaning queue")]
    assert len(queues) == 3
    for view in queues:
        assert len(dataset.load_saved_view(view).distinct("ground_truth.label")) == 1


def test_an_evaluation_is_published_to_fiftyone(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    assert loop.publish_evaluation() == "cleaning_after_000"
    round_ = start_round(loop, {"3": 4})
    record(loop, 1, dict.fromkeys(ids(round_), ("delete", None)))
    for _ in range(2):  # the second replaces the first
        assert loop.publish_evaluation() == "cleaning_after_001"
    results = dataset.load_evaluation_results("cleaning_after_001", cache=False)
    assert len(results.ytrue) == 236  # deleted ones and the test split are left out
    assert results.metrics()["accuracy"] > 0.7
    assert dataset.match_tags("test").exists("cleaning_prediction").count() == 0
    with pytest.raises(DataError, match="Fields that can be cleaned: ground_truth"):
        CleaningLoop(dataset, "nothing")


def test_charts_are_written(loop: CleaningLoop, tmp_path: Path) -> None:
    assert [p.name for p in loop.save_charts(tmp_path / "new")] == ["verdicts.png", "budget.png"]
    loop.evaluate_round()
    round_ = start_round(loop, {"3": 6}, controls=2)
    one, two, *rest = ids(round_)
    verdicts = {one: ("delete", None), two: ("relabel", "8")}
    record(loop, 1, {**verdicts, **dict.fromkeys(rest, ("unsure", None))})
    loop.evaluate_round()
    paths = loop.save_charts(tmp_path)
    names = ["auroc.png", "verdicts.png", "budget.png", "importance.png"]
    assert [p.name for p in paths] == names
    for path in paths:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.shape > (300, 500)
        assert (pixels < 128).mean() > 0.005  # something is drawn


# ---- what belongs to the user


@pytest.fixture
def busy(digits: Any) -> Iterator[Any]:
    """A dataset with other fields and tags of a user's, some with names like ours."""
    dataset = digits.dataset
    for index, sample in enumerate(dataset.iter_samples(autosave=True)):
        sample["other"] = fo.Classification(label=f"other {index}", confidence=0.5)
        sample["boxes"] = fo.Detections(
            detections=[fo.Detection(label="x", bounding_box=[0, 0, 1, 1])]
        )
        sample["score"] = float(index)
        sample.ground_truth.confidence = 0.25
        sample.ground_truth["annotator"] = f"person {index % 3}"
        sample.tags += ["cleaning", "cleaning:mine", "deleted"]
    return digits


def foreign(dataset: Any) -> dict[str, Any]:
    names = ["id", "other", "boxes", "score", "metadata", "filepath"]
    columns = dataset.values(names)
    tags = [[t for t in row if t in OWN] for row in dataset.values("tags")]
    labels = dataset.values("ground_truth")
    kept = [(i.id, i.confidence, i["annotator"], i["source"]) for i in labels]
    rows = zip(*columns[1:], tags, kept, strict=True)
    return {i: [str(v) for v in row] for i, row in zip(columns[0], rows, strict=True)}


OWN = {"cleaning", "cleaning:mine", "deleted", "mine", "train", "test"}


def test_a_filtered_view_is_cleaned_and_the_user_s_own_things_stay(busy: Any) -> None:
    dataset = busy.dataset
    before = foreign(dataset)
    view = dataset.filter_labels("ground_truth", fo.ViewField("label").is_in(["3", "8"])).match(
        fo.ViewField("score") < 200
    )
    inside = set(view.values("id"))
    loop = CleaningLoop(view, "ground_truth", "pixels")
    loop.compute_importance()
    round_ = start_round(loop, {"3": 8}, controls=2, new_classes=["9"])
    assert round_.sample_ids <= inside
    one, two, three, four, *rest = ids(round_)
    record(
        loop,
        1,
        {
            one: ("relabel", "8"),
            two: ("relabel", "9"),  # of the dataset, not of the view: it was announced
            three: ("delete", None),
            four: ("unsure", None),
            **dict.fromkeys(rest, ("keep", None)),
        },
    )
    dataset.reload()
    assert foreign(dataset) == before
    assert len(dataset) == len(before)
    assert [dataset[i].ground_truth.label for i in (one, two)] == ["8", "9"]
    assert [dataset[i].original_label.label for i in (one, two)] == ["3", "3"]
    assert dataset[three].sample_weight == 0
    touched = dataset.match_tags(["cleaning:round-001"]).values("id")
    assert set(touched) == round_.sample_ids
    loop.undo_round(1)
    assert foreign(dataset) == before
    assert dataset[two].ground_truth.label == "3"


def test_a_user_s_later_edit_outlives_the_next_pull(loop: CleaningLoop) -> None:
    round_ = start_round(loop, {"3": 3})
    one, two, three = ids(round_)
    record(loop, 1, {one: ("relabel", "8"), two: ("delete", None)})
    sample = loop.samples.dataset[one]
    sample.ground_truth.label = "9"
    sample.save()
    other = loop.samples.dataset[two]
    other["sample_weight"] = 0.5
    other.save()
    record(loop, 1, {three: ("keep", None)})
    assert loop.samples.dataset[one].ground_truth.label == "9"
    assert loop.samples.dataset[two].sample_weight == 0.5
    loop.undo_round(1)
    assert loop.samples.dataset[one].ground_truth.label == "3"


def test_two_label_fields_of_one_dataset_are_independent(busy: Any) -> None:
    dataset = busy.dataset
    dataset.clone_sample_field("ground_truth", "second")
    loop = CleaningLoop(dataset, "ground_truth", "pixels")
    loop.compute_importance()
    second = CleaningLoop(dataset, "second", "pixels")
    second.compute_importance()
    assert (loop.labels.names.weight, second.labels.names.weight) == (
        "sample_weight",
        "sample_weight_second",
    )
    first_round = start_round(loop, {"3": 6})
    # Both may ask about the same samples at the same time: the scores are the same here.
    second_round = start_round(second, {"3": 6})
    assert second_round.number == 2
    assert second_round.sample_ids & first_round.sample_ids
    shared = sorted(second_round.sample_ids & first_round.sample_ids)
    one, two, *_ = shared
    others = first_round.sample_ids - {one, two}
    record(loop, 1, {one: ("relabel", "8"), two: ("delete", None), **dict.fromkeys(others, "keep")})
    weights = dataset.values("sample_weight")
    assert weights.count(0.0) == 1
    assert set(dataset.values("second.label")) == {"3", "8", "9"}
    assert dataset[one].second.label == "3"
    assert set(dataset.values("sample_weight_second")) == {1.0}
    assert "cleaning:queued" not in dataset[one].tags
    assert "cleaning:queued:second" in dataset[one].tags
    record(second, 2, dict.fromkeys(ids(second_round), ("delete", None)))
    assert dataset.values("sample_weight") == weights
    assert dataset.values("sample_weight_second").count(0.0) == 6
    assert second.undo_round(2) == 6
    assert set(dataset.values("sample_weight_second")) == {1.0}
    assert dataset.values("sample_weight") == weights
    assert (dataset[one].ground_truth.label, dataset[one].second.label) == ("8", "3")
    assert loop.history()[0]["errors_found"] == 2
    assert [row["round"] for row in loop.history()] == [1]
    assert [row["round"] for row in second.history()] == [2]
    loop.undo_round(1)
    second.redo_round(2)
    assert (dataset[one].ground_truth.label, dataset[one].sample_weight) == ("3", 1.0)
    assert dataset[one].sample_weight_second == 0.0
    assert not any(t.startswith("cleaning:round-001") for t in dataset.distinct("tags"))


def test_a_class_that_lost_all_its_samples_can_still_be_evaluated(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    loop.evaluate_round()
    pair = loop.rounds.load_start().pair
    gone = dataset.match_tags("test", bool=False).match(
        fo.ViewField("ground_truth.label") == pair[1]
    )
    gone.set_field("ground_truth.label", pair[0]).save("ground_truth")
    report = loop.evaluate_round()
    assert report.evaluation.n_changed == len(gone.view()) or report.evaluation.n_changed > 0


def test_a_sample_that_is_gone_does_not_keep_its_round_open(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=3, controls=0, class_of_interest="3")
    one, *others = ids(loop.rounds.load(1))
    loop.samples.dataset.delete_samples([one])
    for task in server.tasks(project=pushed.project, include="id,data"):
        if not task["data"]["push_key"].endswith(one):
            server.post(
                f"api/tasks/{task['id']}/annotations/",
                {"result": answer_result("keep", n_classes=3)},
            )
    report = loop.pull_reviews(server)
    assert report.open_round is None
    assert {loop.samples.dataset[i].cleaning_review.verdict for i in others} == {"kept"}


def test_a_conflict_comes_back_first(loop: CleaningLoop) -> None:
    # All random: some matter little.
    loop.push_round(AppDesk(), n=5, controls=5, class_of_interest="3", reviewers_per_task=2)
    round_ = loop.rounds.load(1)
    least = min(round_.batch, key=lambda item: item.importance).sample_id
    keep = dict.fromkeys(ids(round_), "keep")
    assert loop.record_verdicts(keep, "ann").open_round == 1
    assert loop.record_verdicts({**keep, least: "delete"}, "bob").closed == [1]
    assert "cleaning:conflict" in loop.samples.dataset[least].tags
    assert ids(start_round(loop, {"3": 1})) == [least]


def test_a_review_is_stored_as_fiftyone_stores_its_documents(loop: CleaningLoop) -> None:
    one, *_ = ids(start_round(loop, {"3": 6}))
    record(loop, 1, {one: ("relabel", "8")})
    dataset = loop.samples.dataset

    def stored() -> dict[str, object]:
        found = dataset._sample_collection.find_one({"filepath": dataset[one].filepath})
        return dict(found["cleaning_review"])

    ours = stored()
    assert ours["verdict"] == "relabeled"
    sample = dataset[one]
    sample.cleaning_review = sample.cleaning_review.copy()
    sample.save()
    assert stored() == ours


def test_a_pair_for_a_class_chosen_by_hand_is_found_in_the_labels_of_the_start(
    loop: CleaningLoop,
) -> None:
    found = loop.find_confused_pair()
    loop.push_round(AppDesk(), n=40, controls=0, class_of_interest="9")
    record(loop, 1, dict.fromkeys(ids(loop.rounds.load(1)), ("relabel", "3")))
    assert loop.find_confused_pair() != found
    report = loop.evaluate_round()
    assert report.evaluation.pair is not None
    assert loop.rounds.load_start().pair == (found.class_of_interest, found.rival)


def test_classes_that_nobody_confuses_are_evaluated_all_together(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    corners = {"3": [1.0, 0.0, 0.0], "8": [0.0, 1.0, 0.0], "9": [0.0, 0.0, 1.0]}
    labels = dataset.values("ground_truth.label")
    rng = np.random.default_rng(0)
    vectors = [np.array(corners[label]) + 0.01 * rng.normal(size=3) for label in labels]
    dataset.set_values("apart", [vector.astype(np.float32) for vector in vectors])
    apart = CleaningLoop(dataset, "ground_truth", "apart")
    apart.compute_importance()
    report = apart.evaluate_round()
    assert report.evaluation.pair is None
    assert report.evaluation.all_classes.cv > 0.99


def test_a_pair_that_a_push_froze_during_an_evaluation_stays(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, evaluate_auroc = ("9", "8"), evaluate.evaluate_auroc

    def evaluate_beside_a_push(*args: Any, **kwargs: Any) -> Any:
        evaluate.freeze_start(loop._work, chosen)
        return evaluate_auroc(*args, **kwargs)

    found = loop.find_confused_pair()
    assert (found.class_of_interest, found.rival) != chosen
    monkeypatch.setattr(evaluate, "evaluate_auroc", evaluate_beside_a_push)
    loop.evaluate_round()
    assert loop.rounds.load_start().pair == chosen
    assert loop.rounds.evaluations()[0] is not None


def test_a_push_that_could_not_mark_its_samples_is_completed_by_the_next(
    loop: CleaningLoop, server: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(push.views, "save_round_views", fail)
        with pytest.raises(OSError, match="the database is away"):
            loop.push_round(server, n=3, controls=0, class_of_interest="3")
    again = loop.push_round(server)
    # Samples are marked before anything is sent.
    assert (again.round, again.created, again.existing) == (1, 3, 0)
    dataset = loop.samples.dataset
    assert dataset.match_tags("cleaning:queued").count() == 3
    assert len(dataset.load_saved_view("cleaning round 001")) == 3


def test_an_evaluation_that_is_replaced_while_it_is_read_is_read_again(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_round(loop, {"3": 3})
    loop.rounds.save_evaluation(1, {"measured": "before"})
    get, replaced = GridFS.get, []

    def get_and_replace(*args: Any) -> Any:
        file = get(*args)
        if not replaced:
            replaced.append(True)
            # Deletes what `file` reads.
            loop.rounds.save_evaluation(1, {"measured": "then"})
        return file

    monkeypatch.setattr(GridFS, "get", get_and_replace)
    assert loop.rounds.evaluations()[1] == {"measured": "then"}
    assert replaced
