"""What several reviewers' answers about one sample come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .verdicts import Outcome, Verdict


def combine(answers: Sequence[tuple[Verdict, str | None]]) -> tuple[Outcome, str | None]:
    """Return the outcome that most reviewers chose; a tie is a conflict.

    Unsure reviewers abstain: they decide only when all are unsure.

    Parameters
    ----------
    answers : sequence of (Verdict, str or None)
        One a reviewer: the verdict and, with RELABEL, the new class. Not empty.

    Returns
    -------
    outcome : Outcome
        What the answers come to.
    new_label : str or None
        The new class; only with `Outcome.RELABELED`.

    Examples
    --------
    >>> outcome, label = combine(
    ...     [(Verdict.KEEP, None), (Verdict.RELABEL, "cat"), (Verdict.RELABEL, "cat")]
    ... )
    >>> outcome.value, label
    ('relabeled', 'cat')
    """
    certain = [answer for answer in answers if answer[0] is not Verdict.UNSURE]
    if not certain:
        return Outcome.UNSURE, None
    ranked = Counter(certain).most_common(2)
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        return Outcome.CONFLICT, None
    verdict, new_label = ranked[0][0]
    return verdict.outcome, new_label
