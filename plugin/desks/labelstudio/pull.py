"""Pull what reviewers submitted: every answer that can be read, a word on each that can't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ...core.errors import AuthenticationError, DataError
from ...core.review.ledger import AnswerKey
from ...core.review.verdicts import Review
from .connection import LabelStudioServer
from .keys import answer_id
from .pages import PageKind, Shown, SinglePages
from .project import require_project
from .tabs import matching

# Answers that were being committed while the last pull read get a second chance.
OVERLAP = timedelta(seconds=60)
# Task ids in one request.
_IDS = 500
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_OVERVIEW = "id,data,updated_at,total_annotations,cancelled_annotations,annotations_ids"
# Unless told to expand the answers, the server sets up the fields of an answer anew for each, which
# takes four times as long. Names with a dot are of expanded answers; one that can't expand them
# applies the plain names to tasks and answers.
_ANSWER = ("id", "result", "completed_by", "was_cancelled", "lead_time", "created_at", "updated_at")
_IN_FULL = ",".join(["annotations", *_ANSWER, *(f"annotations.{name}" for name in _ANSWER)])


@dataclass(frozen=True)
class Problem:
    """An answer that was left alone.

    Attributes
    ----------
    task_id : int
        Its task.
    annotation_id : int or None
        The answer; None when the task itself is the problem.
    reason : str
        What is wrong with it.
    """

    task_id: int
    annotation_id: int | None
    reason: str

    def __str__(self) -> str:
        answer = "" if self.annotation_id is None else f", answer {self.annotation_id}"
        return f"task {self.task_id}{answer}: {self.reason}"


@dataclass
class Answers:
    """What a pull found.

    Attributes
    ----------
    reviews : list of Review
        Submitted answers of tasks that changed since the last pull.
    withdrawn : list of (round, sample id, answer id)
        Answers known before that are no longer there; filled by the caller's `known`.
    problems : list of Problem
        Answers that can't be read.
    skipped : int
        Tasks of ours that somebody skipped and nobody answered.
    skips : dict
        Round to those samples that somebody skipped and that lack answers, with the id of the
        task: nobody who skipped one is shown it again.
    surplus : dict
        Round to ids of samples with more answers than were wanted; filled by the caller's
        `reviewers`.
    missing : dict
        Round to sample ids without a task on the server.
    unnamed : dict
        Round to ids of samples that somebody marked on a sheet without naming the class, with the
        answers that the sheet has.
    cursor : str
        Give it as `since` to the next pull.
    """

    reviews: list[Review] = field(default_factory=list)
    withdrawn: list[AnswerKey] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0
    skips: dict[int, dict[str, int]] = field(default_factory=dict)
    surplus: dict[int, list[str]] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)
    unnamed: dict[int, dict[str, int]] = field(default_factory=dict)
    cursor: str = ""


def pull_answers(
    server: LabelStudioServer,
    project_id: int,
    *,
    dataset_id: str,
    label_field: str,
    classes: Sequence[str],
    rounds: Mapping[int, AbstractSet[str]],
    known: AbstractSet[AnswerKey] = frozenset(),
    since: str | None = None,
    reviewers: Mapping[int, int] | None = None,
    kind: PageKind | None = None,
    elsewhere: AbstractSet[tuple[int, str]] = frozenset(),
) -> Answers:
    """Read the answers of tasks that changed since the last pull.

    Parameters
    ----------
    server : LabelStudioServer
        Where from.
    project_id : int
        The review project.
    dataset_id, label_field : str
        Whose tasks are ours; others are passed over.
    classes : sequence of str
        Classes a reviewer may give.
    rounds : mapping of int to set of str
        Round to the ids of its samples.
    known : set of (round, sample id, answer id), optional
        Answers that are on record; those that are gone are returned as withdrawn, and those that
        are new are read, whatever the clocks say.
    since : str, optional
        Cursor of the last pull. Default: read everything.
    reviewers : mapping of int to int, optional
        Round to the answers wanted for each task. Default: one.
    kind : PageKind, optional
        Which pages the project has. Default: those with one image.
    elsewhere : set of (round, sample id), optional
        Samples with a page in another project, too: that an answer about them here is not on record
        is no reason to read it again.

    Raises
    ------
    ProjectMissingError
        When the project is no longer on the server.
    """
    require_project(server, project_id)
    # One light pass over all tasks tells which are gone and which lost answers, without a clock;
    # only those that changed are read in full: the first time, all of them in the same pass.
    overview = {
        task["id"]: task
        for task in server.tasks(
            project=project_id,
            include=_OVERVIEW if since else f"{_OVERVIEW},{_IN_FULL}",
            expand="annotations",
            resolve_uri="false",
        )
    }
    answers = Answers(cursor=since or "")
    wanted = reviewers or {}
    kind = kind or SinglePages()
    pages: dict[int, Shown] = {}
    given: Counter[tuple[int, str]] = Counter()
    for task_id, task in overview.items():
        page = kind.shown(task["data"], dataset_id, label_field)
        page = page and page.among(rounds)
        if page is None:
            if task["total_annotations"]:
                answers.problems.append(Problem(task_id, None, "it belongs to no round of ours."))
            continue
        pages[task_id] = page
        was_skipped = task["cancelled_annotations"] and not task["total_annotations"]
        answers.skipped += len(page.samples) if was_skipped else 0
        for sample_id in page.samples.values():
            given[page.round, sample_id] += task["total_annotations"]
            given[page.round, sample_id] += len(page.earlier_of(sample_id))
        answers.cursor = max(answers.cursor, _utc(task["updated_at"]))
    on_server = {owner for page in pages.values() for owner in page.owners}
    answers.missing = {
        number: sorted(i for i in ids if (number, i) not in on_server)
        for number, ids in rounds.items()
    }
    for number in rounds:
        answers.skips[number] = {
            sample_id: task_id
            for task_id, page in sorted(pages.items())
            if page.round == number and overview[task_id]["cancelled_annotations"]
            for sample_id in page.samples.values()
            if given[number, sample_id] < wanted.get(number, 1)
        }
        answers.surplus[number] = sorted(
            sample_id
            for (of, sample_id), count in given.items()
            if of == number and count > wanted.get(number, 1)
        )
    people = _people(server)
    # Which answers exist, readable or not: one that was edited into nonsense is not withdrawn.
    present = {
        key
        for task_id, page in pages.items()
        for annotation_id in str(overview[task_id]["annotations_ids"] or "").split(",")
        # What is left of a task without answers was skipped.
        if annotation_id and overview[task_id]["total_annotations"]
        for key in page.answer_keys(int(annotation_id))
    }
    present |= {
        (page.round, sample_id, answer)
        for page in pages.values()
        for sample_id in page.samples.values()
        for answer in page.earlier_of(sample_id)
    }
    unread = {key[:2] for key in present - known} - elsewhere
    left = sorted(i for i, page in pages.items() if unread.intersection(page.owners))
    read: set[int] = set()
    for task in _in_full(server, project_id, since, overview, left):
        shown = pages.get(task["id"])
        if shown is None or task["id"] in read:
            continue
        read.add(task["id"])
        for annotation in task["annotations"]:
            if annotation["was_cancelled"]:
                present.difference_update(shown.answer_keys(annotation["id"]))
                continue
            found = _reviews(task, annotation, shown, kind, classes, people, answers.problems)
            answers.reviews += found.reviews
            for sample_id, key in found.unnamed.items():
                # Whatever it said before, it says no longer.
                present.discard(key)
                answers.unnamed.setdefault(shown.round, {})[sample_id] = task["total_annotations"]
    # Gone from a task that still exists. A task that is gone as a whole proves nothing about its
    # answers: somebody tidied up, and what was decided stays decided.
    answers.withdrawn = sorted(key for key in known if key not in present and key[:2] in on_server)
    return answers


def _people(server: LabelStudioServer) -> dict[int, str]:
    """Return user id to name; empty when the key's owner may not see the users."""
    try:
        users = server.get("api/users/")
    except AuthenticationError:
        return {}
    return {user["id"]: user["email"] or user["username"] for user in users}


