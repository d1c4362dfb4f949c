"""Sure images of the classes that a round asks about, to be shown beside those under review."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from ..core.review.examples import pick_examples
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.verdicts import Outcome
from ..desks.base import Example
from ..store.views import sure_labels
from .pictures import Show
from .workspace import Workspace

# Labels of a class to choose from: all of them are among its surest.
_CANDIDATES = 24


def find_examples(
    work: Workspace,
    rounds: Rounds,
    round_: Round,
    classes: Iterable[str],
    n: int,
    show: Show,
) -> dict[str, tuple[Example, ...]]:
    """Return class to its examples: at most `n`, those that reviewers have verified first."""
    if n < 1:
        return {}
    # Nothing that the round shows, least of all a gold image: its true class would stand beside it.
    verified, shown = _verified(rounds), round_.shown_ids
    candidates: dict[str, list[tuple[str, bool]]] = {}
    for name in dict.fromkeys(classes):
        by_people = [i for i in verified.get(name, ()) if i not in shown]
        labels = work.labels.columns([work.labels.path], by_people[-_CANDIDATES:])
        people = [i for i, (label,) in labels.items() if label == name]
        sure = sure_labels(work.labels, name, _CANDIDATES)
        others = [i for i in sure if i not in people and i not in shown]
        candidates[name] = [*((i, True) for i in people), *((i, False) for i in others)]
    everyone = [i for found in candidates.values() for i, _ in found]
    vectors = work.labels.vectors_by_id(dict.fromkeys(everyone))
    images = show(everyone)
    examples = {}
    for name, found in candidates.items():
        usable = [(i, by) for i, by in found if i in vectors and i in images]
        rows = pick_examples(np.array([vectors[i] for i, _ in usable]), [by for _, by in usable], n)
        examples[name] = tuple(Example(usable[row][0], images[usable[row][0]]) for row in rows)
    return examples


def _verified(rounds: Rounds) -> dict[str, list[str]]:
    """Return class to the labels that reviewers found to be of it, latest last."""
    found: dict[str, list[str]] = defaultdict(list)
    for state in sorted(rounds.states.values(), key=lambda state: state.reviewed_at):
        name = rounds.true_class(state)
        if name is not None and state.outcome in (Outcome.KEPT, Outcome.RELABELED):
            found[name].append(state.sample_id)
    return found
