"""The use case "what will so many reviews bring, and where are they worth most"."""

from __future__ import annotations

from ..core.errors import DataError
from ..core.judging.odds import Odds, fit_odds
from ..core.judging.plan import Plan, make_plan
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
    probabilities, wrong, classes, controls = [], [], [], 0
    for round_ in rounds.counted:
        states = rounds.judged(round_)
        for item in round_.batch:
            state = states.get(item.sample_id)
            if state and state.outcome.decides and item.wrong_probability is not None:
                probabilities.append(item.wrong_probability)
                wrong.append(state.outcome.is_error)
                classes.append(item.label)
                controls += item.control
    return fit_odds(probabilities, wrong, classes, controls)
