"""What the steps of the loop return: plain facts, as text for people and as dicts for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.errors import sentence
from ..core.judging.evaluation import AurocEvaluation, leading_scores
from ..core.judging.meter import Meter
from ..core.judging.plan import Plan
from ..core.judging.stopping import StopDecision
from ..core.judging.tally import ImportanceBar
from ..core.judging.yields import YieldReport
from ..core.review.scope import Scope

# Tasks in one line of text.
_NAMED = 5

_NOT_PERSISTENT = (
    "\nWarning: This dataset is not persistent: it is deleted, with all answers, when FiftyOne's "
    "database stops. Keep it: dataset.persistent = True"
)


class Report:
    """Base of all reports."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class EmbeddingReport(Report):
    """What `compute_embeddings` did.

    Attributes
    ----------
    field : str
        The embeddings field.
    model : str
        The network.
    computed, present : int
        Vectors computed now, and vectors that were there before.
    unreadable : list of tuple
        (path, reason) of every image that could not be decoded.
    """

    field: str
    model: str
    computed: int
    present: int
    unreadable: list[tuple[str, str]]

    def __str__(self) -> str:
        text = f"{self.computed} embeddings computed by {self.model} into {self.field!r}"
        if self.present:
            text += f", {self.present} were there"
        if self.unreadable:
            path, reason = self.unreadable[0]
            text += (
                f"; {len(self.unreadable)} images are unreadable (tag cleaning:unreadable), "
                f"first {path}: {reason}"
            )
        return text + "."


@dataclass(frozen=True)
class ImportanceReport(Report):
    """What `compute_importance` did.

    Attributes
    ----------
    samples, classes : int
        Scored samples, and classes among them.
    total_sensitivity : float
        Sum of the importance: the smaller, the fewer samples stand for all.
    expected_errors : float
        How many labels that nobody has reviewed are wrong, by the scores and all verdicts.
    expected_errors_interval : (float, float) or None
        Its 95 % interval.
    reliability : float
        Near 1, another sample of such data would rank the labels alike; see `LabelScores`.
    warnings : tuple of str
        What to know before trusting the scores: too few rows for a sure ranking, or predictions of
        a network that has seen these labels.
    unlabeled, without_vector : int
        Samples that were left out because they have no label, or a label and no embedding.
    persistent : bool, default True
        Whether FiftyOne keeps the dataset.
    """

    samples: int
    classes: int
    total_sensitivity: float
    expected_errors: float
    reliability: float = 1.0
    warnings: tuple[str, ...] = ()
    unlabeled: int = 0
    without_vector: int = 0
    persistent: bool = True
    expected_errors_interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        text = (
            f"{self.samples} samples of {self.classes} classes scored; total sensitivity "
            f"{self.total_sensitivity:.3g}, about {self.expected_errors:.0f} labels look wrong"
        )
        if self.expected_errors_interval:
            low, high = self.expected_errors_interval
            text += f" (95 % interval {low:.0f} to {high:.0f})"
        text += "."
        for warning in self.warnings:
            text += f"\nWarning: {warning}"
        if self.without_vector:
            text += (
                f"\nLeft out: {self.without_vector} labeled samples without an embedding. Compute "
                "what is missing: `coreset-cleaning embed`."
            )
        if self.unlabeled:
            text += f"\nLeft out: {self.unlabeled} samples without a label."
        return text + ("" if self.persistent else _NOT_PERSISTENT)


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
    split: str = "train"

    def __str__(self) -> str:
        what = f"images sent, on {self.sheets} sheets" if self.sheets else "tasks created"
        new = f"{self.created} {what}" if self.created else "nothing new to push"
        what = "class " if self.scope == Scope.CLASS else ""
        text = f"Round {self.round}, {what}{self.class_of_interest}: "
        if self.url:
            text += f"{new}, {self.existing} were there. Review them at {self.url}"
        else:
            text += f"{self.n} samples to review, {self.existing} of them answered."
        if self.gold:
            text += (
                f"\nHidden among them: {self.gold} gold images, whose label is swapped. Don't tell "
                "the reviewers which."
            )
        if self.unscored:
            text += (
                f"\nLeft out: {self.unscored} samples without a score. Compute it again to queue "
                "them: `coreset-cleaning score`."
            )
        if self.split == "test":
            text += (
                "\nWarning: it changes labels of the test split. Held-out AUROC from before and "
                "after is not measured with the same yardstick."
            )
        if self.test_duplicates:
            text += (
                f"\nWarning: {self.test_duplicates} of its images are near-duplicates of a test "
                "image, so held-out AUROC is measured on images that were trained on."
            )
        return text + ("" if self.persistent else _NOT_PERSISTENT)


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
        text = f"{self.new_answers} new answers, {self.changed} samples changed"
        if self.total:
            text += f"; {self.answered} of {self.total} answered"
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


