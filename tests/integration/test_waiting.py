"""Waiting for reviewers, several of them, and ending a round that they don't finish."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fiftyone.operators.store as foos
import pytest

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import (
    BusyError,
    DataError,
    ProjectMissingError,
    RoundError,
    ServerUnreachableError,
)
from coreset_cleaning.desks.base import Answers
from coreset_cleaning.desks.labelstudio import connection
from coreset_cleaning.desks.labelstudio.tabs import find_round_tab
from coreset_cleaning.store import lock, names
from label_studio_server import LabelStudioProcess
from support.answers import answer_task, task_ids


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,))
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.2)


# ---- watching


def test_watching_ends_with_the_last_answer_and_tells_how_far_it_is(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=3, controls=0, class_of_interest="8")
    left = list(task_ids(server, pushed.project).values())
    said = []

    def progress(fraction: float, message: str) -> None:
        said.append((fraction, message))
        answer_task(server, left.pop(), "keep")

    report = loop.wait_for_reviews(server, 0.01, progress=lambda *a: left and progress(*a))
    assert (report.open_round, report.answered, report.total) == (None, 3, 3)
    assert said == [(i / 3, f"{i} of 3 tasks") for i in range(3)]


def test_watching_returns_with_what_there_is_when_time_is_up(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    answer_task(server, next(iter(task_ids(server, pushed.project).values())), "keep")
    # It would sleep for an hour if the end did not cut the pause short.
    report = loop.wait_for_reviews(server, 3600.0, timeout=0.2)
    assert (report.open_round, report.answered, report.total) == (1, 1, 2)


def test_watching_survives_a_server_that_is_away_and_a_pull_beside_it(
    loop: CleaningLoop, digits: Any, tmp_path: Path
) -> None:
    process = LabelStudioProcess(tmp_path / "data")
    with process:
        server = LabelStudioServer(process.url, process.admin_token)
        pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
        [first, second] = task_ids(server, pushed.project).values()
        answer_task(server, first, "keep")
        said: list[str] = []

        def progress(_: float, message: str) -> None:
            said.append(message)
            if len(said) == 1:
                process.kill()
            elif len(said) == 2:
                assert message == "1 of 2 tasks, waiting for Label Studio"
                process.start()
            elif len(said) == 3:
                answer_task(server, second, "delete")
                # Another process pulls at the same time: the watch goes on after it.
                held.enter_context(loop.rounds.lock("pull"))
            elif len(said) == 4:
                held.close()

        with ExitStack() as held:
            report = loop.wait_for_reviews(server, 0.01, progress=progress)
        assert (report.open_round, report.answered) == (None, 2)
        assert said[3] == "1 of 2 tasks"
        # Down at the first look is an error: the address may be wrong.
        process.kill()
        with pytest.raises(ServerUnreachableError):
            loop.wait_for_reviews(server, 0.01)


def test_watching_does_not_wait_for_a_project_that_was_deleted(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")

    def progress(*_: object) -> None:
        server.delete(f"api/projects/{pushed.project}/")

    with pytest.raises(ProjectMissingError, match="Push again"):
        loop.wait_for_reviews(server, 0.01, progress=progress)


# ---- several reviewers


def test_majority_decides_a_tie_is_a_conflict_and_comes_back(
    loop: CleaningLoop, server: LabelStudioServer, label_studio: Any, reviewer_token: str
) -> None:
    people = [
        server,
        LabelStudioServer(label_studio.url, reviewer_token),
        LabelStudioServer(label_studio.url, label_studio.add_user("third@example.com")),
    ]
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8", reviewers_per_task=3)
    settings = server.get(f"api/projects/{pushed.project}/")
    assert settings["maximum_annotations"] == 3
    [agreed, disputed] = (item.sample_id for item in loop.rounds.load(1).batch)
    ids = task_ids(server, pushed.project)
    answers = {
        agreed: [("relabel", "9"), ("keep", None), ("relabel", "9")],
        disputed: [("relabel", "9"), ("keep", None), ("delete", None)],
    }
    for voice, person in enumerate(people):
        for sample_id, said in answers.items():
            answer_task(person, ids[sample_id], *said[voice])
        report = loop.pull_reviews(server)
        # The round waits for all three, although every task has an answer.
        assert report.open_round == (None if voice == 2 else 1)
        assert (report.answered, report.total) == (2 if voice == 2 else 0, 2)
    dataset = loop.samples.dataset
    assert dataset[agreed].ground_truth.label == "9"
    assert len(dataset[agreed].cleaning_review.reviewers) == 3
    assert dataset[disputed].ground_truth.label == "8"
    assert "cleaning:conflict" in dataset[disputed].tags
    assert [e.lead_time for e in loop.rounds.load(1).events] == [3.5] * 6
    loop.push_round(server, n=2, controls=0)
    served = loop.rounds.load(2).sample_ids
    assert agreed not in served
    assert disputed in served


# ---- closing


def test_a_closed_round_frees_what_was_not_answered(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=4, controls=0, class_of_interest="8")
    ids = task_ids(server, pushed.project)
    [answered, *rest] = ids
    answer_task(server, ids[answered], "delete")
    # The last answers are pulled first.
    report = loop.close_round(server, delete_tasks=True)
    assert (report.answered, report.total) == (1, 4)
    assert (report.tab_deleted, report.tasks_deleted) == (True, 3)
    assert "3 tasks without an answer deleted; its tab is deleted." in str(report)
    assert find_round_tab(server, pushed.project, 1) is None
    assert set(task_ids(server, pushed.project)) == {answered}
    dataset = loop.samples.dataset
    assert dataset[answered].sample_weight == 0.0
    assert "cleaning:queued" not in dataset.distinct("tags")
    # The next pull neither misses them nor takes anything back.
    pulled = loop.pull_reviews(server)
    assert (pulled.missing, pulled.withdrawn, pulled.changed) == ({}, 0, 0)
    loop.push_round(server, n=4, controls=0)
    assert set(rest) <= loop.rounds.load(2).sample_ids
    # An earlier round can be tidied up later, and again.
    again = loop.close_round(server, 1, delete_tasks=True)
    assert (again.tab_deleted, again.tasks_deleted) == (False, 0)
    assert len(task_ids(server, pushed.project)) == 5
    assert loop.rounds.open_round().number == 2


def test_a_late_answer_to_a_closed_round_still_counts(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    [one, two] = task_ids(server, pushed.project).items()
    report = loop.close_round(server)
    assert (report.answered, report.tab_deleted, report.tasks_deleted) == (0, True, 0)
    answer_task(server, one[1], "delete")
    assert loop.pull_reviews(server).new_answers == 1
    assert loop.samples.dataset[one[0]].sample_weight == 0.0
    assert loop.samples.dataset[two[0]].sample_weight == 1.0


def test_a_round_closes_without_server_or_project(
    loop: CleaningLoop, server: LabelStudioServer
) -> None:
    with pytest.raises(RoundError, match="has no open round"):
        loop.close_round(server)
    with pytest.raises(DataError, match="Pass server"):
        loop.close_round(delete_tasks=True)
    pushed = loop.push_round(server, n=2, controls=0, class_of_interest="8")
    with pytest.raises(ServerUnreachableError):
        loop.close_round(LabelStudioServer("http://127.0.0.1:9", "0" * 40))
    assert loop.rounds.open_round() is not None
    loop.close_round()
    assert find_round_tab(server, pushed.project, 1) is not None
    pushed = loop.push_round(server, n=2, controls=0)
    server.delete(f"api/projects/{pushed.project}/")
    report = loop.close_round(server, delete_tasks=True)
    assert (report.round, report.tab_deleted, report.tasks_deleted) == (2, False, 0)
    assert [row["closed_at"] is None for row in loop.history()] == [False, False]


# ---- the lock


def test_two_pushes_at_once_make_one_round(loop: CleaningLoop, server: LabelStudioServer) -> None:
    outcomes: list[Any] = []

    def push() -> None:
        mine = CleaningLoop(loop.samples.dataset, "ground_truth", "pixels")
        try:
            outcomes.append(mine.push_round(server, n=5, controls=0, class_of_interest="8"))
        except BusyError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=push) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [number] = {row["round"] for row in loop.history()}
    assert number == 1
    done = [outcome for outcome in outcomes if not isinstance(outcome, BusyError)]
    assert sum(report.created for report in done) == 5
    assert len(task_ids(server, done[0].project)) == 5


def test_a_long_job_keeps_its_lock(loop: CleaningLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.4)
    store = foos.ExecutionStore.create(names.RUN_METHOD, loop.samples.dataset._doc.id)
    moment = threading.Event()
    with loop.rounds.lock("push"):
        [key] = store.list_keys()
        first = store.get_metadata(key)["expires_at"]
        while store.get_metadata(key)["expires_at"] == first:
            moment.wait(0.02)
        with pytest.raises(BusyError, match="another process is at work"), loop.rounds.lock("x"):
            pass
    assert store.list_keys() == []


def test_waiting_says_how_a_round_ends_of_which_only_skipped_images_are_left(
    loop: CleaningLoop,
) -> None:
    class Skipping(AppDesk):
        """A desk where somebody has skipped whatever is left."""

        def fetch(self, subject: Any, rounds: Any, *_: Any) -> Answers:
            (number, ids), *_ = rounds.items()
            left = ids - set(answered)
            return Answers(skipped=len(left), skips={number: dict.fromkeys(left, 7)})

    loop.push_round(AppDesk(), n=3, controls=0, class_of_interest="8")
    answered = [loop.rounds.open_round().batch[0].sample_id]
    loop.record_verdicts(dict.fromkeys(answered, "keep"))
    said: list[str] = []
    report = loop.wait_for_reviews(
        Skipping(), seconds=0.01, timeout=0.05, progress=lambda _, text: said.append(text)
    )
    assert report.open_round == 1
    assert said[0].startswith("1 of 3 tasks, 2 skipped: answer them, or end the round with")
    assert "`coreset-cleaning close`" in said[0]
    # Whoever waits goes on when the round is closed elsewhere.
    CleaningLoop(loop.samples.dataset, "ground_truth", "pixels").close_round()
    assert loop.wait_for_reviews(Skipping(), seconds=0.01).open_round is None
