"""What came of a round: sent, answered, closed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..core.judging.meter import Meter
from ..core.review.scope import OTHER_YARDSTICK, TEST_SPLIT, TRAIN_SPLIT, Scope
from .report import NOT_PERSISTENT, Report

# Tasks in one line of text.
_NAMED = 5


@dataclass(frozen=True)
class RoundReport(Report):
    """What `push_round` did.

    Attributes
    ----------
    round : int
        Number of the round.
    class_of_interest : str
        The classes under review, as one text; "whole dataset" with that scope.
    rival : str or None
        The class it is confused with.
    n, controls : int
        Samples in the batch, and how many of them are controls.
    created, existing : int
        Tasks made now, and tasks that were on the server before.
    project : int or None
        Id of the project in Label Studio.
    url : str
        Link to the round there; empty at a desk without one.
    desk : str
        Where it is reviewed.
    split : str, default "train"
        "test" of a round of the test split.
    test_duplicates : int, default 0
        Samples of the batch that are near-duplicates of a test sample.
    unscored : int, default 0
        Samples of the class that no queue can show, because they have no score.
    scope : str, default "class"
        "class" or "dataset": what it was drawn from.
    persistent : bool, default True
        Whether FiftyOne keeps the dataset.
    gold : int, default 0
        Images beside the batch whose label is swapped, to see who notices.
    sheets : int, default 0
        Sheets that show them; 0 where each has a page of its own.
    """

    round: int
    class_of_interest: str
    rival: str | None
    n: int
    controls: int
    created: int
    existing: int
    project: int | None
    url: str
    desk: str = "labelstudio"
    test_duplicates: int = 0
    unscored: int = 0
    scope: str = Scope.CLASS.value
    persistent: bool = True
    gold: int = 0
    sheets: int = 0
    split: str = TRAIN_SPLIT

    def __str__(self) -> str:
        what = f"images sent, on {self.sheets} sheets" if self.sheets else "tasks created"
        new = f"{self.created} {what}" if self.created else "nothing new to push"
        what = "class " if self.scope == Scope.CLASS else ""
        text = f"Round {self.round}, {what}{self.class_of_interest}: "
        if self.url:
            text += f"{new}, {self.existing} were there. Review them at {self.url}"
        else:
            text += f"{self.n} labels to review, {self.existing} of them answered."
        if self.gold:
            text += (
                f"\nHidden among them: {self.gold} gold images, whose label is swapped. Don't tell "
                "the reviewers which."
            )
        if self.unscored:
            text += (
                f"\nLeft out: {self.unscored} labels without a score. Compute it again to queue "
                "them: `coreset-cleaning score`."
            )
        if self.split == TEST_SPLIT:
            text += f"\nWarning: it changes labels of the test split. {OTHER_YARDSTICK}"
        if self.test_duplicates:
            text += (
                f"\nWarning: {self.test_duplicates} of its images are near-duplicates of a test "
                "image, so held-out AUROC is measured on images that were trained on."
            )
        return text + ("" if self.persistent else NOT_PERSISTENT)


@dataclass(frozen=True)
class PullReport(Report):
    """What `pull_reviews` did.

    Attributes
    ----------
    new_answers : int
        Answers that were not in the ledger yet, edits included.
    withdrawn : int
        Answers that are no longer in Label Studio.
    changed : int
        Samples whose state changed.
    outcomes : dict
        Outcome to number of samples, over all rounds.
    open_round : int or None
        The round still in review after this pull.
    answered, total : int
        Answered samples of the round that is or was open, and its size.
    closed : list of int
        Rounds that this pull completed.
    skipped : int
        Tasks that a reviewer skipped.
    problems : list of str
        Answers left alone because they can't be read, one sentence each.
    missing : dict
        Open round to ids of samples whose task is no longer in Label Studio.
    skips : dict
        Open round to those samples that somebody skipped and that lack answers, with the id of
        the task.
    surplus : int
        Tasks of the round that is or was open that were answered more often than wanted.
    outdated : list of str
        Ids of samples whose answers are about another label than the one they have now: the
        answers are on record, and nothing was changed.
    gone : list of str
        Ids of samples whose new answers have come too late: they are no longer in the dataset.
    meter : Meter or None
        What the round that is or was open has cost so far.
    unnamed : int
        Images marked on a sheet without a class, for which this pull has made pages of their own.
    unnamed_url : str
        Link to such pages of the open round; empty where there are none.
    next_labels, next_new : int or None
        Where scores were computed again: labels at the head of the whole dataset's queue, and those
        of them that were not there before.
    """

    new_answers: int
    withdrawn: int
    changed: int
    outcomes: dict[str, int]
    open_round: int | None
    answered: int
    total: int
    closed: list[int] = field(default_factory=list)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    missing: dict[int, list[str]] = field(default_factory=dict)
    skips: dict[int, dict[str, int]] = field(default_factory=dict)
    surplus: int = 0
    outdated: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    meter: Meter | None = None
    unnamed: int = 0
    unnamed_url: str = ""
    next_labels: int | None = None
    next_new: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        shallow = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**shallow, "meter": self.meter.to_dict() if self.meter else None}

    def plus(self, other: PullReport) -> PullReport:
        """Return what two pulls came to together."""
        return replace(
            self,
            new_answers=self.new_answers + other.new_answers,
            withdrawn=self.withdrawn + other.withdrawn,
            changed=self.changed + other.changed,
            closed=[*self.closed, *other.closed],
            skipped=self.skipped + other.skipped,
            problems=[*self.problems, *other.problems],
            missing={**self.missing, **other.missing},
            skips={**self.skips, **other.skips},
            surplus=self.surplus + other.surplus,
            outdated=sorted({*self.outdated, *other.outdated}),
            gone=sorted({*self.gone, *other.gone}),
            unnamed=self.unnamed + other.unnamed,
            unnamed_url=self.unnamed_url or other.unnamed_url,
        )

    def standing(self, **values: Any) -> PullReport:
        """Return the report with where the rounds are now."""
        return replace(self, **values)

    def __str__(self) -> str:
        text = f"{self.new_answers} new answers, {self.changed} labels updated"
        if self.total:
            text += f"; {self.answered} of {self.total} answered"
        so_far = [f"{n} {what.replace('_', ' ')}" for what, n in self.outcomes.items()]
        if so_far:
            text += f"; so far {', '.join(so_far)}"
        if self.withdrawn:
            text += f"; {self.withdrawn} answers withdrawn"
        if self.surplus:
            text += f"; {self.surplus} answered more often than wanted"
        if self.outdated:
            text += (
                f"; {len(self.outdated)} answers are about a label that has changed since, so "
                "nothing was changed there"
            )
        if self.gone:
            text += f"; {len(self.gone)} answers are about a label that is no longer there"
        if self.skipped:
            text += f"; {self.skipped} skipped"
        if self.unnamed_url:
            text += f"; images marked without a class are asked for at {self.unnamed_url}"
        lost = sum(map(len, self.missing.values()))
        if lost:
            text += (
                f"; {lost} tasks are gone from Label Studio: push again to restore those that "
                "have no answer"
            )
        text += "."
        for number, tasks in self.skips.items():
            ids = list(tasks.values())
            named = ", ".join(map(str, ids[:_NAMED])) + (" and more" if len(ids) > _NAMED else "")
            text += (
                f"\n  round {number} waits for {len(ids)} skipped tasks ({named}): answer them in "
                "Label Studio, or end the round with `coreset-cleaning close`"
            )
        if self.closed and self.meter and self.meter.tells:
            text += f"\n  round {self.closed[-1]}: {self.meter}"
        if self.next_labels is not None:
            text += (
                f"\n  scored again: {self.next_new} of the next {self.next_labels} labels in the "
                "queue are new there"
            )
        for problem in self.problems:
            text += f"\n  left alone: {problem}"
        return text


@dataclass(frozen=True)
class CloseReport(Report):
    """What `close_round` did.

    Attributes
    ----------
    round : int
        Number of the round.
    answered, total : int
        Samples with an answer, and samples in the batch.
    tab_deleted : bool
        Whether its tab in Label Studio was deleted now.
    tasks_deleted : int
        Tasks without an answer that were deleted there now.
    """

    round: int
    answered: int
    total: int
    tab_deleted: bool
    tasks_deleted: int

    def __str__(self) -> str:
        text = f"Round {self.round} is closed with {self.answered} of {self.total} answered"
        if self.tasks_deleted:
            text += f"; {self.tasks_deleted} tasks without an answer deleted"
        return text + ("; its tab is deleted." if self.tab_deleted else ".")
