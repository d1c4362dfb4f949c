r"""A person's hands and waiting: images reviewed one a page, by sheets, and in the App.

    scripts/bench review --json review.json
    scripts/bench review --wrong 0.1 --json review-0.1.json

A scripted person in a real Chromium answers the same images in each way, at one Label Studio
server: keys and clicks, pages waited for and the seconds of waiting, an image. Handwritten digits
that are all labeled as threes; of the wrong ones, the suggestion is right in three of four. The
verdicts must be the same in the end.

A script knows the answers: this measures hands and waiting, not looking. What a person misses at
speed, gold images tell (`push_round(gold=...)`).
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _measure import write_json
from _options import parse

GIVEN = "3"
FIELD = "ground_truth"
OTHERS = 60  # images of other classes, so that there is something to score against
SIDE = 96  # pixels
WINDOW = {"width": 1400, "height": 900}
EMAIL = "in-a-hurry@example.com"
PASSWORD = "correct horse"  # pragma: allowlist secret


@dataclass(frozen=True)
class Image:
    """What the person knows of an image."""

    true: str
    suggested: str

    @property
    def is_wrong(self) -> bool:
        """Whether the label is."""
        return self.true != GIVEN

    @property
    def suggestion_is_right(self) -> bool:
        """Whether the suggested class is the true one."""
        return self.true == self.suggested


class Hands:
    """The person's hands: they press, click and wait, and count it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.actions = 0
        self.waits = 0
        self.seconds = 0.0

    def press(self, key: str) -> None:
        """Press a key, or several at once."""
        self.actions += 1
        self.page.keyboard.press(key)

    def click(self, target: Any, **options: Any) -> None:
        """Click something."""
        self.actions += 1
        target.click(**options)

    def wait(self, act: Callable[[], Any], until: Callable[[], Any]) -> None:
        """Do what brings the next page, and wait for it."""
        self.waits += 1
        begin = time.perf_counter()
        act()
        until()
        self.seconds += time.perf_counter() - begin

    def per_image(self, n: int) -> dict[str, float]:
        """Return what was counted, an image."""
        return {
            "actions_per_image": self.actions / n,
            "waits_per_image": self.waits / n,
            "wait_seconds_per_image": self.seconds / n,
        }


# ---- the images


def make_dataset(
    folder: Path, n: int, wrong: float, suggested: float
) -> tuple[Any, dict[str, Image]]:
    """Return a scored dataset of digits labeled as threes, and what is true, by the file's name."""
    import fiftyone as fo
    from PIL import Image as Picture
    from sklearn.datasets import load_digits

    from coreset_cleaning import CleaningLoop

    digits = load_digits()
    rng = np.random.default_rng(0)
    rows_of = {str(digit): np.flatnonzero(digits.target == digit) for digit in range(10)}
    others = [name for name in rows_of if name != GIVEN]
    n_wrong = round(n * wrong)
    trues = [str(rng.choice(others)) if k < n_wrong else GIVEN for k in range(n)]
    right = [k < round(n_wrong * suggested) for k in range(n)]
    known, samples = {}, []
    for k in range(n + OTHERS):
        true = trues[k] if k < n else others[k % len(others)]
        row = int(rng.choice(rows_of[true]))
        name = f"{k:04d}"
        picture = Picture.fromarray((255 - digits.images[row] * (255 / 16)).astype(np.uint8))
        picture.resize((SIDE, SIDE)).save(folder / f"{name}.png")
        samples.append(
            fo.Sample(
                filepath=str(folder / f"{name}.png"),
                # No two are duplicates.
                resnet18_embedding=(digits.data[row] + rng.normal(0, 2, 64)).astype(np.float32),
                **{FIELD: fo.Classification(label=GIVEN if k < n else true)},
            )
        )
        if k < n:
            wanted = true if right[k] else str(rng.choice([c for c in others if c != true]))
            known[name] = Image(true, wanted)
    dataset = fo.Dataset("bench-review")
    dataset.add_samples(samples)
    loop = CleaningLoop(dataset, FIELD)
    loop.compute_importance()
    # How often a suggestion is right is given, not found: it decides how many keys are needed.
    suggestion = f"{loop.labels.names.suggested}.label"
    said = dict(zip(dataset.values("filepath"), dataset.values(suggestion), strict=True))
    dataset.set_values(
        suggestion,
        [known[Path(p).stem].suggested if Path(p).stem in known else said[p] for p in said],
    )
    return dataset, known


