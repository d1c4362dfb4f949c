"""Cleaned labels as a Hugging Face dataset, read by their own library."""

from __future__ import annotations

from pathlib import Path

import datasets

from coreset_cleaning import AppDesk, CleaningLoop


def test_hugging_face_dataset(loop: CleaningLoop, tmp_path: Path) -> None:
    loop.push_round(AppDesk(), n=2, controls=0, class_of_interest="3")
    one, two = [item.sample_id for item in loop.rounds.load(1).batch]
    loop.record_verdicts({one: ("relabel", "8"), two: "delete"})
    loop.export_cleaned(tmp_path / "out", "huggingface", keep_deleted=True)
    view = loop.samples.view
    wanted = {
        i: ("test" if "test" in tags else "train", label, 0.0 if i == two else 1.0)
        for i, tags, label in zip(*view.values(["id", "tags", "ground_truth.label"]), strict=True)
    }
    found = {}
    for split, part in datasets.load_from_disk(str(tmp_path / "out")).items():
        names = part.features["label"].names
        assert names == ["3", "8", "9"]
        for row in part:
            found[row["id"]] = (split, names[row["label"]], row["weight"])
            assert row["image"].size == (64, 64)
        # The images are inside: nothing points back to where they came from.
        assert all(
            image["bytes"]
            for image in part.cast_column("image", datasets.Image(decode=False))["image"]
        )
    assert found == wanted
