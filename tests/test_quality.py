import json

import numpy as np
import polars as pl
import pytest

from mlsignal.quality import assess_quality
from mlsignal.sources import FileSource
from tests.strategies import constant, make_candles, spiked, with_values


@pytest.fixture(scope="module")
def bitcoin(shared):
    return assess_quality(pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet"), "BTCUSDT", "1m")


def test_quality_bitcoin_has_the_known_outage_and_its_silence_before(bitcoin):
    (named,) = bitcoin.gaps
    assert (f"{named.gap.first_missing:%Y-%m-%d %H:%M}", named.gap.missing) == ("2023-03-24 12:40", 80)
    assert named.cause == "exchange outage of 2023-03-24"
    (run,) = [run for run in bitcoin.zero_volume_runs if run.last.date() == named.gap.first_missing.date()]
    assert (f"{run.last:%H:%M}", run.candles) == ("12:39", 72)
    assert bitcoin.tie_share == pytest.approx(0.034, abs=0.002)
    assert bitcoin.cleaning.rejected.is_empty()


def test_quality_arbitrum_has_its_listing_spike_and_its_truncated_day(shared):
    report = assess_quality(pl.read_parquet(shared / "data/spot/ARBUSDT-1m.parquet"), "ARBUSDT", "1m")
    assert f"{report.start:%Y-%m-%d %H:%M}" == "2023-03-23 15:00"
    causes = {f"{named.gap.first_missing:%Y-%m-%d %H:%M}": (named.gap.missing, named.cause) for named in report.gaps}
    assert causes["2023-03-24 12:40"] == (80, "exchange outage of 2023-03-24")
    assert causes["2023-07-27 03:50"] == (1210, "the rest of the day is absent: a truncated file")
    first = report.spikes[0]
    assert first.open_time == report.start
    assert first.size > 1
    assert any("1210 candles absent" in line for line in report.lines())


def test_quality_of_the_outage_day_finds_the_irregular_close(shared):
    frame = FileSource(shared / "data/raw/spot_daily_zip/BTCUSDT-1m-2023-03-24.zip").fetch("BTCUSDT", "1m")
    report = assess_quality(frame, "BTCUSDT", "1m")
    assert [f"{time:%H:%M}" for time in report.irregular_close_times] == ["12:39"]
    assert report.cleaning.irregular_close_times == 1


def causes(frame, interval="1m", covered=None):
    return [named.cause for named in assess_quality(frame, "BTCUSDT", interval, covered).gaps]


def test_quality_names_only_causes_that_explain_the_whole_gap(shared):
    minutes = pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet")
    spring = pl.col("open_time").dt.strftime("%Y-%m").is_in(["2023-03", "2023-04"])
    (cause,) = causes(minutes.filter(~spring))
    assert cause == "unknown; the exchange outage of 2023-03-24 is a part of it"
    day = pl.col("open_time").dt.strftime("%Y-%m-%d") == "2023-06-10"
    june = minutes.filter(pl.col("open_time").dt.strftime("%Y-%m") == "2023-06")
    assert causes(june.filter(~day)) == ["unknown"]
    rest = day & (pl.col("open_time").dt.hour() >= 4)
    assert causes(june.filter(~rest)) == ["the rest of the day is absent: a truncated file"]
    days = pl.read_parquet(shared / "data/spot/ETHUSDT-1d.parquet")
    assert causes(days.filter(pl.int_range(pl.len()) != 100), "1d") == ["unknown"]


def test_quality_tells_what_was_never_asked_for():
    frame = make_candles(500).to_polars()
    opens = frame["open_time"].dt.epoch("ms").to_list()
    holed = frame.filter(~pl.int_range(pl.len()).is_between(100, 199))
    asked = [(opens[0], opens[99]), (opens[200], opens[-1])]
    assert causes(holed, covered=asked) == ["never fetched"]
    assert causes(holed, covered=[(opens[0], opens[-1])]) == ["unknown"]


def test_quality_report_is_json_and_short_text(bitcoin):
    text = json.dumps(bitcoin.to_dict(), allow_nan=False)
    assert "exchange outage of 2023-03-24" in text
    lines = bitcoin.lines()
    assert lines[0].startswith("BTCUSDT 1m: 745840 of 745840 rows kept")
    assert len(lines) < 40
    assert all("\n" not in line for line in lines)


def test_quality_planted_defects_are_found():
    plain = make_candles(3_000, seed=3)
    clean_report = assess_quality(plain.to_polars(), "X", "1m")
    assert (clean_report.gaps, clean_report.zero_volume_runs, clean_report.stale_runs) == ((), (), ())
    spike = assess_quality(spiked(plain, 700).to_polars(), "X", "1m").spikes
    assert [s.open_time for s in spike][:1] == [plain.to_polars()["open_time"][700]]
    halted = constant(plain, slice(100, 160))
    (silent,) = assess_quality(halted.to_polars(), "X", "1m").zero_volume_runs
    assert silent.candles == 60
    stale = with_values(halted, volume=np.ones(3_000), taker_buy_base=np.zeros(3_000))
    (run,) = assess_quality(stale.to_polars(), "X", "1m").stale_runs
    assert run.candles >= 59
    twice = pl.concat([plain.to_polars(), plain.to_polars()[5:6].with_columns(pl.col("volume") + 1)])
    assert assess_quality(twice, "X", "1m").cleaning.conflicting_duplicates == 1


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_quality_of_hardly_any_candles_is_a_report(rows):
    report = assess_quality(make_candles(5).to_polars().head(rows), "X", "1m")
    assert report.cleaning.kept == rows
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.lines()
