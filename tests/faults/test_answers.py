"""Rows 1 to 12 of the fault matrix: answers that come late, broken or not at all."""

import json

import httpx2
import pytest

from mlsignal.errors import DataError, ExchangeError, RateLimitError, UnreachableError
from tests.faults.rig import M1, MINUTE, Rig, kline, served


def fault(status, text="", **headers):
    return lambda request: httpx2.Response(status, text=text, headers=headers)


def test_fault_01_429_with_retry_after(rig):
    rig.exchange.faults = [None, fault(429, **{"Retry-After": "7"})]
    rig.fetch()
    rig.assert_golden()
    gaps = [after - before for before, after in zip(rig.exchange.times, rig.exchange.times[1:], strict=False)]
    assert max(gaps) >= 7_000
    assert sum(gap > 0 for gap in gaps) == 1, "no request while it waits"


def test_fault_02_429_without_header(rig):
    rig.exchange.faults = [fault(429)]
    minute = rig.exchange.now // MINUTE
    rig.fetch()
    rig.assert_golden()
    assert rig.exchange.now // MINUTE == minute + 1
    assert rig.exchange.now % MINUTE > 0, "jitter"


def test_fault_03_418_bans_across_a_restart(rig):
    options = {"ban_file": rig.folder / "ban.json"}
    rig.exchange.faults = [fault(418, **{"Retry-After": "120"})]
    with pytest.raises(RateLimitError, match="banned") as caught:
        rig.fetch(source_options=options)
    sent = len(rig.exchange.requests)
    for seconds in (0, 60, 119):
        with pytest.raises(RateLimitError):
            rig.fetch(source_options=options)
        rig.exchange.time.now += (60 if seconds < 60 else 59) * 1000
    assert len(rig.exchange.requests) == sent, "0 requests until the ban ends"
    rig.exchange.time.now += 2_000
    rig.fetch(source_options=options)
    rig.assert_golden()
    assert caught.value.exit_code == 4


def test_fault_04_used_weight_throttles(rig):
    """An exchange that counts, and has counted 5500 before we came."""
    refusals, state = [], {"minute": rig.exchange.now // MINUTE, "used": 5_500}
    plain = rig.exchange.answer

    def counting(request):
        minute = rig.exchange.now // MINUTE
        if minute != state["minute"]:
            state.update(minute=minute, used=0)
        state["used"] += 100  # as if others were busy too
        rig.exchange.used = state["used"]
        if state["used"] > 6_000:
            refusals.append(request)
            return httpx2.Response(429)
        return plain(request)

    rig.exchange.transport = httpx2.MockTransport(counting)
    rig.fetch()
    rig.assert_golden()
    assert refusals == []


def test_fault_05_503_three_times(rig):
    rig.exchange.faults = [fault(503)] * 3
    rig.fetch(start_ms=rig.exchange.opens[0], end_ms=rig.exchange.opens[900])
    assert rig.exchange.paths().count("klines") == 4
    assert len(rig.exchange.time.slept) == 3
    rig.fetch()
    rig.assert_golden()


def test_fault_06_503_for_ever(rig):
    rig.exchange.faults = [None, None]
    rig.exchange.always = fault(503)
    with pytest.raises(UnreachableError, match="no usable answer") as caught:
        rig.fetch()
    assert caught.value.exit_code == 4
    assert rig.exchange.paths().count("klines") == 2 + 5, "bounded"
    assert rig.held().height == 2_000, "what came is kept"
    rig.exchange.always = None
    rig.fetch()
    rig.assert_golden()


@pytest.mark.parametrize("status", [403, 451])
def test_fault_07_refused_address(status, tmp_path, refused):
    rig = Rig(tmp_path)
    rig.exchange.always = fault(status, "<html>no</html>")
    with served(rig.exchange.answer) as url:
        code, line = refused("candles", "fetch", "BTCUSDT", "--binance-base-url", url, "--store", tmp_path / "store")
    assert code == 4
    assert str(status) in line
    assert "data-api.binance.vision" in line, "a hint that helps"
    assert rig.exchange.paths().count("klines") <= 2


class Cut(httpx2.SyncByteStream):
    def __iter__(self):
        yield b'[[1700000040000,"1","2"'
        raise httpx2.ReadError("connection reset by peer")


def test_fault_08_reset_in_mid_body(rig):
    rig.exchange.faults = [None, lambda _: httpx2.Response(200, stream=Cut())]
    rig.fetch()
    rig.assert_golden()


class Drip(httpx2.SyncByteStream):
    def __init__(self, time):
        self.time = time

    def __iter__(self):
        for _ in range(10_000):
            self.time.sleep(1)
            yield b"["


def test_fault_09_one_byte_a_second(rig):
    rig.exchange.always = lambda _: httpx2.Response(200, stream=Drip(rig.exchange.time))
    begun = rig.exchange.now
    with pytest.raises(UnreachableError):
        rig.fetch()
    assert rig.exchange.now - begun <= 30_000


@pytest.mark.parametrize("text", ['[[1,"2"', "", "[[1]", '{"a":', "[" * 100_000])
def test_fault_10_truncated_or_invalid_json(text, rig):
    rig.exchange.faults = [None, fault(200, text)]
    rig.fetch(end_ms=rig.exchange.opens[1_500])
    before = rig.content()
    rig.exchange.always = fault(200, text)
    with pytest.raises((UnreachableError, DataError)) as caught:
        rig.fetch()
    assert caught.value.exit_code in (3, 4)
    assert rig.content() == before
    rig.exchange.always = None
    rig.fetch()
    rig.assert_golden()


@pytest.mark.parametrize("status", [200, 502])
def test_fault_11_html(status, rig):
    page = "<!DOCTYPE html><html>" + "maintenance " * 500
    rig.exchange.faults = [fault(status, page), None, fault(status, page)]
    rig.fetch()
    rig.assert_golden()
    rig.exchange.always = fault(status, page)
    with pytest.raises(ExchangeError) as caught:
        rig.fetch(start_ms=rig.exchange.opens[0] - 500 * MINUTE)
    assert str(caught.value).count("maintenance") * len("maintenance ") <= 200


@pytest.mark.parametrize("columns", [11, 13])
def test_fault_12_other_width(columns, rig):
    rig.fetch(end_ms=rig.exchange.opens[1_500])
    before = rig.content()
    rows = [([*kline(t, M1), "0"])[:columns] for t in rig.exchange.opens[1_500:1_600]]
    rig.exchange.always = fault(200, json.dumps(rows))
    with pytest.raises(DataError, match=f"found {columns}") as caught:
        rig.fetch()
    assert caught.value.exit_code == 3
    assert rig.content() == before, "nothing stored"
