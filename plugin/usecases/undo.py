"""The use cases "leave answers out" and "take them in again"."""

from __future__ import annotations

from ..core.errors import RoundError
from ..core.review.ledger import is_left_out, next_time, redo, undo
from ..core.review.rounds import Rounds
from ..store.marks import write_back
from ..store.rounds import now
from .plan import keep_plan
from .workspace import Workspace


def leave_out(work: Workspace, number: int, sample_id: str | None = None) -> int:
    """Leave a round's answers out, or those about one label; return how many labels changed."""
    return _record(work, number, sample_id, out=True)


def take_in(work: Workspace, number: int, sample_id: str | None = None) -> int:
    """Take a round's answers in again, or those about one label."""
    return _record(work, number, sample_id, out=False)


def _record(work: Workspace, number: int, sample_id: str | None, out: bool) -> int:
    """Append the event, unless that is how things are: doing it twice changes nothing."""
    work.labels.check_names(saves_views=False)
    work.labels.check_unlocked()
    with work.store.lock("undo" if out else "redo") as claim:
        rounds = work.store.all()
        round_ = work.store.numbered(rounds, number)
        if sample_id is not None and sample_id not in round_.sample_ids:
            raise RoundError(
                f"sample {sample_id!r} is not in round {number} of field {work.labels.name!r}, "
                f"which has {len(round_.batch)} samples.",
                f"The saved view {work.labels.names.round_view(number)!r} shows them.",
            )
        open_ = rounds.open
        reopens = not out and sample_id is None and round_.closed_at is None
        if reopens and open_ is not None and open_.number != number:
            raise RoundError(
                f"round {number} is not finished and round {open_.number} is open: only one can "
                "be.",
                f"Close or undo round {open_.number} first.",
            )
        if is_left_out(rounds.events, number, sample_id) != out:
            claim.check()
            event = (undo if out else redo)(number, next_time(rounds.events, now()), sample_id)
            work.store.append(round_, [event])
        rounds = Rounds(rounds)
        changed = write_back(work.labels, rounds).changed
        keep_plan(work, rounds)
        return changed
