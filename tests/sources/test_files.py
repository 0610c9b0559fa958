import hashlib
import io
import zipfile

import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.config import load_settings
from mlsignal.errors import ConfigurationError, DataError
from mlsignal.sources import BinanceSource, FileSource, files, open_source, opened_source, source_schemes
from mlsignal.sources.files import archive_member, verified_member

M1, H1 = Interval.M1, Interval.H1
T0 = 1_700_000_040_000
MINUTE = 60_000


def lines(n, start=T0):
    opens = [start + i * MINUTE for i in range(n)]
    return "".join(f"{t},1,2,1,{1 + t // MINUTE % 7 / 10},3,{t + 59_999},5,4,1,2,0\n" for t in opens)


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """The same 100 candles in every format."""
    (tmp_path / "A-1m.csv").write_text(lines(100))
    (tmp_path / "B-1m.zip").write_bytes(zipped(("B-1m.csv", lines(100))))
    FileSource(tmp_path).fetch("A", M1).write_parquet(tmp_path / "C-1m.parquet")
    for day in (1, 0):
        (tmp_path / f"D-1m-2023-11-1{day}.csv").write_text(lines(50, T0 + 50 * day * MINUTE))
    return tmp_path


@pytest.mark.parametrize("symbol", ["A", "B", "C", "D"])
@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, (0, 100)),
        ({"limit": 10}, (90, 100)),
        ({"limit": 70}, (30, 100)),
        ({"start_ms": T0 + 5 * MINUTE, "end_ms": T0 + 60 * MINUTE}, (5, 61)),
        ({"start_ms": T0 + 5 * MINUTE, "end_ms": T0 + 60 * MINUTE, "limit": 3}, (58, 61)),
        ({"start_ms": T0 + 500 * MINUTE}, (0, 0)),
    ],
)
def test_file_of_any_format_gives_the_rows_between_the_bounds(symbol, bounds, expected, folder):
    frame = FileSource(folder).fetch(symbol, M1, **bounds)
    whole = FileSource(folder).fetch("A", M1)
    assert frame.equals(whole[expected[0] : expected[1]])


def test_file_unsorted_keeps_its_order_and_gives_the_newest(folder):
    whole = FileSource(folder).fetch("A", M1)
    whole.sample(fraction=1, shuffle=True, seed=3).write_parquet(folder / "E-1m.parquet")
    frame = FileSource(folder).fetch("E", M1, limit=10)
    assert not frame["open_time"].is_sorted()
    assert frame.sort("open_time").equals(whole.tail(10))


def test_file_single_checks_symbol_and_interval_against_its_name(folder):
    source = FileSource(folder / "C-1m.parquet")
    assert source.fetch("C", M1).height == 100
    with pytest.raises(DataError, match="its name says C 1m, asked for were BTCUSDT 1m"):
        source.fetch("BTCUSDT", M1)
    (folder / "C-1m.parquet").rename(folder / "candles.parquet")
    assert FileSource(folder / "candles.parquet").fetch("BTCUSDT", M1).height == 100


def test_folder_months_stand_before_their_days(tmp_path):
    (tmp_path / "D-1m-2023-11.csv").write_text(lines(30))
    (tmp_path / "D-1m-2023-11-14.csv").write_text(lines(20))
    (tmp_path / "D-1m-2023-12-01.csv").write_text(lines(5, T0 + 60 * MINUTE))
    assert FileSource(tmp_path).fetch("D", M1).height == 35
    assert FileSource(tmp_path).available() == [("D", "1m")]


def test_folder_month_is_written_1mo_in_the_archive(tmp_path):
    (tmp_path / "D-1mo-2023-11.csv").write_text(lines(1, 1_698_796_800_000))
    assert FileSource(tmp_path).fetch("D", Interval.MONTH1).height == 1


