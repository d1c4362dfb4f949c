"""Label Studio as a desk: rounds are tasks of a project, answers are its annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from ...core.errors import ProjectMissingError
from ...core.review.ledger import AnswerKey
from ..base import Answers, Options, Progress, ReviewTask, Sent, Subject
from .cleanup import delete_round_tab, delete_unanswered, park_tasks
from .connection import LabelStudioServer
from .examples import Strips
from .images import ImageSource
from .keys import is_own_answer, parse_push_key
from .pages import Sheets, SinglePages
from .project import (
    Project,
    ProjectPlan,
    apply_plan,
    find_project,
    locate_project,
    plan_project,
)
from .pull import pull_answers
from .push import PushResult, push_tasks
from .sheet_push import push_sheets
from .tabs import SHEETS_MARK
from .tasks import round_keys


@dataclass(frozen=True)
class _Checked:
    """What a check found out: the `send` after it need not ask, or look at the images, again.

    Attributes
    ----------
    subject : Subject
    options : Options
        Without the examples, which no check knows yet.
    plans : dict of int to ProjectPlan
        By the number of images on a page, see `Options`.
    source : ImageSource
        Which has looked at the images.
    """

    subject: Subject
    options: Options
    plans: dict[int, ProjectPlan]
    source: ImageSource


class LabelStudioDesk:
    """Rounds that are answered in Label Studio.

    Parameters
    ----------
    server : LabelStudioServer
    """

    name = "labelstudio"
    shows_dataset = False

    def __init__(self, server: LabelStudioServer) -> None:
        self.server = server
        self._checked: _Checked | None = None

    def check(self, subject: Subject, options: Options, images: Mapping[str, str]) -> None:
        """Make sure that the server would take the project and that it can show the images."""
        plan = self._plan(subject, options)
        source = self._images(options, plan.project_id)
        source.check(images, connect=False)
        plans = {options.sheet: plan}
        if options.sheet:
            # Classes that can't be shown would be found out by the second stage.
            plans[0] = self._plan(subject, replace(options, sheet=0))
        self._checked = _Checked(subject, _without_examples(options), plans, source)

    def send(
        self,
        subject: Subject,
        options: Options,
        round_: int,
        tasks: Sequence[ReviewTask],
        progress: Progress | None = None,
    ) -> Sent:
        """Make the projects and those tasks that are not on the server yet.

        Labels with a place go to their sheet, others to a page of their own.
        """
        checked = self._take_checked(subject, options)
        apart = self._apart(subject, round_) if options.sheet else set()
        placed = [t for t in tasks if t.place is not None and t.sample_id not in apart]
        if not placed:
            return self._send_single(subject, options, round_, tasks, progress, checked)
        project, source = self._project(subject, options, checked)
        result, left = push_sheets(
            self.server,
            project,
            placed,
            dataset_id=subject.home,
            label_field=subject.label_field,
            round=round_,
            source=source,
            hide_suggestion=options.hide_suggestion,
            strips=self._strips(options, project.id),
            progress=progress,
        )
        sent = self._sent(result, {"sheets_id": project.id, "sheets_cursor": None})
        left += [task for task in tasks if task not in placed]
        if not left:
            return sent
        more = self._send_single(subject, options, round_, left, None, checked)
        return replace(
            sent,
            created=sent.created + more.created,
            existing=sent.existing + more.existing,
            project={**sent.project, **more.project},
        )

    def _apart(self, subject: Subject, round_: int) -> set[str]:
        """Return the labels of a round that have a page of their own."""
        found = find_project(self.server, subject.home, subject.label_field)
        if found is None:
            return set()
        keys = round_keys(self.server, found["id"], round_)
        owners = (parse_push_key(key, subject.home, subject.label_field) for key in keys)
        return {owner[1] for owner in owners if owner}

    def _send_single(
        self,
        subject: Subject,
        options: Options,
        round_: int,
        tasks: Sequence[ReviewTask],
        progress: Progress | None,
        checked: _Checked | None,
    ) -> Sent:
        project, source = self._project(subject, replace(options, sheet=0), checked)
        result = push_tasks(
            self.server,
            project,
            tasks,
            dataset_id=subject.home,
            label_field=subject.label_field,
            round=round_,
            source=source,
            strips=self._strips(options, project.id),
            progress=progress,
        )
        return self._sent(result, {"id": project.id, "cursor": None})

    def _take_checked(self, subject: Subject, options: Options) -> _Checked | None:
        """Return what the check right before has found out, once; None if it was of another."""
        checked, self._checked = self._checked, None
        asked = (subject, _without_examples(options))
        return checked if checked and asked == (checked.subject, checked.options) else None

    def _project(
        self, subject: Subject, options: Options, checked: _Checked | None
    ) -> tuple[Project, ImageSource]:
        """Make a project, or bring it up to date; return it and how its images get there."""
        plan = checked.plans.get(options.sheet) if checked else None
        project = apply_plan(plan or self._plan(subject, options))
        if checked and options.sheet == checked.options.sheet:
            checked.source.go_to(project.id)
            return project, checked.source
        return project, self._images(options, project.id)

    def _sent(self, result: PushResult, project: Mapping[str, Any]) -> Sent:
        return Sent(
            created=result.created,
            existing=result.existing,
            url=result.url,
            project={"server": self.server.url, **project},
        )

    def remember(self, before: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is to be kept on record of the projects; see `Desk.remember`."""
        now = {**before, **sent}
        same = before.get("server") == sent.get("server")
        for name, cursor in zip(_ID.values(), _CURSOR.values(), strict=True):
            # The clock of another server, or of the same under another address, may differ.
            if name in now:
                known = same and before.get(name) == now[name]
                now[cursor] = before.get(cursor) if known else None
        return now

    def fetch(
        self,
        subject: Subject,
        rounds: Mapping[int, AbstractSet[str]],
        known: AbstractSet[AnswerKey],
        project: Mapping[str, Any],
        wanted: Mapping[int, int],
    ) -> Answers:
        """Read what is new in the rounds' projects; see `Desk.fetch`."""
        answers, apart, gone = None, frozenset[tuple[int, str]](), None
        for sheets in [s for s in (False, True) if _ID[s] in project] or [False]:
            try:
                found = self._fetch(subject, rounds, known, project, wanted, sheets, apart)
            except ProjectMissingError as error:
                gone = error
                continue
            if not sheets:
                lost = found.missing
                apart = frozenset((n, i) for n, ids in rounds.items() for i in ids - {*lost[n]})
            answers = found if answers is None else answers.with_sheets(found)
        if answers is None:
            assert gone is not None
            raise gone
        for number, labels in answers.unnamed.items():
            if wanted.get(number, 1) == 1:
                # Who has marked them is asked already.
                answers.unnamed[number] = {
                    i: n for i, n in labels.items() if (number, i) not in apart
                }
        return answers

    def _fetch(
        self,
        subject: Subject,
        rounds: Mapping[int, AbstractSet[str]],
        known: AbstractSet[AnswerKey],
        project: Mapping[str, Any],
        wanted: Mapping[int, int],
        sheets: bool,
        apart: AbstractSet[tuple[int, str]],
    ) -> Answers:
        name, cursor = _ID[sheets], _CURSOR[sheets]
        project_id = self._locate(subject, project, sheets).id
        same = project.get("server") == self.server.url and project.get(name) == project_id
        found = pull_answers(
            self.server,
            project_id,
            dataset_id=subject.home,
            label_field=subject.label_field,
            classes=subject.classes,
            rounds=rounds,
            known={key for key in known if is_own_answer(key[2], sheets)},
            since=project.get(cursor) if same else None,
            reviewers=wanted,
            kind=Sheets() if sheets else SinglePages(),
            elsewhere=apart,
        )
        return Answers(
            reviews=found.reviews,
            withdrawn=found.withdrawn,
            problems=[str(problem) for problem in found.problems],
            skipped=found.skipped,
            skips=found.skips,
            missing=found.missing,
            surplus=found.surplus,
            unnamed=found.unnamed,
            project={"server": self.server.url, name: project_id, cursor: found.cursor},
        )

    def link(self, url: str, project: Mapping[str, Any]) -> str:
        """Return the link under the address and the project's number of today."""
        name = _ID[url.endswith(SHEETS_MARK)]
        if name not in project:
            return url
        _, _, page = url.partition("/projects/")
        _, _, rest = page.partition("/")
        return f"{project['server']}/projects/{project[name]}/{rest}"

    def close(
        self, subject: Subject, round_: int, project: Mapping[str, Any], delete_tasks: bool
    ) -> tuple[bool, int]:
        """Delete the round's tabs and, if asked to, its tasks without an answer."""
        own = {"dataset_id": subject.home, "label_field": subject.label_field}
        tab_deleted, tasks_deleted = False, 0
        for sheets in (False, True):
            if sheets and _ID[sheets] not in project:
                continue
            try:
                project_id = self._locate(subject, project, sheets).id
            except ProjectMissingError:
                if _ID[True] not in project:
                    raise
                continue
            # The tab goes first: it is what hands tasks out.
            tab_deleted |= delete_round_tab(self.server, project_id, round_)
            park_tasks(self.server, project_id, open_rounds=(), **own)
            if delete_tasks:
                tasks_deleted += delete_unanswered(self.server, project_id, round_=round_, **own)
        return tab_deleted, tasks_deleted

    def _plan(self, subject: Subject, options: Options) -> ProjectPlan:
        return plan_project(
            self.server,
            dataset_id=subject.home,
            dataset_name=subject.dataset_name,
            label_field=subject.label_field,
            classes=subject.classes,
            reviewers_per_task=options.reviewers_per_task,
            hide_suggestion=options.hide_suggestion,
            smooth=options.smooth,
            of_objects=subject.of_objects,
            sheet=options.sheet,
        )

    def _locate(self, subject: Subject, project: Mapping[str, Any], sheets: bool) -> Project:
        """Return a project: its mark says whose it is, not the server's address.

        Raises
        ------
        ProjectMissingError
            When it is no longer on the server.
        """
        return locate_project(
            self.server, subject.home, subject.label_field, project.get(_ID[sheets]), sheets
        )

    def _strips(self, options: Options, project_id: int) -> Strips:
        source = self._images(options, project_id, small=True)
        return Strips(source, options.examples, options.hide_suggestion)

    def _images(self, options: Options, project_id: int | None, small: bool = False) -> ImageSource:
        return ImageSource(
            self.server,
            project_id,
            options.images,
            options.images_root,
            small=small or bool(options.sheet),
        )


def _without_examples(options: Options) -> Options:
    return replace(options, examples={})


# By whether the sheets are meant: what a project is called on record, and its pull's cursor.
_ID = {False: "id", True: "sheets_id"}
_CURSOR = {False: "cursor", True: "sheets_cursor"}
