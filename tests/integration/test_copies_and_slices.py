"""Copies of a dataset, parts of it, slices of groups, views of other documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.store import samples as store_samples
from support.neighbours import OURS, batch, documents, labels_of, loop_of, push, refusal, tiny


def cleaned(dataset: Any) -> dict[str, str | None]:
    """Clean a round; return the labels as they are then."""
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=3)
    loop.record_verdicts({asked[0]: ("relabel", "B"), asked[1]: "delete", asked[2]: "keep"})
    return labels_of(dataset)


def corrected_by_hand(dataset: Any) -> dict[str, str | None]:
    """Keep the labels in ``original_label`` and correct two: what many do before they clean."""
    dataset.clone_sample_field("a", OURS.original)
    wrong = dataset.values("id")[:2]
    dataset.set_values("a.label", dict.fromkeys(wrong, "B"), key_field="id")
    return labels_of(dataset)


# ---- what is on record does not come along: nothing that is there may count as ours


def into_another(dataset: Any) -> Any:
    other = fo.Dataset()
    other.add_collection(dataset)
    return other


def merged_into_another(dataset: Any) -> Any:
    other = fo.Dataset()
    other.add_samples([fo.Sample(filepath=path) for path in dataset.values("filepath")])
    other.merge_samples(dataset)
    return other


def without_runs(dataset: Any) -> Any:
    dataset.delete_runs()
    return dataset


def without_rounds(dataset: Any) -> Any:
    for key in dataset.list_runs():
        if "round" in key:
            dataset.delete_run(key)
    return dataset


LOSING: dict[str, Callable[[Any], Any]] = {
    "add_collection": into_another,
    "clone of a view": lambda dataset: dataset.limit(dataset.count()).clone(),
    "delete_runs": without_runs,
    "delete the rounds": without_rounds,
    "merge_samples": merged_into_another,
}


@pytest.mark.parametrize("untagged", [False, True], ids=["", "untagged"])
@pytest.mark.parametrize("lose", LOSING.values(), ids=LOSING)
def test_without_a_record_of_the_rounds_nothing_is_taken_back(
    lose: Callable[[Any], Any], untagged: bool
) -> None:
    dataset = tiny(20)
    labels = cleaned(dataset)
    copy = lose(dataset)
    assert sorted(labels_of(copy).values()) == sorted(labels.values())
    labels = labels_of(copy)
    if untagged:
        copy.untag_samples(copy.distinct("tags"))
    before = documents(copy)
    for step in (
        lambda: loop_of(copy).compute_importance(),
        lambda: push(loop_of(copy), n=3),
    ):
        error = refusal(step)
        assert repr(OURS.original) in error.what or "'cleaning:kept'" in error.what
        assert documents(copy) == before
    if loop_of(copy).score_record() is None:
        loop = loop_of(copy, prefix="qa_")  # as the message says
        loop.compute_importance()
    else:
        copy.untag_samples(OURS.ours_among(copy.distinct("tags")))
        copy.delete_sample_field(OURS.original)
        loop = loop_of(copy)
    asked = push(loop, n=3)
    assert labels_of(copy) == labels
    loop.record_verdicts(dict.fromkeys(asked, ("relabel", "B")))
    loop.undo_round(loop.history()[-1]["round"])
    assert labels_of(copy) == labels


def test_a_backup_of_the_labels_of_that_name_is_never_written_back() -> None:
    dataset = tiny(20)
    labels = corrected_by_hand(dataset)
    backup = labels_of(dataset, OURS.original)
    assert repr(OURS.original) in refusal(loop_of(dataset).compute_importance).what
    loop = loop_of(dataset, prefix="qa_")
    loop.compute_importance()
    loop.record_verdicts(dict.fromkeys(push(loop, n=3), "keep"))
    loop.undo_round(1)
    assert labels_of(dataset) == labels
    assert labels_of(dataset, OURS.original) == backup


def test_a_weight_of_zero_that_no_verdict_set_is_never_taken_back() -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=2, controls=0)
    dataset.set_values(OURS.weight, {asked[0]: 0.0, asked[1]: 0.5}, key_field="id")
    dataset.select(asked).tag_samples("cleaning:deleted")
    loop.record_verdicts({asked[0]: "keep", asked[1]: "delete"})
    assert weights(dataset, asked) == [0.0, 0.0]
    loop.undo_round(1)
    assert weights(dataset, asked) == [0.0, 1.0]  # what it had when it was shown
    assert not dataset.match_tags("cleaning:deleted").count()


def weights(dataset: Any, ids: list[str]) -> list[float]:
    return list(dataset.select(ids, ordered=True).values(OURS.weight))


# ---- what is on record comes along: an open round goes on


def exported(dataset: Any, folder: Path) -> Any:
    dataset.export(str(folder), dataset_type=fo.types.FiftyOneDataset, export_media=False)
    return fo.Dataset.from_dir(str(folder), dataset_type=fo.types.FiftyOneDataset)


COPIES: dict[str, Callable[[Any, Path], Any]] = {
    "clone": lambda dataset, folder: dataset.clone(),
    "export and import": exported,
}


@pytest.mark.parametrize("copy_of", COPIES.values(), ids=COPIES)
def test_an_open_round_is_answered_in_the_original_and_in_a_copy_apart(
    copy_of: Callable[[Any, Path], Any], tmp_path: Path
) -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=3)
    loop.record_verdicts({asked[0]: ("relabel", "B")})
    copy = copy_of(dataset, tmp_path / "copy")
    there, before = loop_of(copy), labels_of(dataset)
    there.record_verdicts({asked[1]: ("relabel", "B"), asked[2]: "delete"})
    assert labels_of(copy) == {**before, asked[1]: "B"}
    assert labels_of(dataset) == before
    assert batch(loop) == asked
    there.undo_round(1)
    assert labels_of(copy) == {**before, asked[0]: "A"}
    loop.record_verdicts(dict.fromkeys(asked[1:], "keep"))
    assert loop.history()[0]["state"] == "closed"
    assert labels_of(dataset) == before
    # A copy of the copy, and a new round on it.
    again = loop_of(copy.clone())
    assert push(again, n=3)


# ---- groups


def grouped(n: int = 20) -> Any:
    rng = np.random.default_rng(0)
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    samples = []
    for i in range(n):
        group = fo.Group()
        for side in ("left", "right"):
            sample = fo.Sample(filepath=f"/{side}/{i}.png", group=group.element(side))
            sample["a"] = fo.Classification(label="AB"[i % 2])
            sample["vec"] = (rng.normal(size=6) + 3 * (i % 2)).astype(np.float32)
            samples.append(sample)
    dataset.add_samples(samples)
    return dataset


def test_a_slice_is_cleaned_whichever_is_active_meanwhile() -> None:
    dataset = grouped()
    left = set(dataset.values("id"))
    loop, before = loop_of(dataset), labels_of(dataset)
    assert loop.compute_importance().samples == 20
    dataset.group_slice = "right"
    report = loop.push_round(AppDesk(), n=4, controls=1, class_of_interest="A")
    assert (report.n, report.created) == (4, 4)
    asked = batch(loop)
    assert set(asked) <= left
    dataset.group_slice = "left"
    loop.record_verdicts({asked[0]: ("relabel", "B"), asked[1]: "delete"})
    dataset.group_slice = "right"
    # Of a new process, which finds the other slice active.
    report = loop_of(dataset).record_verdicts({asked[2]: "keep", asked[3]: ("relabel", "B")})
    assert (report.changed, report.open_round) == (2, None)
    assert labels_of(dataset) == {**before, asked[0]: "B", asked[3]: "B"}
    loop_of(dataset).undo_round(1)
    assert labels_of(dataset) == before
    everything = dataset.select_group_slices(_allow_mixed=True)
    assert set(everything.exists(OURS.importance).values("id")) == left
    loop_of(dataset).compute_importance()
    assert everything.exists(OURS.importance).count() == 40


def test_views_of_groups_are_cleaned_or_refused_before_anything_is_written() -> None:
    dataset = grouped()
    assert loop_of(dataset.select_group_slices("right")).compute_importance().samples == 20
    before = documents(dataset)
    assert "dynamic groups" in refusal(loop_of, dataset.group_by("a.label")).what
    assert documents(dataset) == before


def test_a_slice_is_embedded_and_evaluated_whichever_is_active_meanwhile(tmp_path: Path) -> None:
    dataset = grouped(8)
    path = str(tmp_path / "black.png")
    Image.new("RGB", (4, 4)).save(path)
    everything = dataset.select_group_slices(_allow_mixed=True)
    everything.set_values("filepath", [path] * 16)
    for field in ("new", "vec"):  # where nothing is, and in place of what is there
        loop = CleaningLoop(dataset.select_group_slices(["left"]), "a", field, test_tag=None)
        dataset.group_slice = "right"
        if field == "vec":
            # The vectors of the other slice would stay, and they are of another network.
            assert (
                "must not be mixed"
                in refusal(loop.compute_embeddings, Brightness(), overwrite=True).what
            )
            continue
        assert loop.compute_embeddings(Brightness()).computed == 8
        assert loop.compute_embeddings(Brightness(), overwrite=True).computed == 8
        assert everything.exists("new").count() == 8
        dataset.group_slice = "left"
        assert dataset.exists("new").count() == 8
    dataset.group_slice = "left"
    loop = loop_of(dataset)
    loop.compute_importance()
    dataset.group_slice = "right"
    assert loop.publish_evaluation() in dataset.list_evaluations()
    loop.sample_coreset(3)
    assert set(everything.match_tags("coreset").values("group.name")) == {"left"}


class Brightness:
    """A model with one number for each image."""

    def embed(self, image: Any) -> Any:
        return np.array([float(image.mean()), 1.0], np.float32)


# ---- views of other documents


def with_detections() -> Any:
    dataset = tiny(6)
    boxes = [fo.Detections(detections=[fo.Detection(bounding_box=[0, 0, 1, 1])]) for _ in range(6)]
    dataset.set_values("boxes", boxes)
    return dataset


def video() -> Any:
    dataset = fo.Dataset()
    sample = fo.Sample(filepath="/videos/1.mp4", a=fo.Classification(label="A"))
    sample["events"] = fo.TemporalDetections(detections=[fo.TemporalDetection(support=[1, 2])])
    for number in (1, 2, 3):
        label = fo.Classification(label="A")
        sample.frames[number] = fo.Frame(a=label, filepath=f"/frames/{number}.png")
    dataset.add_sample(sample)
    return dataset


GENERATED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "patches": (with_detections, lambda dataset: dataset.to_patches("boxes")),
    "clips": (video, lambda dataset: dataset.to_clips("events")),
    "frames": (video, lambda dataset: dataset.to_frames(sample_frames=False)),
    "dynamic groups": (with_detections, lambda dataset: dataset.group_by("camera")),
}


@pytest.mark.parametrize(("make", "view_of"), GENERATED.values(), ids=GENERATED)
def test_views_of_generated_documents_are_refused_before_anything_is_written(
    make: Callable[[], Any], view_of: Callable[[Any], Any]
) -> None:
    dataset = make()
    view = view_of(dataset)
    before, generated = documents(dataset), view.values("id")
    error = refusal(loop_of, view)
    assert "must consist of its samples" in error.what
    assert "match, select, limit" in error.fix
    assert documents(dataset) == before
    assert view.values("id") == generated


def test_leaving_fields_out_of_a_view_leaves_nothing_out_of_the_loop() -> None:
    dataset = tiny(20)
    view = dataset.select_fields("camera").skip(4)
    for _ in range(2):
        assert loop_of(view).compute_importance().samples == 16
    loop = loop_of(view.exclude_fields("camera"))
    asked = push(loop, n=3)
    assert not set(asked) & set(dataset.limit(4).values("id"))
    loop.record_verdicts(dict.fromkeys(asked, "delete"))
    loop.publish_evaluation()
    loop.sample_coreset(4)
    assert dataset.exists(OURS.importance).count() == 16


def test_very_many_ids_go_to_the_database_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tiny(30)
    loop = loop_of(dataset)
    loop.compute_importance()
    monkeypatch.setattr(store_samples, "_IDS", 3)
    sizes = []
    select = store_samples.Samples.select

    def counted(self: Any, ids: Any) -> Any:
        ids = list(ids)
        sizes.append(len(ids))
        return select(self, ids)

    monkeypatch.setattr(store_samples.Samples, "select", counted)
    asked = push(loop, n=10)
    loop.record_verdicts(dict.fromkeys(asked, ("relabel", "B")))
    assert labels_of(dataset).keys() >= set(asked)
    assert {labels_of(dataset)[i] for i in asked} == {"B"}
    loop.sample_coreset(20)
    assert loop.undo_round(1) == 10
    assert sizes
    assert max(sizes) <= 3


def test_something_else_than_samples_is_refused() -> None:
    with pytest.raises(DataError, match=r"must be a fiftyone\.Dataset"):
        CleaningLoop([1, 2, 3])
