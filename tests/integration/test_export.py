"""Cleaned labels as other programs read them: written, read by their own library, compared."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.core.errors import DataError


@pytest.fixture
def reviewed(loop: CleaningLoop) -> CleaningLoop:
    """One label relabeled, one deleted, one kept; the others untouched."""
    loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="3")
    one, two, three = [item.sample_id for item in loop.rounds.load(1).batch]
    loop.record_verdicts(
        {one: ("relabel", "8"), two: "delete", three: "keep"}, "ann", {one: "a loop on top"}
    )
    return loop


@pytest.fixture
def expected(reviewed: CleaningLoop) -> dict[str, tuple[str, str, str, float]]:
    """Label id to split, class, image and weight, as they are on the dataset."""
    view = reviewed.samples.view
    rows = zip(
        *view.values(["id", "tags", "ground_truth.label", "filepath", "sample_weight"]), strict=True
    )
    # A label without a weight counts in full.
    return {
        i: ("test" if "test" in tags else "train", label, path, 1.0 if weight is None else weight)
        for i, tags, label, path, weight in rows
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def kept(expected: dict[str, Any]) -> dict[str, Any]:
    return {i: row for i, row in expected.items() if row[3]}


def test_csv(reviewed: CleaningLoop, expected: dict[str, Any], tmp_path: Path) -> None:
    report = reviewed.export_cleaned(tmp_path / "labels.csv")
    read = {
        row["id"]: (row["split"], row["label"], row["filepath"], float(row["weight"]))
        for row in table(tmp_path / "labels.csv")
    }
    assert read == kept(expected)
    assert (report.exported, report.left_out, report.changed) == (319, 1, 2)
    assert str(report) == (
        f"319 labels (239 train, 80 test) written to {tmp_path / 'labels.csv'} as csv; "
        "reviewers changed 2, 1 with weight 0 are left out"
    )
    reviewed.export_cleaned(tmp_path / "all.csv", keep_deleted=True)
    read = {row["id"]: float(row["weight"]) for row in table(tmp_path / "all.csv")}
    assert read == {i: row[3] for i, row in expected.items()}


def test_image_folder(reviewed: CleaningLoop, expected: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    reviewed.export_cleaned(out)
    rows = {row["file"]: row for row in table(out / "labels.csv")}
    found = {}
    for split in ("train", "test"):
        images = ImageFolder(out / split)
        for path, target in images.samples:
            row = rows[Path(path).relative_to(out).as_posix()]
            label = images.classes[target]
            found[row["id"]] = (split, label, row["filepath"], float(row["weight"]))
            assert Path(path).read_bytes() == Path(row["filepath"]).read_bytes()
    assert found == kept(expected)
    assert len(table(out / "changes.csv")) == 2


def test_fiftyone_dataset(reviewed: CleaningLoop, expected: dict[str, Any], tmp_path: Path) -> None:
    reviewed.export_cleaned(tmp_path / "out", "fiftyone", keep_deleted=True)
    there = fo.Dataset.from_dir(str(tmp_path / "out"), dataset_type=fo.types.FiftyOneDataset)
    try:
        rows = zip(
            *there.values(["id", "tags", "ground_truth.label", "sample_weight"]), strict=True
        )
        found = {
            i: ("test" if "test" in tags else "train", label, 1.0 if weight is None else weight)
            for i, tags, label, weight in rows
        }
        assert found == {i: (*row[:2], row[3]) for i, row in expected.items()}
        assert all(Path(p).is_relative_to(tmp_path) for p in there.values("filepath"))
        assert sum(map(bool, there.values("original_label"))) == 1
    finally:
        there.delete()


def test_who_changed_what_and_why(reviewed: CleaningLoop, tmp_path: Path) -> None:
    one, two, _ = [item.sample_id for item in reviewed.rounds.load(1).batch]
    reviewed.export_cleaned(tmp_path / "changes.json", "changes")
    by_id = {row["id"]: row for row in json.loads((tmp_path / "changes.json").read_text())}
    assert by_id == {row["id"]: row for row in reviewed.changes()}
    assert set(by_id) == {one, two}
    relabeled, deleted = by_id[one], by_id[two]
    assert (relabeled["change"], relabeled["from"], relabeled["to"]) == ("relabeled", "3", "8")
    assert (relabeled["reviewers"], relabeled["comment"]) == (["ann"], "a loop on top")
    assert (relabeled["round"], relabeled["control"]) == (1, False)
    assert relabeled["importance"] == reviewed.samples.dataset[one].coreset_importance
    assert (deleted["change"], deleted["from"], deleted["to"]) == ("deleted", "3", None)
    assert deleted["weight"] == 0
    report = reviewed.export_cleaned(tmp_path / "changes.csv", "changes")
    assert str(report) == f"2 changes written to {tmp_path / 'changes.csv'}"
    assert {row["id"]: row["reviewers"] for row in table(tmp_path / "changes.csv")} == {
        one: "ann",
        two: "ann",
    }
    reviewed.undo_round(1)
    assert reviewed.changes() == []


def test_a_training_set_for_torch_and_others(
    reviewed: CleaningLoop, expected: dict[str, Any]
) -> None:
    chosen = reviewed.training_set()
    train = {i: row for i, row in expected.items() if row[0] == "train"}
    assert dict(zip(chosen.ids, chosen.sample_weight, strict=True)) == {
        i: row[3] for i, row in train.items()
    }
    assert [chosen.classes[target] for target in chosen.targets] == [
        train[i][1] for i in chosen.ids
    ]
    assert chosen.images == [train[i][2] for i in chosen.ids]
    drawn = [i for batch in DataLoader(range(len(chosen)), sampler=chosen.sampler()) for i in batch]
    assert len(drawn) == len(chosen) - 1
    deleted = int(np.flatnonzero(chosen.sample_weight == 0)[0])
    assert deleted not in map(int, drawn)
    assert list(chosen.sampler(5)) == list(chosen.sampler(5)) != list(chosen.sampler(5, seed=1))


# ---- nothing is overwritten


@pytest.mark.parametrize(
    "form", ["image-folder", "fiftyone", "huggingface", "coco", "csv", "changes"]
)
def test_what_is_there_is_never_overwritten(
    form: str, reviewed: CleaningLoop, tmp_path: Path
) -> None:
    target = tmp_path / "mine.csv"
    if form in ("csv", "changes"):
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(DataError, match="never overwrites"):
        reviewed.export_cleaned(target, form)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_an_empty_folder_is_filled_and_a_link_to_one_too(
    reviewed: CleaningLoop, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    reviewed.export_cleaned(tmp_path / "link")
    assert (tmp_path / "empty" / "labels.csv").is_file()
    with pytest.raises(DataError, match="something in it"):
        reviewed.export_cleaned(tmp_path / "link")


def test_an_export_that_fails_leaves_nothing(
    reviewed: CleaningLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="no space"):
        reviewed.export_cleaned(tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_an_image_that_is_gone_is_said_before_anything_is_written(
    reviewed: CleaningLoop, tmp_path: Path
) -> None:
    sample = reviewed.samples.dataset.first()
    sample.filepath = str(tmp_path / "gone.png")
    sample.save()
    with pytest.raises(DataError, match=r"1 of 319 images.*gone\.png"):
        reviewed.export_cleaned(tmp_path / "out")
    assert os.listdir(tmp_path) == []
    reviewed.export_cleaned(tmp_path / "labels.csv")


def test_their_library_is_named_where_it_is_not_installed(
    reviewed: CleaningLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="pip install datasets"):
        reviewed.export_cleaned(tmp_path / "out", "huggingface")
    assert os.listdir(tmp_path) == []


def test_files_of_one_name_and_classes_that_no_folder_can_have(
    reviewed: CleaningLoop, tmp_path: Path
) -> None:
    dataset = reviewed.samples.dataset
    for folder, label, sample in zip("ab", ("n/a", "n/a"), dataset.limit(2), strict=True):
        (tmp_path / folder).mkdir()
        copy = shutil.copy(sample.filepath, tmp_path / folder / "same.png")
        sample.filepath, sample.ground_truth.label = str(copy), label
        sample.save()
    reviewed.export_cleaned(tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("n%2Fa/same*.png"))) == 2


def test_a_weight_of_the_user_s_own_says_nothing_of_ours(digits: Any, tmp_path: Path) -> None:
    dataset = digits.dataset
    dataset.set_values("sample_weight", [0.0] * len(dataset))
    dataset.set_values("original_label", ["mine"] * len(dataset))
    report = CleaningLoop(dataset, "ground_truth", "pixels").export_cleaned(tmp_path / "all.csv")
    assert (report.exported, report.left_out, report.changed) == (320, 0, 0)
