"""A recording of a page as an animated GIF: a picture for each beat, with a pointer and a sentence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

COLOURS = 224

_OVERLAY = """([text, x, y]) => {
    let told = document.getElementById('film-told');
    if (!told) {
        told = document.createElement('div');
        told.id = 'film-told';
        told.style.cssText = 'position:fixed;z-index:99999;left:36%;bottom:34px;transform:translateX(-50%);' +
            'padding:9px 20px;border-radius:7px;background:#1f2933;color:#fff;font:600 18px system-ui,sans-serif;' +
            'pointer-events:none;white-space:nowrap';
        const pointer = document.createElement('div');
        pointer.id = 'film-pointer';
        pointer.style.cssText = 'position:fixed;z-index:99999;pointer-events:none;width:20px;height:20px;' +
            'border-radius:50%;background:#f59e0b99;border:2px solid #b45309;transform:translate(-50%,-50%)';
        document.body.append(told, pointer);
    }
    told.textContent = text;
    told.hidden = !text;
    const pointer = document.getElementById('film-pointer');
    pointer.style.left = `${x}px`;
    pointer.style.top = `${y}px`;
}"""


class Film:
    """Pictures of a page, one after the other.

    Attributes:
        seconds: how long it is by now.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seconds = 0.0
        self._frames: list[tuple[bytes, float]] = []
        self._told = ""
        self._at = (600.0, 400.0)

    def tell(self, text: str) -> None:
        """Says something, until something else is said."""
        self._told = text

    def take(self, seconds: float) -> None:
        """A picture of the page as it is now, shown for so long."""
        self.page.evaluate(_OVERLAY, [self._told, *self._at])
        self._frames.append((self.page.screenshot(), seconds))
        self.seconds += seconds

    def point(self, place: Locator, seconds: float = 0.5) -> None:
        """Moves the pointer there, and rests."""
        place.hover()  # waits until it stays where it is
        box = place.bounding_box()
        assert box is not None, "it is not on the page"
        self._at = box["x"] + min(box["width"] / 2, 120), box["y"] + box["height"] / 2
        self.page.mouse.move(*self._at)
        self.take(seconds)

    def click(self, place: Locator, seconds: float = 0.5) -> None:
        """Points there, and clicks."""
        self.point(place, seconds)
        place.click()

    def save(self, path: Path) -> None:
        """Writes it, in colours that all pictures share, so that only what changes is stored."""
        from PIL import Image

        pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png, _ in self._frames]
        width, height = pictures[0].size
        sample = Image.new("RGB", (width, height * len(pictures)))
        for number, picture in enumerate(pictures):
            sample.paste(picture, (0, number * height))
        palette = sample.quantize(COLOURS)
        reduced = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
        milliseconds = [round(seconds * 1000) for _, seconds in self._frames]
        reduced[0].save(path, save_all=True, append_images=reduced[1:], duration=milliseconds, loop=0, optimize=False)


__all__ = ["Film"]
