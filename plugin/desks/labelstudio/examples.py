"""Example images of a class, as a strip in the data of a task."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ...core.errors import DataError
from ..base import Example
from .config import visible
from .images import IN_A_BUCKET, ImageSource

# What the strip is called among the choices of a page; nobody can choose it.
ALIAS = "examples"


class Strips:
    """Strips of examples; nothing is sent before the first one is asked for.

    Parameters
    ----------
    source : ImageSource
        How the images get to the server.
    examples : mapping of str to tuple of Example
        Class to its examples. Those that can't be shown are left out: they are a help, no more.
    hide_suggestion : bool, default False
        Whether pages must not show which class is suggested, and so none of its examples.
    """

    def __init__(
        self,
        source: ImageSource,
        examples: Mapping[str, tuple[Example, ...]],
        hide_suggestion: bool = False,
    ) -> None:
        self.hide_suggestion = hide_suggestion
        self._source = source
        self._examples = examples
        self._addresses: dict[str, str] | None = None

    def html_of(self, class_name: str) -> str:
        """Return a class's examples as HTML; empty when it has none."""
        if self._addresses is None:
            self._addresses = self._send()
        found = [e.sample_id for e in self._examples.get(class_name, ())]
        addresses = [self._addresses[i] for i in found if i in self._addresses]
        if not addresses:
            return ""
        if addresses[0].startswith(IN_A_BUCKET):
            # Label Studio lets a browser open only the first of such addresses in a text.
            del addresses[1:]
        images = "".join(f'<img src="{escape(a)}" alt="">' for a in addresses)
        who = f'<span class="who">Sure: <bdi>{escape(visible(class_name))}</bdi></span>'
        return f'<span class="examples">{who}{images}</span>'

    def _send(self) -> dict[str, str]:
        images = {e.sample_id: e.image for found in self._examples.values() for e in found}
        shown = {i: path for i, path in images.items() if self._can_show({i: path}, False)}
        return self._source.addresses(shown) if self._can_show(shown, True) else {}

    def _can_show(self, images: Mapping[str, str], connect: bool) -> bool:
        try:
            self._source.check(images, connect)
        except DataError:
            return False
        return True
