"""What a pull makes of everything reviewers do to a round on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coreset_cleaning.core.errors import ProjectMissingError
from coreset_cleaning.core.review.verdicts import Verdict
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.pull import Answers, pull_answers
from label_studio_server import LabelStudioProcess

from .conftest import Cleaning, review_tasks
from .fault_proxy import FaultProxy

FAR_FUTURE = "2999-01-01T00:00:00.000000Z"


def verdicts(answers: Answers) -> dict[str, tuple[Verdict, str | None]]:
    return {r.sample_id: (r.verdict, r.new_label) for r in answers.reviews}


def test_every_verdict_arrives_with_who_when_and_why(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(6)).task_ids
    cleaning.answer(ids["s0"], "keep")
    cleaning.answer(ids["s1"], "accept")
    cleaning.answer(ids["s2"], "relabel", "bird", comment="it has wings")
    cleaning.answer(ids["s3"], "delete")
    cleaning.answer(ids["s4"], "unsure")
    answers = cleaning.pull({1: set(ids)})
    assert verdicts(answers) == {
        "s0": (Verdict.KEEP, None),
        "s1": (Verdict.RELABEL, "dog"),
        "s2": (Verdict.RELABEL, "bird"),
        "s3": (Verdict.DELETE, None),
        "s4": (Verdict.UNSURE, None),
    }
    review = next(r for r in answers.reviews if r.sample_id == "s2")
    assert review.reviewer == "admin@example.com"
    assert review.comment == "it has wings"
    assert review.lead_time == 2.5
    assert review.updated_at.endswith("Z")
    assert not answers.problems
    assert answers.missing == {1: []}


def test_a_server_that_does_not_expand_answers_tells_the_same(
    cleaning: Cleaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    cleaning.answer(ids["s0"], "keep", comment="sharp")
    cleaning.answer(ids["s1"], "relabel", "bird")
    skip = {"result": [], "was_cancelled": True}
    cleaning.server.post(f"api/tasks/{ids['s2']}/annotations/", skip)
    expanded = cleaning.pull({1: set(ids)})
    assert len(expanded.reviews) == 2
    tasks, asked = cleaning.server.tasks, []

    def without_expand(**query: str) -> Iterator[dict[str, object]]:
        asked.append(query.pop("expand", None))
        return tasks(**query)

    monkeypatch.setattr(cleaning.server, "tasks", without_expand)
    assert cleaning.pull({1: set(ids)}) == expanded
    again = cleaning.pull({1: set(ids)}, since=expanded.cursor)
    assert again.reviews == expanded.reviews
    assert set(asked) == {"annotations"}


def test_skipped_drafted_and_untouched_tasks_are_no_answers(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    post = cleaning.server.post
    post(f"api/tasks/{ids['s0']}/annotations/", {"result": [], "was_cancelled": True})
    draft = answer_result("keep", n_classes=3)
    post(f"api/tasks/{ids['s1']}/drafts", {"result": draft, "lead_time": 1})
    answers = cleaning.pull({1: set(ids)})
    assert answers.reviews == []
    assert answers.skipped == 1


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([], "one verdict"),
        ([{"from_name": "verdict", "value": {"choices": ["maybe"]}}], "must be one of keep"),
        ([{"from_name": "verdict", "value": {"choices": ["relabel"]}}], "come with one class"),
        (
            [
                {"from_name": "verdict", "value": {"choices": ["relabel"]}},
                {"from_name": "new_label", "value": {"choices": ["unicorn"]}},
            ],
            "'unicorn' is not one of the dataset",
        ),
        ([{"from_name": "other", "value": {"rectanglelabels": ["cat"]}}], "one verdict"),
    ],
)
def test_malformed_answer_is_named_and_left_alone(
    cleaning: Cleaning, result: list[dict[str, object]], reason: str
) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    items = [{"to_name": "image", "type": "choices", **item} for item in result]
    made = cleaning.server.post(f"api/tasks/{ids['s0']}/annotations/", {"result": items})
    answers = cleaning.pull({1: set(ids)})
    assert answers.reviews == []
    [problem] = answers.problems
    assert problem.annotation_id == made["id"]
    assert reason in str(problem)


def test_answer_edited_into_nonsense_is_not_withdrawn(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    annotation = cleaning.answer(ids["s0"], "keep")
    cleaning.server.patch(f"api/annotations/{annotation}/", {"result": []})
    answers = cleaning.pull({1: {"s0"}}, known={(1, "s0", annotation)})
    assert answers.withdrawn == []
    assert len(answers.problems) == 1


def test_later_pull_reads_only_what_changed_and_sees_edits(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    annotation = cleaning.answer(ids["s0"], "keep")
    first = cleaning.pull({1: set(ids)})
    body = {"result": first_result(cleaning, annotation, "delete")}
    cleaning.server.patch(f"api/annotations/{annotation}/", body)
    known = {(1, "s0", annotation)}
    second = cleaning.pull({1: set(ids)}, since=first.cursor, known=known)
    [review] = second.reviews
    assert review.answer_id == str(annotation)
    assert review.verdict is Verdict.DELETE
    assert review.updated_at > first.reviews[0].updated_at
    assert second.cursor > first.cursor
    # Long after the last change there is nothing to read any more.
    assert cleaning.pull({1: set(ids)}, since=FAR_FUTURE, known=known).reviews == []


def test_an_answer_that_is_not_on_record_is_read_whatever_the_clocks_say(
    cleaning: Cleaning,
) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    old, new = (cleaning.answer(ids[i], "keep") for i in ("s0", "s1"))
    bad = cleaning.server.post(f"api/tasks/{ids['s2']}/annotations/", {"result": []})["id"]
    answers = cleaning.pull({1: set(ids)}, since=FAR_FUTURE, known={(1, "s0", old)})
    assert [r.answer_id for r in answers.reviews] == [str(new)]
    # One that can't be read is named by every pull, not only by the first.
    assert [p.annotation_id for p in answers.problems] == [bad]
    assert answers.withdrawn == []


def first_result(cleaning: Cleaning, annotation: int, verdict: str) -> list[dict[str, object]]:
    result: list[dict[str, object]] = cleaning.server.get(f"api/annotations/{annotation}/")[
        "result"
    ]
    result[0]["value"] = {"choices": [verdict]}
    return result


def test_withdrawn_answer_is_found_without_a_clock(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    gone, stays = (cleaning.answer(ids["s0"], verdict) for verdict in ("keep", "delete"))
    skipped = cleaning.answer(ids["s1"], "keep")
    cleaning.server.delete(f"api/annotations/{gone}/")
    cleaning.server.patch(f"api/annotations/{skipped}/", {"was_cancelled": True})
    known = {(1, "s0", gone), (1, "s0", stays), (1, "s1", skipped)}
    answers = cleaning.pull({1: set(ids)}, known=known)
    assert answers.withdrawn == [(1, "s0", gone), (1, "s1", skipped)]


def test_several_reviewers_answer_the_same_task(
    cleaning: Cleaning, reviewer: LabelStudioServer
) -> None:
    cleaning.open(reviewers_per_task=2)
    ids = cleaning.push(review_tasks(1)).task_ids
    cleaning.answer(ids["s0"], "keep")
    cleaning.answer(ids["s0"], "relabel", "bird", by=reviewer)
    answers = cleaning.pull({1: set(ids)})
    assert sorted((r.reviewer, r.verdict.value) for r in answers.reviews) == [
        ("admin@example.com", "keep"),
        ("second@example.com", "relabel"),
    ]


def test_reviewers_have_numbers_where_names_may_not_be_seen(
    cleaning: Cleaning, process: LabelStudioProcess
) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    cleaning.answer(ids["s0"], "keep")
    me = cleaning.server.get("api/current-user/whoami")["id"]
    with FaultProxy(process.url, lambda _, path: "403" if "/api/users" in path else "") as proxy:
        through = Cleaning(LabelStudioServer(proxy.url, process.admin_token), cleaning.dataset_id)
        assert [r.reviewer for r in through.pull({1: set(ids)}).reviews] == [f"user {me}"]


def test_deleted_task_is_reported_and_its_answer_stays(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(2)).task_ids
    annotation = cleaning.answer(ids["s0"], "keep")
    cleaning.server.delete(f"api/tasks/{ids['s0']}/")
    answers = cleaning.pull({1: set(ids)}, known={(1, "s0", annotation)})
    assert answers.missing == {1: ["s0"]}
    assert answers.withdrawn == []
    assert cleaning.push(review_tasks(2)).created == 1


def test_deleted_project_is_reported_and_the_round_can_be_pushed_again(
    cleaning: Cleaning,
) -> None:
    project = cleaning.open()
    cleaning.push(review_tasks(2))
    cleaning.server.delete(f"api/projects/{project.id}/")
    with pytest.raises(ProjectMissingError, match="Push again"):
        pull_answers(
            cleaning.server,
            project.id,
            dataset_id=cleaning.dataset_id,
            label_field="ground_truth",
            classes=cleaning.classes,
            rounds={1: {"s0", "s1"}},
        )
    assert cleaning.push(review_tasks(2)).created == 2


def test_foreign_tasks_are_passed_over_and_named_once_answered(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(1)).task_ids
    project = cleaning.open().id
    foreign = [{"data": {"image": "x", "push_key": key}} for key in ("other:field:1:s0", None)]
    cleaning.server.post(f"api/projects/{project}/import", foreign)
    tasks = cleaning.server.tasks(project=project, include="id", resolve_uri="false")
    [first, _] = sorted({task["id"] for task in tasks} - set(ids.values()))
    cleaning.answer(first, "delete")
    answers = cleaning.pull({1: set(ids)})
    assert answers.reviews == []
    assert [problem.task_id for problem in answers.problems] == [first]


def test_many_pages_are_read_whole(cleaning: Cleaning) -> None:
    tasks = review_tasks(1100)
    ids = cleaning.push(tasks).task_ids
    assert len(ids) == 1100
    cleaning.answer(ids["s1099"], "keep")
    answers = cleaning.pull({1: set(ids)})
    assert [r.sample_id for r in answers.reviews] == ["s1099"]
    assert answers.missing == {1: []}
    assert cleaning.keys() == [f"{cleaning.dataset_id}:ground_truth:1:s{i}" for i in range(1100)]