def _in_full(
    server: LabelStudioServer,
    project_id: int,
    since: str | None,
    overview: Mapping[int, dict[str, Any]],
    unread: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Read, with their answers, the tasks that changed and those with answers not on record."""
    if not since:
        yield from overview.values()
        return
    start = datetime.strptime(since, _TIME).replace(tzinfo=timezone.utc) - OVERLAP
    seen = set()
    for task in _tasks_where(server, project_id, "updated_at", "greater", "Datetime", start):
        seen.add(task["id"])
        yield task
    left = [task_id for task_id in unread if task_id not in seen]
    for first in range(0, len(left), _IDS):
        ids = left[first : first + _IDS]
        yield from _tasks_where(server, project_id, "id", "in_list", "List", ids)


def _tasks_where(
    server: LabelStudioServer, project_id: int, column: str, operator: str, kind: str, value: Any
) -> Iterator[dict[str, Any]]:
    item = {
        "filter": f"filter:tasks:{column}",
        "operator": operator,
        "type": kind,
        "value": value.strftime(_TIME) if isinstance(value, datetime) else value,
    }
    return server.tasks(
        project=project_id,
        query=matching(item),
        include=f"data,total_annotations,{_IN_FULL}",
        expand="annotations",
        resolve_uri="false",
    )


@dataclass
class _Said:
    """What one annotation says: reviews, and samples marked without a class by answer key."""

    reviews: list[Review] = field(default_factory=list)
    unnamed: dict[str, AnswerKey] = field(default_factory=dict)


def _reviews(
    task: dict[str, Any],
    annotation: Mapping[str, Any],
    page: Shown,
    kind: PageKind,
    classes: Sequence[str],
    people: Mapping[int, str],
    problems: list[Problem],
) -> _Said:
    said = _Said()
    try:
        answers = kind.read(annotation["result"], task["data"], classes)
    except DataError as error:
        problems.append(Problem(task["id"], annotation["id"], str(error)))
        return said
    seconds = annotation.get("lead_time")
    # Of a page with several images, each took its part; what has no answer yet has no part, so that
    # no time is lost.
    named = sum(not isinstance(answer, DataError | None) for answer in answers.values())
    for slot, sample_id in page.samples.items():
        answer = answers[slot]
        key = (page.round, sample_id, answer_id(annotation["id"], page.earlier_of(sample_id), slot))
        if answer is None:
            said.unnamed[sample_id] = key
        elif isinstance(answer, DataError):
            problems.append(Problem(task["id"], annotation["id"], str(answer)))
        else:
            said.reviews.append(
                Review(
                    round=page.round,
                    sample_id=sample_id,
                    answer_id=key[2],
                    reviewer=_reviewer(annotation, people),
                    verdict=answer.verdict,
                    new_label=answer.new_label,
                    comment=answer.comment,
                    lead_time=None if seconds is None else seconds / named,
                    created_at=_utc(annotation["created_at"]),
                    updated_at=_utc(annotation["updated_at"]),
                )
            )
    return said


def _reviewer(annotation: Mapping[str, Any], people: Mapping[int, str]) -> str:
    """Name the person; of those whose accounts are gone, nobody knows who was who."""
    by = annotation["completed_by"]
    user = by["id"] if isinstance(by, dict) else by
    if user is None:
        return f"deleted user (annotation {annotation['id']})"
    return people.get(user, f"user {user}")


def _utc(text: str) -> str:
    """Bring a time to one form, so that times sort as text."""
    return (
        datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).strftime(_TIME)
    )
