"""A FiftyOne App of our own in a browser: for the browser tests and the screenshots."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from own_database import free_port

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 90
_HOVER_SECONDS = 60


@contextlib.contextmanager
def serve_app(folder: Path, **environment: str) -> Iterator[str]:
    """Run the App's server with this checkout as its only plugin; give its address.

    It uses the database of this process: see own_database.py.

    Parameters
    ----------
    folder : Path
        Empty; takes the plugins folder and the server's log.
    **environment : str
        Further variables for the server, such as LABEL_STUDIO_URL.
    """
    plugins = folder / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("LABEL_STUDIO_")}
    env.update(FIFTYONE_PLUGINS_DIR=str(plugins), FIFTYONE_DO_NOT_TRACK="true", **environment)
    with (folder / "app.log").open("wb") as log:
        command = [sys.executable, "-m", "fiftyone.server.main"]
        command += ["--address", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, folder / "app.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        # Pages are served before the database is connected, and hang then.
        with contextlib.suppress(OSError):
            connected = "change stream" in log.read_text()
            if connected and urllib.request.urlopen(url, timeout=5).status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The App's server did not start:\n{log.read_text()[-1500:]}")
        time.sleep(0.2)


def overhang(panel: Any) -> float:
    """Return how far texts, buttons and tables reach beyond a panel's right edge, in pixels."""
    reach: float = panel.evaluate(
        """panel => {
            const edge = panel.getBoundingClientRect().right;
            const parts = [...panel.querySelectorAll("h5, h6, p, button, img, table")];
            return Math.max(...parts.map(part => part.getBoundingClientRect().right - edge));
        }"""
    )
    return reach


class AppPage:
    """A dataset in the App, with the panel "Label cleaning" open beside the grid.

    Parameters
    ----------
    page : playwright.sync_api.Page
    url : str
        The App server's address.
    """

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.largest_event = 0
        page.on("response", self._measure)
        # An advertisement that may come later and would cover the panel.
        page.add_locator_handler(
            page.get_by_text("Accelerate your workflow"),
            lambda: page.get_by_text("Dismiss", exact=True).click(),
        )

    def open(self, dataset: str) -> None:
        """Open a dataset and the panel."""
        page = self.page
        page.goto(f"{self.url}/datasets/{dataset}")
        page.wait_for_selector("[data-cy=fo-grid]")
        self._choose_panel()
        self.panel.get_by_text("Label field").or_(
            self.panel.get_by_role("heading")
        ).first.wait_for()

    def _choose_panel(self) -> None:
        """Choose the panel from the "+" menu, unless the server remembers it as open."""
        option = self.page.locator("[data-cy='new-panel-option-label_cleaning']")
        while not self.panel.is_visible():
            self.page.locator("[data-cy=new-panel-btn]").first.click()
            option.or_(self.panel).first.wait_for()
            if option.is_visible():
                option.click()
                self.panel.wait_for()

    @property
    def panel(self) -> Any:
        """The panel."""
        return self.page.locator("[data-cy='panel-content-label_cleaning']")

    @property
    def form(self) -> Any:
        """The open operator form, or its output."""
        return self.page.locator("[data-cy=operators-prompt-modal]")

    def run(self, button: str, says: str, **numbers: int) -> str:
        """Click a button of the panel, fill its form, execute; return what the output says."""
        self.panel.get_by_role("button", name=button, exact=True).click()
        return self.execute(says, **numbers)

    def execute(self, says: str, **numbers: int) -> str:
        """Fill the open form, execute it, wait until it says so, close it; return all it says."""
        for label, number in numbers.items():
            title = self.form.get_by_text(label.replace("_", " "), exact=True)
            title.locator("xpath=following::input[1]").fill(str(number))
        self.form.get_by_role("button", name="Execute").click()
        self.form.get_by_text(says).first.wait_for()
        said = self.form.inner_text()
        self.form.get_by_role("button", name="Close").click()
        self.form.wait_for(state="hidden")
        return str(said)

    def click_cell(self, column: int, row: int, n: int) -> None:
        """Click a cell of the confusion matrix of n classes."""
        from playwright.sync_api import TimeoutError as NotThereError

        plot = self.panel.locator(".js-plotly-plot").first
        plot.scroll_into_view_if_needed()
        area = plot.locator(".nsewdrag").first
        deadline = time.monotonic() + _HOVER_SECONDS
        while True:
            box = area.bounding_box()
            x = box["x"] + box["width"] * (column + 0.5) / n
            y = box["y"] + box["height"] * (row + 0.5) / n
            self.page.mouse.move(x - 3, y - 3)
            self.page.mouse.move(x, y, steps=5)
            try:
                # Plotly takes a click only on a point that it has found under the pointer.
                plot.locator(".hoverlayer .hovertext").first.wait_for(timeout=3_000)
                break
            except NotThereError:
                # The panel may have been laid out anew under a pointer that stands still.
                if time.monotonic() > deadline:
                    raise
        self.page.mouse.down()
        self.page.mouse.up()

    def chart(self, title: str) -> Any:
        """Return the first trace of the chart under a title."""
        heading = self.panel.get_by_role("heading", name=title)
        plot = heading.locator("xpath=following::*[contains(@class, 'js-plotly-plot')][1]")
        return plot.evaluate("plot => plot.data[0]")

    def _measure(self, response: Any) -> None:
        if response.url.endswith("/operators/execute") and response.ok:
            with contextlib.suppress(Exception):  # the page may have gone on meanwhile
                self.largest_event = max(self.largest_event, len(response.body()))


