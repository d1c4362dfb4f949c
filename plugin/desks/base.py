"""What a desk is: a place where people answer.

To add one, write a class with these methods and a name of its own in a folder or file here; `push`,
`pull` and `close` of the use cases call nothing else. What comes back are `Review` objects, whose
ids are text: the ledger, the rules and the marks are the same for every desk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.review.ledger import AnswerKey
from ..core.review.sheets import Place
from ..core.review.verdicts import Review

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Subject:
    """What is reviewed, as a desk must know it.

    Attributes
    ----------
    home : str
        Id of the dataset that drew the rounds: with field and round, a task's key.
    dataset_name, label_field : str
        For people.
    classes : tuple of str
        Classes that reviewers may give.
    of_objects : bool, default False
        Whether it is objects with boxes that are reviewed, and not whole images.
    """

    home: str
    dataset_name: str
    label_field: str
    classes: tuple[str, ...]
    of_objects: bool = False


@dataclass(frozen=True)
class Example:
    """A sure image of a class.

    Attributes
    ----------
    sample_id : str
        Its label's id.
    image : str
        Path, or address.
    """

    sample_id: str
    image: str


@dataclass(frozen=True)
class Options:
    """How a round is shown.

    Attributes
    ----------
    reviewers_per_task : int
        Answers wanted of each label.
    hide_suggestion : bool
        Whether to keep the suggested class from reviewers.
    smooth : bool
        Whether to smooth images that are enlarged.
    images : str
        How reviewers get the images: "upload", "local" or "url".
    images_root : Path or None
        With "local": the folder that the desk may serve.
    sheet : int
        Images on one page, at most; 0 shows one at a time.
    examples : mapping of str to tuple of Example
        Class to sure images of it, to be shown beside those under review.
    """

    reviewers_per_task: int = 1
    hide_suggestion: bool = False
    smooth: bool = True
    images: str = "upload"
    images_root: Path | None = None
    sheet: int = 0
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReviewTask:
    """One label to be reviewed.

    Attributes
    ----------
    sample_id : str
        The label's id.
    image : str
        Path, or address.
    rank : int
        Position in the round, from 0.
    of : int
        Number of labels in the round.
    label : str
        The label under review.
    suggested_label : str
        Most probable other class.
    suggested_probability : float
        Its probability, 0 to 1.
    note : str
        Why it is shown, at most two sentences.
    earlier_answers : tuple of str, default ()
        Ids of the answers on record about the label in this round: if its task has to be made
        again because it lacks others, these do not count as withdrawn.
    lacking : int, optional
        Answers that a label with some answers still lacks. Default: as many as the round wants.
    place : Place, optional
        Where it stands on which sheet. Default: on a page of its own.
    second_guess : str, optional
        Next most probable class; None where none is known.
    """

    sample_id: str
    image: str
    rank: int
    of: int
    label: str
    suggested_label: str
    suggested_probability: float
    note: str
    earlier_answers: tuple[str, ...] = ()
    lacking: int | None = None
    place: Place | None = None
    second_guess: str | None = None


@dataclass(frozen=True)
class Sent:
    """What sending a round came to.

    Attributes
    ----------
    created, existing : int
        Tasks made now, and tasks that were there before.
    url : str
        Link to the round; empty where there is none.
    project : dict
        Where the desk keeps it, for later calls: kept on record.
    """

    created: int
    existing: int
    url: str = ""
    project: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answers:
    """What a desk has to say of some rounds.

    Attributes
    ----------
    reviews : list of Review
        Answers, those on record among them or not.
    withdrawn : list of (round, label id, answer id)
        Answers on record that are no longer there.
    problems : list of str
        Answers that can't be read, one sentence each.
    skipped : int
        Tasks that somebody skipped and nobody answered.
    skips : dict
        Round to label ids that somebody skipped and that lack answers, with what the desk calls
        the task.
    missing : dict
        Round to label ids without a task.
    surplus : dict
        Round to label ids that were answered more often than wanted.
    unnamed : dict
        Round to label ids that somebody called wrong on a sheet without naming the class, with the
        answers that their sheet has by now: they go to pages of their own.
    project : dict
        Where the desk keeps the rounds, with what the next fetch begins at.
    """

    reviews: list[Review] = field(default_factory=list)
    withdrawn: list[AnswerKey] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: int = 0
    skips: dict[int, dict[str, int]] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)
    surplus: dict[int, list[str]] = field(default_factory=dict)
    unnamed: dict[int, dict[str, int]] = field(default_factory=dict)
    project: dict[str, Any] = field(default_factory=dict)

    def with_sheets(self, sheets: Answers) -> Answers:
        """Return what these, of pages with one image, and those of sheets say together."""
        rounds = sheets.missing
        return Answers(
            reviews=[*self.reviews, *sheets.reviews],
            withdrawn=[*self.withdrawn, *sheets.withdrawn],
            problems=[*self.problems, *sheets.problems],
            skipped=self.skipped + sheets.skipped,
            skips={n: {**sheets.skips[n], **self.skips[n]} for n in rounds},
            missing={n: sorted({*self.missing[n]} & {*sheets.missing[n]}) for n in rounds},
            surplus={n: sorted({*self.surplus[n], *sheets.surplus[n]}) for n in rounds},
            unnamed=sheets.unnamed,
            project={**self.project, **sheets.project},
        )


class Desk(Protocol):
    """A place where people answer.

    Attributes
    ----------
    name : str
        Kept with each round that is given to it.
    shows_dataset : bool
        Whether people look at the dataset itself there, and not at what was sent. Then they see
        boxes by themselves and can edit labels, and no gold image: its label stands nowhere in
        the dataset. Nothing is kept on record of where the rounds are.
    """

    name: str
    shows_dataset: bool

    def check(self, subject: Subject, options: Options, images: Mapping[str, str]) -> None:
        """Make sure that a round could be sent, and change nothing.

        Parameters
        ----------
        subject : Subject
        options : Options
        images : mapping of str to str
            Label id to the path of its image.

        Raises
        ------
        CleaningError
            Says what is in the way.
        """

    def send(
        self,
        subject: Subject,
        options: Options,
        round_: int,
        tasks: Sequence[ReviewTask],
        progress: Progress | None = None,
    ) -> Sent:
        """Bring those tasks of a round that are not there yet to the desk; each once."""

    def remember(self, before: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is to be kept on record of where the rounds are.

        Parameters
        ----------
        before : mapping
            What is on record.
        sent : mapping
            What sending a round came to: `Sent.project`.
        """

    def fetch(
        self,
        subject: Subject,
        rounds: Mapping[int, AbstractSet[str]],
        known: AbstractSet[AnswerKey],
        project: Mapping[str, Any],
        wanted: Mapping[int, int],
    ) -> Answers:
        """Read what people answered about these rounds.

        Parameters
        ----------
        subject : Subject
        rounds : mapping of int to set of str
            Round to the ids of its labels.
        known : set of (round, label id, answer id)
            Answers on record.
        project : mapping
            What `Sent` or the last `Answers` said.
        wanted : mapping of int to int
            Round to answers wanted of each label.

        Raises
        ------
        ProjectMissingError
            When the desk no longer has the rounds.
        """

    def link(self, url: str, project: Mapping[str, Any]) -> str:
        """Return a round's link as it is now that the desk is where `project` says."""

    def close(
        self, subject: Subject, round_: int, project: Mapping[str, Any], delete_tasks: bool
    ) -> tuple[bool, int]:
        """Tidy up after a round, the only one that was open.

        Returns
        -------
        page_deleted : bool
            Whether the page that showed it is gone now.
        tasks_deleted : int
            Tasks without an answer that are gone now.
        """
