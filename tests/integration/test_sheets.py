"""Rounds on sheets, with a real Label Studio: what a person marks, edits, skips and takes back."""

from __future__ import annotations

from typing import Any

import pytest

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.desks.app import AppDesk
from coreset_cleaning.desks.labelstudio.answers import answer_result
from coreset_cleaning.desks.labelstudio.sheets import sheet_result, slots_of
from coreset_cleaning.usecases.examples import find_examples
from support.answers import answer_task, project_of, task_ids

LEAD_TIME = 8.0


def sheets_of(server: LabelStudioServer, project: int) -> list[dict[str, Any]]:
    found = server.tasks(project=project, include="id,data,total_annotations", resolve_uri="false")
    return sorted(found, key=lambda task: task["id"])


def answer_sheet(server: LabelStudioServer, sheet: dict[str, Any], *marks: str) -> int:
    body = {"result": sheet_result(marks), "lead_time": LEAD_TIME}
    return int(server.post(f"api/tasks/{sheet['id']}/annotations/", body)["id"])


def outcomes(loop: CleaningLoop, samples: Any) -> list[str | None]:
    reviews = [loop.samples.dataset[i].cleaning_review for i in samples]
    return [None if review is None else review.verdict for review in reviews]


def test_a_round_on_sheets_with_its_second_stage(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=10, controls=2, class_of_interest="8", sheet=4)
    assert (pushed.created, pushed.sheets, pushed.url.endswith("#sheets")) == (10, 3, True)
    batch = loop.rounds.load(1).batch
    assert pushed.project is not None
    first, second, third = sheets_of(server, pushed.project)
    assert [i for s in (first, second, third) for i in slots_of(s["data"]).values()] == [
        item.sample_id for item in batch
    ]
    # Sent once, whoever pushes again.
    again = loop.push_round(server, n=10, sheet=4)
    assert (again.created, again.existing, again.project) == (0, 10, pushed.project)

    answer_sheet(server, first, "1", "2", "2:other", "3", "3:delete", "4:unsure")
    report = loop.pull_reviews(server)
    ids = [item.sample_id for item in batch]
    assert outcomes(loop, ids[:4]) == ["relabeled", None, "deleted", "kept"]
    assert (report.new_answers, report.answered, report.unnamed) == (3, 3, 1)
    assert report.unnamed_url in str(report)
    assert loop.samples.dataset[ids[0]].ground_truth.label == batch[0].suggested_label
    assert [event.lead_time for event in loop.rounds.load(1).events] == [LEAD_TIME / 3] * 3
    # The page of its own is made once, in the project of such pages.
    again = loop.pull_reviews(server)
    assert (again.new_answers, again.unnamed, again.unnamed_url) == (0, 0, report.unnamed_url)
    pages = task_ids(server, int(report.unnamed_url.split("/projects/")[1].split("/")[0]))
    assert list(pages) == [ids[1]]

    answer_sheet(server, second)
    answer_sheet(server, third, "2", "2:second")
    assert loop.pull_reviews(server).answered == 9
    # Of three classes, the one that is neither given nor suggested.
    [guess] = {"3", "8", "9"} - {"8", batch[9].suggested_label}
    assert loop.samples.dataset[ids[9]].ground_truth.label == guess
    answer_task(server, pages[ids[1]], "relabel", "9")
    report = loop.pull_reviews(server)
    assert (report.closed, report.answered, report.problems) == ([1], 10, [])
    assert outcomes(loop, ids) == ["relabeled", "relabeled", "deleted"] + ["kept"] * 6 + [
        "relabeled"
    ]
    assert loop.samples.dataset[ids[1]].ground_truth.label == "9"
    # A later round of single pages leaves the sheets' answers alone.
    loop.push_round(server, n=2, controls=0, class_of_interest="8")
    assert project_of(loop) != pushed.project
    assert loop.pull_reviews(server).withdrawn == 0


