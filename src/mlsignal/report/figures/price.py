"""Candles with the probabilities foretold for them, and what came true."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.metrics import Bools
from mlsignal.report.axes import TWO_COLUMNS_FROM, Axis, Box, Key, Panel, axes, legend, limits, linear_axis, time_ticks
from mlsignal.report.numbers import moment
from mlsignal.report.story import ScoredRows, Story
from mlsignal.report.svg import Drawing, text_width

WIDE_CANDLES = 240
NARROW_CANDLES = 80

_OUTCOMES = (("right", "Right"), ("wrong", "Wrong"), ("tie", "Tie"))


@dataclass(frozen=True)
class Stretch:
    """The newest candles that were foretold, and the predictions by the position of the candle that decides each."""

    candles: Candles
    place: Times
    p_up: Floats
    right: Bools
    tie: Bools


def recent_stretch(story: Story, most: int) -> Stretch | None:
    """Return the last `most` candles up to the one that decides the last prediction of the test span."""
    rows = story.test.get(story.selected or "")
    candles = story.evaluation.candles
    if rows is None or not len(rows.open_time_ms) or not len(candles):
        return None
    known = np.isin(rows.open_time_ms, candles.open_time_ms)
    place = np.searchsorted(candles.open_time_ms, rows.open_time_ms) + story.horizon
    stop = min(int(place[known].max(initial=0)) + 1, len(candles))
    first = max(0, stop - most)
    shown = known & (place >= first) & (place < stop)
    if not shown.any():
        return None
    return _stretch(candles[first:stop], place - first, rows, shown)


def _stretch(candles: Candles, place: Times, rows: ScoredRows, shown: Bools) -> Stretch:
    return Stretch(candles, place[shown], rows.p_up[shown], rows.right[shown], rows.tie[shown])


def draw_price(story: Story, width: float) -> Drawing | None:
    """Draw candles, below them p_up as bars around .5, and a row each for right, wrong and tie."""
    stretch = recent_stretch(story, WIDE_CANDLES if width >= TWO_COLUMNS_FROM else NARROW_CANDLES)
    if stretch is None:
        return None
    drawing = Drawing(width, 0)
    keys = [Key("Rising candle", "bar rising", "bar"), Key("Falling candle", "bar falling", "bar")]
    keys += [Key(f"Prediction: {title.lower()}", f"bar {style}", "bar") for style, title in _OUTCOMES]
    top = legend(drawing, 0, 0, width, keys) + 6
    x = _position_axis(stretch.candles, width)
    price = linear_axis(*limits(np.concatenate([stretch.candles.low, stretch.candles.high]), 0.04), 5, "Price (quote asset)")
    chance = _chance_axis(stretch.p_up)
    room = max(text_width(label) for _, label in (*price.ticks, *chance.ticks, (0.0, "Wrong"))) + 10
    bare = Axis(x.low, x.high, ())
    _draw_candles(axes(drawing, Box(0, top, width, 290), bare, price, left=room), stretch.candles)
    _draw_chances(axes(drawing, Box(0, top + 298, width, 120), bare, chance, left=room), stretch)
    bottom = axes(drawing, Box(0, top + 420, width, 94), x, Axis(0, 3, ()), left=room)
    _draw_outcomes(bottom, stretch)
    _draw_gaps(bottom, stretch.candles, top + 20)
    drawing.height = top + 516
    return drawing


def _position_axis(candles: Candles, width: float) -> Axis:
    times = candles.open_time_ms
    wanted = time_ticks(float(times[0]), float(times[-1]), 12 if width >= TWO_COLUMNS_FROM else 5)
    places = np.searchsorted(times, [moment_ms for moment_ms, _ in wanted])
    ticks = tuple((float(place), label) for place, (_, label) in zip(places, wanted, strict=True) if place < len(times))
    label = f"Open time (UTC), {moment(candles.start.isoformat())} to {moment(candles.end.isoformat())}"
    if text_width(label) > width - 60:
        label = f"Open time (UTC), to {moment(candles.end.isoformat())}"
    return Axis(-1, len(candles), ticks, label)


def _chance_axis(p_up: Floats) -> Axis:
    reach = max(float(np.abs(p_up - 0.5).max()) * 1.1, 0.01)
    return linear_axis(max(0.5 - reach, 0), min(0.5 + reach, 1), 3, "Probability of up")


def _draw_candles(panel: Panel, candles: Candles) -> None:
    pitch = panel.box.width / (len(candles) + 1)
    body = max(pitch * 0.7, 0.8)
    x = panel.x(np.arange(len(candles), dtype=np.float64))
    open_, high, low, close = (panel.y(column) for column in (candles.open, candles.high, candles.low, candles.close))
    for style, chosen in (("rising", candles.close >= candles.open), ("falling", candles.close < candles.open)):
        panel.drawing.sticks(x[chosen], high[chosen], low[chosen], f"line thin {style}")
        panel.drawing.bars(x[chosen] - body / 2, open_[chosen], body, close[chosen], f"bar {style}")


def _masks(stretch: Stretch) -> dict[str, Bools]:
    return {"right": stretch.right & ~stretch.tie, "wrong": ~stretch.right & ~stretch.tie, "tie": stretch.tie}


def _draw_chances(panel: Panel, stretch: Stretch) -> None:
    body = max(panel.box.width / (len(stretch.candles) + 1) * 0.7, 0.8)
    x, y = panel.x(stretch.place.astype(np.float64)), panel.y(stretch.p_up)
    middle = np.full(len(x), panel.y.at(0.5))
    for style, chosen in _masks(stretch).items():
        panel.drawing.bars(x[chosen] - body / 2, y[chosen], body, middle[chosen], f"bar {style}")
    panel.drawing.line(panel.box.left, middle[0], panel.box.left + panel.box.width, middle[0], "axis")


def _draw_outcomes(panel: Panel, stretch: Stretch) -> None:
    body = max(panel.box.width / (len(stretch.candles) + 1) * 0.7, 0.8)
    x = panel.x(stretch.place.astype(np.float64))
    masks = _masks(stretch)
    for row, (style, title) in enumerate(_OUTCOMES):
        top = panel.box.top + 1 + row * 15
        panel.drawing.text(panel.box.left - 8, top + 10, title, anchor="end")
        chosen = x[masks[style]]
        panel.drawing.bars(
            chosen - body / 2, np.full(len(chosen), top), body, np.full(len(chosen), top + 11), f"bar {style}"
        )


def _draw_gaps(panel: Panel, candles: Candles, top: float) -> None:
    bottom = panel.box.top + panel.box.height
    for start in candles.gap_starts:
        place = panel.x.at(float(start) - 0.5)
        panel.drawing.line(place, top, place, bottom, "reference")
        panel.drawing.text(place + 4, top + 10, "gap")
