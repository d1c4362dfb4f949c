"""Corrections that a round's verdicts suggest for near-duplicates; never applied by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.review.ledger import LabelState
from ..core.review.verdicts import Outcome
from ..core.scoring.duplicates import propose_corrections
from ..store.label_rows import Rows


def propose(
    rows: Rows, originals: Mapping[str, str | None], states: Mapping[str, LabelState]
) -> list[dict[str, Any]]:
    """Offer what reviewers corrected to the near-duplicates that still carry the wrong label.

    Parameters
    ----------
    rows : Rows
        Samples that may get a proposal, with present labels.
    originals : mapping of str to str or None
        Sample id to the label before its first change, None where it never changed.
    states : mapping of str to LabelState
        The fold of the ledger.

    Returns
    -------
    list of dict
        With the keys sample, duplicate_of, cosine, label and proposed (None for delete), the most
        similar first.
    """
    code = {name: index for index, name in enumerate(rows.classes)}
    before = rows.labels.copy()
    corrections: dict[int, int | None] = {}
    for row, sample_id in enumerate(rows.ids):
        state = states.get(sample_id)
        if state is None or state.outcome not in (Outcome.RELABELED, Outcome.DELETED):
            continue
        before[row] = code.get(originals.get(sample_id) or "", before[row])
        corrections[row] = code[state.new_label] if state.new_label else None
    if not corrections:
        return []
    decided = {i for i, state in states.items() if state.outcome.decides}
    return [
        {
            "sample": rows.ids[p.row],
            "duplicate_of": rows.ids[p.source],
            "cosine": round(p.cosine, 4),
            "label": rows.classes[rows.labels[p.row]],
            "proposed": None if p.new_label is None else rows.classes[p.new_label],
        }
        for p in propose_corrections(rows.embeddings, before, corrections)
        if rows.ids[p.row] not in decided and rows.weights[p.row] > 0
    ]
