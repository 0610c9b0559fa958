"""A small SVG writer: drawings in CSS pixels whose colours come from the style sheet by class."""

from html import escape
from typing import Self

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats

_NARROW = frozenset("iljtfrI.,:;'|![]() \N{NARROW NO-BREAK SPACE}")
_BROAD = frozenset("mwMW%@—")


def text_width(text: str, size: float = 12) -> float:
    """Estimate the width of a text in a sans-serif font, in pixels; a little generous.

    Examples
    --------
    >>> text_width("ill") < text_width("MMM")
    True
    """
    em = sum(0.31 if c in _NARROW else 0.88 if c in _BROAD else 0.69 if c.isupper() else 0.57 for c in text)
    return em * size


class Drawing:
    """An SVG drawing that is added to, element by element, and written once.

    Parameters
    ----------
    width, height
        Size in CSS pixels.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> Self:
        """Add a straight line."""
        self._parts.append(f'<path class="{style}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')
        return self

    def polyline(self, x: Floats, y: Floats, style: str) -> Self:
        """Add a line through points; it breaks where one is not finite."""
        pieces = []
        good = np.isfinite(x) & np.isfinite(y)
        for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(good)) + 1):
            if len(run) and good[run[0]]:
                pieces.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[run], y[run], strict=True)))
        if pieces:
            self._parts.append(f'<path class="{style}" d="{"".join(pieces)}"/>')
        return self

    def bars(self, left: Floats, top: Floats, width: float, bottom: Floats, style: str) -> Self:
        """Add upright rectangles of one width as one element; each is at least half a pixel high."""
        low, high = np.minimum(top, bottom), np.maximum(top, bottom)
        high = np.maximum(high, low + 0.5)
        d = "".join(
            f"M{x:.1f} {a:.1f}h{width:.1f}V{b:.1f}h{-width:.1f}z"
            for x, a, b in zip(left, low, high, strict=True)
            if np.isfinite(a) and np.isfinite(b)
        )
        if d:
            self._parts.append(f'<path class="{style}" d="{d}"/>')
        return self

    def sticks(self, x: Floats, y1: Floats, y2: Floats, style: str) -> Self:
        """Add upright lines as one element."""
        d = "".join(f"M{a:.1f} {b:.1f}V{c:.1f}" for a, b, c in zip(x, y1, y2, strict=True))
        if d:
            self._parts.append(f'<path class="{style}" d="{d}"/>')
        return self

    def rectangle(self, x: float, y: float, width: float, height: float, style: str, opacity: float = 1) -> Self:
        """Add a rectangle."""
        seen = "" if opacity == 1 else f' opacity="{opacity:.2f}"'
        self._parts.append(
            f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"{seen}/>'
        )
        return self

    def dot(self, x: float, y: float, style: str, radius: float = 3, tip: str = "") -> Self:
        """Add a disc, with a text that shows while one points at it."""
        inner = f"<title>{escape(tip)}</title>" if tip else ""
        self._parts.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{inner}</circle>')
        return self

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> Self:
        """Add a line of text; `anchor` is start, middle or end."""
        style = f' class="{style}"' if style else ""
        anchor = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{style}{anchor}>{escape(text)}</text>')
        return self

    def inline(self, label: str) -> str:
        """Return the drawing for an HTML page that has the figures' style sheet; `label` is for screen readers."""
        return (
            f'<svg class="figure" viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'height="{self.height:g}" role="img" aria-label="{escape(label)}">{"".join(self._parts)}</svg>'
        )

    def file(self, title: str, subtitle: str, style: str, warning: str = "") -> str:
        """Return the drawing as a file of its own: a title above it, paper behind it, its colours within.

        Parameters
        ----------
        title, subtitle
            Two lines above the drawing.
        style
            A style sheet without variables.
        warning
            A word that must stand on the figure wherever it goes.
        """
        margin, head = 16, 56
        width, height = self.width + 2 * margin, self.height + head + margin
        warned = f'<text class="warn" x="{width - margin:g}" y="26" text-anchor="end">{escape(warning)}</text>' if warning else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img"><title>{escape(title)}</title><style>{style}</style>'
            f'<rect class="paper" width="{width:g}" height="{height:g}"/>'
            f'<text class="title" x="{margin}" y="27">{escape(title)}</text>{warned}'
            f'<text x="{margin}" y="45">{escape(subtitle)}</text>'
            f'<g transform="translate({margin} {head})">{"".join(self._parts)}</g></svg>\n'
        )


def thin_out(length: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most `most` evenly spread positions of a series, its first and last among them.

    Examples
    --------
    >>> thin_out(7, 3)
    array([0, 3, 6])
    """
    if length <= most:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, most).round().astype(np.int64))
