"""Rows 30 to 34 of the fault matrix: the archive."""

import io
import zipfile
from datetime import UTC, datetime

import pytest

from mlsignal.candles import Interval
from mlsignal.errors import DataError
from mlsignal.sources import ArchiveSource, BinanceSource, FileSource
from mlsignal.sources.klines import FRAME_COLUMNS, klines_from_csv
from mlsignal.store import Store
from tests.faults.rig import opens_of
from tests.sources.archive_host import ArchiveHost, zipped
from tests.sources.exchange import Exchange, kline

M15 = Interval.M15
DAY = 86_400_000
FIRST = int(datetime(2024, 11, 1, tzinfo=UTC).timestamp() * 1000)
DECEMBER = "BTCUSDT-15m-2024-12.zip"


class World:
    def __init__(self, folder):
        self.folder = folder
        self.exchange = Exchange(100 * 96, interval="15m", start=FIRST)
        self.change = lambda place, rows: rows
        self.archive = ArchiveHost(self.rows, lambda: self.exchange.now)

    def rows(self, first, last, place):
        return self.change(place, [kline(t, M15) for t in self.exchange.opens if first <= t <= last])

    def sources(self):
        clock = self.exchange.time.clock
        rest = BinanceSource("http://x.test", transport=self.exchange.transport, clock=clock, seed=1)
        archive = ArchiveSource("http://x.test", rest=rest, transport=self.archive.transport, clock=clock, seed=1)
        return rest, archive

    def fetch(self, name="store"):
        _, archive = self.sources()
        with archive:
            frame, _ = Store(self.folder / name).load(
                "BTCUSDT", M15, archive, start_ms=FIRST, max_age_minutes=0, now_ms=self.exchange.now
            )
        return frame, archive

    def golden(self):
        rest, _ = self.sources()
        with rest:
            return rest.fetch("BTCUSDT", M15, start_ms=FIRST)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_fault_30_archive_404(world):
    world.archive.missing |= {DECEMBER, "BTCUSDT-15m-2025-01.zip", "BTCUSDT-15m-2025-02-07.zip"}
    frame, archive = world.fetch()
    assert frame.equals(world.golden())
    assert DECEMBER in archive.report.missing


@pytest.mark.parametrize("kind", ["bad_checksum", "no_checksum"])
def test_fault_31_checksum_wrong_or_absent(kind, world):
    getattr(world.archive, kind).add(DECEMBER)
    world.change = lambda place, rows: rows
    frame, archive = world.fetch()
    assert frame.equals(world.golden())
    assert world.archive.names().count(DECEMBER) == 2, "retried"
    assert [name for name, _ in archive.report.rejected] == [DECEMBER]


def test_fault_32_milliseconds_microseconds_header_or_none(world, shared):
    frame, _ = world.fetch()
    assert frame.equals(world.golden()), "November in milliseconds, January in microseconds"
    names = (*FRAME_COLUMNS[:6], "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
    header = f"{','.join(names)},ignore\n".encode()
    for name in ("2024-12", "2025-01"):
        content = (shared / f"data/raw/spot_monthly_csv/BTCUSDT-1h-{name}.csv").read_bytes()
        plain = klines_from_csv(content)
        assert plain.equals(klines_from_csv(header + content))
        assert set(plain["open_time"].dt.year()) == {int(name[:4])}


@pytest.mark.parametrize("kind", ["bomb", "climbing", "two"])
def test_fault_33_zip_bomb_or_climbing_member(kind, world, tmp_path, refused):
    rows = [kline(FIRST, M15)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 20_000_000)
        if kind == "two":
            archive.writestr("b.csv", "x")
    bad = zipped(DECEMBER, rows, member="../../evil.csv") if kind == "climbing" else buffer.getvalue()
    path = tmp_path / "BTCUSDT-15m.zip"
    path.write_bytes(bad)
    with pytest.raises(DataError, match=r"flat CSV|one CSV|times its size"):
        FileSource(path).fetch("BTCUSDT", M15)
    code, line = refused("run", "--source", path, "--interval", "15m", "--output", tmp_path / "out")
    assert code == 3
    assert str(path) in line
    world.archive.content[DECEMBER] = bad
    frame, archive = world.fetch()
    assert frame.equals(world.golden()), "rejected, and REST asked instead"
    assert archive.report.rejected[0][0] == DECEMBER
    assert not list(tmp_path.rglob("*evil*"))


def test_fault_34_monthly_daily_and_rest_disagree(world):
    day = FIRST + 50 * DAY  # 2024-12-21

    def change(place, rows):
        if place == "monthly":
            rows = [row for row in rows if not day + 40 * 900_000 <= row[0] < day + 60 * 900_000]
        if place == "daily":
            rows = [row for row in rows if not day + 50 * 900_000 <= row[0] < day + 60 * 900_000]
        for row in rows:
            if row[0] == day:
                row[5] = {"monthly": "3.0", "daily": "4.0"}[place]
            if row[0] == day + 49 * 900_000 and place == "daily":
                row[5] = "9.0"
        return rows

    world.change = change
    frame, archive = world.fetch()
    assert opens_of(frame) == world.exchange.opens[:-1]
    volume = dict(zip(opens_of(frame), frame["volume"], strict=True))
    assert (volume[day], volume[day + 49 * 900_000]) == (4.0, 2.0), "REST before daily before monthly"
    told = {(d.dropped, d.kept) for d in archive.disagreements}
    assert told == {(("monthly", 3.0), ("daily", 4.0)), (("daily", 9.0), ("rest", 2.0))}
