"""Faults of klines: rows with too few columns, impossible, repeated, displaced or absent."""

from itertools import pairwise
from typing import Any, Final

from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sim.faults.book import Call
from mlsignal.sim.faults.registry import Stage, action

Row = list[Any]

COLUMNS: Final = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_base",
    "taker_buy_quote",
    "ignore",
)
_OPEN_TIME, _OPEN, _HIGH, _LOW, _CLOSE, _CLOSE_TIME, _TRADES = 0, 1, 2, 3, 4, 6, 8
_AMOUNTS: Final = (5, 7, 9, 10)


@action(Stage.ROWS)
def columns(rows: list[Row], *, call: Call, count: int) -> list[Row]:
    """Give every row so many columns instead of twelve."""
    del call
    return [(row + ["0"] * count)[:count] for row in rows]


@action(Stage.ROWS)
def bad_value(rows: list[Row], *, call: Call, value: str = "NaN", column: str = "close", count: int = 1) -> list[Row]:
    """Put a value ("NaN", "inf", "-1.0", ...) into a column of some rows."""
    place = _column(column)
    return _changed(rows, call, count, lambda row: [*row[:place], value, *row[place + 1 :]])


@action(Stage.ROWS)
def impossible_high(rows: list[Row], *, call: Call, count: int = 1) -> list[Row]:
    """Make the high of some rows lower than their open and close."""
    return _changed(rows, call, count, lambda row: [*row[:_HIGH], _scaled(row[_LOW], 0.99), *row[_HIGH + 1 :]])


@action(Stage.ROWS)
def impossible_low(rows: list[Row], *, call: Call, count: int = 1) -> list[Row]:
    """Make the low of some rows higher than their open and close."""
    return _changed(rows, call, count, lambda row: [*row[:_LOW], _scaled(row[_HIGH], 1.01), *row[_LOW + 1 :]])


@action(Stage.ROWS)
def other_values(
    rows: list[Row], *, call: Call, column: str = "close", factor: int | float = 1.001, count: int = 1
) -> list[Row]:
    """Scale a column of some rows, their high and low with it: an answer, or an edition, that disagrees."""
    place = _column(column)

    def disagree(row: Row) -> Row:
        value = _scaled(row[place], factor)
        changed = [*row[:place], value, *row[place + 1 :]]
        if place in (_OPEN, _CLOSE):
            changed[_HIGH] = max(row[_HIGH], value, key=float)
            changed[_LOW] = min(row[_LOW], value, key=float)
        return changed

    return _changed(rows, call, count, disagree)


@action(Stage.ROWS)
def duplicate_rows(rows: list[Row], *, call: Call, count: int = 1, conflicting: bool = False) -> list[Row]:
    """Repeat some rows right after themselves; where they conflict, with another volume."""
    again = []
    chosen = _chosen(rows, call, count)
    for number, row in enumerate(rows):
        again.append(row)
        if number in chosen:
            again.append([*row[:5], _scaled(row[5], 1.5), *row[6:]] if conflicting else list(row))
    return again


@action(Stage.ROWS)
def shuffle_rows(rows: list[Row], *, call: Call) -> list[Row]:
    """Send the rows out of order."""
    return [rows[number] for number in call.generator.permutation(len(rows)).tolist()]


@action(Stage.ROWS)
def drop_rows(rows: list[Row], *, call: Call, count: int = 1, first: int | None = None) -> list[Row]:
    """Leave out `count` rows in a row: from number `first` (negative: from the end), or from anywhere inside."""
    if first is None:
        first = int(call.generator.integers(1, max(2, len(rows) - count)))
    elif first < 0:
        first = max(0, len(rows) + first)
    return rows[:first] + rows[first + count :]


@action(Stage.ROWS)
def drop_span(rows: list[Row], *, call: Call, from_ms: int, until_ms: int) -> list[Row]:
    """Leave out the rows that open in a stretch of time."""
    del call
    return [row for row in rows if not from_ms <= row[_OPEN_TIME] < until_ms]


