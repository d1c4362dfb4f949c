"""Pictures of the review page with 2, 10 and 1,000 classes: scripts/screenshots --review FOLDER."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from chromium import open_browser
from label_studio_server import LabelStudioProcess
from review_page import ReviewPage

WINDOW = {"width": 1400, "height": 820}
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
