"""A sheet as a task, and what an answer to it says of each image.

Every image is a choice of a list in the task's data, and so is each chip that appears on a marked
one. All text in it comes from users' class names: it is escaped here, once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Any

from ...core.errors import DataError
from ...core.review.verdicts import Verdict
from ..base import ReviewTask
from .answers import Answer
from .config import visible
from .examples import ALIAS

MARKED, SEEN = "marked", "seen"
# What a chip on a marked image says; the first, with the text of a class, has a line of its own.
SECOND = "second"
CHIPS = {
    "other": "another",
    Verdict.UNSURE.value: "can't tell",
    Verdict.DELETE.value: "delete",
}
# One key per image, in the order of the keyboard; Label Studio itself uses none of them.
KEYS = "".join(("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"))
_READ_FIX = "Answer the sheet again in Label Studio, or delete the answer."


def sheet_data(
    tasks: Sequence[ReviewTask],
    addresses: Mapping[str, str],
    hide_suggestion: bool,
    examples: str = "",
) -> dict[str, Any]:
    """Return what a sheet's task holds besides its key.

    Parameters
    ----------
    tasks : sequence of ReviewTask
        The labels on it: of one class, in the order of their slots.
    addresses : mapping of str to str
        Label id to the address of its image.
    hide_suggestion : bool
        Whether to keep the suggested classes from reviewers.
    examples : str, default ""
        Sure images of the class, as HTML.
    """
    images: list[dict[str, str]] = []
    slots = []
    for key, task in zip(_keys(len(tasks)), tasks, strict=True):
        assert task.place is not None
        slot = str(task.place.slot)
        shown = "" if hide_suggestion else visible(task.suggested_label)
        # Isolated: a name that runs from right to left must not turn the percentage around.
        caption = f"→ <bdi>{escape(shown)}</bdi> ({task.suggested_probability:.0%})"
        images.append(
            {
                "value": f"Image {slot}",
                "alias": slot,
                "html": _picture(addresses[task.sample_id], caption if shown else ""),
                **({"hotkey": key} if key else {}),
            }
        )
        second = task.second_guess if shown else None
        for name, text in _chips(second, bool(shown)).items():
            html = f'<span class="chip {name}">{text}</span>'
            says = "second guess" if name == SECOND else text
            images.append({"value": f"{slot} {says}", "alias": f"{slot}:{name}", "html": html})
        slots.append(
            {
                "slot": slot,
                "id": task.sample_id,
                **({"suggested": task.suggested_label} if shown else {}),
                **({SECOND: second} if second else {}),
            }
        )
    if examples:
        # First, so that the keys of a keyboard still go from left to right.
        images.insert(0, {"value": "Examples", "alias": ALIAS, "html": examples})
    count = f"{len(tasks)} images" if len(tasks) > 1 else "1 image"
    return {
        "question": f"Which of these are not: {visible(tasks[0].label)}?",
        "hint": f"{count}. Click the wrong ones; none, if all are right. Ctrl+Enter submits.",
        "label": visible(tasks[0].label),
        "images": images,
        "slots": slots,
    }


def slots_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return slot to label id of a sheet's task; empty when the data is not a sheet's."""
    slots = data.get("slots")
    rows = slots if isinstance(slots, list) else []
    return {
        str(row["slot"]): str(row["id"])
        for row in rows
        if isinstance(row, dict) and "slot" in row and "id" in row
    }


def read_sheet(
    result: Any, data: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, Answer | DataError | None]:
    """Read what an annotation says of each image on its sheet.

    Parameters
    ----------
    result : list of dict
        As Label Studio stores it.
    data : mapping
        The task's.
    classes : sequence of str
        The classes a reviewer may give.

    Returns
    -------
    dict
        Slot to answer; to None, where the image is marked and nobody knows yet what it shows; to
        an error, where the answer can't be read.

    Raises
    ------
    DataError
        When the result is not one that a sheet makes: an empty one is no answer.
    """
    chosen: dict[str, set[str]] = {}
    for item in result if isinstance(result, list) else []:
        if not isinstance(item, dict):
            continue
        value = item.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        names = choices if isinstance(choices, list) else []
        chosen.setdefault(str(item.get("from_name")), set()).update(map(str, names))
    if SEEN not in chosen:
        raise DataError("it is empty: nobody has submitted the sheet's page.", _READ_FIX)
    marks, slots = chosen.get(MARKED, set()) - {ALIAS}, slots_of(data)
    known = {*slots, *(f"{slot}:{chip}" for slot in slots for chip in (SECOND, *CHIPS))}
    unknown = sorted(marks - known)
    if unknown:
        raise DataError(f"there is no {unknown[0][:80]!r} on the sheet.", _READ_FIX)
    guesses = {str(row["slot"]): (row.get("suggested"), row.get(SECOND)) for row in data["slots"]}
    return {slot: _read(slot, marks, guesses[slot], classes) for slot in slots}


def sheet_result(marks: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the result that a sheet's page would submit; for scripts that answer tasks.

    Parameters
    ----------
    marks : sequence of str
        Slots that are marked, such as "3"; chips on them as "3:delete", "3:unsure", "3:other" or
        "3:second", which takes the second guess.
    """

    def item(name: str, choices: Sequence[str]) -> dict[str, Any]:
        value = {"choices": list(choices)}
        return {"from_name": name, "to_name": "sheet", "type": "choices", "value": value}

    return [*([item(MARKED, marks)] if marks else []), item(SEEN, [SEEN])]


def _read(
    slot: str,
    marks: set[str],
    guesses: tuple[str | None, str | None],
    classes: Sequence[str],
) -> Answer | DataError | None:
    if slot not in marks:
        # Chips on it were chosen before the image was unmarked again.
        return Answer(Verdict.KEEP, None, "")
    chips = [name for name in (SECOND, *CHIPS) if f"{slot}:{name}" in marks]
    if len(chips) > 1 or "other" in chips:
        return None  # chips that contradict each other say no more than that it is wrong
    if chips and chips != [SECOND]:
        return Answer(Verdict.parse(chips[0]), None, "")
    accepted = guesses[1 if chips else 0]
    if accepted is None:
        return None
    if accepted in classes:
        return Answer(Verdict.RELABEL, accepted, "")
    return DataError(
        f"the accepted suggestion {accepted!r} is not a class of the dataset.",
        "Add it to the dataset's classes and pull again, or change the answer.",
    )


def _chips(second: str | None, suggests: bool) -> dict[str, str]:
    """Return the chips of an image, by name, as HTML."""
    chips = {SECOND: f"→ <bdi>{escape(visible(second))}</bdi>"} if second else {}
    return chips | {name: text for name, text in CHIPS.items() if name != "other" or suggests}


def first_image(data: Mapping[str, Any]) -> str:
    """Return the address of a sheet's first image."""
    html = " ".join(str(image["html"]) for image in data["images"])
    found = re.search(r'<img class="pic" src="([^"]*)"', html)
    return unescape(found[1]) if found else ""


def _picture(address: str, caption: str) -> str:
    shown = f'<span class="cap">{caption}</span>' if caption else ""
    return f'<img class="pic" src="{escape(address)}" alt="This image can\'t be shown.">{shown}'


def _keys(n: int) -> list[str]:
    return [*KEYS[:n], *[""] * (n - len(KEYS))]
