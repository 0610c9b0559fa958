"""An exchange with a fault, our source, store and cleaning on it, and what the store should hold."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import polars as pl

from mlsignal.candles import Candles, Interval
from mlsignal.cleaning import CleaningReport, clean
from mlsignal.sources import BinanceSource
from mlsignal.store import Store, StoreReport
from tests.sources.exchange import START, Exchange, kline

__all__ = ["M1", "MINUTE", "START", "Exchange", "Fetched", "Rig", "kline", "opens_of", "served"]
M1 = Interval.M1
MINUTE = 60_000
ORIGIN = "exchange.test"


@dataclass
class Fetched:
    frame: pl.DataFrame
    stored: StoreReport
    candles: Candles
    cleaning: CleaningReport


class Rig:
    """One exchange and one store."""

    def __init__(self, folder, n=2_500, **options):
        self.folder = folder
        self.exchange = TimedExchange(n, **options)
        self.store = Store(folder / "store")

    def source(self, **options):
        return BinanceSource(
            f"http://{ORIGIN}",
            transport=self.exchange.transport,
            clock=self.exchange.time.clock,
            **{"seed": 1, "connections": 1, **options},
        )

    def fetch(self, *, source_options=None, **bounds):
        """Load through the store and clean, as a job does."""
        bounds = bounds or {"start_ms": self.exchange.opens[0]}
        self.asked_ms = self.exchange.now
        with self.source(**(source_options or {})) as source:
            frame, stored = self.store.load(
                "BTCUSDT", M1, source, max_age_minutes=0, now_ms=self.exchange.now, **bounds
            )
        return Fetched(frame, stored, *clean(frame, "BTCUSDT", M1))

    def content(self):
        """Every file of the store but the lock, with its bytes."""
        files = [path for path in (self.folder / "store").rglob("*") if path.is_file() and path.name != ".lock"]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def held(self):
        return self.store.read("BTCUSDT", M1, origin=ORIGIN)

    def golden(self):
        """What a store holds that has met no fault: every closed candle, as the exchange has it."""
        rows = [kline(t, M1) for t in self.exchange.opens if t + MINUTE <= self.asked_ms]
        return [(row[0], *(float(row[i]) for i in (1, 2, 3, 4, 5)), row[6]) for row in rows]

    def assert_golden(self):
        """G: the store equals the golden store."""
        held = self.held().with_columns(pl.col("open_time", "close_time").dt.epoch("ms"))
        columns = ("open_time", "open", "high", "low", "close", "volume", "close_time")
        assert held.select(columns).rows() == self.golden()
        assert not list(self.folder.rglob("*.tmp"))


class TimedExchange(Exchange):
    """Notes when each request came."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.times = []

    def answer(self, request):
        self.times.append(self.now)
        return super().answer(request)


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


@contextmanager
def served(answer):
    """Serve `answer(httpx2.Request) -> httpx2.Response` on the loopback; give the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            response = answer(httpx2.Request("GET", f"http://127.0.0.1{self.path}"))
            body = response.read()
            self.send_response(response.status_code)
            for name in ("x-mbx-used-weight-1m", "retry-after"):
                if name in response.headers:
                    self.send_header(name, response.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
