from datetime import UTC, datetime
from itertools import pairwise

import pytest

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, DataError, UnknownSymbolError
from mlsignal.sources import ArchiveSource, BinanceSource
from mlsignal.store import Store

M15 = Interval.M15
QUARTER = M15.milliseconds


def ms(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class World:
    """An exchange and its archive on one clock, of 15m candles; `other` changes what one place says of a candle."""

    def __init__(self, fake, fake_archive, start="2024-11-01", days=100, absent=()):
        self.fake = fake
        self.exchange = fake.Exchange(days * 96, absent=absent, interval="15m", start=ms(start))
        self.other = {}
        self.lost = {}
        self.archive = fake_archive.ArchiveHost(self.rows, lambda: self.exchange.now)

    def rows(self, first, last, place):
        found = [self.fake.kline(t, M15) for t in self.exchange.opens if first <= t <= last]
        found = [row for row in found if row[0] not in self.lost.get(place, ())]
        for row in found:
            row[5] = self.other.get((place, row[0]), row[5])
        return found

    def source(self, *, with_rest=True, **options):
        clock = self.exchange.time.clock
        rest = BinanceSource("http://rest.test", transport=self.exchange.transport, clock=clock, seed=1)
        return ArchiveSource(
            "http://archive.test",
            rest=rest if with_rest else None,
            transport=self.archive.transport,
            clock=clock,
            seed=1,
            **options,
        )


@pytest.fixture
def world(fake, fake_archive):
    return World(fake, fake_archive)


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


def test_archive_whole_history_is_months_then_rest(world):
    source = world.source()
    frame = source.fetch("BTCUSDT", M15)
    assert opens_of(frame) == world.exchange.opens[:-1]
    months = {name for name in source.report.files if len(name) == len("BTCUSDT-15m-2024-11.zip")}
    assert months == {f"BTCUSDT-15m-{month}.zip" for month in ("2024-11", "2024-12", "2025-01")}
    assert (frame["close_time"] - frame["open_time"]).dt.total_milliseconds().unique().to_list() == [QUARTER - 1]
    assert source.disagreements == ()


def test_archive_year_of_minutes_is_planned_as_a_dozen_files():
    from mlsignal.sources.archive_files import plan

    span = ms("2023-01-01"), ms("2023-12-31") + 1439 * 60_000
    pieces = plan("BTCUSDT", Interval.M1, span, ms("2024-03-01"), with_rest=True)
    assert len(pieces) == 12
    assert {piece.file.period for piece in pieces} == {"monthly"}


@pytest.mark.parametrize("interval", ["3d", "1w", "1M"])
def test_archive_plan_leaves_no_hole(interval):
    from mlsignal.sources.archive_files import plan

    for with_rest in (True, False):
        span = ms("2023-01-10"), ms("2024-02-20")
        pieces = plan("BTCUSDT", Interval.parse(interval), span, ms("2024-02-21"), with_rest=with_rest)
        assert (pieces[0].span[0], pieces[-1].span[1]) == span
        assert all(a.span[1] + 1 == b.span[0] for a, b in pairwise(pieces))


def test_archive_limit_is_the_newest_candles(world):
    assert opens_of(world.source().fetch("BTCUSDT", M15, limit=4000)) == world.exchange.opens[:-1][-4000:]


def test_archive_top_up_asks_rest_alone(world):
    frame = world.source().fetch("BTCUSDT", M15, start_ms=world.exchange.opens[-6])
    assert opens_of(frame) == world.exchange.opens[-6:-1]
    assert world.archive.requests == []


def test_archive_month_unpublished_is_read_by_days(world):
    world.archive.missing.add("BTCUSDT-15m-2025-01.zip")
    source = world.source()
    frame = source.fetch("BTCUSDT", M15)
    assert opens_of(frame) == world.exchange.opens[:-1]
    assert source.report.missing == ("BTCUSDT-15m-2025-01.zip",)
    assert "BTCUSDT-15m-2025-01-17.zip" in source.report.files


def test_archive_old_month_absent_is_asked_of_rest(world):
    world.archive.missing.add("BTCUSDT-15m-2024-11.zip")
    source = world.source()
    assert opens_of(source.fetch("BTCUSDT", M15)) == world.exchange.opens[:-1]
    assert source.report.rest_candles >= 30 * 96


@pytest.mark.parametrize("kind", ["bad_checksum", "no_checksum"])
def test_archive_checksum_wrong_or_absent_is_tried_again_and_then_replaced(kind, world):
    getattr(world.archive, kind).add("BTCUSDT-15m-2024-12.zip")
    source = world.source()
    assert opens_of(source.fetch("BTCUSDT", M15)) == world.exchange.opens[:-1]
    assert world.archive.names().count("BTCUSDT-15m-2024-12.zip") == 2
    ((name, reason),) = source.report.rejected
    assert name == "BTCUSDT-15m-2024-12.zip"
    assert "CHECKSUM" in reason


def test_archive_content_that_is_no_candles_is_rejected(world, fake_archive):
    name = "BTCUSDT-15m-2024-12.zip"
    world.archive.content[name] = fake_archive.zipped(name, [[1, 2]], member="../x.csv")
    source = world.source()
    assert opens_of(source.fetch("BTCUSDT", M15)) == world.exchange.opens[:-1]
    assert "one flat CSV" in source.report.rejected[0][1]
    with pytest.raises(DataError, match="no REST"):
        world.source(with_rest=False).fetch("BTCUSDT", M15, start_ms=world.exchange.opens[0])


def test_archive_places_that_disagree_rest_before_day_before_month(world):
    day = ms("2024-12-21")
    world.lost["monthly"] = {day + i * QUARTER for i in range(40, 60)}
    world.lost["daily"] = {day + i * QUARTER for i in range(50, 60)}
    world.other = {("monthly", day): "3.5", ("daily", day): "4.5", ("daily", day + 49 * QUARTER): "9.5"}
    source = world.source()
    frame = source.fetch("BTCUSDT", M15)
    assert opens_of(frame) == world.exchange.opens[:-1]
    volume = dict(zip(opens_of(frame), frame["volume"], strict=True))
    assert volume[day] == 4.5, "the day's file before the month's"
    assert volume[day + 49 * QUARTER] == 2.0, "REST before the day's file"
    found = {(d.open_time, d.column, d.dropped, d.kept) for d in source.disagreements}
    assert (datetime(2024, 12, 21, tzinfo=UTC), "volume", ("monthly", 3.5), ("daily", 4.5)) in found
    rest = [d for d in source.disagreements if d.kept[0] == "rest"]
    assert [(d.dropped, d.kept) for d in rest] == [(("daily", 9.5), ("rest", 2.0))]
    assert source.disagreements[0].to_dict()["kept"] in ("daily", "rest")


def test_archive_cross_check_compares_every_place(world):
    world.other = {("monthly", ms("2024-11-05")): "7.5"}
    source = world.source(cross_check=True)
    source.fetch("BTCUSDT", M15, end_ms=ms("2024-12-01") - 1)
    assert {(d.column, d.dropped) for d in source.disagreements} == {("volume", ("monthly", 7.5))}


def test_archive_outage_is_confirmed_and_stays_a_gap(fake, fake_archive):
    world = World(fake, fake_archive, absent=range(2000, 2100))
    source = world.source()
    frame = source.fetch("BTCUSDT", M15)
    assert opens_of(frame) == world.exchange.opens[:-1]
    assert len(world.exchange.requests) < 15


def test_archive_alone_reads_what_there_is(world):
    source = world.source(with_rest=False)
    frame = source.fetch("BTCUSDT", M15, start_ms=world.exchange.opens[0])
    assert opens_of(frame) == [t for t in world.exchange.opens if t < ms("2025-02-08")]
    with pytest.raises(ConfigurationError, match="a start or a limit"):
        source.fetch("BTCUSDT", M15)


def test_archive_symbol_unknown_or_lower_case_is_refused(world):
    with pytest.raises(UnknownSymbolError):
        world.source().fetch("NOPE", M15)
    with pytest.raises(ConfigurationError):
        world.source().fetch("btcusdt", M15)
    assert world.archive.requests == []


def test_archive_and_rest_of_two_exchanges_are_refused(world):
    rest = BinanceSource("http://rest.test", transport=world.exchange.transport)
    with rest, pytest.raises(ConfigurationError, match="one exchange"):
        ArchiveSource(rest=rest)
    with BinanceSource() as rest, ArchiveSource(rest=rest) as source:
        assert source.origin == "binance"


def test_archive_through_the_store_equals_rest(world, tmp_path):
    now = world.exchange.now
    frame, report = Store(tmp_path).load("BTCUSDT", M15, world.source(), limit=8000, now_ms=now)
    assert opens_of(frame) == world.exchange.opens[:-1][-8000:]
    again, report = Store(tmp_path).load("BTCUSDT", M15, world.source(), limit=8000, now_ms=now)
    assert report.fetches == 0
    assert again.equals(frame)
