"""The exchange's usual kline rows read by arithmetic on their bytes, eight digits at a time; all else is refused."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]

_FIELDS = 12
_DECIMALS = np.array([1, 2, 3, 4, 5, 7, 9, 10])  # positions of quoted decimals: open … volume, quote, taker
_TIMES = (0, 6)
_TRADES = 8
_PLACES = 8  # decimals that the exchange writes, and digits that are read at one time
_SCALE = 1e8
_TIME_DIGITS = 13  # milliseconds, from 2001 to 2286
_EXACT_BELOW = 2**53
_MOST_LARGE = 0.02  # share of values of more than 53 bits, which are read one by one
_LARGE = re.compile(rb"\d{8,16}\.\d{8}")
_LEAST_ROW = 64  # bytes, far less than any row has
_COMMA, _QUOTE, _POINT, _OPEN, _CLOSE = b',".[]'
# Eight ASCII digits in one 64-bit word, to a number: Lemire, "Quickly parsing eight digits" (2018).
_ZEROS = np.uint64(0x3030303030303030)
_HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIXES = np.uint64(0x0606060606060606)
_PAIRS = np.uint64(0x000000FF000000FF)
_FIRST_FACTOR, _SECOND_FACTOR = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)


def parse_rows(rows: bytes) -> tuple[_Array, _Array, _Array] | None:
    """Read kline rows without the outermost brackets: `1700000040000,"1.50000000",…,"0"],[1700000100000,…`.

    Returns
    -------
    times : array of int64, shape (2, n_rows)
        Open and close time, milliseconds.
    decimals : array of float64, shape (8, n_rows)
        Open, high, low, close, volume, quote volume, taker buy base, taker buy quote; the nearest float64 of what is
        written, as `float` gives it.
    trades : array of float64, shape (n_rows,)
        Or None in place of all three where any byte is not where the exchange's layout has it: times of 13 digits,
        decimals in quotes with 8 places, few of them above 9e7.
    """
    if len(rows) < _LEAST_ROW:
        return None
    text = np.frombuffer(rows, dtype=np.uint8)
    commas = np.flatnonzero(text == _COMMA)
    if (len(commas) + 1) % _FIELDS:
        return None
    ends = np.append(commas, len(rows) + 1).reshape(-1, _FIELDS).T  # a row ends with `],[`, the last with nothing
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1] + 1
    starts[0, 0], starts[0, 1:] = 0, ends[-1, :-1] + 2
    separators = ends[-1, :-1]
    if not ((text[separators - 1] == _CLOSE).all() and (text[separators + 1] == _OPEN).all()):
        return None
    words: _Array = np.ndarray(len(rows) - 7, dtype="<u8", buffer=rows, strides=(1,))
    times = _times(words, starts[_TIMES, :], ends[_TIMES, :])
    trades = _whole(words, starts[_TRADES], ends[_TRADES])
    decimals = _decimals(text, words, starts[_DECIMALS], ends[_DECIMALS])
    if times is None or trades is None or decimals is None:
        return None
    return times, decimals, trades.astype(np.float64)


def _times(words: _Array, starts: _Array, ends: _Array) -> _Array | None:
    if not (ends - starts == _TIME_DIGITS).all():
        return None
    high, low = _eight(words[starts]), _whole(words, starts + _PLACES, ends)
    if high is None or low is None:
        return None
    joined: _Array = (high * np.uint64(10 ** (_TIME_DIGITS - _PLACES)) + low).astype(np.int64)
    return joined


def _decimals(text: _Array, words: _Array, starts: _Array, ends: _Array) -> _Array | None:
    points = ends - (_PLACES + 2)
    if not (
        (text[starts] == _QUOTE).all()
        and (text[ends - 1] == _QUOTE).all()
        and (points > starts + 1).all()
        and (text[points] == _POINT).all()
    ):
        return None
    first = np.maximum(starts + 1, points - _PLACES)
    whole, fraction = _whole(words, first, points), _eight(words[points + 1])
    if whole is None or fraction is None:
        return None
    units = whole * np.uint64(10**_PLACES) + fraction
    values: _Array = units / _SCALE  # both exact below 2^53, so their quotient is the nearest float
    large = (first > starts + 1) | (units >= _EXACT_BELOW)
    if large.mean() > _MOST_LARGE:
        return None
    for row, column in zip(*np.nonzero(large), strict=True):
        written = bytes(text[starts[row, column] + 1 : ends[row, column] - 1])
        if not _LARGE.fullmatch(written):
            return None
        values[row, column] = float(written)
    return values


def _whole(words: _Array, starts: _Array, ends: _Array) -> _Array | None:
    """Read whole numbers of 1 to 8 digits, which lie before `ends`."""
    lengths = ends - starts
    if not ((lengths >= 1) & (lengths <= _PLACES)).all():
        return None
    others = ((_PLACES - lengths) * 8).astype(np.uint64)
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) << others
    return _eight((words[ends - _PLACES] & mask) | (_ZEROS & ~mask))


def _eight(words: _Array) -> _Array | None:
    """Read words of eight ASCII digits; None where a byte is none."""
    wrong = ((words & _HIGH_HALVES) ^ _ZEROS) | (((words + _SIXES) & _HIGH_HALVES) ^ _ZEROS)
    if wrong.any():
        return None
    digits = words - _ZEROS
    pairs = digits * np.uint64(10) + (digits >> np.uint64(8))
    low, high = (pairs & _PAIRS) * _FIRST_FACTOR, ((pairs >> np.uint64(16)) & _PAIRS) * _SECOND_FACTOR
    total: _Array = (low + high) >> np.uint64(32)
    return total