def test_an_edited_sheet_changes_each_label(loop: CleaningLoop, server: LabelStudioServer) -> None:
    pushed = loop.push_round(server, n=4, controls=0, class_of_interest="8", sheet=4)
    assert pushed.project is not None
    [sheet] = sheets_of(server, pushed.project)
    ids = list(slots_of(sheet["data"]).values())
    given = answer_sheet(server, sheet, "1")
    assert loop.pull_reviews(server).closed == [1]
    assert outcomes(loop, ids) == ["relabeled", "kept", "kept", "kept"]
    edited = {"result": sheet_result(["2", "2:other", "3", "3:unsure"])}
    server.patch(f"api/annotations/{given}/", edited)
    report = loop.pull_reviews(server)
    # What is marked without a class is no longer an answer; the round that is over stays over.
    assert (report.withdrawn, report.unnamed) == (1, 0)
    assert outcomes(loop, ids) == ["kept", None, "unsure", "kept"]
    server.delete(f"api/annotations/{given}/")
    assert loop.pull_reviews(server).withdrawn == 3
    assert outcomes(loop, ids) == [None] * 4


def test_empty_unreadable_and_skipped_sheets_are_no_answers(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=6, controls=0, class_of_interest="8", sheet=2)
    assert pushed.project is not None
    empty, strange, skipped = sheets_of(server, pushed.project)
    server.post(f"api/tasks/{empty['id']}/annotations/", {"result": []})
    answer_sheet(server, strange, "17")
    server.post(f"api/tasks/{skipped['id']}/annotations/", {"result": [], "was_cancelled": True})
    report = loop.pull_reviews(server)
    assert (report.new_answers, report.skipped, len(report.problems)) == (0, 2, 2)
    assert "nobody has submitted" in report.problems[0]
    assert "no '17' on the sheet" in report.problems[1]
    assert set(report.skips[1]) == set(slots_of(skipped["data"]).values())
    answer_sheet(server, skipped)
    assert loop.pull_reviews(server).answered == 2