class ReviewGrid:
    """A round that is reviewed in the grid, page by page, with the panel "Review labels" beside.

    Parameters
    ----------
    page : playwright.sync_api.Page
    url : str
        The App server's address.
    """

    # Of a thumbnail, only the top edge selects it.
    _EDGE = 15

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.app = AppPage(page, url)
        self._on_page: list[str] = []
        self._loaded: list[str] = []  # what the grid has asked for and got
        page.on("requestfinished", self._note)

    @property
    def panel(self) -> Any:
        """The panel."""
        return self.page.locator("[data-cy='panel-content-review_page']")

    def open(self, dataset: str) -> None:
        """Open a dataset."""
        self.page.goto(f"{self.app.url}/datasets/{dataset}")
        self.page.wait_for_selector("[data-cy=fo-grid]")

    def begin(self, **numbers: int) -> None:
        """Begin a round with the button above the grid."""
        actions = self.page.locator("[data-cy=fo-grid-actions]")
        actions.get_by_text("rule", exact=True).first.click()
        self.app.execute("are in the grid", **numbers)

    def wait_for_page(self, title: str, label_ids: list[str]) -> None:
        """Wait until panel and grid show a page."""
        self.panel.get_by_text(title, exact=True).wait_for()
        # Two pages of one size look alike but for what is on them.
        while not any(label_ids[0] in asked for asked in self._loaded):
            self.page.wait_for_event("requestfinished")
        # The bar above the grid names the first sample of the view.
        self.page.wait_for_function(
            "id => [...document.querySelectorAll('input')].some(i => i.value.includes(id))"
            " || document.body.innerText.includes(id)",
            arg=label_ids[0],
        )
        thumbnails = self.page.locator("[data-cy=looker]")
        self.page.wait_for_function(
            "n => document.querySelectorAll('[data-cy=looker]').length === n", arg=len(label_ids)
        )
        thumbnails.first.wait_for()
        self._on_page = list(label_ids)

    def _note(self, request: Any) -> None:
        if request.url.endswith("/graphql") and "paginateSamples" in (request.post_data or ""):
            self._loaded.append(request.post_data)

    def mark(self, label_id: str, *, other: bool = False) -> None:
        """Click the top edge of an image: with `other`, while Alt is held."""
        thumbnail = self.page.locator("[data-cy=looker]").nth(self._on_page.index(label_id))
        place = {"x": thumbnail.bounding_box()["width"] / 2, "y": self._EDGE}
        thumbnail.click(position=place, modifiers=["Alt"] if other else [])

    def save(self) -> None:
        """Save the page."""
        self.panel.get_by_role("button", name="Save this page").click()

    def take_back(self) -> None:
        """Take the last page back."""
        self.panel.get_by_role("button", name="Take back the last page").click()

    def open_question(self, label_id: str) -> Any:
        """Open a sample with the panel "Verdict", and return that."""
        self.open_sample(label_id)
        self.page.get_by_text("Verdict", exact=True).first.click()
        panel = self.page.locator("[data-cy='panel-content-review_sample']")
        panel.get_by_role("heading").first.wait_for()
        return panel

    def judge_opened(self, label_id: str, answer: str) -> None:
        """Open a sample, give the first answer that says so in the panel "Verdict", close it."""
        panel = self.open_question(label_id)
        image = panel.locator("img").first.get_attribute("src")
        panel.get_by_role("button", name=answer).first.click()
        # The next sample opens.
        self.page.wait_for_function(
            "([panel, before]) => {"
            " const image = document.querySelector(panel + ' img');"
            " return image && image.getAttribute('src') !== before; }",
            arg=["[data-cy='panel-content-review_sample']", image],
        )
        self.close_sample()

    def edit_opened(self, label_id: str, name: str) -> None:
        """Open a sample, give its label another class in FiftyOne's own annotation, close it."""
        self.open_sample(label_id)
        self.page.locator("[data-cy=annotate]").click()
        self.page.locator("[data-cy^=annotate-label-]").first.click()
        # It is saved by itself.
        with self.page.expect_response(lambda r: r.request.method == "PATCH" and r.ok):
            self.page.locator("[data-cy=modal]").get_by_role("radio", name=name).check()
        self.close_sample()

    def open_sample(self, label_id: str) -> None:
        """Open a sample of the page in full."""
        thumbnail = self.page.locator("[data-cy=looker]").nth(self._on_page.index(label_id))
        box = thumbnail.bounding_box()
        thumbnail.click(position={"x": box["width"] / 2, "y": 0.7 * box["height"]})
        self.page.locator("[data-cy=modal]").wait_for()

    def close_sample(self) -> None:
        """Click beside the opened sample, which closes it."""
        self.page.mouse.click(12, 450)
        self.page.locator("[data-cy=modal]").wait_for(state="hidden")

    def answer(self, *answers: str) -> None:
        """Say what the images are that were marked with Alt+click, in their order."""
        lists = self.app.form.get_by_role("combobox")
        for number, answer in enumerate(answers):
            lists.nth(number).click()
            self.page.get_by_role("option", name=answer, exact=True).click()
        self.app.form.get_by_role("button", name="Execute").click()
        self.app.form.wait_for(state="hidden")
