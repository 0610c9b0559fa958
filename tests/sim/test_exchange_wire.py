"""The simulated exchange on the wire: HTTP, its thread, its foreground command, and others' clients."""

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from websockets.sync.client import connect

from mlsignal.errors import ConfigurationError
from mlsignal.sim import Market, SimulatedExchange, VirtualClock, run_exchange

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(minutes=3000, seconds=30)


@pytest.fixture
def exchange(market: Market) -> SimulatedExchange:
    return SimulatedExchange(market, VirtualClock(NOW))


@pytest.fixture
def base_url(exchange: SimulatedExchange) -> Iterator[str]:
    with exchange.running() as url:
        yield url


@pytest.fixture
def connection(base_url: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=10)
    yield connection
    connection.close()


def _raw(base_url: str, data: bytes) -> bytes:
    host, port = base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(data)
        answer = b""
        while chunk := wire.recv(65_536):
            answer += chunk
    return answer


def test_connection_is_kept_alive(connection):
    ports = set()
    for path in ("/api/v3/ping", "/nowhere", "/api/v3/klines", "/api/v3/time"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.headers["Server"] == "mlsignal-synthetic"
        ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1


def test_head_has_no_body_and_posts_are_refused(connection):
    connection.request("HEAD", "/api/v3/time")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.request("POST", "/api/v3/time", body=b"x" * 1000)
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "GET")
    response.read()
    connection.request("GET", "/api/v3/ping")
    assert connection.getresponse().read() == b"{}"


def test_header_of_weight_reads_in_any_case(connection):
    connection.request("GET", "/api/v3/ping")
    response = connection.getresponse()
    response.read()
    assert response.headers["X-MBX-USED-WEIGHT-1M"] == response.headers["x-mbx-used-weight"] == "1"


def test_malformed_requests_are_refused(base_url):
    assert _raw(base_url, b"NOT HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")
    huge = b"POST /api/v3/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_100_000
    assert _raw(base_url, huge[:1_050_000]).startswith(b"HTTP/1.1 413")


def test_pipelined_requests_are_answered_in_turn(base_url):
    one = b"GET /api/v3/%s HTTP/1.1\r\nHost: x\r\n"
    answer = _raw(base_url, one % b"ping" + b"\r\n" + one % b"time" + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"{}") < answer.index(b"serverTime")


def test_running_closes_with_connections_open(exchange):
    with exchange.running() as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        connection.request("GET", "/api/v3/ping")
        connection.getresponse().read()
    connection.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-exchange"]
    with exchange.running() as url:  # and again
        assert url.startswith("http://127.0.0.1:")


def test_running_on_a_taken_port_is_refused(market, base_url):
    port = int(base_url.rsplit(":", 1)[1])
    with (
        pytest.raises(ConfigurationError, match=f"port: {port} is taken"),
        SimulatedExchange(market, VirtualClock(NOW), port=port).running(),
    ):
        pass
    with pytest.raises(ConfigurationError, match="0 to 65535"):
        SimulatedExchange(market, VirtualClock(NOW), port=70_000)


def test_running_says_synthetic(exchange, caplog):
    with caplog.at_level(logging.INFO, logger="mlsignal.sim"), exchange.running():
        pass
    assert "SYNTHETIC" in caplog.text


def test_answer_that_fails_is_500_and_the_exchange_goes_on(exchange, connection, monkeypatch):
    monkeypatch.setattr(exchange, "clock", None)
    connection.request("GET", "/api/v3/ping")
    response = connection.getresponse()
    assert response.status == 500
    assert json.loads(response.read())["code"] == -1000
    monkeypatch.undo()
    connection.request("GET", "/api/v3/ping")
    assert connection.getresponse().read() == b"{}"


_FOREGROUND = """
from mlsignal.sim import run_exchange
run_exchange(0, 7, history=600, on_ready=lambda url, start: print(url, start.isoformat(), flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_exchange_serves_in_real_time_until_it_is_told_to_end(number):
    command = [sys.executable, "-W", "error", "-c", _FOREGROUND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as program:
        assert program.stdout is not None
        try:
            url, started = program.stdout.readline().split()
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
            connection.request("GET", "/api/v3/klines?symbol=ETHUSDT&interval=1m&startTime=0&limit=500")
            rows = json.loads(connection.getresponse().read())
            connection.request("GET", "/api/v3/time")
            server_ms = json.loads(connection.getresponse().read())["serverTime"]
            program.send_signal(number)
            assert program.wait(10) == 0
            connection.close()
        finally:
            program.kill()
    assert abs(server_ms / 1000 - time.time()) < 60
    start = datetime.fromisoformat(started)
    assert (start.hour, start.minute) == (0, 0)
    assert server_ms - rows[0][0] >= 600 * 60_000
    rebuilt = Market(7, start=start).candles("ETHUSDT", "1m", 500)
    assert [float(row[4]) for row in rows] == rebuilt.close.tolist()


_SCENARIO = """
from mlsignal.sim import run_exchange
tell = lambda *told: print(*told, flush=True)
run_exchange(0, 7, scenario="delisting", history=600, control_port=0, control_token="0123456789abcdef",
             on_ready=tell, on_control=tell)
"""


def test_run_exchange_serves_scenario_streams_and_control_in_real_time():
    command = [sys.executable, "-W", "error", "-c", _SCENARIO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as program:
        assert program.stdout is not None
        try:
            control_url = program.stdout.readline().strip()
            url = program.stdout.readline().split()[0]
            with connect(f"{url.replace('http', 'ws')}/ws/btcusdt@kline_1s", ping_interval=None) as wire:
                event = json.loads(wire.recv(timeout=10))
            assert abs(event["E"] / 1000 - time.time()) < 5
            connection = http.client.HTTPConnection(control_url.removeprefix("http://"), timeout=10)
            connection.request("GET", "/state", headers={"X-Control-Token": "0123456789abcdef"})
            state = json.loads(connection.getresponse().read())
            connection.close()
            assert [one["kind"] for one in state["defects"]] == ["Delisting", "Delisting"]
            assert state["rate"] == 1
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0
        finally:
            program.kill()


def test_run_exchange_of_an_unknown_scenario_is_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'calm'"):
        run_exchange(0, 7, scenario="clam", history=10)
