"""Sheets without a server: who stands where, what a page is given, what an answer says."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.sheets import LARGEST, Place, check_sheet, places
from coreset_cleaning.core.review.verdicts import Verdict
from coreset_cleaning.desks.base import ReviewTask
from coreset_cleaning.desks.labelstudio.answers import Answer
from coreset_cleaning.desks.labelstudio.sheet_config import grid, sheet_config
from coreset_cleaning.desks.labelstudio.sheets import (
    CHIPS,
    SECOND,
    first_image,
    read_sheet,
    sheet_data,
    sheet_result,
    slots_of,
)
from coreset_cleaning.desks.labelstudio.thumbnails import SIDE, thumbnail

KEEP = Answer(Verdict.KEEP, None, "")
# Without the sign that stands for blanks: a name that has it looks like one with blanks.
NAMES = st.text(min_size=1, max_size=200).filter(lambda name: name.strip() and "␣" not in name)
HOSTILE = [
    "<b>x</b> & \"y\" 'z' $images",
    "<img src=x onerror=alert(1)>",
    "🦓 “wild”",
    "حمار وحشي $",
    "x" * 200,
]


def item(rank: int, label: str) -> BatchItem:
    return BatchItem(f"s{rank}", rank, 1.0, label, 1.0, False, "other", 0.5)


def task(slot: int, suggested: str = "dog", second: str | None = None) -> ReviewTask:
    return ReviewTask(
        f"s{slot}",
        f"{slot}.png",
        slot,
        9,
        "cat",
        suggested,
        0.5,
        "",
        place=Place(1, slot),
        second_guess=second,
    )


def sheet(n: int, suggested: str = "dog", hide: bool = False, second: str | None = None) -> dict:
    tasks = [task(slot, suggested, second) for slot in range(1, n + 1)]
    return sheet_data(tasks, {t.sample_id: f"/data/{t.image}" for t in tasks}, hide)


# ---- who stands where


@given(st.lists(st.sampled_from("abcd"), max_size=60), st.integers(2, LARGEST))
def test_every_label_stands_once_among_its_own_class_in_the_order_of_the_round(
    labels: list[str], size: int
) -> None:
    batch = [item(rank, label) for rank, label in enumerate(labels)]
    where = places(reversed(batch), size)
    assert set(where) == {i.sample_id for i in batch}
    assert len(set(where.values())) == len(batch)
    on: dict[int, list[BatchItem]] = {}
    for one in batch:
        on.setdefault(where[one.sample_id].sheet, []).append(one)
    assert sorted(on) == list(range(1, len(on) + 1))
    # As few as can be, and in the order of what comes first on each.
    assert len(on) == sum(-(-labels.count(label) // size) for label in set(labels))
    assert [on[n][0].rank for n in sorted(on)] == sorted(items[0].rank for items in on.values())
    for items in on.values():
        assert len({i.label for i in items}) == 1
        slots = [where[i.sample_id].slot for i in items]
        assert slots == list(range(1, len(items) + 1))


@pytest.mark.parametrize("size", [1, -1, LARGEST + 1])
def test_a_sheet_has_a_size_that_can_be_looked_at(size: int) -> None:
    assert check_sheet(0) == 0
    with pytest.raises(DataError, match=f"between 2 and {LARGEST} images, or 0 .* got {size}"):
        check_sheet(size)


# ---- what the page is given


class Seen(HTMLParser):
    """What a browser would see in a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str | None] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attrs)
        assert set(names) <= {"src", "alt", "class"}
        if tag == "img":
            self.sources.append(names["src"])

    def handle_data(self, data: str) -> None:
        self.text += data


@given(NAMES.filter(lambda name: name.isprintable()), NAMES)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_and_paths_are_text_and_never_markup(hostile: str, name: str, path: str) -> None:
    for suggested in (hostile, name):
        one = task(1, suggested, suggested)
        data = sheet_data([one], {"s1": f"/data/{path}"}, hide_suggestion=False)
        seen = Seen(data["images"][0]["html"])
        assert seen.tags == ["img", "span", "bdi"]
        # Blanks that a browser would drop are shown as signs.
        assert suggested.strip().replace(" ", "") in seen.text.replace(" ", "").replace("␣", "")
        assert seen.sources == [f"/data/{path}"]
        chip = Seen(data["images"][1]["html"])
        assert chip.tags == ["span", "bdi"]
        assert chip.text == seen.text.removesuffix(" (50%)")
        assert first_image(data) == f"/data/{path}"