@dataclass(frozen=True)
class EvaluationReport(Report):
    """What `evaluate_round` measured.

    Attributes
    ----------
    round : int
        The round after which it was measured; 0 before the first.
    evaluation : AurocEvaluation
        Now.
    baseline : AurocEvaluation or None
        Before the first round.
    scope : str, default "class"
        That of the round: with "dataset" the scores of all classes lead.
    test_changes : int, default 0
        Labels of the test split that its own rounds have changed so far.
    """

    round: int
    evaluation: AurocEvaluation
    baseline: AurocEvaluation | None
    scope: str = Scope.CLASS.value
    test_changes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "round": self.round,
            "scope": self.scope,
            "test_changes": self.test_changes,
            "evaluation": self.evaluation.to_dict(),
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }

    def __str__(self) -> str:
        lines = [f"AUROC after round {self.round}:" if self.round else "AUROC before cleaning:"]
        first = leading_scores(self.evaluation.pair is not None, Scope(self.scope))
        for name in sorted(("all_classes", "pair"), key=lambda name: name != first):
            now = getattr(self.evaluation, name)
            if now is None:
                continue
            was = getattr(self.baseline, name) if self.baseline else None
            parts = []
            for kind in ("cv", "frozen", "heldout"):
                value, before = getattr(now, kind), getattr(was, kind, None)
                if value is None:
                    continue
                change = f" ({value - before:+.4f})" if self.round and before is not None else ""
                parts.append(f"{kind} {value:.4f}{change}")
            lines.append(f"  {name.replace('_', ' ')}: " + ", ".join(parts))
        if self.test_changes:
            lines.append(
                f"  {self.test_changes} labels of the test split were changed by rounds of its "
                "own: held-out AUROC from before and after is not measured with the same yardstick."
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class CoresetReport(Report):
    """What `sample_coreset` did.

    Attributes
    ----------
    samples : int
        Distinct samples in the coreset.
    total_weight : float
        Sum of their weights: about the number of samples they stand for.
    view : str
        Name of the saved view.
    """

    samples: int
    total_weight: float
    view: str

    def __str__(self) -> str:
        return (
            f"{self.samples} samples with total weight {self.total_weight:.0f} in the saved view "
            f"{self.view!r}."
        )


@dataclass(frozen=True)
class Coverage(Report):
    """Which samples outside the test split are left out of scoring and review.

    Attributes
    ----------
    total : int
        Samples outside the test split.
    unlabeled, without_vector, without_score : int
        Samples without a label; of the others, those without a vector; of the others, those
        without a score. Vectors and scores are missing only once some have been computed.
    """

    total: int
    unlabeled: int
    without_vector: int
    without_score: int

    @property
    def left_out(self) -> int:
        """Samples that are never queued as things are."""
        return self.unlabeled + self.without_vector + self.without_score

    @property
    def fix(self) -> str:
        """What brings them in; empty when none is left out."""
        steps = [
            ("give the unlabeled ones a label", self.unlabeled),
            ("compute the embeddings again", self.without_vector),
            ("compute the importance again", self.without_vector + self.without_score),
        ]
        text = ", then ".join(step for step, needed in steps if needed)
        return f"{sentence(text)}." if text else ""

    def __str__(self) -> str:
        if not self.left_out:
            return f"All {self.total} samples outside the test split take part."
        reasons = [
            f"{count} have no {what}"
            for what, count in (
                ("label", self.unlabeled),
                ("embedding", self.without_vector),
                ("importance", self.without_score),
            )
            if count
        ]
        return f"{self.left_out} of {self.total} samples are left out: {', '.join(reasons)}."


@dataclass(frozen=True)
class Overview(Report):
    """Where a label field stands, from one look at the database.

    Attributes
    ----------
    history : list of dict
        Rows of `CleaningLoop.history`.
    baseline : dict or None
        Evaluation before the first round.
    yields : YieldReport or None
        Of what was reviewed last; None when no answer counts.
    decision : StopDecision
        Whether another round is worth it.
    next_round : int
        Number of the next round.
    meter : Meter or None
        What the reviews cost; None when no answer counts.
    plan : Plan or None
        Of the next round, as it is on record; None while a round is open, or where the scores do
        not tell.
    importance : list of ImportanceBar
        What reviewed labels turned out to be, by importance; empty when no answer counts.
    """

    history: list[dict[str, Any]]
    baseline: dict[str, Any] | None
    yields: YieldReport | None
    decision: StopDecision
    next_round: int
    meter: Meter | None = None
    plan: Plan | None = None
    importance: list[ImportanceBar] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the overview as JSON-able values."""
        meter = self.meter.to_dict() if self.meter else None
        plan = self.plan.to_dict() if self.plan else None
        return {**asdict(replace(self, meter=None, plan=None)), "meter": meter, "plan": plan}

    def leading(self, evaluation: Mapping[str, Any]) -> str:
        """Return which scores of an evaluation lead: "pair" or "all_classes"."""
        standing = [row["scope"] for row in self.history if not row["undone"]]
        scope = Scope(standing[-1]) if standing else Scope.CLASS
        return leading_scores(bool(evaluation.get("pair")), scope)
