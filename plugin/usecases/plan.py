"""The use case "what will so many reviews bring, and where are they worth most"."""

from __future__ import annotations

from typing import Any

from ..core.errors import DataError
from ..core.judging.odds import Odds, fit_odds
from ..core.judging.plan import Plan, make_plan
from ..core.judging.plan_record import from_record, position, to_record
from ..core.review.rounds import Rounds
from ..store import views
from ..store.queues import knows_chances, read_chances
from .workspace import Workspace

ROUND = 50  # reviews that the next step plans before there is a round to go by


def plan(work: Workspace, budget: int) -> Plan:
    """Plan a budget of reviews; see `CleaningLoop.plan`."""
    views.scored(work.labels)  # refuses where nothing has been scored
    if not knows_chances(work.labels):
        raise DataError(
            f"{work.where} has scores of a version that did not keep how likely labels are "
            f"wrong: {work.labels.names.wrong!r} does not exist.",
            "Score again: `coreset-cleaning score` or loop.compute_importance().",
        )
    return _plan(work, work.store.all(), budget)


def plan_round(work: Workspace, rounds: Rounds) -> Plan | None:
    """Plan as many reviews as the last round had; None where the scores do not tell."""
    if not work.labels.is_scored() or not knows_chances(work.labels):
        return None
    return _plan(work, rounds, len(rounds.counted[-1].batch) if rounds.counted else ROUND)


def keep_plan(work: Workspace, rounds: Rounds) -> None:
    """Plan the next round and keep that, unless a round is open or what is kept still holds.

    Who shows it, as the panel does at every event, reads no queue.
    """
    if rounds.open is not None or not work.labels.is_scored():
        return
    where, kept = _position(work, rounds), work.labels.kept_plan()
    if kept is not None and kept["position"] == where:
        return
    planned = plan_round(work, rounds)
    if planned is not None:
        last = [rounds.counted[-1].class_of_interest] if rounds.counted else []
        work.labels.keep_plan({"position": where, "plan": to_record(planned, *last)})


def kept_plan(work: Workspace, rounds: Rounds) -> Plan | None:
    """Return the plan on record; None when something was reviewed or scored since."""
    kept = work.labels.kept_plan()
    if kept is None or kept["position"] != _position(work, rounds):
        return None
    return from_record(kept["plan"])


def _position(work: Workspace, rounds: Rounds) -> dict[str, Any]:
    return position(rounds, (work.labels.score_record() or {}).get("scored_at", ""))


def _plan(work: Workspace, rounds: Rounds, budget: int) -> Plan:
    found = read_chances(work.labels, views.queue(work.labels, None), rounds)
    return make_plan(
        found.wrong,
        found.classes,
        learned_odds(rounds),
        budget,
        work.random_state,
        left_out=found.unknown,
    )


def learned_odds(rounds: Rounds) -> Odds:
    """Learn from all verdicts that decide how far off the scores were when they were pushed."""
    probabilities, wrong, classes, controls = [], [], [], []
    for round_ in rounds.counted:
        states = rounds.judged(round_)
        for item in round_.batch:
            state = states.get(item.sample_id)
            if state and state.outcome.decides and item.wrong_probability is not None:
                probabilities.append(item.wrong_probability)
                wrong.append(state.outcome.is_error)
                classes.append(item.label)
                controls.append(item.control)
    return fit_odds(probabilities, wrong, classes, controls)
