"""The labeling config of sheets: a grid of pictures, each of which is a choice."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from .sheets import CHIPS, MARKED, SECOND, SEEN

SHEET_INSTRUCTIONS = """
<p>Each page shows images of one class and asks: which of these are not that?</p>
<ul>
<li>Click an image, or press the key in its corner, if it is <b>not</b> what the page says. It is
crossed out, and gets the class below it instead. Once more takes the mark away.</li>
<li>If the class below a marked image is not right either, click the second class on it, or
<b>another</b> (you are asked for it later), <b>can't tell</b> or <b>delete</b>.</li>
<li>Images without a mark are right. If all are, mark none.</li>
</ul>
<p>Ctrl+Enter submits and shows the next page. Nothing is lost: every answer can be changed.</p>
"""
# Pixels above the grid, and those that Label Studio's own bars take.
_HEAD, _BARS = 64, 172
_RED = "#d4202c"
_HINT = "font-size: 14px; font-weight: normal; opacity: 0.75"
# One line a rule. Pictures flow; chips have no size of their own and stand on the picture before
# them, so any number of either fits, whatever the sheet was made for.
_STYLE = """
.lsf-sidepanels__wrapper_align_right {{ display: none }}
.lsf-sidepanels {{ padding-right: 0 !important }}
.lsf-main-view, .lsf-main-view__annotation {{ padding: 0 !important }}
.sheet-text, .sheet-state {{ display: none }}
.sheet-head {{ padding: 0 8px; max-width: calc(100% - 4 * {head}px - 100px); height: {head}px;
  display: flex; align-items: center; gap: 24px;
  overflow: hidden; white-space: nowrap; unicode-bidi: plaintext }}
.sheet-head > * {{ margin: 0 !important; flex: none }}
.sheet-head > :first-child {{ flex: 0 1 auto; overflow: hidden; text-overflow: ellipsis }}
.sheet {{ container-type: inline-size; position: relative; padding: 0 3px }}
.sheet .lsf-choices {{ display: flex; flex-wrap: wrap; margin: 0; padding: 0 }}
.sheet .lsf-choice {{ display: block; flex: none; position: relative; width: 0; height: 0;
  margin: 0; padding: 0; align-self: flex-end }}
.sheet .lsf-choice:has(.pic) {{ width: calc((100cqw - 1px) / {columns} - 6px); height: {height};
  margin: 3px }}
.sheet .lsf-choice:has(.examples) {{ position: absolute; right: 6px; bottom: 100%; width: auto;
  height: {head}px; pointer-events: none }}
.sheet .lsf-choice:has(.examples) .lsf-hint {{ display: none }}
.sheet .examples {{ display: flex; gap: 4px; align-items: center; height: {head}px;
  line-height: 20px; font-size: 14px; opacity: .9 }}
