"""The desk without a server: whoever is at the data answers, in the App or in a script.

Nothing has to be sent or fetched: answers are recorded where they are given, by
`CleaningLoop.record_verdicts`.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ..core.errors import DataError
from ..core.review.ledger import AnswerKey
from ..core.review.verdicts import Review, Verdict
from .base import Answers, Options, Progress, ReviewTask, Sent, Subject

Answer = str | tuple[str, str]


class AppDesk:
    """Rounds that are answered in the FiftyOne App, or from a script.

    Examples
    --------
    >>> report = loop.push_round(AppDesk(), n=100)  # doctest: +SKIP
    >>> loop.record_verdicts({sample_id: ("relabel", "dog")})  # doctest: +SKIP
    """

    name = "app"
    shows_dataset = True

    def check(self, subject: Subject, options: Options, images: Mapping[str, str]) -> None:
        """Every round can be answered here."""

    def send(
        self,
        subject: Subject,
        options: Options,
        round_: int,
        tasks: Sequence[ReviewTask],
        progress: Progress | None = None,
    ) -> Sent:
        """Nothing has to be sent: the round is on record."""
        return Sent(created=len(tasks), existing=0)

    def remember(self, before: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing has to be remembered."""
        return {**before, **sent}

    def fetch(
        self,
        subject: Subject,
        rounds: Mapping[int, AbstractSet[str]],
        known: AbstractSet[AnswerKey],
        project: Mapping[str, Any],
        wanted: Mapping[int, int],
    ) -> Answers:
        """Nothing has to be fetched: answers are recorded where they are given."""
        return Answers(project=dict(project))

    def link(self, url: str, project: Mapping[str, Any]) -> str:
        """There is no link."""
        return url

    def close(
        self, subject: Subject, round_: int, project: Mapping[str, Any], delete_tasks: bool
    ) -> tuple[bool, int]:
        """There is nothing to tidy up."""
        return False, 0


def read_verdicts(
    verdicts: Mapping[str, Answer],
    classes: Sequence[str],
    *,
    round_: int,
    reviewer: str | None,
    at: str,
    comments: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> list[Review]:
    """Return answers that were given in the App or by a script as reviews.

    A person has one answer per label: giving another one edits it.

    Parameters
    ----------
    verdicts : mapping of str to str or (str, str)
        Label id to "keep", "delete", "unsure" or ("relabel", class).
    classes : sequence of str
        Classes that may be given.
    round_ : int
        The round that is answered.
    reviewer : str, optional
        Who answers. Default: the operating system's user.
    at : str
        When, ISO 8601 UTC.
    comments : mapping of str to str, optional
        Label id to what the reviewer says about it.
    seconds : float, optional
        How long it took to answer them all; shared evenly.

    Raises
    ------
    DataError
        When one of them is no verdict; none is recorded then.
    """
    who = reviewer or getpass.getuser()
    reviews = []
    for label_id, answer in verdicts.items():
        verdict, new_label = _parsed(label_id, answer, classes)
        reviews.append(
            Review(
                round=round_,
                sample_id=label_id,
                answer_id=f"app:{who}",
                reviewer=who,
                verdict=verdict,
                new_label=new_label,
                comment=(comments or {}).get(label_id, ""),
                lead_time=None if seconds is None else seconds / len(verdicts),
                created_at=at,
                updated_at=at,
            )
        )
    return reviews


def _parsed(label_id: str, answer: Any, classes: Sequence[str]) -> tuple[Verdict, str | None]:
    word, new_label = (answer, None) if isinstance(answer, str) else (*answer, None)[:2]
    verdict = Verdict.parse(word)
    if (verdict is Verdict.RELABEL) != (new_label is not None):
        raise DataError(
            f"the verdict about {label_id!r} must name a class exactly if it is relabel, "
            f"got {answer!r}.",
            'Write "keep", "delete", "unsure" or ("relabel", "dog").',
        )
    if new_label is not None and new_label not in classes:
        shown = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
        raise DataError(
            f"the class in the verdict about {label_id!r} must be one of {shown}, "
            f"got {new_label!r}.",
            "Name one of these, or allow it when the round is pushed: new_classes=[...].",
        )
    return verdict, new_label
