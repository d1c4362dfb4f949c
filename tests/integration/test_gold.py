"""Gold images in a real database: what people answer about them changes nothing there."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import DataError, RoundError
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.desks.labelstudio.sheets import sheet_result, slots_of
from coreset_cleaning.store.records import Records
from coreset_cleaning.store.rounds import RoundStore
from coreset_cleaning.usecases.examples import find_examples
from support.answers import answer_task, task_ids

Said = str | tuple[str, str]


class Script(AppDesk):
    """A script that answers what it is shown, whatever the dataset says."""

    shows_dataset = False


def push(loop: CleaningLoop, gold: int = 4, n: int = 12, **options: Any) -> Round:
    options = {"class_of_interest": "3", **options}
    report = loop.push_round(Script(), n=n, controls=3, gold=gold, **options)
    assert (report.n, report.gold, report.created) == (n, gold, n + gold)
    return loop.rounds.load(report.round)


def documents(loop: CleaningLoop) -> dict[str, dict[str, Any]]:
    """Return all samples as they are stored, less times and the ids of what is written anew."""
    found = {}
    for document in loop.samples.dataset._sample_collection.find():
        for name in ("created_at", "last_modified_at", "_dataset_id"):
            document.pop(name)
        for value in document.values():
            if isinstance(value, dict):
                value.pop("_id", None)
                value.pop("reviewed_at", None)
        found[str(document.pop("_id"))] = document
    return found


def differences(one: CleaningLoop, other: CleaningLoop) -> dict[str, dict[str, Any]]:
    """Return sample id to what differs between two copies of a dataset."""
    mine, others = documents(one), documents(other)
    assert mine.keys() == others.keys()
    return {
        i: {k: (v, others[i].get(k)) for k, v in mine[i].items() if v != others[i].get(k)}
        for i in mine
        if mine[i] != others[i]
    }


def keep_all(round_: Round) -> dict[str, Said]:
    return dict.fromkeys((item.sample_id for item in round_.batch), "keep")


def test_with_and_without_gold_images_a_dataset_comes_to_the_same(loop: CleaningLoop) -> None:
    clone = loop.samples.dataset.clone()
    try:
        plain = CleaningLoop(clone, "ground_truth", "pixels")
        pushed, without = push(loop), push(plain, gold=0)
        hidden = [item.sample_id for item in pushed.gold]
        assert not set(hidden) & pushed.sample_ids
        strip = [{**i.to_dict(), "rank": 0} for i in pushed.batch]
        assert strip == [{**i.to_dict(), "rank": 0} for i in without.batch]

        real: dict[str, Said] = keep_all(pushed)
        first, second, third = list(real)[:3]
        real |= {first: ("relabel", "8"), second: "delete", third: "unsure"}
        one, two, three, four = hidden
        about: dict[str, Said] = {
            one: "delete",
            two: ("relabel", "9"),
            three: "keep",
            four: "unsure",
        }
        loop.record_verdicts(about, "ann")
        assert loop.rounds.load(1).closed_at is None
        assert loop.record_verdicts(real, "ann").closed == [1]
        plain.record_verdicts(real, "ann")
        assert differences(loop, plain) == {}

        # Edits, an answer taken back, undo and redo.
        loop.record_verdicts({one: ("relabel", "8"), three: "delete"}, "ann")
        loop.record_verdicts({two: "delete"}, "bob")
        for change in (loop.undo_round, loop.redo_round):
            change(1)
        with pytest.raises(RoundError, match="is not in round 1"):
            loop.undo_sample(1, one)
        for each in (loop, plain):
            each.undo_round(1)
            each.redo_round(1)
        assert differences(loop, plain) == {}

        # What has been learned: scores, proposals, AUROC, yields; and the next draw.
        for each in (loop, plain):
            each.compute_importance()
        assert differences(loop, plain) == {}
        assert loop.propose_corrections() == plain.propose_corrections()
        assert loop.evaluate_round().to_dict() == plain.evaluate_round().to_dict()
        assert loop.yields() == plain.yields()
        assert loop.next_step() == plain.next_step()
        rows = [each.history()[0] for each in (loop, plain)]
        for row in rows:
            row.pop("meter")
            row.pop("created_at")
            row.pop("closed_at")
        assert rows[0] == rows[1]
        again, plainly = push(loop), push(plain, gold=0)
        assert again.sample_ids == plainly.sample_ids
        # Nobody is shown the same gold image twice while there are others.
        assert not {i.sample_id for i in again.gold} & set(hidden)
        assert differences(loop, plain) == {}
    finally:
        clone.delete()


def test_what_was_noticed_is_told_by_person(loop: CleaningLoop) -> None:
    round_ = push(loop, reviewers_per_task=2)
    one, two, three, four = (item.sample_id for item in round_.gold)
    loop.record_verdicts({one: "delete", two: ("relabel", "9"), three: "keep", four: "keep"}, "ann")
    # The class that is shown, once more: that keeps it.
    loop.record_verdicts({one: ("relabel", "3"), two: "unsure"}, "bob")
    report = loop.record_verdicts({**keep_all(round_)}, "bob")
    assert (report.answered, report.total, report.closed) == (2, 16, [])
    found = loop.meter()
    by = {who: (p.gold_noticed, p.gold_answered) for (who, _), p in found.by.items()}
    assert by == {"ann": (2, 4), "bob": (1, 2)}
    assert (found.total.gold_noticed, found.total.gold_answered) == (2, 4)
    assert "Of 4 gold images 4 are answered and 2 were noticed" in str(found)
    assert loop.history()[0]["meter"]["gold_noticed"] == 2
    loop.undo_round(1)
    assert loop.meter().gold == 0
    assert loop.history()[0]["meter"]["gold_noticed"] == 2


def test_a_class_named_for_a_gold_image_joins_no_list(loop: CleaningLoop) -> None:
    round_ = push(loop, new_classes=["zero"])
    before = dict(loop.samples.dataset.classes)
    loop.record_verdicts({round_.gold[0].sample_id: ("relabel", "zero")}, "ann")
    loop.samples.dataset.reload()
    assert loop.samples.dataset.classes == before
    assert "zero" not in loop.samples.dataset.distinct("ground_truth.label")


def test_gold_images_are_right_and_look_like_the_batch(loop: CleaningLoop, digits: Any) -> None:
    round_ = push(loop, gold=6)
    dataset = loop.samples.dataset
    twins = {item.sample_id: item for item in round_.batch}
    for item in round_.gold:
        sample = dataset[item.sample_id]
        assert sample.ground_truth.label == item.true_label == item.suggested_label
        assert digits.truth[item.sample_id] == item.true_label
        assert "test" not in sample.tags
        twin = twins[item.like]
        assert (item.label, item.suggested_probability) == (
            twin.label,
            twin.suggested_probability,
        )
    assert [item.rank for item in round_.shown] == list(range(18))


def test_no_example_of_a_class_gives_a_gold_image_away(loop: CleaningLoop) -> None:
    round_ = push(loop, gold=6)
    rounds, classes = loop.rounds.all(), ["3", "8", "9"]
    found = find_examples(loop._work, rounds, round_, classes, 12, loop.labels.images)
    shown = {example.sample_id for examples in found.values() for example in examples}
    assert len(shown) > 6
    assert not shown & round_.shown_ids


def test_what_people_found_right_comes_first(loop: CleaningLoop, digits: Any) -> None:
    dataset = loop.samples.dataset
    first = push(loop, gold=0, class_of_interest="8")
    right = [i.sample_id for i in first.batch if digits.truth[i.sample_id] == "8"]
    said: dict[str, Said] = dict.fromkeys(first.sample_ids, "delete")
    loop.record_verdicts({**said, **dict.fromkeys(right, "keep")}, "ann")
    second = push(loop, gold=8, n=24)
    eights = [i.sample_id for i in second.gold if i.true_label == "8"]
    assert eights
    assert set(eights) <= set(right)
    assert dataset.match_tags("cleaning:queued").count() == 24


def test_a_label_field_that_is_short_of_sure_labels_gets_fewer(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    others = dataset.match_tags("train").match({"ground_truth.label": {"$ne": "3"}})
    dataset.delete_samples(others.limit(len(others) - 2))
    report = loop.push_round(Script(), n=12, controls=3, gold=6, class_of_interest="3")
    assert report.gold <= 2
    assert ("Hidden among them" in str(report)) == bool(report.gold)
    with pytest.raises(DataError, match="gold must be between 0 and n, got gold=9 and n=4"):
        CleaningLoop(dataset, "ground_truth", "pixels").push_round(
            AppDesk(), n=4, controls=0, gold=9
        )


def test_a_copy_has_them_and_an_older_round_has_none(loop: CleaningLoop, tmp_path: Path) -> None:
    round_ = push(loop)
    gold = round_.gold[0].sample_id
    loop.record_verdicts({gold: "delete"}, "ann")
    copy = loop.samples.dataset.clone()
    try:
        there = CleaningLoop(copy, "ground_truth", "pixels")
        assert there.rounds.load(1).gold == round_.gold
        assert there.meter() == loop.meter()
        there.record_verdicts({**keep_all(round_), round_.gold[1].sample_id: "keep"}, "bob")
        assert copy[gold].sample_weight in (None, 1.0)
        assert copy[gold].tags == loop.samples.dataset[gold].tags
    finally:
        copy.delete()
    records = Records(loop.samples.dataset)
    content = records.content("cleaning_round_001")
    assert content is not None
    records.write_content("cleaning_round_001", {k: v for k, v in content.items() if k != "gold"})
    older = RoundStore(loop.samples.dataset, "ground_truth").load(1)
    assert (older.gold, [i.to_dict() for i in older.batch]) == ([], content["batch"])


def test_a_pull_that_is_cut_off_between_the_two_ledgers_is_completed(
    loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_ = push(loop)
    said: dict[str, Said] = dict.fromkeys(round_.shown_ids, "keep")
    real = Records.append

    def die(self: Records, key: str, name: str, items: list[Any], **values: Any) -> None:
        if name == "events":
            raise KeyboardInterrupt
        real(self, key, name, items, **values)

    monkeypatch.setattr(Records, "append", die)
    with pytest.raises(KeyboardInterrupt):
        loop.record_verdicts(said, "ann")
    monkeypatch.undo()
    cut_off = loop.rounds.load(1)
    assert (len(cut_off.gold_events), cut_off.events, cut_off.closed_at) == (4, [], None)
    assert loop.record_verdicts(said, "ann").closed == [1]
    assert loop.meter().total.gold_answered == 4


def test_the_audit_names_them(loop: CleaningLoop, tmp_path: Path) -> None:
    round_ = push(loop, gold=1)
    loop.record_verdicts(dict.fromkeys(round_.shown_ids, "keep"), "ann")
    assert loop.export_audit(tmp_path / "audit.csv") == 13
    with (tmp_path / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    [named] = [row for row in rows if row["gold"] == "True"]
    [item] = round_.gold
    assert named["sample_id"] == item.sample_id
    assert (named["pushed_label"], named["gold_true_label"]) == ("3", item.true_label)
    assert {row["page"] for row in rows} == {"app"}


def test_at_label_studio_nothing_tells_them_from_others(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=6, controls=1, gold=2, class_of_interest="3")
    round_ = loop.rounds.load(1)
    tasks = list(server.tasks(project=pushed.project, include="id,data", resolve_uri="false"))
    assert len(tasks) == 8
    assert len({tuple(sorted(task["data"])) for task in tasks}) == 1
    by_id = {t["data"]["push_key"].rsplit(":", 1)[1]: t["data"] for t in tasks}
    notes = {i.sample_id: by_id[i.sample_id]["note"] for i in round_.batch}
    for item in round_.gold:
        data = by_id[item.sample_id]
        assert (data["label"], data["suggested"]) == ("3", item.true_label)
        assert data["note"] == notes[item.like]
        assert data["position"] == f"Image {item.rank + 1} of 8"
    assert "gold" not in json.dumps(tasks)
    for number, (sample_id, task_id) in enumerate(task_ids(server, pushed.project).items()):
        hidden = sample_id in {i.sample_id for i in round_.gold}
        answer_task(server, task_id, "delete" if hidden and number else "keep")
    report = loop.pull_reviews(server)
    assert (report.new_answers, report.closed, report.problems) == (8, [1], [])
    assert report.outcomes == {"kept": 6}
    dataset = loop.samples.dataset
    for item in round_.gold:
        assert dataset[item.sample_id].ground_truth.label == item.true_label
        assert dataset[item.sample_id].tags == ["train", "mine"]
    assert re.search(r"3\.5 s an image, none was wrong; a random review", str(report))
    assert re.search(r"Of 2 gold images 2 are answered and \d were noticed", str(report))
    assert loop.pull_reviews(server).new_answers == 0
    assert loop.push_round(server, n=6, controls=1, class_of_interest="8").gold == 0


def test_on_sheets_they_stand_among_the_others(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=6, controls=1, gold=2, class_of_interest="3", sheet=4)
    assert (pushed.created, pushed.sheets, pushed.gold) == (8, 2, 2)
    round_ = loop.rounds.load(1)
    hidden = {item.sample_id for item in round_.gold}
    sheets = list(server.tasks(project=pushed.project, include="id,data", resolve_uri="false"))
    slots = [slot for sheet in sheets for slot in sheet["data"]["slots"]]
    assert {slot["id"] for slot in slots} == round_.shown_ids
    assert len({tuple(sorted(slot)) for slot in slots}) == 1
    assert "gold" not in json.dumps(sheets)
    missed = sorted(hidden)[0]
    for sheet in sheets:
        found = slots_of(sheet["data"])
        marks = [slot for slot, i in found.items() if i in hidden and i != missed]
        body = {"result": sheet_result(marks), "lead_time": 8.0}
        server.post(f"api/tasks/{sheet['id']}/annotations/", body)
    report = loop.pull_reviews(server)
    assert (report.closed, report.outcomes, report.problems) == ([1], {"kept": 6}, [])
    [(key, pace)] = loop.meter().by.items()
    assert key[1] == "sheet"
    assert (pace.gold_answered, pace.gold_noticed, pace.seconds_per_image) == (2, 1, 2.0)
    assert "relabeled" not in str(loop.samples.dataset.distinct("tags"))
