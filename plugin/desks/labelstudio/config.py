"""The labeling config: what a reviewer sees of one image."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ...core.errors import DataError
from ...core.review.verdicts import Verdict

IMAGE, VERDICT, NEW_LABEL, COMMENT = "image", "verdict", "new_label", "comment"
ACCEPT = "accept"
EXAMPLES = "examples"

# Up to here every class has a button and a key; above, a list with a search field.
MAX_BUTTONS = 16
_LIST = "Taxonomy"
_CLASS_KEYS = "qwertyuiopasdfgh"
_PLAIN_NAME = re.compile(r"[\w .,:()/+-]{1,60}")
_SHOWN_LENGTH = 120

# Image and answer side by side. Of fixed shares: the image is as wide as its box and gives it none.
_ROW_STYLE = "display: flex; gap: 24px; align-items: flex-start"
_IMAGE_STYLE = "width: 58%; flex: none"
_ANSWER_STYLE = "flex: 1; min-width: 0; overflow-wrap: anywhere; unicode-bidi: plaintext"
_SMALL_STYLE = "font-size: 14px; font-weight: normal; margin: 0 0 12px; opacity: 0.75"
# One line a rule. The panels for drawn regions have nothing to show here and take a quarter of the
# page; answers are large enough to be hit without aiming, with their keys as keys; classes stand in
# columns.
_PAGE_STYLE = """
.lsf-sidepanels__wrapper_align_right { display: none }
.lsf-sidepanels { padding-right: 0 !important }
.lsf-choice__checkbox { font-size: 16px; padding: 5px 0 }
.lsf-choice .lsf-hint { font-size: 12px; margin-left: 6px; top: -0.2em; opacity: 0.75 }
.lsf-choices_layout_inline:not(.lsf-choices_hidden) { display: grid; max-height: 45vh;
  grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); overflow-y: auto }
