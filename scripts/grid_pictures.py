"""Pictures of a whole round in the App's grid: scripts/screenshots --app [FOLDER].

Photos of clothes (Fashion-MNIST, MIT licence) with some wrong labels, and no second server. The
pixels serve as embeddings.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

NAME = "clothes"
WINDOW = {"width": 1400, "height": 900}
PANEL_WINDOW = {"width": 1500, "height": 1040}
IMAGES = 1_200
WRONG = 0.06
PAGE = 20
ROUNDS = 3  # before and after the one that is seen


def take(folder: Path) -> None:
    """Take a round's pictures: page, form, verdict, end, and the panel before and after."""
    from own_database import use_own_database

    use_own_database()
    from chromium import open_browser
    from fiftyone_app import serve_app

    with tempfile.TemporaryDirectory() as temporary, open_browser() as browser:
        work = Path(temporary)
        dataset, truth = make_dataset(work)
        try:
            with serve_app(work / "app") as url:
                page = browser.new_page(viewport=WINDOW)
                page.set_default_timeout(60_000)
                review(page, url, dataset, truth, folder)
                page.close()
            finish(dataset, truth)
            # An App that was open before the first verdict would not know their colours.
            with serve_app(work / "after") as url:
                after(browser, url, folder)
        finally:
            dataset.delete()


def make_dataset(folder: Path) -> tuple[Any, dict[str, str]]:
    """Build the dataset, scored; return it and the true label of each sample."""
    import fiftyone as fo
    import numpy as np
    from PIL import Image

    from coreset_cleaning import CleaningLoop
    from demonstration import data

    images = data.fashion_mnist(folder / "images", 0, WRONG, IMAGES)
    dataset: Any = data.build_dataset(NAME, images)
    truth = dict(zip(*dataset.values(["id", f"{data.TRUTH_FIELD}.label"]), strict=True))
    dataset.delete_sample_field(data.TRUTH_FIELD)
    pixels = {
        sample_id: np.asarray(Image.open(path).convert("L").resize((28, 28)), np.float32).ravel()
        for sample_id, path in zip(*dataset.values(["id", "filepath"]), strict=True)
    }
    dataset.add_sample_field("resnet18_embedding", fo.VectorField)
    dataset.set_values("resnet18_embedding", pixels, key_field="id")
    loop = CleaningLoop(dataset)
    loop.compute_importance()
    loop.evaluate_round()
    return dataset, truth


def review(page: Any, url: str, dataset: Any, truth: dict[str, str], folder: Path) -> None:
    """Go through the first pages as a person would, and stop where there is something to see."""
    from coreset_cleaning import CleaningLoop
    from fiftyone_app import ReviewGrid

    grid, loop = ReviewGrid(page, url), CleaningLoop(dataset)
    grid.open(dataset.name)
    grid.begin(Samples=3 * PAGE, Images_on_a_page=PAGE)
    first = loop.next_page(PAGE)
    grid.wait_for_page("Page 1 of 3", list(first.label_ids))
    label_of = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
    wrong = [i for i in first.label_ids if truth[i] != label_of[i]]
    # The form is to be seen, too: the last one is named although the suggestion may be right.
    others = [i for i in wrong if truth[i] != first.suggestions[i]] or wrong[-1:]
    for label_id in wrong:
        grid.mark(label_id, other=label_id in others)
    page.mouse.move(1, 1)
    shoot(page, folder / "review-here.png")
    grid.save()
    grid.app.form.get_by_role("combobox").first.wait_for()
    shoot(page, folder / "review-here-name.png")
    grid.answer(*[truth[i] for i in others])
    second = loop.next_page(PAGE)
    grid.wait_for_page("Page 2 of 3", list(second.label_ids))
    grid.open_sample(second.label_ids[0])
    page.get_by_text("Verdict", exact=True).first.click()
    page.locator("[data-cy='panel-content-review_sample'] img").first.wait_for()
    shoot(page, folder / "review-here-verdict.png")


def finish(dataset: Any, truth: dict[str, str]) -> None:
    """Answer the rest of the round by a script, and further rounds."""
    from coreset_cleaning import AppDesk, CleaningLoop

    loop = CleaningLoop(dataset)
    for number in range(ROUNDS):
        if number:
            loop.compute_importance()
            loop.push_round(AppDesk(), n=3 * PAGE, controls=5, scope="dataset")
        while (page := loop.next_page(PAGE)) is not None and page.label_ids:
            label_of = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
            wrong = [i for i in page.label_ids if truth[i] != label_of[i]]
            loop.commit_page(
                page.label_ids,
                dict.fromkeys(wrong, "alt"),
                {i: ("relabel", truth[i]) for i in wrong},
                seconds=2.0 * len(page.label_ids),
            )
        loop.evaluate_round()


def after(browser: Any, url: str, folder: Path) -> None:
    """The panel beside the grid, and a reviewed round in it."""
    from fiftyone_app import AppPage

    page = browser.new_page(viewport=PANEL_WINDOW)
    page.set_default_timeout(60_000)
    app = AppPage(page, url)
    app.open(NAME)
    page.locator("[data-cy=action-toggle-sidebar]").first.click()
    app.panel.locator(".js-plotly-plot").first.wait_for()
    shoot(page, folder / "review-here-after.png")
    # The plan is a table, too; nothing can be opened there.
    row = app.panel.locator("table tbody tr:has(button)").first
    row.get_by_role("button").last.click()
    page.mouse.move(1, 1)
    page.get_by_role("menuitem", name="Open in the grid").click()
    page.get_by_text(f"{3 * PAGE} samples").first.wait_for()
    shoot(page, folder / "review-here-verdicts.png")
    page.close()


def shoot(page: Any, path: Path) -> None:
    """Take the picture when nothing moves any more."""
    import io

    from PIL import Image

    before = b""
    while before != (before := page.screenshot()):
        page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(before)).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    print(path)
