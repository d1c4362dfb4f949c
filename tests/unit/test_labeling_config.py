"""The labeling config and the answers it makes, for any class names."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.verdicts import Verdict
from coreset_cleaning.desks.labelstudio.answers import answer_result, read_answer
from coreset_cleaning.desks.labelstudio.config import MAX_BUTTONS, class_alias, labeling_config

NAMES = st.lists(
    st.text(min_size=1, max_size=30).filter(lambda name: name.strip()),
    min_size=2,
    max_size=2 * MAX_BUTTONS,
    unique=True,
)


def classes_shown(config: str) -> dict[str, str]:
    """Return alias to shown text of the classes on the page."""
    [box] = [node for node in ET.fromstring(config).iter() if node.get("name") == "new_label"]
    shown = {node.attrib["alias"]: node.attrib["value"] for node in box}
    assert len(shown) == len(box)
    return shown


@given(NAMES)
def test_any_class_is_shown_once_and_read_back(names: list[str]) -> None:
    shown = classes_shown(labeling_config(names))
    assert list(shown) == [class_alias(name) for name in names]
    assert len(set(shown.values())) == len(names)
    # A dollar sign would be taken for a variable.
    assert "$" not in "".join(shown) + "".join(shown.values())
    for name in names:
        answer = read_answer(answer_result("relabel", name, n_classes=len(names)), names, None)
        assert (answer.verdict, answer.new_label) == (Verdict.RELABEL, name)


@given(NAMES, st.data())
def test_a_class_keeps_its_alias_when_others_come(names: list[str], data: st.DataObject) -> None:
    fewer = data.draw(st.permutations(names))[: max(2, len(names) // 2)]
    before = set(classes_shown(labeling_config(fewer)))
    assert before <= set(classes_shown(labeling_config(names)))
    answer = answer_result("relabel", fewer[0], n_classes=len(fewer))
    assert read_answer(answer, names, None).new_label == fewer[0]


def test_long_names_are_cut_and_stay_apart() -> None:
    shown = classes_shown(labeling_config(["x" * 199 + "a", "x" * 199 + "b"]))
    first, second = shown.values()
    assert len(first) < len(second) < 140
    assert first.endswith("…")
    assert second.endswith("… (2)")


@pytest.mark.parametrize("n", [2, MAX_BUTTONS, MAX_BUTTONS + 1, 1000])
def test_no_key_is_used_twice(n: int) -> None:
    config = labeling_config([f"class {i}" for i in range(n)])
    keys = [key for node in ET.fromstring(config).iter() if (key := node.get("hotkey"))]
    assert len(set(keys)) == len(keys) == 5 + (n if n <= MAX_BUTTONS else 0)


def test_buttons_stay_buttons_and_a_list_stays_a_list() -> None:
    few, many = ["a", "b"], [f"class {i}" for i in range(100)]
    assert "<Taxonomy" not in labeling_config(many, before=labeling_config(few))
    assert "<Taxonomy" in labeling_config(few, before=labeling_config(many))
    assert labeling_config(many, before=labeling_config(many)) == labeling_config(many)


def test_only_tiny_images_are_shown_unsmoothed() -> None:
    assert 'smoothing="true"' in labeling_config(["a", "b"])
    assert 'smoothing="false"' in labeling_config(["a", "b"], smooth=False)


def test_a_hidden_suggestion_is_not_on_the_page() -> None:
    assert "$suggested" in labeling_config(["a", "b"])
    hidden = labeling_config(["a", "b"], hide_suggestion=True)
    assert "uggest" not in hidden
    assert 'alias="accept"' not in hidden


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a"], "at least two classes, got 1"),
        (["a", " "], "not empty, got ' '"),
        (["a", 3], "must be a text that is not empty, got 3"),
        (["a", "b", "a"], "must differ, got twice: a"),
    ],
)
def test_what_can_t_be_classes_is_refused(classes: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        labeling_config(classes)


def test_only_objects_can_have_a_wrong_box() -> None:
    of_images, of_objects = (
        labeling_config(["a", "b"]),
        labeling_config(["a", "b"], of_objects=True),
    )
    assert "wrong_box" not in of_images
    choice = '<Choice value="The box is wrong" alias="wrong_box" hotkey="6" />'
    assert of_objects.replace(choice, "") == of_images
    said = read_answer(answer_result("wrong_box", n_classes=2), ["a", "b"], None)
    assert (said.verdict.outcome.is_error, said.new_label) == (True, None)
