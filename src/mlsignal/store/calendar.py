"""A picture of a series in characters: a row a month, a mark a day."""

from collections.abc import Callable

import numpy as np

from mlsignal.candles import Interval, Times, utc

WHOLE, PART, ABSENT, OUTSIDE = "█", "▒", "·", " "
_DAY_MS = 86_400_000


def coverage_calendar(open_time_ms: Times, interval: Interval) -> list[str]:
    """Draw which days of a series are whole.

    Parameters
    ----------
    open_time_ms
        Open times (ms), ascending.
    interval
        At most a day; longer candles have no days to be drawn.

    Returns
    -------
    list of str
        ``2024-02 ████▒··█…``: █ every candle, ▒ some, · none, a blank before the first and after the last day.

    Examples
    --------
    >>> opens = np.arange(0, 3 * 86_400_000, 3_600_000)
    >>> coverage_calendar(np.delete(opens, [30, *range(48, 72)])[:48], Interval.parse("1h"))
    ['1970-01 █▒']
    """
    if not len(open_time_ms) or interval.milliseconds > _DAY_MS:
        return []
    days, counts = np.unique(open_time_ms // _DAY_MS, return_counts=True)
    expected = _expected(int(open_time_ms[0]), int(open_time_ms[-1]), interval)
    marks = {day: WHOLE if count >= expected(day) else PART for day, count in zip(days.tolist(), counts, strict=True)}
    first, last = int(days[0]), int(days[-1])
    rows: dict[str, list[str]] = {}
    for day in range(first, last + 1):
        date = utc(day * _DAY_MS)
        row = rows.setdefault(f"{date:%Y-%m}", [OUTSIDE] * (date.day - 1))
        row.append(marks.get(day, ABSENT))
    return [f"{month} {''.join(row)}" for month, row in rows.items()]


def _expected(first_ms: int, last_ms: int, interval: Interval) -> Callable[[int], int]:
    """Return how many candles a day should hold: fewer on the first and the last one."""
    step = interval.milliseconds

    def candles(day: int) -> int:
        begin, end = max(day * _DAY_MS, first_ms), min((day + 1) * _DAY_MS - step, last_ms)
        return (end - begin) // step + 1

    return candles


def legend() -> str:
    """Say what the marks mean."""
    return f"{WHOLE} whole  {PART} partly  {ABSENT} absent"
