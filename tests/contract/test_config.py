"""The labeling config on a real server: any class names, any number, and it can grow."""

from __future__ import annotations

import pytest

from coreset_cleaning.core.errors import ServerError
from coreset_cleaning.core.review.verdicts import Verdict
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.config import MAX_BUTTONS
from coreset_cleaning.desks.labelstudio.pull import Answers

from .conftest import Cleaning, review_tasks

AWKWARD = (
    "cat",
    "cat ",
    "a<b & \"c\" > 'd'",
    "$image",
    "cost in $",
    "🐈‍⬛ black cat",
    "حصان",
    "עטלף אחד",
    "x" * 200,
    "x" * 199 + "y",
    "line\nbreak\tand tab",
    "class-0123456789ab",
)


def numbered(n: int) -> tuple[str, ...]:
    return tuple(f"class {i:04d}" for i in range(n))


def labels(answers: Answers) -> dict[str, str | None]:
    assert answers.problems == []
    return {r.sample_id: r.new_label for r in answers.reviews}


@pytest.mark.parametrize(
    "classes",
    [numbered(2), numbered(10), numbered(100), numbered(1000), AWKWARD],
    ids=["2", "10", "100", "1000", "awkward"],
)
def test_every_class_can_be_given_and_comes_back(
    cleaning: Cleaning, classes: tuple[str, ...]
) -> None:
    cleaning.classes = classes
    project = cleaning.open()
    stored = cleaning.server.get(f"api/projects/{project.id}/")
    # Settings of a project that is as it should be are not sent again.
    assert cleaning.open() == project
    assert (
        stored["label_config"] == cleaning.server.get(f"api/projects/{project.id}/")["label_config"]
    )
    chosen = classes if len(classes) <= len(AWKWARD) else [*classes[:2], *classes[-2:]]
    ids = cleaning.push(review_tasks(len(chosen))).task_ids
    for i, name in enumerate(chosen):
        cleaning.answer(ids[f"s{i}"], "relabel", name)
    assert labels(cleaning.pull({1: set(ids)})) == {f"s{i}": n for i, n in enumerate(chosen)}


@pytest.mark.parametrize("n", [3, MAX_BUTTONS])
def test_a_class_is_added_after_answers(cleaning: Cleaning, n: int) -> None:
    cleaning.classes = numbered(n)
    ids = cleaning.push(review_tasks(2)).task_ids
    cleaning.answer(ids["s0"], "relabel", cleaning.classes[-1])
    cleaning.classes = (*cleaning.classes, "a new one")
    cleaning.open()
    cleaning.answer(ids["s1"], "relabel", "a new one")
    assert labels(cleaning.pull({1: set(ids)})) == {"s0": numbered(n)[-1], "s1": "a new one"}


def test_a_class_that_is_used_up_may_leave(cleaning: Cleaning) -> None:
    cleaning.classes = numbered(MAX_BUTTONS + 1)
    ids = cleaning.push(review_tasks(1)).task_ids
    cleaning.answer(ids["s0"], "relabel", cleaning.classes[0])
    cleaning.classes = cleaning.classes[:-1]
    cleaning.open()
    assert labels(cleaning.pull({1: set(ids)})) == {"s0": cleaning.classes[0]}


def test_the_suggestion_can_be_hidden_later(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    cleaning.answer(ids["s0"], "accept")
    project = cleaning.open(hide_suggestion=True)
    config = cleaning.server.get(f"api/projects/{project.id}/")["label_config"]
    assert "uggest" not in config
    cleaning.answer(ids["s1"], "keep")
    answers = cleaning.pull({1: set(ids)})
    assert {r.sample_id: r.verdict for r in answers.reviews} == {
        "s0": Verdict.RELABEL,
        "s1": Verdict.KEEP,
    }


def test_answers_that_keep_the_config_from_growing_are_named(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    foreign = answer_result("keep", n_classes=3)
    foreign[0]["from_name"] = "other"
    path = f"api/tasks/{ids['s0']}/annotations/"
    made = cleaning.server.post(path, {"result": foreign})["id"]
    cleaning.classes = (*cleaning.classes, "fish")
    with pytest.raises(ServerError, match=r"answers of another config .*from_name=other.*Delete"):
        cleaning.open()
    cleaning.server.delete(f"api/annotations/{made}/")
    project = cleaning.open()
    assert "fish" in cleaning.server.get(f"api/projects/{project.id}/")["label_config"]