.sheet .who bdi {{ display: none }}
.sheet .examples img {{ width: {example}px; height: {example}px; object-fit: contain;
  border-radius: 4px; background: #8882; image-rendering: {rendering} }}
.sheet .lsf-choice__item {{ margin: 0; padding: 0 }}
.sheet label {{ display: block; margin: 0; padding: 0; width: 100%; cursor: pointer;
  line-height: 0; font-size: 0 }}
.sheet label::after, .sheet label::before {{ display: none }}
.sheet .ant-checkbox {{ position: absolute; opacity: 0; width: 0; height: 0; overflow: hidden }}
.sheet .ant-checkbox + span {{ display: block; position: relative; padding: 0; overflow: hidden }}
.sheet .ant-checkbox + span:has(.pic) {{ height: {height}; border-radius: 6px;
  background: var(--color-neutral-surface, #eee); box-shadow: 0 0 0 1px #8884 }}
.sheet .ant-checkbox + span:has(.pic):hover {{ box-shadow: 0 0 0 2px #777 }}
.sheet .pic {{ position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
  font-size: 14px; line-height: 20px; color: {red}; image-rendering: {rendering} }}
.sheet .pic:has(+ .cap) {{ height: calc(100% - 20px) }}
.sheet .lsf-hint {{ position: absolute; left: 4px; top: 4px; z-index: 2; margin: 0; padding: 0 5px;
  border-radius: 4px; background: #fffd; color: #333; font-size: 12px; line-height: 18px }}
.sheet .cap {{ position: absolute; left: 0; right: 0; bottom: 0; z-index: 2; padding: 0 6px;
  background: #fffd; color: #222; font-size: 12px; line-height: 20px; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; unicode-bidi: plaintext }}
.sheet .ant-checkbox-checked + span:has(.pic) {{ box-shadow: inset 0 0 0 5px {red} }}
.sheet .ant-checkbox-checked + span .pic {{ opacity: .5 }}
.sheet .ant-checkbox-checked + span:has(.pic)::after {{ content: ""; position: absolute; inset: 0;
  z-index: 1; border: 5px solid {red}; border-radius: 6px; background:
  linear-gradient(to top right, transparent calc(50% - 3px), {red} calc(50% - 3px),
  {red} calc(50% + 3px), transparent calc(50% + 3px)),
  linear-gradient(to bottom right, transparent calc(50% - 3px), {red} calc(50% - 3px),
  {red} calc(50% + 3px), transparent calc(50% + 3px)) }}
.sheet .ant-checkbox-checked + span .cap {{ background: {red}; color: #fff; font-weight: 600 }}
.sheet .lsf-choice:has(.chip) {{ display: none; z-index: 3 }}
.sheet .lsf-choice:has(.chip) label {{ position: absolute; bottom: 29px; width: {chip} }}
.sheet .lsf-choice:has(.chip) .lsf-hint {{ display: none }}
.sheet .chip {{ display: block; height: 24px; margin: 0 2px; padding: 0 4px; border-radius: 12px;
  background: #fff; color: #222; box-shadow: inset 0 0 0 1px #888; text-align: center;
  font-size: 12px; line-height: 24px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis }}
.sheet .ant-checkbox-checked + span .chip {{ background: #1f5fd6; color: #fff; box-shadow: none }}
"""


def grid(size: int) -> tuple[int, int]:
    """Return columns and rows for so many images, a little wider than high.

    Examples
    --------
    >>> grid(12), grid(20), grid(30)
    ((4, 3), (5, 4), (6, 5))
    """
    columns = max(1, round(math.sqrt(size * 1.25)))
    return columns, math.ceil(size / columns)


def sheet_config(size: int, smooth: bool = True) -> str:
    """Return the labeling config for sheets.

    Parameters
    ----------
    size : int
        Images on a sheet, at most: the grid is made for so many.
    smooth : bool, default True
        Whether to smooth images that are enlarged. False for tiny ones, where every pixel counts.
    """
    columns, rows = grid(size)
    style = _STYLE.format(
        head=_HEAD,
        example=_HEAD - 8,
        columns=columns,
        red=_RED,
        rendering="auto" if smooth else "pixelated",
        height=f"max(64px, calc((100vh - {_BARS}px) / {rows} - 6px))",
        chip=f"calc((100cqw / {columns} - 12px) / {len(CHIPS)})",
    )
    view = ET.Element("View")
    ET.SubElement(view, "Style").text = style + "\n".join(_chip_rules(columns))
    head = ET.SubElement(view, "View", className="sheet-head")
    ET.SubElement(head, "Header", value="$question", size="3")
    ET.SubElement(head, "Header", value="$hint", size="5", style=_HINT)
    # Choices must belong to something that is shown.
    text = ET.SubElement(view, "View", className="sheet-text")
    ET.SubElement(text, "Text", name="sheet", value="Sheet")
    pictures = ET.SubElement(view, "View", className="sheet")
    ET.SubElement(
        pictures,
        "Choices",
        name=MARKED,
        toName="sheet",
        value="$images",
        choice="multiple",
        layout="inline",
    )
    # Chosen beforehand: a sheet that was submitted without a mark is no empty answer.
    state = ET.SubElement(view, "View", className="sheet-state")
    seen = ET.SubElement(state, "Choices", name=SEEN, toName="sheet", choice="single-radio")
    ET.SubElement(seen, "Choice", value=SEEN, selected="true")
    return ET.tostring(view, encoding="unicode")


def _chip_rules(columns: int) -> list[str]:
    """Return what places the chips, and shows those of a marked image."""
    rules = []
    for place, name in enumerate(reversed(CHIPS)):
        right = f"calc((100cqw / {columns} - 12px) / {len(CHIPS)} * {place} + 6px)"
        rules.append(f".sheet .lsf-choice:has(.{name}) label {{ right: {right} }}")
    width = f"calc(100cqw / {columns} - 12px)"
    rules.append(
        f".sheet .lsf-choice:has(.{SECOND}) label "
        f"{{ right: 6px; bottom: 57px; width: {width}; unicode-bidi: plaintext }}"
    )
    marked = ".sheet .lsf-choice:has(.pic):has(.ant-checkbox-checked)"
    chip = " + .lsf-choice:has(.chip)"
    most = len(CHIPS) + 1
    rules += [f"{marked}{chip * n} {{ display: block }}" for n in range(1, most + 1)]
    # What a chip says counts instead of the class below the image.
    for n in range(1, most + 1):
        chosen = "+ .lsf-choice " * n + ".ant-checkbox-checked + span .chip"
        before = f".sheet .lsf-choice:has(.pic):has({chosen})"
        rules.append(
            f"{before} .ant-checkbox-checked + span .cap {{ background: #555; font-weight: 400; "
            "text-decoration: line-through }"
        )
    return rules