@action(Stage.ROWS)
def keep_rows(rows: list[Row], *, call: Call, share: int | float = 0.5) -> list[Row]:
    """Send the first share of the rows only, as truncated days have them."""
    del call
    return rows[: round(len(rows) * share)]


@action(Stage.ROWS)
def misalign_rows(rows: list[Row], *, call: Call, offset_ms: int = 14_789, count: int = 1) -> list[Row]:
    """Shift the times of some rows off the grid; the last of them overlaps its successor."""
    first = int(call.generator.integers(0, max(1, len(rows) - count)))
    return [_moved(row, offset_ms) if first <= number < first + count else list(row) for number, row in enumerate(rows)]


@action(Stage.ROWS)
def odd_close_time(rows: list[Row], *, call: Call, ms: int = -13_000, count: int = 1) -> list[Row]:
    """Give some rows a close time that is not a millisecond before the next open."""
    return _changed(rows, call, count, lambda row: [*row[:_CLOSE_TIME], row[_CLOSE_TIME] + ms, *row[_CLOSE_TIME + 1 :]])


@action(Stage.ROWS)
def zero_volume(rows: list[Row], *, call: Call, count: int = 1) -> list[Row]:
    """Make some rows flat and without trades, as a halted market does."""

    def halt(row: Row) -> Row:
        flat = [row[0], *[row[_OPEN]] * 4, *row[5:]]
        for place in _AMOUNTS:
            flat[place] = "0.00000000"
        flat[_TRADES] = 0
        return flat

    return _changed(rows, call, count, halt)


@action(Stage.ROWS)
def omit_open(rows: list[Row], *, call: Call) -> list[Row]:
    """Leave out the candle that is still open."""
    return [row for row in rows if row[_CLOSE_TIME] < call.now_ms]


@action(Stage.ROWS)
def omit_newest(rows: list[Row], *, call: Call, count: int = 1) -> list[Row]:
    """Leave out the newest closed candles too: they come later."""
    closed = [row for row in rows if row[_CLOSE_TIME] < call.now_ms]
    return closed[: max(0, len(closed) - count)]


@action(Stage.ROWS)
def overlap_rows(rows: list[Row], *, call: Call, count: int = 1) -> list[Row]:
    """Add, between some rows and their successors, one that overlaps both."""
    added = list(rows)
    chosen = _chosen(rows[:-1], call, count)
    for number, (row, following) in reversed(list(enumerate(pairwise(rows)))):
        if number in chosen:
            added.insert(number + 1, _moved(row, (following[_OPEN_TIME] - row[_OPEN_TIME]) // 2))
    return added


def _changed(rows: list[Row], call: Call, count: int, change: Any) -> list[Row]:
    chosen = _chosen(rows, call, count)
    return [change(row) if number in chosen else row for number, row in enumerate(rows)]


def _chosen(rows: list[Row], call: Call, count: int) -> frozenset[int]:
    """Return the numbers of some rows, drawn from those that are closed where there are any."""
    closed = [number for number, row in enumerate(rows) if row[_CLOSE_TIME] < call.now_ms] or list(range(len(rows)))
    drawn = call.generator.choice(len(closed), size=min(count, len(closed)), replace=False) if closed else ()
    return frozenset(closed[int(place)] for place in drawn)


def _moved(row: Row, offset_ms: int) -> Row:
    moved = list(row)
    moved[_OPEN_TIME] += offset_ms
    moved[_CLOSE_TIME] += offset_ms
    return moved


def _scaled(value: Any, factor: float) -> Any:
    return round(value * factor) if isinstance(value, int) else f"{float(value) * factor:.8f}"


def _column(name: str) -> int:
    if name not in COLUMNS:
        raise ConfigurationError(f"column: {name!r} is not one of a kline's. {did_you_mean(name, COLUMNS)}")
    return COLUMNS.index(name)
