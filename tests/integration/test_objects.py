"""Wrong classes of detections: digits on photographs, from crops to verdicts, by ids of objects."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone.operators import types
from PIL import Image

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.app import settings
from coreset_cleaning.app.operators import name_marked
from coreset_cleaning.app.panel import facts, whole
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.grid import Mark
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.store.detections import DetectionsField
from coreset_cleaning.store.selection import Selection
from support.answers import answer_samples, task_ids
from support.objects import FIELD, Objects, Pixels, make_objects

VECTORS = "resnet18_embedding_ground_truth"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    """Scored objects, never to be changed."""
    made = make_objects(tmp_path_factory.mktemp("objects"))
    loop = CleaningLoop(made.dataset)
    assert loop.compute_embeddings(Pixels()).computed == 500
    assert loop.compute_importance().samples == 400
    yield made
    made.dataset.delete()


@pytest.fixture
def objects(template: Objects) -> Iterator[Objects]:
    clone = template.clone()
    yield clone
    clone.dataset.delete()


@pytest.fixture
def loop(objects: Objects) -> CleaningLoop:
    return CleaningLoop(objects.dataset)


def push(loop: CleaningLoop, n: int = 4, controls: int = 0) -> Round:
    report = loop.push_round(AppDesk(), n=n, controls=controls, scope="dataset")
    return loop.rounds.load(report.round)


def found(dataset: Any, label_id: str) -> Any:
    """Return an object as a user reads it."""
    [sample] = dataset.select_labels(ids=[label_id], fields=FIELD)
    [label] = sample[FIELD].detections
    return label


def other_class(dataset: Any, label_id: str) -> str:
    """Return a class that an object does not have."""
    return next(c for c in ("1", "3", "5", "8") if c != found(dataset, label_id).label)


def attributes(dataset: Any) -> dict[str, Any]:
    """Return what users have put on objects, and where these are, by id."""
    names = ("id", "bounding_box", "ink", "index", "confidence")
    columns = dataset.values([f"{FIELD}.detections.{name}" for name in names])
    flat = [chain(*column) for column in columns]
    return {label_id: row for label_id, *row in zip(*flat, strict=True)}


def test_two_rounds_find_wrong_classes_and_measure_what_they_bring(
    objects: Objects, loop: CleaningLoop
) -> None:
    wrong, before = objects.wrong, attributes(objects.dataset)
    at_random = len(wrong) / 400
    assert set(loop.find_confused_pair().classes) == {"1", "3", "5", "8"}
    start = loop.evaluate_round()
    shown: set[str] = set()
    for _ in range(2):
        round_ = push(loop, n=12, controls=2)
        shown |= {item.sample_id for item in round_.batch if not item.control}
        given = objects.given()
        report = loop.record_verdicts(
            {
                i: "keep" if given[i] == objects.truth[i] else ("relabel", objects.truth[i])
                for i in round_.sample_ids
            }
        )
        assert (report.new_answers, report.answered, report.gone) == (12, 12, [])
        loop.compute_importance()
    assert len(shown & wrong) / len(shown) >= 4 * at_random
    after = loop.evaluate_round()
    assert after.evaluation.all_classes.cv > start.evaluation.all_classes.cv
    assert {row["n_controls"] for row in loop.history()} == {2}
    assert loop.yields(scope="dataset") is not None
    test = objects.dataset.match_tags("test")
    assert not set(test.values(f"{FIELD}.detections.id", unwind=True)) & shown
    assert attributes(objects.dataset) == before
    # Everything is taken back, and what is not ours stays.
    assert loop.undo_round(1) + loop.undo_round(2) == 24
    assert objects.wrong == wrong
    assert set(objects.dataset.distinct(f"{FIELD}.detections.tags")) == {"mine"}


def test_verdicts_are_attributes_and_tags_of_their_object_alone(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset = objects.dataset
    one, two, three, four = [item.sample_id for item in push(loop).batch]
    label = found(dataset, one)
    other = other_class(dataset, one)
    loop.record_verdicts({one: ("relabel", other), two: "delete", three: "unsure"}, "ann")
    relabeled, deleted, unsure, waiting = (found(dataset, i) for i in (one, two, three, four))
    assert (relabeled.label, relabeled.original_label.label) == (other, label.label)
    assert (relabeled.bounding_box, relabeled.ink) == (label.bounding_box, label.ink)
    assert set(relabeled.tags) == {"mine", "cleaning:relabeled", "cleaning:round-001"}
    assert relabeled.cleaning_review.reviewers == ["ann"]
    assert (deleted.sample_weight, unsure.sample_weight) == (0, 1)
    assert "cleaning:deleted" in deleted.tags
    assert "cleaning:queued" in waiting.tags
    assert not hasattr(waiting, "cleaning_review")
    assert dataset.count(f"{FIELD}.detections") == 500
    assert dataset.count_sample_tags() == {"train": 80, "test": 20}
    # A saved view shows them as they are, whenever it is opened.
    assert dataset.load_saved_view("cleaning relabeled").values("id") == [one]
    assert set(dataset.load_saved_view("cleaning round 001").values("id")) == {
        one, two, three, four,
    }  # fmt: skip
    loop.record_verdicts({one: "keep"}, "ann")
    assert len(dataset.load_saved_view("cleaning relabeled")) == 0
    assert found(dataset, one).label == label.label


def labels_within_labels(dataset: Any) -> set[str]:
    """Return attributes of the objects that are labels themselves."""
    fields = dataset.get_field(f"{FIELD}.detections").field.get_field_schema(
        ftype=fo.EmbeddedDocumentField
    )
    return {name for name, field in fields.items() if issubclass(field.document_type, fo.Label)}


def test_fiftyone_s_own_annotation_goes_on_knowing_the_objects(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset = objects.dataset
    one, *_ = [item.sample_id for item in push(loop).batch]
    loop.record_verdicts({one: ("relabel", other_class(dataset, one))})
    relabeled = found(dataset, one)
    assert relabeled.suggested_label.confidence > 0
    assert relabeled.original_label.label in ("1", "3", "5", "8")
    assert not labels_within_labels(dataset)  # it refuses the whole dataset if there are any
    if hasattr(dataset, "generate_label_schemas"):  # not before FiftyOne 1.13
        schema = dataset.generate_label_schemas(FIELD, scan_samples=False)
        assert schema["type"] == "detections"


def test_classes_that_were_kept_as_labels_within_labels_stay_such(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset, names = objects.dataset, {"suggested_label", "original_label"}
    for name in names:
        dataset.delete_sample_field(f"{FIELD}.detections.{name}", error_level=2)
        with patch.object(DetectionsField, "class_document", fo.Classification):
            loop.labels.declare_class(f"{FIELD}.detections.{name}")
    loop.compute_importance()
    one, *_ = [item.sample_id for item in push(loop).batch]
    before = found(dataset, one).label
    loop.record_verdicts({one: ("relabel", other_class(dataset, one))})
    assert labels_within_labels(dataset) == names
    sample = dataset.match_labels(ids=[one]).first()
    sample.save()  # FiftyOne checks what the objects hold
    assert isinstance(found(dataset, one).suggested_label, fo.Classification)
    assert found(dataset, one).original_label.label == before
    loop.undo_round(1)
    assert found(dataset, one).label == before


def test_the_queue_is_a_view_of_patches_in_its_order(objects: Objects, loop: CleaningLoop) -> None:
    view = loop.queue_view("3")
    assert set(view.values(f"{FIELD}.label")) == {"3"}
    importance = view.values(f"{FIELD}.coreset_importance")
    assert importance == sorted(importance, reverse=True)
    saved = objects.dataset.load_saved_view("cleaning queue 3")
    assert saved.values("id") == view.values("id")
    batch = [item.sample_id for item in push(loop, n=2).batch]
    assert not set(batch) & set(loop.queue_view(scope="dataset").values("id"))
    assert set(loop.labels.select(batch).values("id")) == set(batch)
    assert loop.labels.images(batch).keys() == set(batch)


def test_answers_about_objects_that_are_not_what_they_were_are_reported_and_not_applied(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset = objects.dataset
    ids = [item.sample_id for item in push(loop, n=6).batch]
    gone, moved, renamed, twice, tightened, fine = ids
    home = {i: loop.labels.select([i]).first().sample_id for i in ids}

    def change(label_id: str, edit: Any) -> None:
        sample = dataset[home[label_id]]
        sample[FIELD].detections = edit(sample[FIELD].detections, label_id)
        sample.save()

    def mine(labels: list[Any], label_id: str) -> Any:
        return next(label for label in labels if label.id == label_id)

    def remove(labels: list[Any], label_id: str) -> list[Any]:
        # Whoever comes next takes its place in the list.
        return [label for label in labels if label.id != label_id]

    def move(labels: list[Any], label_id: str) -> list[Any]:
        mine(labels, label_id).bounding_box = [0.0, 0.0, 0.1, 0.1]
        return labels

    def tighten(labels: list[Any], label_id: str) -> list[Any]:
        x, y, w, h = mine(labels, label_id).bounding_box
        mine(labels, label_id).bounding_box = [x + 0.01, y, w - 0.02, h]
        return labels

    def rename(labels: list[Any], label_id: str) -> list[Any]:
        mine(labels, label_id).label = "9"
        return labels

    def split(labels: list[Any], label_id: str) -> list[Any]:
        half = fo.Detection.from_dict(mine(labels, label_id).to_dict())  # an import that keeps ids
        half.bounding_box = [0.5, 0.5, 0.1, 0.1]
        return [*labels, half]

    for label_id, edit in (
        (gone, remove), (moved, move), (renamed, rename), (twice, split), (tightened, tighten),
    ):  # fmt: skip
        change(label_id, edit)
    before = objects.dataset.values([f"{FIELD}.detections.label"], unwind=True)
    report = loop.record_verdicts(dict.fromkeys(ids, "delete"))
    assert set(report.gone) == {gone, twice}
    assert set(report.outdated) == {moved, renamed}
    assert "2 answers are about a label that is no longer there" in str(report)
    weights = dataset.filter_labels(FIELD, F("sample_weight") == 0)
    assert set(weights.values(f"{FIELD}.detections.id", unwind=True)) == {tightened, fine}
    assert objects.dataset.values([f"{FIELD}.detections.label"], unwind=True) == before


def test_new_and_changed_objects_get_vectors_and_tiny_boxes_are_named(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset = objects.dataset
    sample = dataset.match_tags("train").first()
    first, second, *_ = sample[FIELD].detections
    first.bounding_box = [0.5, 0.5, 0.2, 0.2]
    tiny = fo.Detection(label="3", bounding_box=[0.1, 0.1, 0.005, 0.2], tags=["mine"])
    outside = fo.Detection(label="3", bounding_box=[1.1, 0.1, 0.2, 0.2])
    sample[FIELD].detections += [tiny, outside, fo.Detection(label="5")]
    sample[FIELD].detections.remove(second)
    sample.save()
    report = loop.compute_embeddings(Pixels())
    assert (report.computed, report.present) == (1, 498)
    reasons = {where.rpartition(" ")[2]: why for where, why in report.unreadable}
    assert reasons.pop(tiny.id) == "the box is under 4 pixels high or wide: 2 x 48"
    assert reasons.pop(outside.id) == "the box lies outside of the image"
    assert list(reasons.values()) == ["there is no box"]
    assert found(dataset, tiny.id).tags == ["mine", "cleaning:unreadable"]
    assert len(sample.reload() or sample[VECTORS]["ids"]) == 4
    again = loop.compute_embeddings(Pixels())
    assert (again.computed, {where for where, _ in again.unreadable}) == (
        0,
        {where for where, _ in report.unreadable},
    )
    assert loop.coverage().without_vector == 3
    # A box that is large enough again loses the tag.
    label = next(label for label in sample[FIELD].detections if label.id == tiny.id)
    label.bounding_box = [0.1, 0.1, 0.2, 0.2]
    sample.save()
    assert loop.compute_embeddings(Pixels()).computed == 1
    assert found(dataset, tiny.id).tags == ["mine"]


def test_vectors_are_replaced_only_when_all_new_ones_are_there(
    objects: Objects, loop: CleaningLoop
) -> None:
    dataset = objects.dataset
    ids, before, _ = loop.labels.vectors(loop_split())
    assert loop.compute_embeddings(Darker(), overwrite=True).computed == 500
    again, after, _ = loop.labels.vectors(loop_split())
    assert ids == again == sorted(ids)
    np.testing.assert_allclose(after, before / 2)
    assert [name for name in dataset.get_field_schema() if "replaced" in name] == []
    with pytest.raises(DataError, match="must not be mixed in"):
        loop.compute_embeddings(Pixels())
    some = [ids[7], ids[3]]
    np.testing.assert_array_equal(loop.labels.vectors_of(some), after[[7, 3]])


def loop_split() -> Any:
    from coreset_cleaning.store.selection import Split

    return Split.VIEW


class Darker(Pixels):
    """The same with other numbers."""

    def embed_all(self, images: list[np.ndarray]) -> np.ndarray:
        """Return half of each pixel."""
        return super().embed_all(images) / 2


def test_an_image_that_cannot_be_read_names_all_of_its_objects(tmp_path: Any) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("RGB", (64, 64)).save(good)
    bad.write_bytes(b"not an image")
    dataset = fo.Dataset()
    for path in (good, bad):
        sample = fo.Sample(filepath=str(path))
        boxes = [[0.1, 0.1, 0.5, 0.5], [0.4, 0.4, 0.5, 0.5]]
        sample[FIELD] = fo.Detections(
            detections=[fo.Detection(label="a", bounding_box=box) for box in boxes]
        )
        dataset.add_sample(sample)
    report = CleaningLoop(dataset).compute_embeddings(Pixels())
    assert report.computed == 2
    assert {why for _, why in report.unreadable} == {"not an image format that PIL reads"}
    assert len(report.unreadable) == 2
    dataset.delete()


def test_attributes_of_a_user_s_are_never_taken_over(template: Objects) -> None:
    dataset = template.dataset.match_tags("train").limit(3).clone()
    for name in list(dataset.list_runs()):
        dataset.delete_run(name)
    for view in list(dataset.list_saved_views()):
        dataset.delete_saved_view(view)
    loop = CleaningLoop(dataset)
    for name in loop.labels.names.fields():
        if dataset.has_field(name):
            dataset.delete_sample_field(name)
    sample = dataset.first()
    sample[FIELD].detections[1]["sample_weight"] = 0.3  # FiftyOne declares nothing
    sample.save()
    assert not dataset.has_field(f"{FIELD}.detections.sample_weight")
    with pytest.raises(DataError, match=r"the field 'ground_truth\.detections\.sample_weight'"):
        loop.compute_importance()
    CleaningLoop(dataset, prefix="qa_").labels.check_names()
    dataset.delete()


def test_objects_without_an_id_of_their_own_are_refused(
    objects: Objects, loop: CleaningLoop
) -> None:
    first = objects.dataset.match_tags("train").first()
    objects.dataset.add_sample(fo.Sample(filepath="other.png", **{FIELD: first[FIELD].copy()}))
    copy = objects.dataset.match(F("filepath").ends_with("other.png")).first()
    copy[FIELD].detections[0].id = first[FIELD].detections[0].id
    copy.save()
    with pytest.raises(DataError, match="must have ids of their own; 1 have"):
        loop.compute_importance()


def test_a_coreset_of_objects_and_the_check_of_the_dataset(
    objects: Objects, loop: CleaningLoop
) -> None:
    for m in (30, 10):
        report = loop.sample_coreset(m)
        view = objects.dataset.load_saved_view("coreset")
        assert len(view) == report.samples <= m
        assert sum(view.values(f"{FIELD}.coreset_weight")) == pytest.approx(report.total_weight)
    names = {finding["name"]: finding for finding in loop.check_dataset()}
    assert names["dataset"]["detail"].startswith("500 objects on 100 samples, 4 classes")
    assert all(finding["ok"] for finding in names.values())


@pytest.mark.parametrize("lowest_first", [False, True])
def test_the_first_of_a_queue_are_the_first_of_all_of_it(
    loop: CleaningLoop, lowest_first: bool
) -> None:
    labels = loop.labels
    queue = Selection(classes=("3", "8"), sorted_by=labels.names.importance)
    queue = replace(queue, has=(labels.names.importance,), lowest_first=lowest_first)
    whole = labels.values(queue, [labels.path, labels.names.importance])
    assert whole[2] == sorted(whole[2], reverse=not lowest_first)
    first = labels.values(queue, [labels.path, labels.names.importance], limit=7)
    assert first == tuple(column[:7] for column in whole)
    assert len(labels.values(Selection(), [], limit=7)[0]) == 7


@pytest.mark.parametrize("step", ["compute_embeddings", "compute_importance"])
def test_a_cluster_is_refused_before_anything_asks_for_one(loop: CleaningLoop, step: str) -> None:
    with pytest.raises(DataError, match="'ground_truth' must be embedded and scored on one mach"):
        getattr(loop, step)(engine="ray")


def test_a_view_limits_what_is_read_and_changed(objects: Objects) -> None:
    dataset = objects.dataset
    view = dataset.filter_labels(FIELD, F("ink") > 300)
    loop = CleaningLoop(view)
    inside = set(view.values(f"{FIELD}.detections.id", unwind=True))
    assert 0 < len(inside) < 500
    assert loop.sample_coreset(20).samples > 0
    tagged = dataset.match_labels(tags="coreset").filter_labels(
        FIELD, F("tags").contains("coreset")
    )
    assert set(tagged.values(f"{FIELD}.detections.id", unwind=True)) <= inside
    assert set(loop.queue_view(scope="dataset").values("id")) <= inside


def test_the_app_offers_objects_with_the_vectors_of_their_crops(objects: Objects) -> None:
    dataset = objects.dataset
    assert settings.label_fields(dataset) == [FIELD]
    chosen = settings.resolve(dataset)
    assert (chosen.label_field, chosen.embeddings_field) == (FIELD, "resnet18_embedding")
    assert settings.embeddings_fields(dataset, FIELD) == ["resnet18_embedding"]
    loop = CleaningLoop(dataset, chosen.label_field, chosen.embeddings_field)
    assert whole.count(loop, has_yields=False)["left_out"] is None
    assert facts.rounds(loop)["rounds"] == []


def test_the_app_s_pages_show_objects_in_order_and_their_marks_are_verdicts(
    objects: Objects, loop: CleaningLoop
) -> None:
    push(loop, n=5)
    page = loop.next_page(3)
    assert page is not None
    view = loop.page_view(page.label_ids, page.suggestions)
    assert view.values("id") == list(page.label_ids)  # patches, by the id of their object
    assert loop.page_fields() == [FIELD, "suggested_label"]  # both are on the thumbnails
    suggested = found(objects.dataset, page.label_ids[0]).suggested_label.label
    assert view.values("suggested_label.label") == [page.suggestions[i] for i in page.label_ids]
    assert not objects.dataset.has_field("suggested_label")
    report = loop.commit_page(page.label_ids, {page.label_ids[0]: Mark.SUGGESTION.value})
    assert (report.answered, report.total) == (3, 5)
    assert objects.given()[page.label_ids[0]] == suggested
    assert set(loop.next_page(3).label_ids).isdisjoint(page.label_ids)


def test_the_form_for_marked_objects_asks_about_each(
    objects: Objects, loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(loop, n=3)
    page = loop.next_page(3)
    assert page is not None
    one, two, _ = page.label_ids
    view, marked = loop.page_view(page.label_ids), [{"id": i, "type": "alt"} for i in (one, two)]
    monkeypatch.setattr(name_marked, "loop_for", lambda ctx: loop)

    def context(**params: Any) -> Any:
        ctx = SimpleNamespace(view=view, selected_samples=marked, params=params)
        ctx.store = lambda name: SimpleNamespace(get=lambda key: None)
        return ctx

    inputs = types.Object()
    name_marked.NameMarked().form(context(), inputs)
    given = objects.given()
    asked = [inputs.properties[f"answer_{k}"].type.to_json() for k in (0, 1)]
    assert len(asked) == 2
    texts = [inputs.properties[f"answer_{k}"].view.label for k in (0, 1)]
    assert texts == [f"Labeled “{given[i]}”. What is it?" for i in (one, two)]
    address = inputs.properties["picture_0"].default
    with Image.open(io.BytesIO(b64decode(address.removeprefix("data:image/jpeg;base64,")))) as crop:
        assert max(crop.size) == 480  # what is around the object: its image is 320 x 240
    name_marked.NameMarked().run(context(answer_0="delete", answer_1="wrong_box"))
    assert "cleaning:wrong_box" in found(objects.dataset, two).tags
    deleted = objects.dataset.filter_labels(FIELD, F("sample_weight") == 0)
    assert deleted.values(f"{FIELD}.detections.id", unwind=True) == [one]


@pytest.mark.parametrize("name", [FIELD, f"{FIELD}.detections", f"{FIELD}.detections.tags"])
def test_a_read_only_field_around_objects_is_named_and_unlocked_once(
    objects: Objects, loop: CleaningLoop, name: str
) -> None:
    dataset = objects.dataset
    ids = [item.sample_id for item in push(loop).batch]
    field = dataset.get_field(name)
    field.read_only = True
    field.save()
    with pytest.raises(DataError, match=f"field '{name}' of") as refused:
        loop.record_verdicts(dict.fromkeys(ids, "delete"))
    exec(refused.value.fix.removeprefix("Unlock it: "), {"dataset": dataset})
    assert CleaningLoop(dataset).record_verdicts(dict.fromkeys(ids, "delete")).closed == [1]


# ---- Label Studio


def test_label_studio_shows_the_object_and_its_answers_change_it_alone(
    objects: Objects, loop: CleaningLoop, server: LabelStudioServer
) -> None:
    dataset, before = objects.dataset, attributes(objects.dataset)
    pushed = loop.push_round(server, n=4, controls=0, scope="dataset", context="image")
    tasks = task_ids(server, pushed.project)
    assert set(tasks) == loop.rounds.load(1).sample_ids  # keys name the object
    shown = server.get(f"api/tasks/{next(iter(tasks.values()))}/")["data"]["image"]
    status, content, _ = server.fetch(shown.lstrip("/"))
    assert status == 200
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (480, 360)  # the whole image of 320 x 240, enlarged
    one, two, three, four = tasks
    given = objects.given()
    other = next(c for c in ("1", "3", "5", "8") if c != given[one])
    answer_samples(
        server,
        pushed.project,
        {
            one: ("relabel", other),
            two: ("delete", None),
            three: ("keep", None),
            four: ("wrong_box", None),
        },
        n_classes=4,
    )
    report = loop.pull_reviews(server)
    assert (report.answered, report.total, report.closed) == (4, 4, [1])
    assert objects.given() == {**given, one: other}
    assert attributes(dataset) == before
    deleted = dataset.filter_labels(FIELD, F("sample_weight") == 0)
    assert deleted.values(f"{FIELD}.detections.id", unwind=True) == [two]
    assert "cleaning:wrong_box" in found(dataset, four).tags
    assert dataset.load_saved_view("cleaning wrong_box").values("id") == [four]
    names = {finding["name"]: finding for finding in loop.check_project(server)}
    assert names["project"]["detail"].endswith("labeling config as it should be")


def test_pictures_are_made_only_where_they_can_be(
    objects: Objects, loop: CleaningLoop, server: LabelStudioServer
) -> None:
    with pytest.raises(DataError, match="must be shown with images='upload', got 'url'"):
        loop.push_round(server, n=2, controls=0, scope="dataset", images="url")
    first = loop.queue_view(scope="dataset").first()
    sample = objects.dataset[first.sample_id]
    sample.filepath = "/nowhere/gone.png"
    sample.save()
    with pytest.raises(DataError, match=r"1 of 2 objects can't be shown.*no such file"):
        loop.push_round(server, n=2, controls=0, scope="dataset")
    assert loop.history() == []
    assert loop.push_round(AppDesk(), n=2, controls=0, scope="dataset").created == 2
    with pytest.raises(DataError, match="context must be one of crop, image"):
        loop.push_round(server, context="box")


def test_objects_leave_as_coco_and_come_back_with_classes_boxes_and_weights(
    objects: Objects, loop: CleaningLoop, tmp_path: Path
) -> None:
    wrong = sorted(objects.wrong)[:2]
    loop.push_round(AppDesk(), n=400, controls=0, scope="dataset")
    loop.record_verdicts({wrong[0]: ("relabel", objects.truth[wrong[0]]), wrong[1]: "delete"})
    names = ["id", "label", "bounding_box", "sample_weight"]
    columns = [f"{FIELD}.detections.{name}" for name in names]
    rows = zip(*(chain(*column) for column in objects.dataset.values(columns)), strict=True)
    given = {i: (label, box, 1.0 if w is None else w) for i, label, box, w in rows}

    report = loop.export_cleaned(tmp_path / "coco", "coco", keep_deleted=True)
    assert report.splits == {"train": 400, "test": 100}
    found = {}
    for split in ("train", "test"):
        there = fo.Dataset.from_dir(
            str(tmp_path / "coco" / split),
            dataset_type=fo.types.COCODetectionDataset,
            label_types=["detections"],
        )
        try:
            for sample in there:
                assert Path(sample.filepath).is_file()
                for one in sample[FIELD].detections:
                    found[one["label_id"]] = (one.label, one.bounding_box, one["weight"])
        finally:
            there.delete()
    assert {i: (label, weight) for i, (label, _, weight) in found.items()} == {
        i: (label, weight) for i, (label, _, weight) in given.items()
    }
    assert found[wrong[0]][0] == objects.truth[wrong[0]]
    assert found[wrong[1]][2] == 0
    order = list(given)
    assert np.allclose([found[i][1] for i in order], [given[i][1] for i in order], atol=1e-9)


def test_labels_of_whole_images_are_no_coco(digits: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'coco' must be given objects with boxes"):
        CleaningLoop(digits.dataset, embeddings_field="pixels").export_cleaned(
            tmp_path / "out", "coco"
        )
    assert list(tmp_path.iterdir()) == []
