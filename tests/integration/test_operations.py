"""What FiftyOne lets a user do to a dataset, done between any two of our steps.

Each either makes no difference, or is refused in words whose way out, taken literally, lets the
loop go on; and nothing of the user's changes that no verdict changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fiftyone as fo
import pytest
from fiftyone import ViewField as F

from coreset_cleaning import CleaningLoop
from coreset_cleaning.core.errors import CleaningError
from support.neighbours import OURS, documents, labels_of, loop_of, of_the_user, push, refusal, tiny


@dataclass
class State:
    """A dataset on its way through the loop."""

    dataset: Any
    folder: Path
    labels: dict[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    kept: CleaningLoop | None = None
    times: int = 0

    def loop(self) -> CleaningLoop:
        """Return, in turns, the loop of a process that runs on and that of a new one."""
        self.times += 1
        if self.times % 2 and self.kept is not None:
            return self.kept
        return loop_of(self.dataset)

    def replace(self, dataset: Any) -> None:
        """Go on with a copy: the loop object knows only the dataset it was made for."""
        self.dataset, self.kept = dataset, None

    def relabel(self, sample_id: str, label: str | None) -> None:
        if self.labels.get(sample_id) is not None:
            self.labels[sample_id] = label


# ---- the steps


def score(state: State) -> None:
    state.loop().compute_importance()


def push_first(state: State) -> None:
    state.asked = push(state.loop(), n=4)


def record_some(state: State) -> None:
    first, second, *_ = state.asked
    state.loop().record_verdicts({first: ("relabel", "B"), second: "delete"}, reviewer="ann")
    state.relabel(first, "B")


def record_a_page(state: State) -> None:
    _, _, third, fourth = state.asked
    loop = state.loop()
    page = loop.next_page()
    assert page is not None
    assert page.label_ids == (third, fourth)
    loop.commit_page([third], {}, reviewer="ann")
    loop.commit_page([fourth], {fourth: "alt"}, {fourth: "delete"}, reviewer="ann")


def take_a_page_back(state: State) -> None:
    fourth = state.asked[3]
    assert state.loop().take_back_page() == {fourth: "alt"}


def record_the_rest(state: State) -> None:
    state.loop().record_verdicts({state.asked[3]: "unsure"}, reviewer="ann")


def take_along(state: State) -> None:
    loop = state.loop()
    report = loop.export_cleaned(state.folder / f"labels-{state.times}.csv")
    labeled = sum(label is not None for label in state.labels.values())
    # One label was deleted; what a user calls test is no part of the samples that are trained on.
    assert (report.exported, report.left_out) == (labeled - 1, 1)
    assert [row["id"] for row in loop.changes()] == sorted(state.asked[:2])


def undo(state: State) -> None:
    state.loop().undo_round(1)
    state.relabel(state.asked[0], "A")


def redo(state: State) -> None:
    state.loop().redo_round(1)
    state.relabel(state.asked[0], "B")


def push_second(state: State) -> None:
    assert state.asked[0] not in push(state.loop(), n=3, cls="B")


def close(state: State) -> None:
    assert state.loop().close_round().round == 2


STEPS = (
    score,
    push_first,
    record_some,
    record_a_page,
    take_a_page_back,
    record_the_rest,
    take_along,
    undo,
    redo,
    score,
    push_second,
    close,
)


# ---- what happens in between


def nothing(state: State) -> None:
    pass


def rename_the_dataset(state: State) -> None:
    state.dataset.name = f"{state.dataset.name}-{state.times}"


def clone(state: State) -> None:
    state.replace(state.dataset.clone())


def export_and_import(state: State) -> None:
    folder = state.folder / str(state.times)
    state.dataset.export(str(folder), dataset_type=fo.types.FiftyOneDataset, export_media=False)
    state.replace(fo.Dataset.from_dir(str(folder), dataset_type=fo.types.FiftyOneDataset))


def merge_samples_with_news(state: State) -> None:
    other = fo.Dataset()
    other.add_samples(
        [
            fo.Sample(filepath=path, lens=f"lens {state.times}")
            for path in state.dataset.values("filepath")[:5]
        ]
    )
    state.dataset.merge_samples(other)
    other.delete()


def merge_samples_of_a_copy(state: State) -> None:
    copy = state.dataset.clone()
    state.dataset.merge_samples(copy)
    copy.delete()


def add_a_collection(state: State) -> None:
    other = tiny(3)
    for sample in other.iter_samples(autosave=True):
        sample.filepath = f"/more/{state.times}-{sample.filename}"
    other.select_fields("camera").clone().delete()
    state.dataset.add_collection(other)
    state.labels |= labels_of(other)
    other.delete()


def add_samples(state: State) -> None:
    sample = fo.Sample(filepath=f"/new/{state.times}.png", camera="new")
    state.dataset.add_sample(sample)
    state.labels[sample.id] = None


def delete_other_samples(state: State) -> None:
    others = [i for i in state.dataset.values("id") if i not in state.asked]
    if state.asked:
        state.dataset.delete_samples(others[:1])
        state.labels.pop(others[0])


def delete(name: str) -> Callable[[State], None]:
    def delete_field(state: State) -> None:
        if state.dataset.has_field(name):
            state.dataset.delete_sample_field(name)

    return delete_field


def clear(name: str) -> Callable[[State], None]:
    def clear_field(state: State) -> None:
        if state.dataset.has_field(name):
            state.dataset.clear_sample_field(name)

    return clear_field


def rename(name: str) -> Callable[[State], None]:
    def rename_field(state: State) -> None:
        if state.dataset.has_field(name):
            state.dataset.rename_sample_field(name, f"{name}_renamed")

    return rename_field


def rename_scores(state: State) -> None:
    if state.dataset.has_field(OURS.disagreement):
        state.dataset.rename_sample_field(OURS.disagreement, f"was_{state.times}")


def rename_run(key: str) -> Callable[[State], None]:
    def rename(state: State) -> None:
        if state.dataset.has_run(key):
            state.dataset.rename_run(key, f"renamed_{key}")

    return rename


def delete_run(key: str) -> Callable[[State], None]:
    def delete(state: State) -> None:
        if state.dataset.has_run(key):
            state.dataset.delete_run(key)

    return delete


def lock(name: str) -> Callable[[State], None]:
    def make_read_only(state: State) -> None:
        found = state.dataset.get_field(name)
        if found is not None and not found.read_only:
            found.read_only = True
            found.save()

    return make_read_only


def copy_our_fields(state: State) -> None:
    for name in OURS.fields():
        if state.dataset.has_field(name):
            state.dataset.clone_sample_field(name, f"{name}_{state.times}")


def list_other_classes(state: State) -> None:
    state.dataset.default_classes = ["A", "zebra", f"class {state.times}"]
    state.dataset.classes = {"other": ["zebra"]}
    state.dataset.save()


def list_no_class_of_ours(state: State) -> None:
    state.dataset.classes = {"a": ["A"]}
    state.dataset.save()


def remove_all_tags(state: State) -> None:
    state.dataset.untag_samples(state.dataset.distinct("tags"))


def add_our_tags(state: State) -> None:
    if state.asked:
        state.dataset.limit(20).tag_samples(["cleaning:round-001", "cleaning:conflict"])


def remove_saved_views(state: State) -> None:
    state.dataset.delete_saved_views()


def rename_saved_views(state: State) -> None:
    for name in state.dataset.list_saved_views():
        if not name.startswith("renamed"):
            state.dataset.update_saved_view_info(
                name, {"name": f"renamed {state.times} {name}", "description": "mine"}
            )


def reset_the_app(state: State) -> None:
    state.dataset.app_config = fo.DatasetAppConfig()
    state.dataset.save()


def arrange_the_app(state: State) -> None:
    config = state.dataset.app_config
    config.sidebar_groups = [fo.SidebarGroupDocument(name="mine", paths=["a", OURS.weight])]
    config.active_fields = fo.ActiveFields(paths=["camera"], exclude=True)
    config.color_scheme = fo.ColorScheme(color_by="field", fields=[{"path": "a"}])
    state.dataset.save()


def drop_the_index(state: State) -> None:
    for name in state.dataset.list_indexes():
        if "importance" in name:
            state.dataset.drop_index(name)


def make_indexes(state: State) -> None:
    state.dataset.create_index("camera")
    state.dataset.create_index("a.label")


def change_persistence(state: State) -> None:
    state.dataset.persistent = not state.dataset.persistent


def describe_fields(state: State) -> None:
    for name, found in state.dataset.get_field_schema().items():
        if name in ("created_at", "last_modified_at"):
            continue  # of FiftyOne
        found.description = f"mine, {state.times}"
        found.save()
    state.dataset.info = {"version": state.times}
    state.dataset.tags = ["done"]
    state.dataset.save()


def mark_weights(state: State) -> None:
    if state.dataset.has_field(OURS.weight):
        others = [i for i in state.dataset.values("id") if i not in state.asked][:3]
        state.dataset.set_values(OURS.weight, dict.fromkeys(others, 0.5), key_field="id")


def new_label_documents(state: State) -> None:
    labels = {i: fo.Classification(label=label) for i, label in state.labels.items() if label}
    state.dataset.set_values("a", labels, key_field="id")


def score_another_field(state: State) -> None:
    if not state.dataset.has_field("b"):
        state.dataset.clone_sample_field("a", "b")
    loop_of(state.dataset, "b").compute_importance()


def score_a_view(state: State) -> None:
    if state.times:
        loop_of(state.dataset.limit(30)).compute_importance()


def score_a_view_without_fields(state: State) -> None:
    if state.times:
        loop_of(state.dataset.select_fields("camera").skip(2)).compute_importance()


def tag_the_batch_as_test(state: State) -> None:
    state.dataset.select(state.asked).tag_samples("test")
    state.kept = loop_of(state.dataset, test_tag="test") if state.asked else state.kept


def publish_and_forget(state: State) -> None:
    if state.asked:
        loop = loop_of(state.dataset)
        state.dataset.delete_evaluation(loop.publish_evaluation())


def add_dynamic_fields(state: State) -> None:
    for sample in state.dataset.limit(2).iter_samples(autosave=True):
        sample.a["note"] = f"mine {state.times}"
    state.dataset.add_dynamic_sample_fields()


# Several that have nothing to do with each other go through the steps together.
ALWAYS = {
    "nothing": [nothing],
    "clone": [rename_the_dataset, clone],
    "export and import": [export_and_import, change_persistence],
    "merge": [merge_samples_with_news, merge_samples_of_a_copy, add_a_collection, add_samples],
    "delete": [delete_other_samples, delete(OURS.disagreement), delete(OURS.review)],
    "no first labels": [delete(OURS.original), delete(OURS.weight)],
    "clear": [clear(OURS.review), clear(OURS.weight)],
    "clear weights and tags": [clear(OURS.weight), remove_all_tags],
    "clear first labels": [clear(OURS.original), clear(OURS.influence), mark_weights],
    "runs": [delete_run("cleaning_start_a"), delete_run("cleaning_score_a"), publish_and_forget],
    "classes": [list_other_classes, copy_our_fields, rename_scores, new_label_documents],
    "classes of the field": [list_no_class_of_ours, add_dynamic_fields],
    "tags": [remove_all_tags, add_our_tags],
    "views": [remove_saved_views, make_indexes, drop_the_index],
    "renamed views": [rename_saved_views, describe_fields],
    "app": [reset_the_app],
    "arranged app": [arrange_the_app],
    "another field": [score_another_field],
    "views scored": [score_a_view, score_a_view_without_fields],
    "test split": [tag_the_batch_as_test],
}
UNLOCK = "field = dataset.get_field({name!r}); field.read_only = False; field.save()"
RENAME_BACK = "dataset.rename_sample_field({new!r}, {name!r})"
LOCKED = ("a", "tags", *OURS.fields()[:8])
RENAMED = OURS.fields()[5:8]
RUNS = ("cleaning_score_a", "cleaning_start_a", "cleaning_round_001")
RENAME_RUN = "dataset.rename_run({new!r}, {name!r})"
REFUSED = {
    "locked": ([lock(n) for n in LOCKED], [UNLOCK.format(name=n) for n in LOCKED]),
    "locked class": ([lock("a.label")], [UNLOCK.format(name="a.label")]),
    "renamed": (
        [rename(n) for n in RENAMED],
        [RENAME_BACK.format(name=n, new=f"{n}_renamed") for n in RENAMED],
    ),
    "no suggestions": ([clear(OURS.suggested)], ["loop.compute_importance()"]),
    "no importance": ([delete(OURS.importance)], ["loop.compute_importance()"]),
    "renamed runs": (
        [rename_run(key) for key in RUNS],
        [RENAME_RUN.format(name=key, new=f"renamed_{key}") for key in RUNS],
    ),
    "renamed labels": ([rename("a")], ["dataset.rename_sample_field(NAME, 'a')"]),
}


def walk(
    between: Sequence[Callable[[State], None]], ways_out: Sequence[str], folder: Path
) -> set[str]:
    """Go through all steps with something happening before each; return the ways out taken."""
    dataset, taken = tiny(40), set()
    dataset.save_view("mine", dataset.match(F("camera") == "camera 1"))
    dataset.register_run("mine", dataset.init_run(method="mine", note="keep this"))
    state = State(dataset, folder, labels_of(dataset))
    state.kept = loop_of(dataset)
    for step in STEPS:
        for operation in between:
            operation(state)
        users = of_the_user(state.dataset, OURS, "a")
        while (way_out := refused(step, state, ways_out)) is not None:
            taken.add(way_out)
            loop = None if "NAME" in way_out else loop_of(state.dataset)
            exec(way_out, {"dataset": state.dataset, "loop": loop, "NAME": "a_renamed"})
            users = of_the_user(state.dataset, OURS, "a")
        assert of_the_user(state.dataset, OURS, "a") == users
        assert labels_of(state.dataset) == state.labels
    rows = loop_of(state.dataset).history()
    assert [(row["reviewed"], row["state"]) for row in rows] == [(4, "closed"), (0, "closed")]
    return taken


def refused(step: Callable[[State], None], state: State, ways_out: Sequence[str]) -> str | None:
    """Take a step; return the way out that the message shows when it is refused."""
    before = documents(state.dataset) if ways_out else {}
    try:
        step(state)
    except CleaningError as error:
        shown = [way_out for way_out in ways_out if way_out in error.fix]
        if not shown:
            raise
    else:
        return None
    assert documents(state.dataset) == before
    return shown[0]


@pytest.mark.parametrize("between", ALWAYS.values(), ids=ALWAYS)
def test_nothing_is_lost_or_stuck_whatever_is_done_between_two_steps(
    between: list[Callable[[State], None]], tmp_path: Path
) -> None:
    assert walk(between, [], tmp_path) == set()


@pytest.mark.parametrize(("between", "ways_out"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_goes_on_once_the_way_out_is_taken(
    between: list[Callable[[State], None]], ways_out: list[str], tmp_path: Path
) -> None:
    assert walk(between, ways_out, tmp_path) == set(ways_out)


def test_a_label_field_that_was_deleted_is_said_to_be_missing() -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=3)
    dataset.clone_sample_field("a", "a_backup")
    dataset.delete_sample_field("a")
    before = documents(dataset)
    for step in (
        loop.compute_importance,
        loop.close_round,
        lambda: loop.undo_round(1),
        lambda: loop.record_verdicts({asked[0]: "keep"}),
        lambda: push(loop),
        lambda: loop_of(dataset),
    ):
        assert "'a'" in refusal(step).what
        assert documents(dataset) == before
    # Another field can be cleaned once what is on record of this one was given up.
    error = refusal(loop_of, dataset, "a_backup")
    exec(error.fix.rpartition("on record: ")[2], {"dataset": dataset})
    assert "'a'" in refusal(loop_of, dataset).what
    error = refusal(loop_of(dataset, "a_backup").compute_importance)
    loop = loop_of(dataset, "a_backup", prefix="qa_")
    loop.compute_importance()
    assert push(loop, n=3)


def test_two_label_fields_whose_records_would_have_one_key_are_told_apart() -> None:
    dataset = tiny(20)
    dataset.rename_sample_field("a", "my-labels")
    dataset.clone_sample_field("my-labels", "my_labels")
    loop_of(dataset, "my-labels").compute_importance()
    before = documents(dataset)
    error = refusal(loop_of, dataset, "my_labels")
    assert "'my-labels'" in error.what
    assert documents(dataset) == before
    exec(error.fix.removeprefix("Rename yours: "), {"dataset": dataset, "NEW_NAME": "labels"})
    loop_of(dataset, "labels").compute_importance()
    assert dataset.has_field("coreset_importance_labels")


def test_a_view_of_that_name_is_in_the_way_of_nobody_who_saves_none() -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=3)
    dataset.save_view("cleaning kept", dataset.limit(2), description="mine", overwrite=True)
    loop.record_verdicts(dict.fromkeys(asked, ("relabel", "B")))
    loop.undo_round(1)
    loop.redo_round(1)
    loop.close_round(number=1)
    assert "'cleaning kept'" in refusal(push, loop).what
    assert len(dataset.load_saved_view("cleaning kept")) == 2
