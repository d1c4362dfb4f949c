"""What a user has under names of ours: refused by name before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fiftyone as fo
import pytest

from coreset_cleaning import AppDesk
from coreset_cleaning.core.review.verdicts import Outcome
from coreset_cleaning.store.names import TAG_UNREADABLE, Names
from support.neighbours import (
    batch,
    documents,
    labels_of,
    loop_of,
    of_the_user,
    push,
    refusal,
    tiny,
)

OURS = Names()
CLASSES = (OURS.suggested, OURS.original, OURS.prediction)
TAGS = (*OURS.review_tags(), OURS.round_tag(1), OURS.coreset)
# Of images there are no boxes, and what is unsure comes up again.
SHOWN = [o for o in Outcome if o not in (Outcome.UNSURE, Outcome.WRONG_BOX)]
VIEWS = (OURS.coreset_view, *(OURS.outcome_view(o) for o in SHOWN))
RUNS = ("cleaning_score_a", "cleaning_start_a", "cleaning_project_a", "cleaning_evaluation_a_000")


def put_field(dataset: Any, name: str, same_type: bool) -> None:
    """Add a field of that name with a value on the first three samples."""
    value: Any = "mine"
    if same_type and name in CLASSES:
        value = fo.Classification(label="B")
    elif same_type and name == OURS.review:
        value = fo.DynamicEmbeddedDocument(round=7, verdict="relabeled", note="mine")
    elif same_type:
        value = 0.25
    dataset.set_values(name, dict.fromkeys(dataset.values("id")[:3], value), key_field="id")


def put_tag(dataset: Any, name: str) -> None:
    dataset.limit(3).tag_samples(name)


def put_view(dataset: Any, name: str) -> None:
    dataset.save_view(name, dataset.limit(3), description="mine")


def put_run(dataset: Any, name: str) -> None:
    dataset.register_run(name, dataset.init_run(method="mine", note="keep this"))


def put_evaluation(dataset: Any, name: str) -> None:
    dataset.evaluate_classifications("a", gt_field="a", eval_key=name, progress=False)


def case(put: Callable[..., None], name: str, *more: Any) -> Any:
    return pytest.param(put, name, more, id=f"{put.__name__[4:]} {name} {more or ''}")


FIELDS = [case(put_field, name, same) for name in OURS.fields() for same in (True, False)]
EVERYTHING = [
    *FIELDS,
    *(case(put_tag, name) for name in TAGS),
    *(case(put_view, name) for name in VIEWS),
    case(put_view, "Cleaning: KEPT"),  # the same slug
    *(case(put_run, name) for name in RUNS),
    case(put_evaluation, OURS.evaluation_key(0)),
    case(put_field, OURS.evaluation_key(0), False),
]


@pytest.mark.parametrize(("put", "name", "more"), EVERYTHING)
def test_what_a_user_has_under_a_name_of_ours_is_refused_before_anything_changes(
    put: Callable[..., None], name: str, more: tuple[Any, ...]
) -> None:
    dataset = tiny(14)
    put(dataset, name, *more)
    before, loop = documents(dataset), loop_of(dataset)
    error = refusal(loop.compute_importance)
    assert repr(name) in error.what
    assert 'prefix="qa_"' in error.fix or f"rename_run({name!r}" in error.fix
    assert any(repr(name) in taken for taken in loop.taken_names())
    assert documents(dataset) == before


@pytest.mark.parametrize("same_type", [True, False])
def test_with_a_prefix_the_whole_loop_runs_beside_a_users_things(same_type: bool) -> None:
    dataset = tiny(30)
    for name in OURS.fields():
        put_field(dataset, name, same_type)
    for name in TAGS:
        put_tag(dataset, name)
    for name in (*VIEWS, OURS.queue_view("A"), OURS.round_view(1), OURS.queue_view("B")):
        put_view(dataset, name)
    put_run(dataset, "cleaning_round_001")
    put_evaluation(dataset, OURS.evaluation_key(0))
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(name=OURS.sidebar_group, paths=["camera"]),
        fo.SidebarGroupDocument(name="mine", paths=["a", OURS.original]),
    ]
    dataset.create_index("camera")
    dataset.save()
    users, labels = users_things(dataset), labels_of(dataset)

    loop = loop_of(dataset, prefix="qa_")
    assert loop.taken_names() == []
    loop.compute_importance()
    loop.evaluate_round()
    loop.queue_view("B")
    asked = push(loop, n=3)
    assert loop.rounds.open_round().number == 2  # a user's run has the key of the first
    loop.record_verdicts({asked[0]: ("relabel", "B"), asked[1]: "delete", asked[2]: "keep"})
    loop.evaluate_round()
    loop.publish_evaluation()
    loop.sample_coreset(5)
    assert users_things(dataset) == users
    assert labels_of(dataset) == {**labels, asked[0]: "B"}

    loop = loop_of(dataset)  # the prefix is on record
    loop.undo_round(2)
    assert labels_of(dataset) == labels
    loop.redo_round(2)
    loop.close_round(number=2)
    assert push(loop_of(dataset), n=3)
    assert users_things(dataset) == users


def users_things(dataset: Any) -> dict[str, Any]:
    """Return what is not under the prefix; of the runs, what is not of our method."""
    found = of_the_user(dataset, Names("qa_"), "a")
    every = documents(dataset)
    found["views"] = {n: v for n, v in every["views"].items() if not n.startswith("qa_")}
    runs = every["runs"].items()
    found["runs"] = {
        k: r
        for k, r in runs
        if r["config"].get("method") != "coreset_cleaning" and not k.startswith("qa_")
    }
    return found


def add_coreset_tag(dataset: Any) -> None:
    put_tag(dataset, OURS.coreset)


def replace_view(name: str) -> Callable[[Any], None]:
    def replace(dataset: Any) -> None:
        dataset.save_view(name, dataset.limit(2), description="mine", overwrite=True)

    return replace


def replace_field(name: str) -> Callable[[Any], None]:
    def replace(dataset: Any) -> None:
        if dataset.has_field(name):
            dataset.delete_sample_field(name)
        put_field(dataset, name, True)

    return replace


STEPS: dict[str, Callable[[Any], Any]] = {
    "score": lambda loop: loop.compute_importance(),
    "push": lambda loop: loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="B"),
    "record": lambda loop: loop.record_verdicts(dict.fromkeys(batch(loop), "keep")),
    "undo": lambda loop: loop.undo_round(1),
    "close": lambda loop: loop.close_round(number=1),
    "coreset": lambda loop: loop.sample_coreset(5),
    "publish": lambda loop: loop.publish_evaluation(),
    "queue": lambda loop: loop.queue_view("B"),
}
MOVE_VIEW = "dataset.delete_saved_view({name!r})"
MOVE_FIELD = "dataset.rename_sample_field({name!r}, {new!r})"
LATER = [
    ("coreset", "coreset", add_coreset_tag, 'dataset.untag_samples("coreset")'),
    ("coreset", "coreset", replace_view("coreset"), MOVE_VIEW),
    ("push", "cleaning kept", replace_view("cleaning kept"), MOVE_VIEW),
    ("push", "cleaning queue B", replace_view("cleaning queue B"), MOVE_VIEW),
    ("push", "cleaning round 002", replace_view("cleaning round 002"), MOVE_VIEW),
    ("queue", "cleaning queue B", replace_view("Cleaning QUEUE b"), MOVE_VIEW),
    ("publish", OURS.prediction, replace_field(OURS.prediction), MOVE_FIELD),
    ("publish", "cleaning_after_001", replace_field("cleaning_after_001"), MOVE_FIELD),
    ("publish", "cleaning_after_001_new", replace_field("cleaning_after_001_new"), MOVE_FIELD),
    *(
        (step, name, replace_field(name), MOVE_FIELD)
        for step in ("score", "push", "undo", "close")
        for name in (OURS.original, OURS.weight, OURS.review)
    ),
    *(("push", name, replace_field(name), MOVE_FIELD) for name in OURS.fields()[:4]),
    *(("record", name, replace_field(name), MOVE_FIELD) for name in OURS.fields()[4:7]),
]


@pytest.mark.parametrize(
    ("step", "name", "put", "way_out"),
    LATER,
    ids=[f"{step} {name} {way_out.split('(')[0]}" for step, name, _, way_out in LATER],
)
def test_what_a_user_puts_under_a_name_of_ours_later_is_refused_too(
    step: str, name: str, put: Callable[[Any], None], way_out: str
) -> None:
    dataset = tiny(20)
    loop = loop_of(dataset)
    loop.compute_importance()
    asked = push(loop, n=3)
    loop.record_verdicts({asked[0]: ("relabel", "B"), asked[1]: "delete", asked[2]: "keep"})
    if step == "record":
        push(loop, n=3, cls="B")
    put(dataset)
    there = next((v for v in dataset.list_saved_views() if v.lower() == name.lower()), name)
    before = documents(dataset)
    error = refusal(STEPS[step], loop)
    assert repr(there) in error.what
    # Marks have names on record: what is there can't have a prefix any more.
    assert "prefix" not in error.fix
    assert documents(dataset) == before
    exec(way_out.format(name=there, new=f"{name}_of_mine"), {"dataset": dataset})
    if step in ("push", "record", "queue", "coreset") and name in OURS.fields()[:4]:
        STEPS["score"](loop)  # importance itself was replaced
    STEPS[step](loop_of(dataset))
    if way_out == MOVE_FIELD:
        assert dataset.exists(f"{name}_of_mine").count() == 3


def test_a_tag_of_unreadable_images_that_no_run_has_set_is_left_alone() -> None:
    dataset = tiny(6)
    put_tag(dataset, TAG_UNREADABLE)
    before = documents(dataset)
    loop = loop_of(dataset)
    loop = type(loop)(dataset, "a", "new_vectors", test_tag=None)
    error = refusal(loop.compute_embeddings, model=Vectors())
    assert repr(TAG_UNREADABLE) in error.what
    assert documents(dataset) == before


class Vectors:
    """A model that gives every image a vector."""

    def embed_all(self, images: Any) -> Any:
        raise AssertionError("nothing is to be computed")


@pytest.mark.parametrize("same_type", [True, False])
def test_what_a_user_has_under_a_name_of_ours_is_never_read_as_ours(same_type: bool) -> None:
    plain, dataset = tiny(30), tiny(30)
    for name in OURS.fields():
        put_field(dataset, name, same_type)
    dataset.set_values(OURS.weight, [0.0 if same_type else "mine"] * 30)
    before = documents(dataset)

    def read(loop: Any) -> list[Any]:
        return [
            loop.find_confused_pair().matrix.tolist(),
            loop.training_set().sample_weight.tolist(),
            loop.contradictions(),
            loop.leaks(),
            loop.propose_corrections(),
            loop.changes(),
            str(loop.coverage()),
        ]

    assert read(loop_of(dataset)) == read(loop_of(plain))
    assert documents(dataset) == before