def test_without_suggestions_a_mark_says_only_that_it_is_wrong(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(
        server, n=3, controls=0, class_of_interest="8", sheet=3, hide_suggestion=True
    )
    assert pushed.project is not None
    [sheet] = sheets_of(server, pushed.project)
    assert not any("cap" in image["html"] for image in sheet["data"]["images"])
    assert all("suggested" not in slot for slot in sheet["data"]["slots"])
    answer_sheet(server, sheet, "1", "2", "2:delete")
    report = loop.pull_reviews(server)
    assert (report.answered, report.unnamed) == (2, 1)


def test_two_people_answer_each_sheet(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any, reviewer_token: str
) -> None:
    other = LabelStudioServer(label_studio.url, reviewer_token)
    pushed = loop.push_round(
        server, n=4, controls=0, class_of_interest="8", sheet=4, reviewers_per_task=2
    )
    assert pushed.project is not None
    [sheet] = sheets_of(server, pushed.project)
    ids = list(slots_of(sheet["data"]).values())
    answer_sheet(server, sheet, "1", "2", "2:other")
    assert loop.pull_reviews(server).unnamed == 1
    answer_sheet(other, sheet, "3", "2", "2:other")
    report = loop.pull_reviews(server)
    assert (report.answered, report.unnamed, report.surplus) == (3, 0, 0)
    assert outcomes(loop, ids) == ["conflict", None, "conflict", "kept"]
    single = int(report.unnamed_url.split("/projects/")[1].split("/")[0])
    [page] = task_ids(server, single).values()
    assert server.get(f"api/tasks/{page}/")["overlap"] == 2
    for person in (server, other):
        body = {"result": answer_result("relabel", "3", n_classes=3)}
        person.post(f"api/tasks/{page}/annotations/", body)
    report = loop.pull_reviews(server)
    assert (report.closed, report.surplus) == ([1], 0)
    assert outcomes(loop, ids)[1] == "relabeled"


@pytest.mark.parametrize("what", ["sheet", "project", "page"])
def test_what_is_deleted_at_the_desk_is_made_again(
    loop: CleaningLoop, server: LabelStudioServer, what: str
) -> None:
    pushed = loop.push_round(server, n=6, controls=0, class_of_interest="8", sheet=3)
    assert pushed.project is not None
    first, second = sheets_of(server, pushed.project)
    answer_sheet(server, first, "1", "2", "2:other")
    report = loop.pull_reviews(server)
    assert (report.answered, report.unnamed) == (2, 1)
    single = int(report.unnamed_url.split("/projects/")[1].split("/")[0])
    if what == "page":
        [page] = task_ids(server, single).values()
        server.delete(f"api/tasks/{page}/")
        assert loop.pull_reviews(server).unnamed == 1
    elif what == "sheet":
        server.delete(f"api/tasks/{first['id']}/")
        server.delete(f"api/tasks/{second['id']}/")
        report = loop.pull_reviews(server)
        # Of the first sheet, one label still has its page of its own.
        assert len(report.missing[1]) == 5
        assert report.withdrawn == 0
        assert loop.push_round(server, n=6, sheet=3).created == 3
    else:
        server.delete(f"api/projects/{pushed.project}/")
        report = loop.pull_reviews(server)
        assert (len(report.missing[1]), report.withdrawn) == (5, 0)
        again = loop.push_round(server, n=6, sheet=3)
        assert (again.created, again.project != pushed.project) == (3, True)
        pushed = again
    [page] = task_ids(server, single).values()
    answer_task(server, page, "relabel", "3")
    assert pushed.project is not None
    for sheet in sheets_of(server, pushed.project):
        if not sheet["total_annotations"]:
            answer_sheet(server, sheet)
    report = loop.pull_reviews(server)
    assert (report.closed, report.withdrawn, report.problems) == ([1], 0, [])


def test_examples_are_sure_images_of_the_class_and_verified_ones_come_first(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="8")
    kept = [item.sample_id for item in loop.rounds.load(1).batch]
    loop.record_verdicts(dict.fromkeys(kept[:2], "keep") | {kept[2]: "delete"})
    pushed = loop.push_round(server, n=4, controls=0, class_of_interest="8", sheet=4)
    batch = {item.sample_id for item in loop.rounds.load(2).batch}
    rounds = loop.rounds.all()
    found = find_examples(loop._work, rounds, rounds[1], ["8", "3"], 4, loop.labels.images)
    ids = [example.sample_id for example in found["8"]]
    assert set(ids[:2]) == set(kept[:2])
    assert len(set(ids)) == 4
    assert not batch & set(ids)
    assert kept[2] not in ids
    for name, examples in found.items():
        labels = {loop.samples.dataset[e.sample_id].ground_truth.label for e in examples}
        assert labels == {name}
    assert pushed.project is not None
    [sheet] = sheets_of(server, pushed.project)
    strip = sheet["data"]["images"][0]
    assert (strip["alias"], strip["html"].count("<img")) == ("examples", 4)
    # Whoever presses a key that Label Studio gave the strip has marked nothing.
    answer_sheet(server, sheet, "examples")
    report = loop.pull_reviews(server)
    assert (report.problems, report.closed) == ([], [2])
    off = loop.push_round(server, n=2, controls=0, class_of_interest="8", examples=0)
    assert off.project is not None
    for task in sheets_of(server, off.project):
        assert task["data"]["examples"] == []


def test_examples_do_not_give_away_a_hidden_suggestion(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(
        server, n=4, controls=0, class_of_interest=["8", "3"], hide_suggestion=True
    )
    assert pushed.project is not None
    for task in sheets_of(server, pushed.project):
        [strip] = task["data"]["examples"]
        assert f"<bdi>{task['data']['label']}</bdi>" in strip["html"]
