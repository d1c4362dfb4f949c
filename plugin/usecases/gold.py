"""Which images of a round are gold: labels that are surely right, shown as if they were others."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.review.gold import choose_twins, draw_gold
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..store import views
from ..store.label_rows import weight_or_one
from ..store.queues import read_queue
from .workspace import Workspace

# Of each class, so many times as many sure labels are looked at as could be needed.
_SPARE = 5


def hide_gold(work: Workspace, rounds: Rounds, round_: Round, k: int) -> None:
    """Hide k gold images in a round that is not on record yet, or as many as can be found.

    The batch was drawn before: the round asks about the same labels with and without gold images.
    """
    if not k:
        return
    seed = round_.config["seed"]
    twins = choose_twins(round_.batch, k, seed)
    sure = {
        name: _sure_labels(work, rounds, round_, name, _SPARE * k)
        for name in dict.fromkeys(twin.suggested_label for twin in twins)
    }
    round_.batch, round_.gold = draw_gold(round_.batch, twins, sure, k, seed)


def _sure_labels(
    work: Workspace, rounds: Rounds, round_: Round, class_name: str, n: int
) -> Sequence[str]:
    """Return labels of a class that are surely right, the surest first.

    Those that people found right come first, then those of least importance, which lie deep in
    their class. What was a gold image before comes last: somebody may remember it.
    """
    before = {item.sample_id for earlier in rounds for item in earlier.gold}
    verified = [i for i, state in rounds.states.items() if rounds.true_class(state) == class_name]
    known = work.labels.columns([work.labels.path, work.labels.names.weight], verified)
    standing = [i for i in verified if i in known and known[i][0] == class_name]
    right = [i for i in standing if weight_or_one(known[i][1]) > 0]
    queue = read_queue(work.labels, views.queue(work.labels, class_name))
    deep = queue.ids[::-1][:n]
    unavailable = round_.sample_ids | rounds.waiting
    found = [i for i in dict.fromkeys([*right, *deep]) if i not in unavailable]
    return sorted(found, key=lambda label_id: label_id in before)
