"""The kinds of page on which people answer."""

from __future__ import annotations

from enum import Enum


class Page(str, Enum):
    """What was in front of a person who answered.

    Attributes
    ----------
    words : str
        What it is called, for people.
    """

    words: str

    SINGLE = "single", "one image a page"
    SHEET = "sheet", "sheets"
    APP = "app", "the App"

    def __new__(cls, value: str, words: str) -> Page:
        """Make a member that carries its words."""
        page = str.__new__(cls, value)
        page._value_ = value
        page.words = words
        return page

    @classmethod
    def of(cls, answer_id: str | None) -> Page:
        """Return the page that an answer comes from; the desk's ids tell.

        Label Studio's answers are numbers; of a sheet, each image's has its slot behind that of
        the sheet. Answers of the App and of scripts name the person.

        Examples
        --------
        >>> Page.of("1234").value, Page.of("1234:7").value, Page.of("app:ann").value
        ('single', 'sheet', 'app')
        """
        task, _, rest = (answer_id or "").partition(":")
        if not task.isdecimal():
            return cls.APP
        return cls.SHEET if rest else cls.SINGLE
