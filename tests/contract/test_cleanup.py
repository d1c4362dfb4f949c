"""Tidying up deletes a round's tab and its tasks without an answer, and nothing else."""

from __future__ import annotations

import pytest

from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.cleanup import delete_round_tab, delete_unanswered
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.tabs import find_round_tab

from .conftest import FIELD, Cleaning, review_tasks


def tidy(cleaning: Cleaning, round_: int = 1) -> int:
    return delete_unanswered(
        cleaning.server,
        cleaning.open().id,
        dataset_id=cleaning.dataset_id,
        label_field=FIELD,
        round_=round_,
    )


def task_ids(cleaning: Cleaning) -> set[int]:
    tasks = cleaning.server.tasks(project=cleaning.open().id, include="id", resolve_uri="false")
    return {task["id"] for task in tasks}


def test_only_the_round_s_own_untouched_tasks_go(cleaning: Cleaning) -> None:
    first = cleaning.push(review_tasks(5), round_=1).task_ids
    second = cleaning.push(review_tasks(2), round_=2).task_ids
    project, post = cleaning.open().id, cleaning.server.post
    # Somebody else's tasks that happen to carry the same round number, with and without a key.
    foreign = [{"data": {"image": "x", "round": 1, "push_key": k}} for k in ("a:b:1:s0", None)]
    post(f"api/projects/{project}/import", foreign)
    cleaning.answer(first["s0"], "keep")
    skip = {"result": [], "was_cancelled": True}
    post(f"api/tasks/{first['s1']}/annotations/", skip)
    draft = {"result": answer_result("keep", n_classes=3), "lead_time": 1}
    post(f"api/tasks/{first['s2']}/drafts", draft)
    before = task_ids(cleaning)
    assert tidy(cleaning) == 2
    assert before - task_ids(cleaning) == {first["s3"], first["s4"]}
    assert set(second.values()) <= task_ids(cleaning)
    assert [r.sample_id for r in cleaning.pull({1: set(first)}).reviews] == ["s0"]


def test_nothing_to_delete_deletes_nothing(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    for task_id in ids.values():
        cleaning.answer(task_id, "keep")
    before = task_ids(cleaning)
    assert tidy(cleaning) == tidy(cleaning, round_=7) == 0
    assert task_ids(cleaning) == before


def test_a_task_answered_meanwhile_stays(
    cleaning: Cleaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    get, answered = cleaning.server.get, []

    def answer_first(path: str, **params: object) -> object:
        # The list of tasks has been read; a reviewer submits before the first deletion.
        if path.startswith("api/tasks/") and path != "api/tasks/" and not answered:
            answered.append(cleaning.answer(ids["s1"], "delete"))
        return get(path, **params)

    monkeypatch.setattr(cleaning.server, "get", answer_first)
    assert tidy(cleaning) == 2
    assert [r.answer_id for r in cleaning.pull({1: set(ids)}).reviews] == [
        str(answer) for answer in answered
    ]


def test_a_task_that_somebody_else_deleted_is_no_error(
    cleaning: Cleaning, server: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    get, gone = cleaning.server.get, []

    def delete_first(path: str, **params: object) -> object:
        if path.startswith("api/tasks/") and path != "api/tasks/" and not gone:
            gone.append(server.delete(f"api/tasks/{ids['s1']}/"))
        return get(path, **params)

    monkeypatch.setattr(cleaning.server, "get", delete_first)
    assert tidy(cleaning) == 1
    assert task_ids(cleaning) == set()


def test_the_tab_goes_whatever_its_title_and_only_once(cleaning: Cleaning) -> None:
    cleaning.push(review_tasks(1), round_=1)
    cleaning.push(review_tasks(1), round_=2)
    project = cleaning.open().id
    tab = find_round_tab(cleaning.server, project, 1)
    view = cleaning.server.get(f"api/dm/views/{tab}/")
    renamed = {"data": {**view["data"], "title": "Mine"}}
    cleaning.server.patch(f"api/dm/views/{tab}/", renamed)
    assert delete_round_tab(cleaning.server, project, 1)
    assert not delete_round_tab(cleaning.server, project, 1)
    assert find_round_tab(cleaning.server, project, 1) is None
    assert find_round_tab(cleaning.server, project, 2) is not None
