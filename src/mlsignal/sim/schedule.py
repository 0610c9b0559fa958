"""Which candles of an interval there are, in order, and when each of them opens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlsignal.candles import Interval
from mlsignal.sim.defects import Defect, Misaligned, absent_spans
from mlsignal.sim.market import Market

_NO_END = 1 << 40


@dataclass(frozen=True, slots=True)
class Run:
    """Candles number `first` up to, but without, `stop`, all opening as far off the grid."""

    first: int
    stop: int
    offset_ms: int = 0

    def __len__(self) -> int:
        return max(0, self.stop - self.first)


class Schedule:
    """The candles of a symbol and interval, counted by position, absent ones left out.

    Parameters
    ----------
    market, interval
        Whose candles; number 0 is the one that holds the market's start.
    defects
        Those of the symbol: outages leave candles out, misalignments shift them.
    """

    def __init__(self, market: Market, interval: Interval, defects: Iterable[Defect]) -> None:
        self._first_ms = interval.floor(market.start_ms)
        self._interval = interval
        defects = tuple(defects)
        runs = [Run(0, _NO_END)]
        for start_ms, end_ms in absent_spans(defects):
            first = 0 if start_ms <= market.start_ms else self._number_from(start_ms)
            runs = _without(runs, first, max(first, self._number_at(end_ms)))
        for defect in defects:
            if isinstance(defect, Misaligned) and defect.interval is interval:
                first, stop = self._number_from(defect.start_ms), self._number_from(defect.end_ms)
                runs = sorted([*_without(runs, first, stop), Run(first, stop, defect.offset_ms)], key=_first)
        self._runs = tuple(run for run in runs if len(run))

    def position_from(self, time_ms: int) -> int:
        """Return the position of the first candle that opens at `time_ms` or later."""
        counts = (
            min(max(self._number_from(time_ms - run.offset_ms), run.first), run.stop) - run.first for run in self._runs
        )
        return sum(counts)

    def runs(self, first: int, stop: int) -> Iterator[Run]:
        """Yield the runs of the candles at positions `first` up to, but without, `stop`."""
        position = 0
        for run in self._runs:
            low, high = max(first, position), min(stop, position + len(run))
            if low < high:
                yield Run(run.first + low - position, run.first + high - position, run.offset_ms)
            position += len(run)

    def _number_from(self, time_ms: int) -> int:
        """Return the number of the first candle of the whole grid that opens at `time_ms` or later."""
        if time_ms <= self._first_ms:
            return 0
        number = self._number_at(time_ms)
        return number if self._interval.floor(time_ms) == time_ms else number + 1

    def _number_at(self, time_ms: int) -> int:
        if time_ms < self._first_ms:
            return 0
        if time_ms > _NO_END * 1000:
            return _NO_END
        return self._interval.grid_size(self._first_ms, self._interval.floor(time_ms)) - 1


def _without(runs: Iterable[Run], first: int, stop: int) -> list[Run]:
    left = []
    for run in runs:
        if first >= run.stop or stop <= run.first:
            left.append(run)
            continue
        left += [
            Run(run.first, min(run.stop, first), run.offset_ms),
            Run(max(run.first, stop), run.stop, run.offset_ms),
        ]
    return [run for run in left if len(run)]


def _first(run: Run) -> int:
    return run.first
