"""Pictures of the review pages: scripts/screenshots --review FOLDER.

Pages with one image with 2, 10 and 1,000 classes; sheets of 12, 20 and 30, light and dark, narrow
and wide.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chromium import open_browser
from label_studio_server import LabelStudioProcess
from review_page import ReviewPage, SheetPage

WINDOW = {"width": 1400, "height": 820}
# Images on the sheet, width of the window, theme, classes.
SHEETS = [
    (20, 1400, "Light", 10),
    (20, 1280, "Dark", 10),
    (12, 1400, "Dark", 2),
    (12, 1920, "Light", 10),
    (30, 1920, "Dark", 1000),
    (30, 1280, "Light", 1000),
]
WRONG = (2, 5, 8, 11)
_numbers = itertools.count()
NOTE = "73% of the most similar images carry another label."


def take(folder: Path) -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as temporary, open_browser() as browser:
        work = Path(temporary)
        with LabelStudioProcess(work / "label-studio") as process:
            page = browser.new_page(viewport=WINDOW, color_scheme="light")
            page.set_default_timeout(60_000)
            review = ReviewPage(page, process.url)
            review.log_in(process.admin_email, process.admin_password)
            for n in (2, 10, 1000):
                review.open(push(process, work, n))
                shoot(page, folder / f"review-page-{n}.png")
                review.press("3")
                page.get_by_text("Which class is it?").wait_for()
                if n == 1000:
                    page.locator(".htx-taxonomy .ant-select-selector").click()
                    page.get_by_placeholder("Search").fill("77")
                shoot(page, folder / f"review-page-{n}-relabel.png")
            for size, width, scheme, n in SHEETS:
                page.set_viewport_size({"width": width, "height": width * 9 // 14})
                review.start(push_sheet(process, work, size, n))
                sheet = SheetPage(page)
                sheet.shows(size)
                choose_theme(page, scheme)
                for slot in WRONG:
                    sheet.picture(slot).click()
                sheet.chip(WRONG[1], "another").click()
                if n > 2:
                    sheet.chip(WRONG[2], "second guess").click()
                shoot(page, folder / f"review-sheet-{size}-{width}-{scheme}-{n}.png")
                choose_theme(page, "Light")


def choose_theme(page: Any, name: str) -> None:
    """Switch Label Studio to its light or dark theme with the button at the top."""
    button = page.locator("button", has_text=re.compile("^(Auto|Light|Dark)$"))
    for _ in range(3):
        if button.inner_text().strip() == name:
            return
        button.click()


def push_sheet(process: LabelStudioProcess, work: Path, size: int, n: int) -> str:
    """Push a sheet of digits labeled 3, some of which are not, of n classes; return its link."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from coreset_cleaning.core.review.sheets import Place
    from coreset_cleaning.desks.base import Example, Options, ReviewTask, Subject
    from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
    from coreset_cleaning.desks.labelstudio.desk import LabelStudioDesk

    digits = load_digits()
    threes = iter(np.flatnonzero(digits.target == 3))
    others = iter(np.flatnonzero(np.isin(digits.target, [5, 8, 9])))

    def image(row: int) -> str:
        path = work / f"digit-{row}.png"
        pixels = (255 - digits.images[row] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        return str(path)

    def name(digit: int) -> str:
        if n == 2:
            return ["an even digit", "an odd digit"][digit % 2]
        return str(digit) if n == 10 else f"handwriting, digit {digit}, from form {digit * 100}"

    found = tuple(Example(f"e{i}", image(next(threes))) for i in range(4))
    tasks = []
    for slot in range(1, size + 1):
        row = next(others) if slot in WRONG else next(threes)
        first = digits.target[row] if slot in WRONG else (8, 5, 9)[slot % 3]
        # Of two classes, the other one.
        suggested = name(2 if n == 2 else first)
        probability = 0.97 - slot / 50 if slot in WRONG else 0.6 - slot / 70
        task = ReviewTask(f"s{slot}", image(row), slot, size, name(3), suggested, probability, NOTE)
        second = None if n == 2 else name(7)
        tasks.append(replace(task, place=Place(1, slot), second_guess=second))
    classes = tuple(dict.fromkeys(map(name, range(10))))
    if n == 1000:
        classes += tuple(f"class {i:03d}" for i in range(n - 10))
    subject = Subject(f"sheet-{size}-{next(_numbers)}", "digits", "label", classes)
    desk = LabelStudioDesk(LabelStudioServer(process.url, process.admin_token))
    options = Options(smooth=False, sheet=size, examples={name(3): found})
    return desk.send(subject, options, 1, tasks).url


def push(process: LabelStudioProcess, work: Path, n: int) -> str:
    """Push a round of one digit; return its link."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
    from coreset_cleaning.desks.labelstudio.project import find_or_create_project
    from coreset_cleaning.desks.labelstudio.push import ReviewTask, push_tasks

    path = work / f"{n}.png"
    pixels = (255 - load_digits().images[5] * (255 / 16)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    classes = [f"digit {i}" if n <= 10 else f"class {i:03d}" for i in range(n)]
    if n == 2:
        classes = ["even", "odd"]
    given, suggested = (classes[9], classes[5]) if n == 10 else (classes[0], classes[1])
    server = LabelStudioServer(process.url, process.admin_token)
    own: dict[str, Any] = {"dataset_id": f"pictures-{n}", "label_field": "ground_truth"}
    project = find_or_create_project(
        server, dataset_name="digits", classes=classes, smooth=False, **own
    )
    task = ReviewTask("s0", str(path), 0, 50, given, suggested, 0.87, NOTE)
    return push_tasks(server, project, [task], round=1, **own).url


def shoot(page: Any, path: Path) -> None:
    """Take the picture when nothing moves any more."""
    before = b""
    while before != (before := page.screenshot(path=path)):
        page.wait_for_timeout(500)
    print(path)
