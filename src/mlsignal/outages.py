"""When the exchange itself was down: gaps that are nobody's defect."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mlsignal.candles import Gap


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the exchange's engine was off, as published, UTC."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """For people."""
        return f"exchange outage of {self.start:%Y-%m-%d}"


def _outage(start: str, end: str) -> Outage:
    return Outage(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))


KNOWN_OUTAGES = (
    _outage("2018-02-08 00:28", "2018-02-09 10:00"),
    _outage("2018-06-26 02:00", "2018-06-26 12:00"),
    _outage("2018-07-04 00:22", "2018-07-04 08:00"),
    _outage("2018-11-14 02:00", "2018-11-14 09:00"),
    _outage("2019-05-15 03:00", "2019-05-15 13:00"),
    _outage("2020-02-19 11:35", "2020-02-19 17:30"),
    _outage("2020-12-21 13:47", "2020-12-21 18:00"),
    _outage("2021-04-25 04:00", "2021-04-25 08:45"),
    _outage("2023-03-24 12:40", "2023-03-24 14:00"),
)
"""Of Binance spot, among others; the list is not complete."""


def outage_of(gap: Gap) -> Outage | None:
    """Return the known outage that a gap shares time with, or None."""
    for outage in KNOWN_OUTAGES:
        if gap.first_missing < outage.end and outage.start <= gap.last_missing:
            return outage
    return None