.htx-taxonomy { width: 100%; font-size: 16px }
.shown-examples { pointer-events: none }
.shown-examples .ant-checkbox, .shown-examples .lsf-hint { display: none }
.shown-examples .lsf-choice:not(:has(.examples)) { display: none }
.shown-examples .examples { display: flex; gap: 6px; align-items: center; line-height: 20px }
.shown-examples .who { flex: none; width: 130px; max-height: 72px; overflow: hidden }
.shown-examples .examples img { width: 72px; height: 72px; object-fit: contain;
  border-radius: 4px; background: #8882 }
"""


def class_alias(name: str) -> str:
    """Return what stands for a class in an annotation; it never changes when classes are added.

    Plain names stand for themselves. Others would be changed by Label Studio (``$`` starts a
    variable there), so a hash stands for them.
    """
    if _PLAIN_NAME.fullmatch(name) and name == name.strip():
        return name
    return "class-" + hashlib.sha256(name.encode()).hexdigest()[:12]


def visible(name: str) -> str:
    """Return a class name as people can tell it from its look-alikes: with its spaces to be seen.

    Examples
    --------
    >>> visible("sea lion"), visible("3 ")
    ('sea lion', '“3␣”')
    """
    if name == " ".join(name.split()):
        return name
    return "“" + "".join("␣" if c.isspace() else c for c in name) + "”"


def labeling_config(
    classes: Sequence[str],
    hide_suggestion: bool = False,
    smooth: bool = True,
    before: str | None = None,
    label_field: str = "",
    of_objects: bool = False,
) -> str:
    """Return the labeling config for a list of classes.

    Parameters
    ----------
    classes : sequence of str
        Class names; anything but an empty name.
    hide_suggestion : bool, default False
        Whether to leave out the suggested class and the choice to accept it.
    smooth : bool, default True
        Whether to smooth images that are enlarged. False for tiny ones, where every pixel counts.
    before : str, optional
        The config that the project has now. Buttons stay buttons and a list stays a list, however
        many classes there are: answers given with one don't fit the other.
    label_field : str, optional
        Whose classes they are, for error texts.
    of_objects : bool, default False
        Whether to offer the answer that an object's box is wrong.

    Raises
    ------
    DataError
        When there are fewer than two classes, or names that are empty or occur twice.
    """
    _check(classes, label_field)
    view = ET.Element("View")
    crisp = "" if smooth else ".shown-examples img { image-rendering: pixelated }\n"
    ET.SubElement(view, "Style").text = _PAGE_STYLE + crisp
    row = ET.SubElement(view, "View", style=_ROW_STYLE)
    picture = ET.SubElement(row, "View", style=_IMAGE_STYLE)
    ET.SubElement(
        picture,
        "Image",
        name=IMAGE,
        value="$image",
        zoom="true",
        smoothing=str(smooth).lower(),
        horizontalAlignment="center",
        maxWidth="100%",
        width="100%",
    )
    answer = ET.SubElement(row, "View", style=_ANSWER_STYLE)
    ET.SubElement(answer, "Header", value="$position", size="5", style=_SMALL_STYLE)
    ET.SubElement(answer, "Header", value="Labeled: $label", size="3")
    if not hide_suggestion:
        ET.SubElement(
            answer, "Header", value="Suggested: $suggested ($suggested_probability)", size="5"
        )
    ET.SubElement(answer, "Header", value="$note", size="5", style=_SMALL_STYLE)
    _verdict_choices(answer, hide_suggestion, of_objects)
    relabel = ET.SubElement(
        answer,
        "View",
        visibleWhen="choice-selected",
        whenTagName=VERDICT,
        whenChoiceValue="Another class",
    )
    ET.SubElement(relabel, "Header", value="Which class is it?", size="5")
    as_list = len(classes) > MAX_BUTTONS if before is None else f"<{_LIST} " in before
    _class_choices(relabel, classes, as_list)
    ET.SubElement(
        answer,
        "TextArea",
        name=COMMENT,
        toName=IMAGE,
        placeholder="Comment (optional)",
        rows="2",
        maxSubmissions="1",
        showSubmitButton="false",
        editable="true",
        required="false",
    )
    submit = "Ctrl+Enter submits and shows the next image."
    ET.SubElement(answer, "Header", value=submit, size="5", style=_SMALL_STYLE)
    _example_strips(answer)
    return ET.tostring(view, encoding="unicode")


def _verdict_choices(parent: ET.Element, hide_suggestion: bool, of_objects: bool) -> None:
    choices = ET.SubElement(
        parent,
        "Choices",
        name=VERDICT,
        toName=IMAGE,
        choice="single-radio",
        required="true",
        requiredMessage="Choose an answer first.",
    )
    answers = [
        ("The label is right", Verdict.KEEP.value),
        ("The suggestion is right", ACCEPT),
        ("Another class", Verdict.RELABEL.value),
        ("Not usable: delete", Verdict.DELETE.value),
        ("I can't tell", Verdict.UNSURE.value),
    ]
    if of_objects:
        answers.append(("The box is wrong", Verdict.WRONG_BOX.value))
    for key, (value, alias) in enumerate(answers, start=1):
        if alias != ACCEPT or not hide_suggestion:
            ET.SubElement(choices, "Choice", value=value, alias=alias, hotkey=str(key))


def _example_strips(parent: ET.Element) -> None:
    """Show sure images of the two classes; nobody can choose them, and old tasks have none."""
    box = ET.SubElement(parent, "View", className="shown-examples")
    # In capitals: the server takes uploads only if it finds one tag with a `value` that varies, and
    # the page reads attributes in any case.
    value = {"name": EXAMPLES, "toName": IMAGE, "VALUE": "$examples", "choice": "multiple"}
    strips = ET.SubElement(box, "Choices", value)
    ET.SubElement(strips, "Choice", value=EXAMPLES)  # the server wants one; it is hidden


def _class_choices(parent: ET.Element, classes: Sequence[str], as_list: bool) -> None:
    message = "Choose the right class first."
    if not as_list:
        box = ET.SubElement(
            parent,
            "Choices",
            name=NEW_LABEL,
            toName=IMAGE,
            choice="single-radio",
            showInline="true",
            required="true",
            requiredMessage=message,
        )
        keys = list(_CLASS_KEYS)
    else:
        box = ET.SubElement(
            parent,
            _LIST,
            name=NEW_LABEL,
            toName=IMAGE,
            leafsOnly="true",
            maxUsages="1",
            required="true",
            requiredMessage=message,
            placeholder="Type to search a class",
        )
        keys = []
    shown_before: set[str] = set()
    for index, name in enumerate(classes):
        choice = ET.SubElement(
            box, "Choice", value=_shown(name, shown_before), alias=class_alias(name)
        )
        if index < len(keys):
            choice.set("hotkey", keys[index])


def _shown(name: str, before: set[str]) -> str:
    """Return what is shown for a class: no variables, not too long, unlike all before it."""
    # Control characters can't stand in XML; `$` would be taken for a variable.
    text = "".join(c for c in visible(name) if c.isprintable() and c != "$")
    text = text.strip() or "(unnamed)"
    if len(text) > _SHOWN_LENGTH:
        text = text[: _SHOWN_LENGTH - 1] + "…"
    shown, count = text, 2
    while shown in before:
        shown, count = f"{text} ({count})", count + 1
    before.add(shown)
    return shown


def _check(classes: Sequence[str], label_field: str) -> None:
    of = f" of field {label_field!r}" if label_field else ""
    if len(classes) < 2:
        raise DataError(
            f"a labeling config needs at least two classes{of}, got {len(classes)}.",
            "Set the dataset's classes, or label some samples of another class.",
        )
    for name in classes:
        if not isinstance(name, str) or not name.strip():
            where = f"F('{label_field or 'ground_truth'}.label') == {name!r}"
            raise DataError(
                f"a class name{of} must be a text that is not empty, got {name!r}.",
                f"Find its samples with dataset.match({where}) and give them a class or no label; "
                "take it out of the dataset's classes, too, if it is listed there.",
            )
    if len(set(classes)) != len(classes):
        twice = sorted({name for name in classes if list(classes).count(name) > 1})
        raise DataError(
            f"class names{of} must differ, got twice: {', '.join(twice)}.",
            "List each of them once.",
        )