def verdicts(loop: Any) -> dict[str, tuple[str, str | None]]:
    """Return the images' names with what was said of each."""
    states = loop.rounds.all().states
    paths = dict(zip(*loop.samples.dataset.values(["id", "filepath"]), strict=True))
    return {Path(paths[i]).stem: (s.outcome.value, s.new_label) for i, s in states.items()}


# ---- the ways


@dataclass(frozen=True)
class Desks:
    """Where the person can answer.

    Attributes
    ----------
    server : LabelStudioServer
    review : ReviewPage
        Its pages.
    grid : ReviewGrid or None
        The App's, where it is asked for.
    """

    server: Any
    review: Any
    grid: Any


def single(loop: Any, desks: Desks, hands: Hands, known: dict[str, Image], size: int) -> None:
    """One image a page: the verdict's key, the class where it is another, Ctrl+Enter."""
    server, review = desks.server, desks.review
    pushed = loop.push_round(server, n=len(known), controls=0, class_of_interest=GIVEN)
    review.open(pushed.url)
    answer_pages(review, hands, by_id(loop, known), len(known))
    loop.pull_reviews(server)


def by_id(loop: Any, known: dict[str, Image]) -> dict[str, Image]:
    """Return what is known by the sample's id."""
    paths = dict(zip(*loop.samples.dataset.values(["id", "filepath"]), strict=True))
    return {i: known[Path(p).stem] for i, p in paths.items() if Path(p).stem in known}


def answer_pages(review: Any, hands: Hands, known: dict[str, Image], n: int) -> None:
    """Answer n pages of one image, the first of which is there."""
    for left in range(n, 0, -1):
        image = known[review.task()["data"]["push_key"].rsplit(":", 1)[1]]
        before = review.position()
        if not image.is_wrong:
            hands.press("1")
        elif image.suggestion_is_right:
            hands.press("2")
        else:
            hands.press("3")
            hands.click(review.choice(image.true))
        hands.wait(
            lambda: hands.press("Control+Enter"),
            review.is_done if left == 1 else partial(review.shows_another, before),
        )


def sheet(loop: Any, desks: Desks, hands: Hands, known: dict[str, Image], size: int) -> None:
    """Sheets: a click on each wrong one, a chip where the suggestion is not right, Ctrl+Enter.

    Images marked *another* come back on pages of their own, which are waited for and answered, too.
    """
    from review_page import SheetPage

    server, review = desks.server, desks.review
    pushed = loop.push_round(server, n=len(known), controls=0, class_of_interest=GIVEN, sheet=size)
    images, page = by_id(loop, known), SheetPage(review.page)
    review.open_sheets(pushed.url)
    for left in range(pushed.sheets, 0, -1):
        task = review.task()
        for slot in task["data"]["slots"]:
            image = images[slot["id"]]
            if image.is_wrong:
                hands.click(page.picture(int(slot["slot"])))
                if not image.suggestion_is_right:
                    chip = "second guess" if slot.get("second") == image.true else "another"
                    hands.click(page.chip(int(slot["slot"]), chip))
        hands.wait(
            lambda: hands.press("Control+Enter"),
            review.is_done if left == 1 else partial(review.shows_another_sheet, task),
        )
    report = loop.pull_reviews(server)
    if report.unnamed:
        hands.wait(partial(review.start, report.unnamed_url), partial(review.shows_another, 0))
        answer_pages(review, hands, images, report.unnamed)
        loop.pull_reviews(server)


def app(loop: Any, desks: Desks, hands: Hands, known: dict[str, Image], size: int) -> None:
    """The App's grid: a click on each wrong one, Alt+click and its class where it is another."""
    from coreset_cleaning import AppDesk

    grid, images = desks.grid, by_id(loop, known)
    loop.push_round(AppDesk(), n=len(known), controls=0, class_of_interest=GIVEN)
    grid.open(loop.samples.dataset.name)
    grid.begin(Images_on_a_page=size)
    while (page := loop.next_page(size)) is not None:
        ids = list(page.label_ids)
        grid.wait_for_page(f"Page {page.number} of {page.of}", ids)
        asked = []
        for label_id in ids:
            image = images[label_id]
            if image.is_wrong:
                hands.actions += 1
                grid.mark(label_id, other=not image.suggestion_is_right)
                asked += [] if image.suggestion_is_right else [image.true]
        hands.actions += 1
        hands.wait(partial(_save, grid, asked, hands), partial(_saved, grid, loop, page, size))