@pytest.mark.parametrize(
    ("path", "symbol", "message"),
    [
        ("", "BB", r"no candles of BB-1m there. Did you mean 'B-1m'"),
        ("", "ZZZZZZ", r"Known: A-1m, B-1m, C-1m, D-1m"),
        ("A-1m.cvs", "A", r"no such file or folder. Did you mean 'A-1m.csv'"),
        ("no/such/file.csv", "A", "no such file"),
    ],
)
def test_missing_file_or_symbol_lists_what_is_there(path, symbol, message, folder):
    with pytest.raises(DataError, match=message):
        FileSource(folder / path).fetch(symbol, M1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "empty"),
        ("x.csv", b"open_time,open,high,low,close,volume\n", "no candles"),
        ("x.csv", b"\x00\x01\x02", "expected"),
        ("x.parquet", b"", "cannot be read"),
        ("x.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("x.zip", b"", "not a whole zip"),
        ("x.zip", zipped(("x.csv", lines(100)))[:-40], "not a whole zip"),
        ("x.zip", zipped(), "found 0 members"),
        ("x.zip", zipped(("a.csv", "1"), ("b.csv", "1")), "found 2 members"),
        ("x.zip", zipped(("../x.csv", lines(1))), "flat CSV"),
        ("x.zip", zipped(("a/x.csv", lines(1))), "flat CSV"),
        ("x.zip", zipped(("x.csv", b"0" * 5_000_000)), "refused beyond"),
        ("x.txt", b"1", "expected, found .txt"),
    ],
)
def test_file_broken_is_one_line_that_names_it(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        FileSource(path).fetch("X", M1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", ["zlib", "isal.isal_zlib"])
def test_archive_member_is_the_same_whichever_library_inflates_it(library, monkeypatch):
    monkeypatch.setattr(files, "fast_zlib", pytest.importorskip(library, reason="no wheel for this platform"))
    whole = zipped(("x.csv", lines(5_000)))
    assert archive_member(whole) == lines(5_000).encode()
    for position in range(40, len(whole) - 120, len(whole) // 50):
        broken = whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
        with pytest.raises(DataError, match=r"not a whole zip|not whole"):
            archive_member(broken)


def test_verified_member_of_another_checksum_is_refused_for_its_checksum_first():
    whole = zipped(("x.csv", lines(100)))
    checksum = hashlib.sha256(whole).hexdigest()
    assert verified_member(whole, checksum) == lines(100).encode()
    for other in (whole[:-30], whole[:50] + b"?" + whole[51:], whole + b"?"):
        with pytest.raises(DataError, match="SHA-256 is not the CHECKSUM's"):
            verified_member(other, checksum)
    broken = whole[:-30]
    with pytest.raises(DataError, match="not a whole zip"):
        verified_member(broken, hashlib.sha256(broken).hexdigest())


def test_parquet_truncated_is_refused_at_any_length(folder):
    content = (folder / "C-1m.parquet").read_bytes()
    for length in range(0, len(content) - 1, 97):
        (folder / "C-1m.parquet").write_bytes(content[:length])
        with pytest.raises(DataError, match=r"C-1m.parquet"):
            FileSource(folder).fetch("C", M1, limit=5)


def test_folder_of_futures_has_ohlcv_only(shared):
    frame = FileSource(shared / "data/um_futures_ohlcv").fetch("XRPUSDT", H1)
    assert frame.columns == ["open_time", "open", "high", "low", "close", "volume"]
    assert frame.height == 8760


def test_folder_of_real_archives_is_read_in_order_of_time(shared):
    frame = FileSource(shared / "data/raw/spot_daily_zip").fetch("BTCUSDT", M1)
    assert frame.height == 14 * 1440 - 80
    assert frame["open_time"].is_sorted()
    stored = FileSource(shared / "data/spot").fetch("BTCUSDT", M1)
    same = stored.join(frame.select("open_time"), on="open_time", how="semi")
    assert same.equals(frame.drop("close_time"))


def test_folder_milliseconds_and_microseconds_make_one_series(shared):
    frame = FileSource(shared / "data/raw/spot_monthly_csv").fetch("BTCUSDT", H1)
    steps = frame["open_time"].diff().drop_nulls().unique()
    assert frame.height == 1488
    assert steps.dt.total_milliseconds().to_list() == [H1.milliseconds]
    assert (frame["close_time"] - frame["open_time"]).dt.total_milliseconds().unique().to_list() == [3_599_999]


def test_source_named_is_opened(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings({"store": tmp_path / "store", "binance_base_url": "http://127.0.0.1:9"})
    assert isinstance(open_source(str(folder), settings), FileSource)
    assert isinstance(open_source("A-1m.csv", settings), FileSource)
    with opened_source("binance", settings) as source:
        assert isinstance(source, BinanceSource)
        assert source.origin == "127.0.0.1-9"
    assert "binance" in source_schemes()


@pytest.mark.parametrize("text", ["binanse", "binance:x"])
def test_source_unknown_is_refused_with_a_hint(text, tmp_path):
    with pytest.raises(ConfigurationError, match="binance"):
        open_source(text, load_settings({"store": tmp_path}))


def test_parquet_flipped_bytes_are_refused_or_read_without_a_panic(folder):
    content = (folder / "C-1m.parquet").read_bytes()
    for position in range(0, len(content), 211):
        broken = bytearray(content)
        broken[position] ^= 0xFF
        (folder / "C-1m.parquet").write_bytes(broken)
        try:
            frame = FileSource(folder).fetch("C", M1, limit=5)
        except DataError:
            continue
        assert isinstance(frame, pl.DataFrame)
