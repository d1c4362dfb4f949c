"""Two reviewers in two real browsers, at work on one round at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from chromium import open_browser
from coreset_cleaning import LabelStudioServer
from coreset_cleaning.desks.labelstudio.project import Project, find_or_create_project
from coreset_cleaning.desks.labelstudio.pull import Answers, pull_answers
from coreset_cleaning.desks.labelstudio.push import PushResult, ReviewTask, push_tasks
from label_studio_server import LabelStudioProcess
from review_page import ReviewPage

# pragma: allowlist nextline secret
PEOPLE, PASSWORD = ("left@example.com", "right@example.com"), "correct horse"
CLASSES = ("cat", "dog", "bird")


@pytest.fixture(scope="module")
def people(label_studio: LabelStudioProcess) -> tuple[str, ...]:
    for person in PEOPLE:
        label_studio.add_user(person, PASSWORD)
    return PEOPLE


@pytest.fixture
def reviewers(
    label_studio: LabelStudioProcess, people: tuple[str, ...]
) -> Iterator[list[ReviewPage]]:
    """A page for each, in a browser profile of its own that has never been used."""
    with open_browser() as browser:
        expect.set_options(timeout=60_000)
        reviews = []
        for person in people:
            page = browser.new_context(viewport={"width": 1400, "height": 820}).new_page()
            page.set_default_timeout(60_000)
            review = ReviewPage(page, label_studio.url)
            review.log_in(person, PASSWORD)
            reviews.append(review)
        yield reviews


class Work:
    """Rounds of a made-up dataset."""

    def __init__(self, process: LabelStudioProcess, dataset_id: str, image: Path) -> None:
        self.server = LabelStudioServer(process.url, process.admin_token)
        self.own: dict[str, Any] = {"dataset_id": dataset_id, "label_field": "ground_truth"}
        self.image = image

    def project(self, wanted: int = 1) -> Project:
        return find_or_create_project(
            self.server,
            dataset_name="two reviewers",
            classes=CLASSES,
            reviewers_per_task=wanted,
            **self.own,
        )

    def push(self, round_: int, n: int, wanted: int = 1) -> PushResult:
        tasks = [
            ReviewTask(f"r{round_}s{i}", str(self.image), i, n, "cat", "dog", 0.7, "A note.")
            for i in range(n)
        ]
        return push_tasks(self.server, self.project(wanted), tasks, round=round_, **self.own)

    def pull(self, rounds: dict[int, int], wanted: int = 1) -> Answers:
        return pull_answers(
            self.server,
            self.project(wanted).id,
            classes=CLASSES,
            rounds={r: {f"r{r}s{i}" for i in range(n)} for r, n in rounds.items()},
            reviewers=dict.fromkeys(rounds, wanted),
            **self.own,
        )


@pytest.fixture
def work(label_studio: LabelStudioProcess, tmp_path: Path, request: pytest.FixtureRequest) -> Work:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 60), "teal").save(path)
    return Work(label_studio, request.node.name, path)


def answer(review: ReviewPage, n: int) -> int:
    """Say that the label is right; return which image that was."""
    position = review.position()
    review.shows(f"Image {position} of {n}")
    review.press("1", "Control+Enter")
    return position


def wait_for_another(review: ReviewPage, before: int, *, last: bool) -> None:
    """Wait until the next image is there, or the end.

    The server chooses a task and locks it in two steps, so who asks between the two is given the
    same one: the other reviewer answers only when this one's next image is on the screen.
    """
    if last:
        review.is_done()
    else:
        review.shows_another(before)


def test_two_at_work_at_once_get_different_images_and_finish_together(
    work: Work, reviewers: list[ReviewPage]
) -> None:
    # What an earlier round left without an answer must not come up in a later one.
    work.push(1, 3)
    n = 6
    pushed = work.push(2, n)
    for review in reviewers:
        review.start(pushed.url)
        review.shows(f"of {n}")
    first, second = reviewers
    assert (first.position(), second.position()) == (1, 2)
    given: list[list[int]] = [[], []]
    for step in range(n // 2):
        shown = [review.position() for review in reviewers]
        assert sorted(shown) == [2 * step + 1, 2 * step + 2]
        for seen, review in zip(given, reviewers, strict=True):
            seen.append(answer(review, n))
            wait_for_another(review, seen[-1], last=step == n // 2 - 1)
    assert sorted(given[0] + given[1]) == list(range(1, n + 1))
    answers = work.pull({1: 3, 2: n})
    assert [(r.round, r.reviewer) for r in answers.reviews if r.round == 1] == []
    assert sorted(r.sample_id for r in answers.reviews) == [f"r2s{i}" for i in range(n)]
    assert {r.reviewer for r in answers.reviews} == set(PEOPLE)
    assert answers.surplus == {1: [], 2: []}


def test_two_answers_wanted_are_two_and_no_more(work: Work, reviewers: list[ReviewPage]) -> None:
    n = 3
    pushed = work.push(1, n, wanted=2)
    for review in reviewers:
        review.start(pushed.url)
        review.shows(f"of {n}")
    for step in range(n):
        for review in reviewers:
            wait_for_another(review, answer(review, n), last=step == n - 1)
    answers = work.pull({1: n}, wanted=2)
    assert len(answers.reviews) == 2 * n
    assert answers.surplus == {1: []}
