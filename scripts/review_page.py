"""Label Studio's review page in a browser: for the browser test and the screenshots."""

from __future__ import annotations

import re
from typing import Any

_POSITION = re.compile(r"^Image \d+ of \d+$")
_IMAGE_IS_THERE = """
() => [...document.querySelectorAll('.lsf-image img')]
    .some(image => image.complete && image.naturalWidth > 0)
"""
# The old page's image may still stand beside the new one's text: what is asked is both at once.
_ANOTHER_IS_THERE = """
position => {
    const images = [...document.querySelectorAll('.lsf-image img')];
    const shown = document.body.innerText.match(/Image (\\d+) of \\d+/);
    return shown && Number(shown[1]) !== position
        && document.body.innerText.includes('The label is right')
        && images.length === 1 && images[0].complete && images[0].naturalWidth > 0;
}
"""
# With all its pictures; the argument is how the sheet before it began.
_SHEET_IS_THERE = """
before => {
    const images = [...document.querySelectorAll('.sheet img')];
    return images.length > 0 && !before.includes(images[0].getAttribute('src'))
        && images.every(image => image.complete && image.naturalWidth > 0);
}
"""


class ReviewPage:
    """A round as a reviewer sees it.

    Parameters
    ----------
    page : playwright.sync_api.Page
    url : str
        The server's address.
    """

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self._handed_out: Any = None
        page.on("response", self._notice)

    def log_in(self, email: str, password: str) -> None:
        """Log in, as every reviewer has to once."""
        self.page.goto(f"{self.url}/user/login/")
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/user/login" not in url)

    def open(self, link: str) -> None:
        """Open a round's link, start, and wait for its first image."""
        self.start(link)
        self.shows("Image 1 of")

    def open_sheets(self, link: str) -> None:
        """Open the link to a round of sheets, start, and wait for the first one."""
        self.start(link)
        self.page.wait_for_function(_SHEET_IS_THERE, arg="")

    def start(self, link: str) -> None:
        """Open a round's link and begin; others may be at work on its first images."""
        self.page.goto(link)
        self.page.get_by_role("button", name="Label All Tasks").click()

    def position(self) -> int:
        """Return which image of the round is shown, from 1."""
        shown = self.page.get_by_text(_POSITION).first.inner_text()
        return int(shown.split()[1])

    def shows(self, position: str) -> None:
        """Wait until this image is there, and its question is open."""
        self.page.get_by_text(position).wait_for()
        self.page.get_by_text("The label is right").wait_for()
        self.page.wait_for_function(_IMAGE_IS_THERE)

    def shows_another(self, position: int) -> None:
        """Wait until another image than this one is there, and its question is open."""
        self.page.wait_for_function(_ANOTHER_IS_THERE, arg=position)

    def picture(self, slot: str) -> Any:
        """Return a picture of the sheet that is shown."""
        return self.page.locator(".sheet .lsf-choice:has(img)").nth(int(slot) - 1)

    def chip(self, slot: str, text: str) -> Any:
        """Return a chip on a marked picture."""
        box = self.page.locator(f".sheet .lsf-choice:has(input[name='{slot} {text}'])")
        return box.locator(".chip")

    def shows_another_sheet(self, task: dict[str, Any]) -> None:
        """Wait until another sheet than this one is there, with all its pictures."""
        first = task["data"]["images"][0]["html"]
        self.page.wait_for_function(_SHEET_IS_THERE, arg=first)

    def task(self) -> dict[str, Any]:
        """Return the task that is shown, as the server has handed it out."""
        assert self._handed_out is not None
        return dict(self._handed_out.json())

    def _notice(self, response: Any) -> None:
        if "id=next_task" in response.url and response.ok:
            self._handed_out = response

    def choice(self, text: str) -> Any:
        """Return a choice by its text."""
        return self.page.locator(f".lsf-choice input[name='{text}']")

    def press(self, *keys: str) -> None:
        """Press keys, each when the one before has had its effect on the page."""
        for key in keys:
            self.page.keyboard.press(key)

    def click(self, text: str) -> None:
        """Click a choice by its text."""
        self.choice(text).click()

    def search(self, typed: str, shown: str) -> None:
        """Find a class in the long list by typing, and choose it."""
        self.page.locator(".htx-taxonomy .ant-select-selector").click()
        self.page.get_by_placeholder("Search").fill(typed)
        self.page.locator(".ant-select-tree").get_by_text(shown, exact=True).click()

    def comment(self, text: str) -> None:
        """Write a comment."""
        self.page.get_by_placeholder("Comment (optional)").fill(text)

    def submit(self) -> None:
        """Click the button that submits."""
        self.page.get_by_role("button", name="Submit").first.click()

    def is_done(self) -> None:
        """Wait until Label Studio says that the round has no more images."""
        self.page.get_by_text("No More Tasks Left in Queue").wait_for()


class SheetPage:
    """A sheet as a reviewer sees it.

    Parameters
    ----------
    page : playwright.sync_api.Page
    """

    _PICTURES = ".sheet .lsf-choice:has(.pic)"

    def __init__(self, page: Any) -> None:
        self.page = page

    def shows(self, images: int) -> None:
        """Wait until a sheet with so many images is there, all of them loaded and none marked."""
        self.page.wait_for_function(
            """n => {
                const all = [...document.querySelectorAll('.sheet .pic')]
                return all.length === n && all.every(i => i.complete && i.naturalWidth > 0)
                    && !document.querySelector('.sheet .ant-checkbox-checked')
            }""",
            arg=images,
        )

    def picture(self, slot: int) -> Any:
        """Return a picture by its place, from 1."""
        return self.page.locator(self._PICTURES).nth(slot - 1).locator(".pic")

    def chip(self, slot: int, text: str) -> Any:
        """Return a chip of a marked picture."""
        name = f"{slot} {text}"
        return self.page.locator(f'.sheet .lsf-choice:has(input[name="{name}"]) .chip')

    def captions(self) -> list[str]:
        """Return what stands below the pictures."""
        return [str(text) for text in self.page.locator(".sheet .cap").all_inner_texts()]

    def marked(self) -> list[str]:
        """Return the slots that are marked."""
        marked = self.page.locator(f"{self._PICTURES}:has(.ant-checkbox-checked) input")
        return [str(box.get_attribute("name")).split()[-1] for box in marked.all()]
