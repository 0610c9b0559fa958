"""Scales, ticks and axes for the drawings in `svg`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from mlsignal.candles import Floats
from mlsignal.report.numbers import decimal
from mlsignal.report.svg import Drawing, text_width

TWO_COLUMNS_FROM = 640
"""Drawings at least this wide put two panels side by side; narrower ones put them one below the other."""

_SECOND = 1_000
_DAY = 86_400 * _SECOND
_TIME_STEPS = tuple(
    _SECOND * s
    for s in (1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000, 1728000)
)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


@dataclass(frozen=True)
class Scale:
    """A map of values to pixels, linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, values: Floats) -> Floats:
        """Return the pixels of an array of values."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(values), math.log(low), math.log(high)
        return np.asarray(self.start + (values - low) / (high - low) * (self.stop - self.start), dtype=np.float64)

    def at(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self(np.array([value], dtype=np.float64))[0])


@dataclass(frozen=True)
class Box:
    """A part of a drawing, in pixels."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Axis:
    """Limits, ticks and label of one direction; ticks are (value, label)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""
    log: bool = False


@dataclass(frozen=True)
class Panel:
    """Axes that are drawn; `x` and `y` place the values."""

    drawing: Drawing
    x: Scale
    y: Scale
    box: Box


@dataclass(frozen=True)
class Key:
    """An entry of a legend; `mark` is line, bar or dot."""

    label: str
    style: str
    mark: str = "line"


def limits(values: Floats, pad: float = 0.05, *, least: float = 1e-9) -> tuple[float, float]:
    """Return the range of the finite values with some room, never empty.

    Examples
    --------
    >>> limits(np.array([1.0, 3.0, np.nan]), pad=0.5)
    (0.0, 4.0)
    """
    good = values[np.isfinite(values)]
    if not len(good):
        return 0.0, 1.0
    low, high = float(good.min()), float(good.max())
    room = max((high - low) * pad, least, 1e-6 * abs(high))
    return low - room, high + room


def round_ticks(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Return ticks at multiples of 1, 2, 2.5 or 5 times a power of ten, at most `most` and a few more.

    Examples
    --------
    >>> round_ticks(0.0, 1.0, 5)
    ((0.0, '0.0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1.0'))
    """
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((round(i * step, 12), decimal(round(i * step, 12), step)) for i in range(first, last + 1))


def linear_axis(low: float, high: float, most: int = 5, label: str = "") -> Axis:
    """Return a linear axis with round ticks."""
    return Axis(low, high, round_ticks(low, high, most), label)


def log_axis(low: float, high: float, label: str = "", most: int = 6) -> Axis:
    """Return a logarithmic axis with ticks at 1, 2 and 5, or at powers of ten where the range is wide."""
    decades = math.log10(high / low)
    parts: tuple[int, ...] = (1, 2, 5) if decades < 2.2 else (1,)
    every = 1 if len(parts) > 1 else math.ceil(decades / most)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [(m * 10.0**p, m, p) for p in powers if p % every == 0 for m in parts]
    ticks = tuple((value, f"{value:.{max(0, -p)}f}" if p > -6 else f"{m}e{p}") for value, m, p in found if low <= value <= high)
    return Axis(low, high, ticks, label, log=True)