def test_images_have_keys_and_captions_and_chips_after_them() -> None:
    data = sheet(40)
    pictures = [image for image in data["images"] if "<img" in image["html"]]
    keys = [image["hotkey"] for image in pictures if "hotkey" in image]
    assert keys[:20] == list("1234567890qwertyuiop")
    assert len(set(keys)) == len(keys)
    aliases = [image["alias"] for image in data["images"]]
    assert aliases[:4] == ["1", "1:other", "1:unsure", "1:delete"]
    assert len(set(aliases)) == len({image["value"] for image in data["images"]}) == 40 * 4
    assert slots_of(data) == {str(slot): f"s{slot}" for slot in range(1, 41)}
    assert data["question"] == "Which of these are not: cat?"
    hidden = sheet(2, hide=True)
    assert [image["alias"] for image in hidden["images"][:3]] == ["1", "1:unsure", "1:delete"]
    assert "dog" not in str(hidden)
    guessed = sheet(2, second="fox")
    assert [image["alias"] for image in guessed["images"][:3]] == ["1", "1:second", "1:other"]
    assert "fox" not in str(sheet(2, hide=True, second="fox"))


@given(st.integers(2, LARGEST), st.booleans())
def test_the_config_is_made_for_its_size(size: int, smooth: bool) -> None:
    columns, rows = grid(size)
    # No row is empty.
    assert columns * (rows - 1) < size <= columns * rows
    config = ET.fromstring(sheet_config(size, smooth))
    # One named tag with a variable: with two, the server refuses uploads of images.
    named = [n.get("value") for n in config.iter() if n.get("name") and "$" in n.get("value", "")]
    assert named == ["$images"]
    style = config.findtext("Style") or ""
    assert style.count("{") == style.count("}")
    assert ("pixelated" in style) != smooth


# ---- what an answer says


@given(st.integers(1, LARGEST), st.booleans(), st.data())
def test_an_answer_says_one_thing_of_each_image(n: int, hide: bool, draw: st.DataObject) -> None:
    chips = [*CHIPS] if hide else [SECOND, *CHIPS]
    chips = [c for c in chips if not (hide and c == "other")]
    told = {
        str(slot): draw.draw(st.sampled_from(["right", "wrong", "taken back", *chips]))
        for slot in range(1, n + 1)
    }
    marks = [slot for slot, what in told.items() if what not in ("right", "taken back")]
    marks += [f"{slot}:{what}" for slot, what in told.items() if what in chips]
    # A chip of an image that was unmarked again stays in the result.
    marks += [f"{slot}:delete" for slot, what in told.items() if what == "taken back"]
    said = read_sheet(
        sheet_result(draw.draw(st.permutations(marks))),
        sheet(n, hide=hide, second="fox"),
        ("cat", "dog", "fox"),
    )
    wrong = None if hide else Answer(Verdict.RELABEL, "dog", "")
    meaning = {"right": KEEP, "taken back": KEEP, "wrong": wrong, "other": None}
    meaning[SECOND] = Answer(Verdict.RELABEL, "fox", "")
    for slot, what in told.items():
        assert said[slot] == (
            meaning[what] if what in meaning else Answer(Verdict.parse(what), None, "")
        )
    assert list(said) == list(told)


def test_all_right_is_an_answer_and_nothing_is_none() -> None:
    assert set(read_sheet(sheet_result(), sheet(3), ("cat", "dog")).values()) == {KEEP}
    for nothing in ([], None, {}, [None], [{"from_name": "marked", "value": {"choices": ["1"]}}]):
        with pytest.raises(DataError, match="it is empty"):
            read_sheet(nothing, sheet(3), ("cat", "dog"))
    with pytest.raises(DataError, match="no '4' on the sheet"):
        read_sheet(sheet_result(["4"]), sheet(3), ("cat", "dog"))


def test_chips_that_contradict_each_other_leave_the_class_open() -> None:
    marks = ["1", "1:delete", "1:unsure", "2"]
    said = read_sheet(sheet_result(marks), sheet(2), ("cat", "dog"))
    assert said == {"1": None, "2": Answer(Verdict.RELABEL, "dog", "")}


def test_a_suggestion_that_is_no_class_any_more_is_an_error_of_its_image_alone() -> None:
    said = read_sheet(sheet_result(["2"]), sheet(2, "gone"), ("cat", "dog"))
    assert said["1"] == KEEP
    assert isinstance(said["2"], DataError)


# ---- photographs


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def test_photographs_are_scaled_down_and_stand_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side
    photo = encoded(Image.new("RGB", (1600, 1200), "teal"), "JPEG", exif=turned)
    small = Image.open(io.BytesIO(thumbnail(photo)))
    assert (small.format, small.size) == ("JPEG", (SIDE * 3 // 4, SIDE))
    see_through = encoded(Image.new("RGBA", (2000, 10), (0, 0, 0, 0)), "PNG")
    small = Image.open(io.BytesIO(thumbnail(see_through)))
    assert (small.format, small.mode, small.size[0]) == ("PNG", "RGBA", SIDE)


def test_small_and_strange_files_stay_as_they_are() -> None:
    moving = [Image.new("RGB", (900, 900), color) for color in ("red", "blue")]
    for content in (
        encoded(Image.new("RGB", (SIDE, 8)), "PNG"),
        encoded(moving[0], "GIF", save_all=True, append_images=moving[1:]),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(Image.new("RGB", (1600, 1200)), "JPEG")[:300],
    ):
        assert thumbnail(content) == content
