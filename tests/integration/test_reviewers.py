"""What people do in Label Studio between a push and a pull, seen through the public API."""

from __future__ import annotations

from typing import Any

import pytest

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.desks.labelstudio.answers import answer_result
from support.answers import answer_task, task_ids


def verdict(loop: CleaningLoop, sample_id: str) -> str:
    return str(loop.samples.dataset[sample_id].cleaning_review.verdict)


def test_edits_of_all_rounds_are_pulled_whatever_the_server_is_called(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    ids = task_ids(server, pushed.project, 1)
    given = {sample_id: answer_task(server, task_id, "keep") for sample_id, task_id in ids.items()}
    assert loop.pull_reviews(server).closed == [1]
    other = LabelStudioServer(
        label_studio.url.replace("127.0.0.1", "localhost"), label_studio.admin_token
    )
    assert loop.push_round(other, n=2, controls=0, class_of_interest="8").project == pushed.project
    second = task_ids(server, pushed.project, 2)
    edited, withdrawn = sorted(given)
    result = {"result": answer_result("delete", n_classes=3)}
    server.patch(f"api/annotations/{given[edited]}/", result)
    server.delete(f"api/annotations/{given[withdrawn]}/")
    answer_task(server, next(iter(second.values())), "keep")
    for name in (other, server, other):
        report = loop.pull_reviews(name)
        assert report.problems == []
        assert report.missing == {}
        assert verdict(loop, edited) == "deleted"
        assert loop.samples.dataset[withdrawn].cleaning_review is None
        assert loop.rounds.load(2).url.startswith(f"{name.url}/projects/")
    assert (report.new_answers, report.withdrawn, report.answered) == (0, 0, 1)


def test_deleted_accounts_are_two_voices_and_the_round_completes(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any
) -> None:
    people = ["gone-1@example.com", "gone-2@example.com"]
    keys = [LabelStudioServer(label_studio.url, label_studio.add_user(name)) for name in people]
    pushed = loop.push_round(server, n=1, controls=0, class_of_interest="8", reviewers_per_task=2)
    [(sample_id, task_id)] = task_ids(server, pushed.project, 1).items()
    for key, answered in zip(keys, ("keep", "delete"), strict=True):
        answer_task(key, task_id, answered)
    for user in server.get("api/users/"):
        if user["email"] in people:
            server.delete(f"api/users/{user['id']}/")
    report = loop.pull_reviews(server)
    assert (report.new_answers, report.closed, report.answered) == (2, [1], 1)
    assert verdict(loop, sample_id) == "conflict"


@pytest.mark.parametrize("what", ["task", "project"])
def test_a_half_answered_task_that_is_gone_is_made_again(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any, reviewer_token: str, what: str
) -> None:
    reviewer = LabelStudioServer(label_studio.url, reviewer_token)
    options = {"n": 2, "controls": 0, "class_of_interest": "8", "reviewers_per_task": 2}
    pushed = loop.push_round(server, **options)
    ids = task_ids(server, pushed.project, 1)
    half, whole = sorted(ids)
    answer_task(server, ids[half], "keep")
    for person in (server, reviewer):
        answer_task(person, ids[whole], "keep")
    assert loop.pull_reviews(server).answered == 1
    if what == "task":
        server.delete(f"api/tasks/{ids[half]}/")
    else:
        server.delete(f"api/projects/{pushed.project}/")
    again = loop.push_round(server, **options)
    assert again.created == 1
    assert loop.pull_reviews(server).withdrawn == 0
    answer_task(reviewer, task_ids(server, again.project, 1)[half], "keep")
    report = loop.pull_reviews(server)
    assert (report.closed, report.answered, report.withdrawn) == ([1], 2, 0)
    assert verdict(loop, half) == verdict(loop, whole) == "kept"


def test_a_skipped_task_is_named_with_the_way_out_and_surplus_answers_are_counted(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any, reviewer_token: str
) -> None:
    reviewer = LabelStudioServer(label_studio.url, reviewer_token)
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    (skipped, skipped_task), (_, twice_task) = task_ids(server, pushed.project, 1).items()
    skip = {"result": [], "was_cancelled": True}
    server.post(f"api/tasks/{skipped_task}/annotations/", skip)
    for person in (server, reviewer):
        answer_task(person, twice_task, "keep")
    report = loop.pull_reviews(server)
    assert report.skips == {1: {skipped: skipped_task}}
    assert report.surplus == 1
    assert "; 1 answered more often than wanted" in str(report)
    assert f"waits for 1 skipped tasks ({skipped_task})" in str(report)
    assert "`coreset-cleaning close`" in str(report)
    assert loop.close_round(server=server).answered == 1
    assert loop.pull_reviews(server).skips == {}


def test_what_a_closed_round_left_is_not_handed_out_any_more(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    left = set(task_ids(server, pushed.project, 1).values())
    ask = {"project": pushed.project}
    assert server.post("api/dm/actions", ask, id="next_task", **ask)["id"] in left
    loop.close_round(server=server)
    loop.push_round(server, n=1, controls=0, class_of_interest="8")
    new = set(task_ids(server, pushed.project, 2).values())
    assert server.post("api/dm/actions", ask, id="next_task", **ask)["id"] in new
    # Late answers still count.
    answer_task(server, min(left), "delete")
    assert loop.pull_reviews(server).new_answers == 1