def _save(grid: Any, asked: list[str], hands: Hands) -> None:
    """Save a page, and say what those are that were marked with Alt+click."""
    grid.save()
    if asked:
        hands.actions += 2 * len(asked) + 1  # open each list, choose, and the button
        grid.answer(*asked)


def _saved(grid: Any, loop: Any, page: Any, size: int) -> None:
    """Wait until the next page is there, or the end."""
    if page.number == page.of:
        grid.panel.get_by_text("No round is open").wait_for()
    else:
        grid.panel.get_by_text(f"Page {page.number + 1} of {page.of}", exact=True).wait_for()
        after = loop.next_page(size)
        grid.wait_for_page(f"Page {after.number} of {after.of}", list(after.label_ids))


WAYS: dict[str, Callable[..., None]] = {"single": single, "sheet": sheet, "app": app}


def measure(
    way: str, template: Any, desks: Desks, known: dict[str, Image], size: int
) -> tuple[dict[str, float], dict[str, tuple[str, str | None]]]:
    """Review a copy of the dataset in one way; return what it took and what was said."""
    from coreset_cleaning import CleaningLoop

    dataset = template.clone(f"bench-review-{way}")
    dataset.persistent = True  # the App is another process
    try:
        loop = CleaningLoop(dataset, FIELD)
        hands = Hands(desks.review.page)
        begin = time.perf_counter()
        WAYS[way](loop, desks, hands, known, size)
        row = hands.per_image(len(known))
        row["seconds_in_all"] = time.perf_counter() - begin
        print(
            f"{way}: {row['actions_per_image']:.2f} actions, {row['waits_per_image']:.2f} pages "
            f"and {row['wait_seconds_per_image']:.2f} s of waiting an image",
            flush=True,
        )
        return row, verdicts(loop)
    finally:
        dataset.delete()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=300, help="(%(default)s)")
    parser.add_argument("--wrong", type=float, default=0.33, help="share (%(default)s)")
    parser.add_argument(
        "--suggested", type=float, default=0.75, help="share of the wrong ones (%(default)s)"
    )
    parser.add_argument("--sheet", type=int, default=20, help="images a sheet (%(default)s)")
    parser.add_argument("--ways", default=",".join(WAYS), help="(%(default)s)")
    args = parse(parser, database=True, images=6, sheet=3, ways="single,sheet")

    from chromium import open_browser
    from coreset_cleaning import LabelStudioServer
    from fiftyone_app import ReviewGrid, serve_app
    from label_studio_server import LabelStudioProcess
    from review_page import ReviewPage

    report: dict[str, Any] = {"images": args.images, "wrong": args.wrong}
    said, ways = {}, args.ways.split(",")
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = home / "images"
        folder.mkdir()
        template, known = make_dataset(folder, args.images, args.wrong, args.suggested)
        process = stack.enter_context(LabelStudioProcess(home / "data"))
        process.add_user(EMAIL, PASSWORD)
        browser = stack.enter_context(open_browser())
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(60_000)
        review = ReviewPage(page, process.url)
        review.log_in(EMAIL, PASSWORD)
        server = LabelStudioServer(process.url, process.admin_token)
        grid = None
        if "app" in ways:
            url = stack.enter_context(serve_app(home / "app"))
            grid = ReviewGrid(browser.new_page(viewport=WINDOW), url)
        desks = Desks(server, review, grid)
        for way in ways:
            report[way], said[way] = measure(way, template, desks, known, args.sheet)
    right = {
        name: ("relabeled", image.true) if image.is_wrong else ("kept", None)
        for name, image in known.items()
    }
    report["same_verdicts"] = all(found == right for found in said.values())
    for way in (way for way in said if way != "single" and "single" in said):
        report[f"{way}_ratio"] = {
            what: report[way][what] / report["single"][what]
            for what in ("actions_per_image", "waits_per_image", "wait_seconds_per_image")
        }
    print({key: value for key, value in report.items() if key not in said})
    write_json(args.json, report)


if __name__ == "__main__":
    main()
