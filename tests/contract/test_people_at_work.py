"""Several people at once: whose answers count, who is shown what, and what is asked for again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coreset_cleaning.core.errors import DataError, ProjectMissingError, ServerError
from coreset_cleaning.core.review.sheets import Place
from coreset_cleaning.desks.base import Options, Subject
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.cleanup import park_tasks
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.desk import LabelStudioDesk
from coreset_cleaning.desks.labelstudio.images import ImageSource
from coreset_cleaning.desks.labelstudio.project import (
    apply_plan,
    find_project,
    locate_project,
    plan_project,
)
from coreset_cleaning.desks.labelstudio.push import push_tasks
from coreset_cleaning.desks.labelstudio.sheets import sheet_result
from label_studio_server import LabelStudioProcess

from .conftest import FIELD, Cleaning, review_tasks

SKIP = {"result": [], "was_cancelled": True}


def next_task(by: LabelStudioServer, project: int) -> int | None:
    """Ask for the next task as the page does after its button Label All Tasks."""
    try:
        answer = by.post("api/dm/actions", {"project": project}, id="next_task", project=project)
    except ServerError as error:
        if error.status != 404:
            raise
        return None
    return int(answer["id"])


def work_through(
    cleaning: Cleaning, people: list[LabelStudioServer], limit: int = 50
) -> list[list[int]]:
    """Let people take and answer tasks by turns until nothing is left; return who got what."""
    project = cleaning.open().id
    got: list[list[int]] = [[] for _ in people]
    for _ in range(limit):
        # Everybody has a task on the screen before anybody answers.
        shown = [next_task(person, project) for person in people]
        if not any(shown):
            return got
        for mine, task_id, person in zip(got, shown, people, strict=True):
            if task_id is not None:
                mine.append(task_id)
                cleaning.answer(task_id, "keep", by=person)
    raise AssertionError("the round never ends")


def test_two_people_share_a_round_in_queue_order_and_see_nothing_of_others(
    cleaning: Cleaning, server: LabelStudioServer, reviewer: LabelStudioServer
) -> None:
    # One round with an answer, a skip and a draft, and what nobody has touched.
    before = cleaning.push(review_tasks(5)).task_ids
    cleaning.answer(before["s0"], "keep")
    server.post(f"api/tasks/{before['s1']}/annotations/", SKIP)
    draft = {"result": answer_result("keep", n_classes=3), "lead_time": 1}
    server.post(f"api/tasks/{before['s2']}/drafts", draft)
    ids = cleaning.push(review_tasks(6), round_=2).task_ids
    first, second = work_through(cleaning, [server, reviewer])
    assert first == [ids["s0"], ids["s2"], ids["s4"]]
    assert second == [ids["s1"], ids["s3"], ids["s5"]]
    answers = cleaning.pull({1: set(before), 2: set(ids)})
    assert answers.surplus == {1: [], 2: []}
    assert sorted(r.sample_id for r in answers.reviews if r.round == 2) == sorted(ids)


def test_of_two_answers_wanted_one_is_there_when_the_next_round_comes(
    cleaning: Cleaning, server: LabelStudioServer, reviewer: LabelStudioServer
) -> None:
    project = cleaning.open(reviewers_per_task=2).id
    own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD}
    two = replace(cleaning.open(reviewers_per_task=2))
    old = push_tasks(server, two, review_tasks(2), round=1, images="url", **own).task_ids
    cleaning.answer(old["s0"], "keep")
    ids = push_tasks(server, two, review_tasks(2), round=2, images="url", **own).task_ids
    assert {next_task(person, project) for person in (server, reviewer)} <= set(ids.values())
    # Whoever opens it from the list can still answer it.
    cleaning.answer(old["s0"], "delete", by=reviewer)
    answers = cleaning.pull({1: set(old), 2: set(ids)}, reviewers={1: 2, 2: 2})
    assert [r.verdict.value for r in answers.reviews] == ["keep", "delete"]
    # Fewer wanted: the server counts all tasks anew, and the next push parks them again.
    cleaning.push(review_tasks(2), round_=2)
    assert {next_task(person, project) for person in (server, reviewer)} <= set(ids.values())


def test_foreign_tasks_and_other_open_rounds_are_not_parked(cleaning: Cleaning) -> None:
    first = cleaning.push(review_tasks(2)).task_ids
    project = cleaning.open().id
    cleaning.server.post(
        f"api/projects/{project}/import", [{"data": {"image": "x", "round": 1, "push_key": "a:b"}}]
    )
    own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD}
    assert park_tasks(cleaning.server, project, open_rounds={1, 2}, **own) == 0
    assert next_task(cleaning.server, project) == first["s0"]
    assert park_tasks(cleaning.server, project, open_rounds=(), **own) == 2
    assert park_tasks(cleaning.server, project, open_rounds=(), **own) == 0
    assert next_task(cleaning.server, project) not in {None, *first.values()}


def test_more_answers_than_wanted_are_counted(
    cleaning: Cleaning, reviewer: LabelStudioServer
) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    for by in (cleaning.server, reviewer):
        cleaning.answer(ids["s1"], "keep", by=by)
    cleaning.answer(ids["s0"], "keep")
    assert cleaning.pull({1: set(ids)}).surplus == {1: ["s1"]}
    assert cleaning.pull({1: set(ids)}, reviewers={1: 2}).surplus == {1: []}


def test_what_was_skipped_and_lacks_answers_is_named(
    cleaning: Cleaning, reviewer: LabelStudioServer
) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    for sample_id in ("s0", "s2"):
        cleaning.server.post(f"api/tasks/{ids[sample_id]}/annotations/", SKIP)
    cleaning.answer(ids["s0"], "keep", by=reviewer)
    answers = cleaning.pull({1: set(ids)})
    assert (answers.skips, answers.skipped) == ({1: {"s2": ids["s2"]}}, 1)
    assert cleaning.pull({1: set(ids)}, reviewers={1: 2}).skips == {
        1: {"s0": ids["s0"], "s2": ids["s2"]}
    }


def test_people_whose_accounts_are_gone_stay_several(
    cleaning: Cleaning, process: LabelStudioProcess
) -> None:
    gone = [f"{cleaning.dataset_id}-{i}@example.com" for i in range(2)]
    keys = [LabelStudioServer(process.url, process.add_user(email)) for email in gone]
    ids = cleaning.push(review_tasks(1)).task_ids
    given = [
        cleaning.answer(ids["s0"], v, by=k) for v, k in zip(("keep", "delete"), keys, strict=True)
    ]
    known = {(1, "s0", i) for i in given}
    before = cleaning.pull({1: set(ids)})
    assert {r.reviewer for r in before.reviews} == set(gone)
    for user in cleaning.server.get("api/users/"):
        if user["email"] in gone:
            cleaning.server.delete(f"api/users/{user['id']}/")
    after = cleaning.pull({1: set(ids)}, known=known)
    assert {r.reviewer for r in after.reviews} == {f"deleted user (annotation {i})" for i in given}
    assert (after.withdrawn, after.problems) == ([], [])


def test_a_half_answered_task_is_made_again_and_asks_for_the_rest(
    cleaning: Cleaning, server: LabelStudioServer, reviewer: LabelStudioServer
) -> None:
    two = cleaning.open(reviewers_per_task=2)
    own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD}
    tasks = review_tasks(2)
    ids = push_tasks(server, two, tasks, round=1, images="url", **own).task_ids
    given = cleaning.answer(ids["s0"], "keep")
    known = {(1, "s0", given)}
    server.delete(f"api/tasks/{ids['s0']}/")
    assert cleaning.pull({1: set(ids)}, known=known).missing == {1: ["s0"]}
    cleaning.open(reviewers_per_task=2)
    half = replace(tasks[0], earlier_answers=(given,), lacking=1)
    again = push_tasks(server, two, [half, tasks[1]], round=1, images="url", **own)
    assert (again.created, again.existing) == (1, 1)
    # Doing it twice asks for no more.
    assert push_tasks(server, two, [half, tasks[1]], round=1, images="url", **own).created == 0
    answers = cleaning.pull({1: set(ids)}, known=known, reviewers={1: 2})
    assert (answers.withdrawn, answers.reviews, answers.missing) == ([], [], {1: []})
    second = cleaning.answer(again.task_ids["s0"], "keep", by=reviewer)
    task = server.get(f"api/tasks/{again.task_ids['s0']}/")
    assert (task["is_labeled"], task["overlap"]) == (True, 1)
    answers = cleaning.pull({1: set(ids)}, known=known, reviewers={1: 2})
    [review] = answers.reviews
    # SQLite may have given the second answer the first one's number.
    assert review.answer_id not in {given}
    assert int(review.answer_id) % 10**12 == int(second)
    assert (answers.withdrawn, answers.surplus) == ([], {1: []})
    # The new answer can be taken back, the lost one cannot.
    server.delete(f"api/annotations/{second}/")
    known |= {(1, "s0", review.answer_id)}
    assert cleaning.pull({1: set(ids)}, known=known, reviewers={1: 2}).withdrawn == [
        (1, "s0", review.answer_id)
    ]


def test_a_task_that_one_person_answered_twice_is_handed_out_again(
    cleaning: Cleaning,
    process: LabelStudioProcess,
    server: LabelStudioServer,
    reviewer: LabelStudioServer,
) -> None:
    third = LabelStudioServer(process.url, process.add_user(f"{cleaning.dataset_id}@example.com"))
    two = cleaning.open(reviewers_per_task=2)
    own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD}
    ids = push_tasks(server, two, review_tasks(1), round=1, images="url", **own).task_ids
    given = tuple(cleaning.answer(ids["s0"], v) for v in ("keep", "delete"))
    assert next_task(reviewer, two.id) is None
    half = replace(review_tasks(1)[0], earlier_answers=given, lacking=1)
    push_tasks(server, two, [half], round=1, images="url", **own)
    assert next_task(reviewer, two.id) == ids["s0"]
    cleaning.answer(ids["s0"], "delete", by=reviewer)
    # An answer that is not on record yet is not asked for a second time.
    push_tasks(server, two, [half], round=1, images="url", **own)
    assert next_task(third, two.id) is None


def test_the_mark_says_whose_a_project_is_not_the_address(
    cleaning: Cleaning, process: LabelStudioProcess
) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    project = cleaning.open()
    cleaning.answer(ids["s0"], "delete")
    other = LabelStudioServer(process.url.replace("127.0.0.1", "localhost"), process.admin_token)
    found = locate_project(other, cleaning.dataset_id, FIELD, last_id=10**6)
    assert (found.id, found.url) == (project.id, f"{other.url}/projects/{project.id}/")
    # Somebody has rewritten the description: the tasks themselves tell.
    cleaning.server.patch(f"api/projects/{project.id}/", {"description": "Cats."})
    assert find_project(other, cleaning.dataset_id, FIELD) is None
    assert locate_project(other, cleaning.dataset_id, FIELD, last_id=project.id).id == project.id
    with pytest.raises(ProjectMissingError, match=r"no longer in Label Studio .* Push again"):
        locate_project(other, cleaning.dataset_id, "another_field", last_id=project.id)
    with pytest.raises(ProjectMissingError, match=r"no longer in Label Studio .* Push again"):
        locate_project(other, cleaning.dataset_id, FIELD)


def settings(cleaning: Cleaning, **more: object) -> dict[str, object]:
    return {
        "dataset_id": cleaning.dataset_id,
        "dataset_name": "contract",
        "label_field": FIELD,
        "classes": cleaning.classes,
        **more,
    }


def test_planning_changes_nothing_on_the_server(
    cleaning: Cleaning, server: LabelStudioServer
) -> None:
    before = server.get("api/projects/")["count"]
    plan = plan_project(server, **settings(cleaning))  # type: ignore[arg-type]
    assert (plan.project_id, server.get("api/projects/")["count"]) == (None, before)
    project = apply_plan(plan)
    made = server.get(f"api/projects/{project.id}/")
    wanted = settings(cleaning, classes=("cat", "dog", "fish"), reviewers_per_task=3)
    plan = plan_project(server, **wanted)  # type: ignore[arg-type]
    assert plan.project_id == project.id
    assert server.get(f"api/projects/{project.id}/") == made
    assert apply_plan(plan) == project
    changed = server.get(f"api/projects/{project.id}/")
    assert "fish" in changed["label_config"]
    assert changed["maximum_annotations"] == 3
    assert plan_project(server, **wanted).changes == {}  # type: ignore[arg-type]


def test_a_change_that_the_server_would_refuse_is_refused_before_it(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    foreign = answer_result("keep", n_classes=3)
    foreign[0]["from_name"] = "other"
    cleaning.server.post(f"api/tasks/{ids['s0']}/annotations/", {"result": foreign})
    path = f"api/projects/{cleaning.open().id}/"
    before = cleaning.server.get(path)
    wanted = settings(cleaning, classes=("cat", "dog", "fish"), reviewers_per_task=3)
    with pytest.raises(ServerError, match=r"answers of another config .*from_name=other.*Delete"):
        plan_project(cleaning.server, **wanted)  # type: ignore[arg-type]
    assert cleaning.server.get(path) == before


def test_images_are_checked_before_there_is_a_project(
    cleaning: Cleaning, process: LabelStudioProcess
) -> None:
    root = process.document_root
    assert root is not None
    path = root / cleaning.dataset_id / "0.png"
    path.parent.mkdir(parents=True)
    source = ImageSource(cleaning.server, None, "local", root)
    with pytest.raises(DataError, match=r"1 of 1 images can't be shown.*0\.png can't be read"):
        source.check({"s0": str(path)}, connect=False)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    source.check({"s0": str(path)}, connect=False)
    project = cleaning.open()
    source.go_to(project.id)
    own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD}
    tasks = review_tasks(1, str(root / cleaning.dataset_id / "{}.png"))
    push_tasks(cleaning.server, project, tasks, round=1, source=source, **own)
    [storage] = cleaning.server.get("api/storages/localfiles/", project=project.id)
    assert storage["path"] == str(path.parent)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_class_without_a_name_is_named_with_its_field(cleaning: Cleaning, name: str) -> None:
    cleaning.classes = ("cat", name)
    with pytest.raises(DataError, match=f"of field '{FIELD}' must be a text") as caught:
        cleaning.open()
    assert f"F('{FIELD}.label') == {name!r}" in caught.value.fix
    assert find_project(cleaning.server, cleaning.dataset_id, FIELD) is None


def test_names_that_differ_by_a_space_can_be_told_apart_and_come_back(cleaning: Cleaning) -> None:
    cleaning.classes = ("3", "3 ", " 3")
    config = cleaning.server.get(f"api/projects/{cleaning.open().id}/")["label_config"]
    for shown in ("“3␣”", "“␣3”"):
        assert f'value="{shown}"' in config
    tasks = [replace(t, label="3 ", suggested_label=" 3") for t in review_tasks(1)]
    ids = cleaning.push(tasks).task_ids
    data = cleaning.server.get(f"api/tasks/{ids['s0']}/")["data"]
    assert (data["label"], data["suggested"]) == ("“3␣”", "“␣3”")
    cleaning.answer(ids["s0"], "accept")
    [review] = cleaning.pull({1: set(ids)}).reviews
    assert review.new_label == " 3"


def test_nobody_gets_the_sheet_that_another_has_open(
    cleaning: Cleaning, server: LabelStudioServer, reviewer: LabelStudioServer
) -> None:
    tasks = [replace(t, place=Place(i // 2 + 1, i % 2 + 1)) for i, t in enumerate(review_tasks(8))]
    subject = Subject(cleaning.dataset_id, "contract", FIELD, cleaning.classes)
    sent = LabelStudioDesk(server).send(subject, Options(images="url", sheet=2), 1, tasks)
    project = sent.project["sheets_id"]
    given = []
    for _ in range(2):
        shown = [next_task(person, project) for person in (server, reviewer)]
        given += shown
        for person, task_id in zip((server, reviewer), shown, strict=True):
            person.post(f"api/tasks/{task_id}/annotations/", {"result": sheet_result()})
    assert [next_task(person, project) for person in (server, reviewer)] == [None, None]
    # In the order of the round, each once.
    assert given == sorted(set(given))
    assert len(given) == 4
