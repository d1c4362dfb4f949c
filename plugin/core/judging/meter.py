"""What reviews cost: seconds an image, seconds a wrong label found, and what speed misses.

Times are those that the desks report of each answer. Some are missing, since scripts have none,
and some are absurd, since a page was left open over lunch; neither may move the numbers:

- an answer without a time is left out of both the time and the images;
- a time of more than ten times the median of its kind of page, or of more than five minutes an
  image, is counted as that median. Of times that spread as people's do (a logarithm with a standard
  deviation of 1), one honest one in a hundred is.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ..review.ledger import Event, EventKind, current_answers, voice
from ..review.pages import Page
from ..review.round import Round
from ..review.rounds import Rounds
from ..review.scope import Scope
from ..review.verdicts import Verdict
from .estimates import Estimate
from .pace import Pace, interval, seconds
from .tally import round_yields
from .yields import yield_report

# Page to the longest time that is believed, and what counts instead of a longer one.
_Limits = Mapping[Page, tuple[float, float]]

_LEFT_OPEN = 10.0  # times the median
_LONGEST = 300.0  # seconds an image


@dataclass(frozen=True)
class Meter:
    """What a round, or several, cost.

    Attributes
    ----------
    total : Pace
        Of all people and pages.
    by : dict of (str, str) to Pace
        Reviewer and kind of page to the pace there. A label that two people answered is in both.
    random : Estimate or None
        Seconds that a wrong label would cost in a random review of the same classes, or of the
        whole dataset, at the same pace an image: with the share of wrong labels that the controls
        tell of. None when it is not known, because there are no controls or no times.
    gold : int
        Gold images that were shown.
    """

    total: Pace = field(default_factory=Pace)
    by: dict[tuple[str, str], Pace] = field(default_factory=dict)
    random: Estimate | None = None
    gold: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the meter as JSON-able values."""
        return {
            **self.total.to_dict(),
            "random_seconds_per_error": interval(self.random),
            "gold": self.gold,
            "by": [
                {"reviewer": who, "page": page, **pace.to_dict()}
                for (who, page), pace in sorted(self.by.items())
            ],
        }

    @property
    def tells(self) -> bool:
        """Whether there is anything to say: a known time, or a gold image."""
        return bool(self.total.timed or self.gold)

    def __str__(self) -> str:
        return f"{self._times()}{self._gold()}"

    def _times(self) -> str:
        an_image, an_error = self.total.seconds_per_image, self.total.seconds_per_error
        if an_image is None:
            return "How long the answers took is not known."
        text = f"{seconds(an_image)} an image"
        text += f", {seconds(an_error)} a wrong label found" if an_error else ", none was wrong"
        if self.random is None:
            text += "; what a random review would cost is not known: there are no controls"
        else:
            low, high = seconds(self.random.low), self.random.high
            ends = f"{low} or more" if math.isinf(high) else f"{low} to {seconds(high)}"
            text += f"; a random review would take {seconds(self.random.value)} ({ends})"
        if self.total.left_open:
            looks = "time looks" if self.total.left_open == 1 else "times look"
            text += f"; {self.total.left_open} {looks} like a page left open"
        return f"{text}."

    def _gold(self) -> str:
        if not self.gold:
            return ""
        text = f" Of {self.gold} gold images {self.total.gold_answered} are answered"
        share = self.total.noticed
        if share is None:
            return f"{text}."
        text += f" and {self.total.gold_noticed} were noticed ({share.low:.0%} to {share.high:.0%})"
        people: dict[str, Pace] = defaultdict(Pace)
        for (who, _), pace in sorted(self.by.items()):
            people[who] = people[who].plus(pace)
        parts = [
            f"{who} {pace.gold_noticed} of {pace.gold_answered} ({s.low:.0%} to {s.high:.0%})"
            for who, pace in people.items()
            if (s := pace.noticed)
        ]
        return f"{text}" + (f": {', '.join(parts)}" if len(parts) > 1 else "") + "."


def meter(rounds: Rounds, only: Iterable[Round] | None = None) -> Meter:
    """Return what rounds cost.

    Parameters
    ----------
    rounds : Rounds
        All rounds: the usual time of a page and the share of wrong labels come from them.
    only : iterable of Round, optional
        Rounds to measure. Default: those that are not undone.
    """
    return _meter(rounds, _standing(rounds) if only is None else [*only], _Usual(rounds, {}))


def meters(
    rounds: Rounds, known: Mapping[str | None, Estimate] | None = None
) -> tuple[Meter, dict[int, Meter]]:
    """Return what all rounds cost that are not undone, and by number what each did.

    Parameters
    ----------
    rounds : Rounds
    known : mapping of str or None to Estimate, optional
        Shares of wrong labels that have been estimated already, by class; under None that of the
        whole dataset.
    """
    usual = _Usual(rounds, known or {})
    each = {round_.number: _meter(rounds, [round_], usual) for round_ in rounds}
    return _meter(rounds, _standing(rounds), usual), each


def _standing(rounds: Rounds) -> list[Round]:
    return [round_ for round_ in rounds if round_.number not in rounds.undone]