def time_ticks(first_ms: float, last_ms: float, most: int) -> list[tuple[float, str]]:
    """Return ticks at round moments of UTC: (milliseconds, label); a day or a year that begins is named."""
    span = max(last_ms - first_ms, _SECOND)
    step = next((s for s in _TIME_STEPS if span / s <= most), 0)
    if not step:
        return _month_ticks(first_ms, last_ms, most)
    start = math.ceil(first_ms / step) * step
    moments = [start + i * step for i in range(int((last_ms - start) // step) + 1)]
    return [(float(moment), _moment_label(moment, step)) for moment in moments]


def _moment_label(moment: int, step: int) -> str:
    time = datetime.fromtimestamp(moment / 1000, tz=UTC)
    if step >= _DAY or moment % _DAY == 0:
        return f"{time.day} {time:%b}"
    return f"{time:%H:%M:%S}" if step < 60 * _SECOND else f"{time:%H:%M}"


def _month_ticks(first_ms: float, last_ms: float, most: int) -> list[tuple[float, str]]:
    first, last = (np.datetime64(int(t), "ms").astype("datetime64[M]").astype(int) for t in (first_ms, last_ms))
    step = next((s for s in _MONTH_STEPS if (last - first) / s <= most), _MONTH_STEPS[-1])
    found = []
    for month in range(-(-int(first) // step) * step, int(last) + 1, step):
        moment = np.datetime64(month, "M").astype("datetime64[ms]").astype(np.int64)
        time = datetime.fromtimestamp(int(moment) / 1000, tz=UTC)
        if moment >= first_ms:
            found.append((float(moment), f"{time:%Y}" if step >= 12 else f"{time:%b %Y}"))
    return found


def boxes(width: float, height: float, top: float = 0, gap: float = 36, count: int = 2) -> list[Box]:
    """Split a width into boxes: side by side on a wide drawing, one below the other on a narrow one."""
    if width >= TWO_COLUMNS_FROM:
        each = (width - gap * (count - 1)) / count
        return [Box(i * (each + gap), top, each, height) for i in range(count)]
    return [Box(0, top + i * (height + 16), width, height) for i in range(count)]


def axes(drawing: Drawing, box: Box, x: Axis, y: Axis, head: str = "", left: float | None = None) -> Panel:
    """Draw grid, ticks and labels into a box, and return the panel to draw values on.

    Parameters
    ----------
    drawing, box
        Where to draw.
    x, y
        The axes; the label of y stands level above the panel, where it is easier to read than on its side.
    head
        A title above that.
    left
        Room for the labels of y, in pixels; as much as they need where not given.
    """
    room = left if left is not None else max([text_width(label) for _, label in y.ticks], default=0) + 10
    above = (20 if head else 0) + (20 if y.label else 8)
    below = (20 if x.ticks else 4) + (20 if x.label else 0)
    inner = Box(box.left + room, box.top + above, box.width - room - 6, box.height - above - below)
    bottom, right = inner.top + inner.height, inner.left + inner.width
    panel = Panel(
        drawing, Scale(x.low, x.high, inner.left, right, x.log), Scale(y.low, y.high, bottom, inner.top, y.log), inner
    )
    if head:
        drawing.text(box.left, box.top + 12, head, "head")
    if y.label:
        drawing.text(box.left, box.top + above - 10, y.label)
    for value, label in y.ticks:
        level = panel.y.at(value)
        drawing.line(inner.left, level, right, level, "grid").text(inner.left - 8, level + 4, label, anchor="end")
    _x_axis(panel, x)
    return panel


def _x_axis(panel: Panel, x: Axis) -> None:
    box, drawing = panel.box, panel.drawing
    bottom, right = box.top + box.height, box.left + box.width
    drawing.line(box.left, bottom, right, bottom, "axis")
    last_end = -math.inf
    for value, label in x.ticks:
        place, half = panel.x.at(value), text_width(label) / 2
        if place - half < last_end or place + half > right + 10:
            continue
        drawing.line(place, bottom, place, bottom + 4, "axis").text(place, bottom + 17, label, anchor="middle")
        last_end = place + half + 8
    if x.label:
        drawing.text(box.left + box.width / 2, bottom + 36, x.label, anchor="middle")


def legend(drawing: Drawing, left: float, top: float, width: float, keys: Sequence[Key]) -> float:
    """Draw a legend in as many lines as it needs; return its height."""
    x, y = left, top
    for key in keys:
        needed = 28 + text_width(key.label)
        if x > left and x + needed > left + width:
            x, y = left, y + 20
        if key.mark == "line":
            drawing.line(x, y + 9, x + 22, y + 9, key.style)
        elif key.mark == "dot":
            drawing.dot(x + 11, y + 9, key.style)
        else:
            drawing.rectangle(x + 6, y + 4, 10, 10, key.style)
        drawing.text(x + 28, y + 13, key.label)
        x += needed + 18
    return y - top + 24 if keys else 0.0
