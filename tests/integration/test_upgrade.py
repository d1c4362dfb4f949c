"""Datasets of version 0.1: read as they are, upgraded by the first write, killed at any of it."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import fiftyone as fo
import fiftyone.core.odm as foo
import pytest
from bson import ObjectId, json_util
from gridfs import GridFS

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.store import ownership
from coreset_cleaning.store.kinds import label_fields
from coreset_cleaning.store.names import Names
from coreset_cleaning.store.records import Records

DATA = Path(__file__).resolve().parents[1] / "data" / "version_0_1"
KEPT = ("animal.label", "sample_weight", "original_label.label", "cleaning_review.verdict", "tags")


class Old:
    """A dataset of version 0.1 in this database, and what that version said about it."""

    def __init__(self, name: str) -> None:
        text = gzip.decompress((DATA / f"{name}.json.gz").read_bytes()).decode()
        for old in self._ids(json.loads(text)):
            text = text.replace(old, str(ObjectId()))  # so that it can be loaded several times
        found = json_util.loads(text)
        database = foo.get_db_conn()
        document = found["dataset"]
        document["name"] = document["slug"] = self.name = f"test-{uuid4().hex}"
        collection = database[document["sample_collection_name"]]
        collection.insert_many(found["samples"])
        for index in found["indexes"]:
            if "coreset_importance" in index:
                label = index.split("_coreset_importance")[0].removesuffix("_1")
                collection.create_index([(label, 1), ("coreset_importance", -1)])
        for file_id, content in found["results"].items():
            GridFS(database).put(json_util.dumps(content).encode(), _id=ObjectId(file_id))
        for kind in ("runs", "views"):
            if found[kind]:
                database[kind].insert_many(found[kind])
        database.datasets.insert_one(document)
        self.expected = found["expected"]
        #: What version 0.1 kept with each round, and as 0 with the start.
        self.evaluations = {
            0 if "start" in run["key"] else run["config"]["round"]: content["evaluation"]
            for run in found["runs"]
            if (content := found["results"][str(run["results"])]).get("evaluation")
        }
        self.dataset = fo.load_dataset(self.name)

    @staticmethod
    def _ids(found: dict[str, Any]) -> set[str]:
        ids = {found["dataset"]["_id"]["$oid"], *found["results"]}
        ids.add(found["dataset"]["sample_collection_name"].rsplit(".", 1)[1])
        return ids | {row["_id"]["$oid"] for kind in ("runs", "views") for row in found[kind]}

    def loop(self, field: str = "animal") -> CleaningLoop:
        """Return a loop as a process that has just begun has it."""
        self.dataset.reload()
        return CleaningLoop(self.dataset, field, "vector")

    def stored(self) -> list[Any]:
        """Return every document of the dataset as it is stored now."""
        database = foo.get_db_conn()
        document = database.datasets.find_one({"name": self.name})
        document.pop("last_loaded_at", None)
        runs = [*document["runs"].values(), *document["evaluations"].values()]
        return [
            document,
            list(database[document["sample_collection_name"]].find()),
            list(database.runs.find({"_id": {"$in": runs}})),
            list(database.views.find({"_id": {"$in": document["saved_views"]}})),
        ]

    def heads(self, kind: str) -> dict[str, Any]:
        """Return key to config of our runs of a kind, as they are stored."""
        configs = {run["key"]: run["config"] for run in self.stored()[2]}
        return {key: c for key, c in configs.items() if c.get("kind") == kind}


@pytest.fixture
def old() -> Iterator[Callable[[str], Old]]:
    made: list[Old] = []

    def load(name: str) -> Old:
        made.append(Old(name))
        return made[-1]

    yield load
    for each in made:
        each.dataset.delete()


# Columns of the history that version 0.1 did not have.
NEW = {"scope", "state", "desk", "seconds_per_image", "seconds_per_error", "meter", "wrong_box"}


def check_reading(old: Old, loop: CleaningLoop, evaluations: dict[int, Any]) -> None:
    """Make sure that everything reads as version 0.1 read it."""
    expected = old.expected["animal"]
    rows = loop.history()
    assert [row.pop("evaluation") for row in rows] == [
        evaluations.get(row["round"]) for row in rows
    ]
    states = [row.pop("state") for row in rows]
    assert {row.pop("scope") for row in rows} <= {"class"}  # there was nothing else
    assert {row.pop("desk") for row in rows} <= {"labelstudio"}
    for row in rows:  # its answers have times, too, and it knew no gold images
        pace, _, cost = (row.pop(k) for k in ("seconds_per_image", "seconds_per_error", "meter"))
        assert (pace is None) == (cost["timed"] == 0)
        assert cost["gold"] == 0
        assert row.pop("wrong_box") == 0
    assert rows == expected["history"]
    assert states == [
        "undone" if row["undone"] else "closed" if row["closed_at"] else "open"
        for row in expected["history"]
    ]
    rounds = loop.rounds.all()
    assert {str(r.number): len(r.events) for r in rounds} == expected["events"]
    found = {
        i: {
            "round": s.round,
            "outcome": s.outcome.value,
            "new_label": s.new_label,
            "reviewers": list(s.reviewers),
            "reviewed_at": s.reviewed_at,
            "annotation_ids": [int(answer) for answer in s.answer_ids],
            "comment": s.comment,
        }
        for i, s in rounds.states.items()
    }
    assert found == expected["states"]
    assert (rounds.open and rounds.open.number) == expected["open"]
    assert loop.rounds.evaluations() == evaluations
    start = loop.rounds.load_start()
    assert start is not None
    assert (len(start.given_labels), list(start.pair or ())) == (
        expected["start"]["n"],
        expected["start"]["pair"],
    )
    assert start.config["test_tag"] == "test"
    [(home, project)] = loop.rounds.projects().items()
    assert home == str(old.dataset._doc.id)
    assert set(project) == {"server", "id", "cursor"}
    assert {r.home for r in rounds} == {home}
    assert all(project["server"] in r.url for r in rounds)


def as_text(values: Any) -> str:
    """Return values so that they compare equal: nan does not."""
    return json.dumps(values, sort_keys=True, default=str)


def columns(dataset: Any) -> dict[str, tuple[Any, ...]]:
    dataset.reload()
    rows = zip(*dataset.values(["id", *KEPT]), strict=True)
    return {i: (*row[:-1], sorted(row[-1])) for i, *row in rows}


def test_everything_reads_as_before_and_reading_writes_nothing(old: Callable[[str], Old]) -> None:
    data = old("reviewed")
    before, evaluations = data.stored(), data.evaluations
    assert sorted(evaluations) == [0, 1]
    loop = data.loop()
    check_reading(data, loop, evaluations)
    expected = data.expected["animal"]
    assert str(loop.yields()) == expected["yields_text"]
    assert as_text(asdict(loop.yields())) == as_text({**expected["yields"], "scope": "class"})
    budget = [asdict(point) for point in loop.budget_curve()]
    assert as_text(budget) == as_text(expected["budget"])
    assert loop.next_step().reasons
    assert data.stored() == before


def test_what_version_0_1_made_counts_as_ours(old: Callable[[str], Old]) -> None:
    for name in ("reviewed", "scored"):
        data = old(name)
        loop = data.loop()
        ours = loop.labels.names
        assert ours == Names()
        assert loop.is_scored()
        assert loop.taken_names() == []
        there = [field for field in ours.fields() if data.dataset.has_field(field)]
        assert len(there) >= 7
        assert all(ownership.is_ours(data.dataset, field) for field in there)
        assert label_fields(data.dataset) == ["animal"]
        for view in data.dataset.list_saved_views():
            assert ownership.is_our_view(data.dataset, ours, view)


def test_answers_go_on_and_what_was_there_stays(old: Callable[[str], Old]) -> None:
    data = old("reviewed")
    loop, before, evaluations = data.loop(), columns(data.dataset), data.evaluations
    open_ = loop.rounds.open_round()
    assert open_ is not None
    first, second = loop.rounds.load(1), loop.rounds.load(2)
    # Two labels of round 1 were edited by hand in version 0.1.
    states = loop.rounds.all().states
    [by_hand] = [
        i
        for i in first.sample_ids
        if states[i].new_label not in (None, before[i][0]) and before[i][3] == "relabeled"
    ]
    [half] = [i for i in first.sample_ids if before[i][1] == 0.5]
    left = sorted(open_.sample_ids - loop.rounds.all().touched(open_))
    assert len(left) == 2
    report = loop.record_verdicts({left[0]: "delete", left[1]: "keep"}, "ann")
    assert (report.new_answers, report.closed, report.outdated) == (2, [3], [])
    after = columns(data.dataset)
    assert {i: row for i, row in after.items() if i not in left} == {
        i: row for i, row in before.items() if i not in left
    }
    assert after[left[0]][1:4] == (0.0, None, "deleted")
    assert after[left[1]][:4] == (*before[left[1]][:3], "kept")
    heads = {**data.heads("round"), **data.heads("start")}
    assert len(heads) == 4
    assert {head["schema"] for head in heads.values()} == {3}
    assert [len(heads[f"cleaning_round_00{n}"]["events"]) for n in (1, 2, 3)] == [6, 4, 4]
    for key in heads:
        assert data.dataset.load_run_results(key, cache=False).schema == 3
    assert data.loop().rounds.evaluations() == evaluations

    # An undo is exact: what reviewers were asked about is there again, also on edited samples.
    assert loop.undo_round(1) == 6
    undone = columns(data.dataset)
    for item in first.batch:
        assert undone[item.sample_id][:4] == (item.label, item.weight, None, None)
    assert {by_hand, half} <= first.sample_ids
    loop.redo_round(1)
    redone = columns(data.dataset)
    for i in first.sample_ids - {by_hand, half}:
        assert redone[i] == after[i]
    # What version 0.1 left out can be taken in.
    loop.redo_round(2)
    assert loop.history()[1]["state"] == "closed"
    taken_in = columns(data.dataset)
    for item in second.batch:
        assert taken_in[item.sample_id][3] in ("deleted", "relabeled", "kept")


def test_the_next_round_of_an_upgraded_dataset(old: Callable[[str], Old]) -> None:
    data = old("reviewed")
    loop = data.loop()
    loop.close_round()
    before = data.evaluations
    loop.compute_importance()
    assert loop.labels.names == Names()
    record = loop.score_record()
    assert record is not None
    assert record["classes"] == ["cat", "dog", "fox"]
    report = loop.push_round(AppDesk(), n=2, controls=0)
    assert (report.round, report.n) == (4, 2)
    shown = loop.rounds.load(4)
    decided = {i for i, s in loop.rounds.all().states.items() if s.outcome.decides}
    assert not shown.sample_ids & decided
    loop.record_verdicts(dict.fromkeys(shown.sample_ids, "keep"), "ann")
    loop.evaluate_round()
    assert sorted(loop.rounds.evaluations()) == [0, 1, 4]
    assert loop.rounds.evaluations()[0] == before[0]
    assert [row["state"] for row in loop.history()] == ["closed", "undone", "closed", "closed"]


def test_an_open_round_is_finished_in_another_project(
    old: Callable[[str], Old], server: LabelStudioServer, digit_files: Any
) -> None:
    """The server of version 0.1 is gone: tasks without an answer are made anew, the rest stays."""
    from coreset_cleaning.desks.labelstudio.answers import answer_result

    data = old("reviewed")
    data.dataset.set_values("filepath", [str(digit_files[0][0])] * len(data.dataset))
    loop = data.loop()
    touched = loop.rounds.all().touched(loop.rounds.load(3))
    pushed = loop.push_round(server)
    assert (pushed.round, pushed.created, pushed.existing) == (3, 2, 2)
    for task in server.tasks(project=pushed.project, include="id,data", resolve_uri="false"):
        assert task["data"]["push_key"].rsplit(":", 1)[1] not in touched
        server.post(
            f"api/tasks/{task['id']}/annotations/", {"result": answer_result("keep", n_classes=3)}
        )
    report = loop.pull_reviews(server)
    assert (report.new_answers, report.withdrawn, report.closed) == (2, 0, [3])
    assert loop.history()[2]["reviewed"] == 4
    project = loop.rounds.projects()[str(data.dataset._doc.id)]
    assert (project["server"], project["id"]) == (server.url, pushed.project)


def test_what_is_upgraded_between_two_reads_is_read_whole(
    old: Callable[[str], Old], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = old("reviewed")
    loop, other, content = data.loop(), data.loop(), Records.content
    upgraded: list[bool] = []

    def upgrade_first(self: Records, key: str) -> Any:
        if not upgraded:
            upgraded.append(True)
            other.rounds.save_evaluation(2, {"measured": True})
        return content(self, key)

    monkeypatch.setattr(Records, "content", upgrade_first)
    assert [row["reviewed"] for row in loop.history()] == [
        row["reviewed"] for row in data.expected["animal"]["history"]
    ]
    assert upgraded


def test_an_upgrade_that_is_killed_at_any_write_loses_nothing(
    old: Callable[[str], Old], killed_at_write: Any
) -> None:
    extra = {"measured": True}
    for step in itertools.count():
        data = old("reviewed")
        samples = data.stored()[1]
        with killed_at_write(step) as killed:
            data.loop().rounds.save_evaluation(2, extra)
        # Half old and half new, it reads the same ...
        fresh = data.loop()
        arrived = {2: extra} if 2 in fresh.rounds.evaluations() else {}
        check_reading(data, fresh, {**data.evaluations, **arrived})
        # ... and the next write finishes it.
        fresh.rounds.save_evaluation(2, extra)
        check_reading(data, data.loop(), {**data.evaluations, 2: extra})
        assert [head["schema"] for head in data.heads("round").values()] == [3] * 3
        assert [head["schema"] for head in data.heads("start").values()] == [3]
        assert data.stored()[1] == samples
        if not killed:
            break
    assert step > 20


def test_a_dataset_that_is_only_scored(old: Callable[[str], Old]) -> None:
    data = old("scored")
    loop, before = data.loop(), data.stored()
    assert (loop.history(), loop.rounds.load_start(), loop.score_record()) == ([], None, None)
    assert loop.rounds.projects() == {}
    assert loop.next_step().reasons == ("No round has been reviewed yet.",)
    assert len(loop.queue_view("cat")) > 0
    assert data.stored()[1:3] == before[1:3]
    # A round can begin on the old scores.
    report = loop.push_round(AppDesk(), n=2, controls=0, class_of_interest="cat")
    [one, two] = loop.rounds.load(report.round).sample_ids
    loop.record_verdicts({one: ("relabel", "dog"), two: "delete"})
    assert data.dataset[one].animal.label == "dog"
    assert data.dataset[two].sample_weight == 0
    assert loop.sample_coreset(4).samples <= 4
    assert loop.taken_names() == []
    # Another field of it has names of its own.
    data.dataset.clone_sample_field("animal", "second")
    assert data.loop("second").labels.names == Names("", "second")
    assert data.loop().labels.names == Names()


def test_two_label_fields_part_with_all_their_marks(
    old: Callable[[str], Old], killed_at_write: Any
) -> None:
    """Version 0.1 kept both under the same names; the one reviewed later gets names of its own."""
    for step in (None, *range(0, 40, 4)):
        data = old("two-fields")
        animal, second = data.loop(), data.loop("second")
        assert animal.labels.names == Names()
        assert second.labels.names == Names("", "second")
        for loop, field in ((animal, "animal"), (second, "second")):
            rows = [
                {k: v for k, v in row.items() if k not in {*NEW, "evaluation"}}
                for row in loop.history()
            ]
            assert rows == data.expected[field]["history"]
            states = {i: s.outcome.value for i, s in loop.rounds.all().states.items()}
            expected = data.expected[field]["states"]
            assert states == {i: s["outcome"] for i, s in expected.items()}
        before = columns(data.dataset)
        [left] = second.rounds.load(2).sample_ids - set(second.rounds.all().states)
        if step is not None:
            with killed_at_write(step):
                second.record_verdicts({left: "delete"}, "ann")
            second = data.loop("second")
        second.record_verdicts({left: "delete"}, "ann")
        after = columns(data.dataset)
        mine = second.rounds.load(2).sample_ids
        assert not mine & animal.rounds.load(1).sample_ids
        names = ["sample_weight_second", "original_label_second.label"]
        names += ["cleaning_review_second.verdict", "second.label"]
        rows = zip(*data.dataset.values(["id", *names]), strict=True)
        found = {i: tuple(row) for i, *row in rows}
        for i in mine - {left}:
            # What stood under the names of both is under names of its own, and nowhere else.
            assert found[i][:3] == before[i][1:4]
            assert after[i][1:4] == (1.0, None, None)
            verdict = before[i][3]
            assert {f"cleaning:{verdict}:second", "cleaning:round-002:second"} <= set(after[i][4])
            assert not {f"cleaning:{verdict}", "cleaning:round-002"} & set(after[i][4])
        assert found[left][:3] == (0.0, None, "deleted")
        assert {i: row for i, row in after.items() if i not in mine} == {
            i: row for i, row in before.items() if i not in mine
        }
        # Each is undone by itself, exactly.
        second.undo_round(2)
        batch = {item.sample_id: item.label for item in second.rounds.load(2).batch}
        assert {i: data.dataset[i].second.label for i in mine} == batch
        assert {data.dataset[i].sample_weight_second for i in mine} == {1.0}
        animal.undo_round(1)
        batch = {item.sample_id: item.label for item in animal.rounds.load(1).batch}
        assert {i: data.dataset[i].animal.label for i in batch} == batch
        assert set(data.dataset.values("sample_weight")) == {1.0}
    second.compute_importance()
    animal.compute_importance()
    assert data.loop("second").labels.names == Names("", "second")
    assert data.loop().labels.names == Names()


def test_the_first_field_s_next_write_hands_over_what_is_not_its_own(
    old: Callable[[str], Old],
) -> None:
    data = old("two-fields")
    animal, second = data.loop(), data.loop("second")
    before, mine = columns(data.dataset), second.rounds.load(2).sample_ids
    deleted = [i for i in mine if before[i][3] == "deleted"]
    assert animal.undo_round(1) == 3
    after = columns(data.dataset)
    for i in mine:
        assert after[i][1:4] == (1.0, None, None)
        assert "cleaning:round-002" not in after[i][4]
    assert data.dataset[deleted[0]].sample_weight_second == 0
    # The same samples may be reviewed for the first field now; the second takes no notice.
    animal.push_round(AppDesk(), n=21, controls=0, class_of_interest={"cat": 7, "dog": 7})
    round_ = animal.rounds.load(3)
    shared = sorted(mine & round_.sample_ids)
    assert shared
    animal.record_verdicts({shared[0]: ("relabel", "fox")}, "ann")
    second = data.loop("second")
    second.undo_round(2)
    second.redo_round(2)
    data.dataset.reload()
    assert data.dataset[shared[0]].animal.label == "fox"
    assert "cleaning:relabeled" in data.dataset[shared[0]].tags
    assert "cleaning:queued" in data.dataset[shared[-1]].tags or len(shared) == 1
    second.undo_round(2)
    batch = {item.sample_id: item.label for item in second.rounds.load(2).batch}
    assert {i: data.dataset[i].second.label for i in mine} == batch