def _meter(rounds: Rounds, shown: Sequence[Round], usual: _Usual) -> Meter:
    total, gold = Pace(), 0
    by: dict[tuple[str, str], Pace] = defaultdict(Pace)
    for round_ in shown:
        mine, parts = _round_pace(rounds, round_, usual.limits)
        total, gold = total.plus(mine), gold + len(round_.gold)
        for key, pace in parts.items():
            by[key] = by[key].plus(pace)
    return Meter(total, dict(by), _random_cost(shown, usual, total.seconds_per_image), gold)


def _random_cost(
    shown: Sequence[Round], usual: _Usual, seconds_per_image: float | None
) -> Estimate | None:
    """Return seconds a wrong label of a random review of as many images of the same queues."""
    drawn = Counter(
        None if round_.scope is Scope.DATASET else item.label
        for round_ in shown
        for item in round_.batch
    )
    if seconds_per_image is None or not drawn:
        return None
    rates = {queue: usual.noise_rate(queue) for queue in drawn}
    if any(math.isnan(rate.value) for rate in rates.values()):
        return None

    def cost(end: str) -> float:
        wrong = sum(n * getattr(rates[queue], end) for queue, n in drawn.items())
        return seconds_per_image * drawn.total() / wrong if wrong > 0 else math.inf

    return Estimate(cost("value"), cost("high"), cost("low"))


class _Usual:
    """What single rounds are held against: times of a page, and shares of wrong labels."""

    def __init__(self, rounds: Rounds, known: Mapping[str | None, Estimate]) -> None:
        self._rounds = rounds
        self._rates = dict(known)
        self.limits = _limits(rounds)

    def noise_rate(self, queue: str | None) -> Estimate:
        """Return the share of wrong labels in a class, or under None in the whole dataset."""
        if queue not in self._rates:
            self._rates[queue] = yield_report(round_yields(self._rounds, queue)).noise_rate
        return self._rates[queue]


def _round_pace(
    rounds: Rounds, round_: Round, limits: _Limits
) -> tuple[Pace, dict[tuple[str, str], Pace]]:
    """Return the pace of a round, and that of each person on each kind of page."""
    judged = rounds.judged(round_)
    times: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    left_open: dict[tuple[str, str], int] = defaultdict(int)
    for event in _answers(round_.events):
        page = Page.of(event.answer_id)
        key = (voice(event), page.value)
        mine = times[key][event.sample_id or ""]
        if (took := _seconds(event)) is not None:
            limit, usual = limits[page]
            left_open[key] += took > limit
            mine.append(usual if took > limit else took)

    def pace(of: Mapping[str, list[float]], opened: int) -> Pace:
        timed = {label_id: sum(found) for label_id, found in of.items() if found}
        errors = sum(i in judged and judged[i].outcome.is_error for i in timed)
        return Pace(len(of), len(timed), math.fsum(timed.values()), errors, opened)

    everyone: dict[str, list[float]] = defaultdict(list)
    for labels in times.values():
        for label_id, found in labels.items():
            everyone[label_id] += found
    parts = {key: pace(labels, left_open[key]) for key, labels in times.items()}
    for key, gold in _gold_pace(round_).items():
        parts[key] = parts.get(key, Pace()).plus(gold)
    noticed = rounds.noticed(round_)
    whole = pace(everyone, sum(left_open.values()))
    return whole.plus(Pace(gold_answered=len(noticed), gold_noticed=sum(noticed.values()))), parts


def _gold_pace(round_: Round) -> dict[tuple[str, str], Pace]:
    """Return reviewer and kind of page to gold images answered and noticed there."""
    latest: dict[tuple[str, str], Event] = {}  # as in the ledger: a person has one voice
    for event in sorted(_answers(round_.gold_events), key=lambda e: e.updated_at or ""):
        latest[voice(event), event.sample_id or ""] = event
    found: dict[tuple[str, str], Pace] = defaultdict(Pace)
    for (who, _), event in latest.items():
        key = who, Page.of(event.answer_id).value
        noticed = int(event.verdict is not Verdict.KEEP)
        found[key] = found[key].plus(Pace(gold_answered=1, gold_noticed=noticed))
    return found


def _limits(rounds: Rounds) -> _Limits:
    found: dict[Page, list[float]] = defaultdict(list)
    for round_ in rounds:
        for event in _answers(round_.events):
            if (took := _seconds(event)) is not None:
                found[Page.of(event.answer_id)].append(min(took, _LONGEST))
    usual = {page: median(times) for page, times in found.items()}
    return {page: (min(_LEFT_OPEN * time, _LONGEST), time) for page, time in usual.items()}


def _answers(events: Iterable[Event]) -> list[Event]:
    """Return the answers that stand; time that went into one taken back is not known."""
    return [e for e in current_answers(events).values() if e.kind is EventKind.REVIEW]


def _seconds(event: Event) -> float | None:
    """Return the time of an answer; None when what is there is no time."""
    time = event.lead_time
    return None if time is None or not math.isfinite(time) or time <= 0 else time
