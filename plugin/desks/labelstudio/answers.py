"""What an annotation says of one image, and how a script says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import DataError
from ...core.review.verdicts import Verdict
from .config import ACCEPT, COMMENT, IMAGE, MAX_BUTTONS, NEW_LABEL, VERDICT, class_alias, visible

_READ_FIX = "Answer the task again in Label Studio, or delete the answer."


@dataclass(frozen=True)
class Answer:
    """What one annotation says.

    Attributes
    ----------
    verdict : Verdict
        The answer.
    new_label : str or None
        The class given with `Verdict.RELABEL`.
    comment : str
        Free text.
    """

    verdict: Verdict
    new_label: str | None
    comment: str


def read_answer(result: Any, classes: Sequence[str], suggested: str | None) -> Answer:
    """Read an annotation's result.

    Parameters
    ----------
    result : list of dict
        As Label Studio stores it.
    classes : sequence of str
        The classes a reviewer may give.
    suggested : str or None
        The class that "accept" stands for.

    Raises
    ------
    DataError
        When the result is not one that our labeling config makes.
    """
    values: dict[str, list[Any]] = {}
    for item in result if isinstance(result, list) else []:
        value = item.get("value", {}) if isinstance(item, dict) else {}
        content = value.get("choices") or value.get("taxonomy") or value.get("text") or []
        values.setdefault(str(item.get("from_name")), []).extend(
            content if isinstance(content, list) else [content]
        )
    verdicts = values.get(VERDICT, [])
    if len(verdicts) != 1:
        raise DataError(f"an answer must hold one verdict, got {len(verdicts)}.", _READ_FIX)
    comment = "\n".join(map(str, values.get(COMMENT, [])))
    if verdicts[0] == ACCEPT:
        accepted = [c for c in classes if suggested in (c, visible(c))]
        if not accepted:
            raise DataError(
                f"the accepted suggestion {suggested!r} is not a class of the dataset.",
                "Add it to the dataset's classes and pull again, or delete the answer.",
            )
        # The name itself before one that only looks like it.
        name = suggested if suggested in accepted else accepted[0]
        return Answer(Verdict.RELABEL, name, comment)
    verdict = Verdict.parse(str(verdicts[0]))
    if verdict is not Verdict.RELABEL:
        return Answer(verdict, None, comment)
    chosen = values.get(NEW_LABEL, [])
    if len(chosen) != 1:
        raise DataError(
            f"the verdict relabel must come with one class, got {len(chosen)}.", _READ_FIX
        )
    alias = chosen[0][-1] if isinstance(chosen[0], list) and chosen[0] else chosen[0]
    for name in classes:
        if alias in (class_alias(name), name):
            return Answer(verdict, name, comment)
    raise DataError(
        f"the class {str(alias)[:80]!r} is not one of the dataset.",
        "Add it to the dataset's classes and pull again, or delete the answer.",
    )


def answer_result(
    verdict: str, new_label: str | None = None, *, n_classes: int, comment: str = ""
) -> list[dict[str, Any]]:
    """Return the result that the review page would submit; for scripts that answer tasks.

    Parameters
    ----------
    verdict : str
        A verdict's value, or "accept".
    new_label : str, optional
        Class name; with "relabel".
    n_classes : int
        Number of classes in the labeling config, which decides how one is picked.
    comment : str, default ""
        Free text.
    """

    def item(name: str, kind: str, key: str, value: list[Any]) -> dict[str, Any]:
        return {"from_name": name, "to_name": IMAGE, "type": kind, "value": {key: value}}

    result = [item(VERDICT, "choices", "choices", [verdict])]
    if new_label is not None:
        alias = class_alias(new_label)
        if n_classes <= MAX_BUTTONS:
            result.append(item(NEW_LABEL, "choices", "choices", [alias]))
        else:
            result.append(item(NEW_LABEL, "taxonomy", "taxonomy", [[alias]]))
    if comment:
        result.append(item(COMMENT, "textarea", "text", [comment]))
    return result
