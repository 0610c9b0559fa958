"""A small exchange behind httpx2.MockTransport, and a clock that waits for nobody."""

import json
import threading

import httpx2

from mlsignal.candles import Interval
from mlsignal.sources.clock import Clock

MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE


class FakeTime:
    """A clock that jumps when it is asked to sleep; every sleep is noted."""

    def __init__(self, now_ms):
        self.now = now_ms
        self.slept = []
        self.lock = threading.Lock()
        self.clock = Clock(lambda: int(self.now), lambda: self.now / 1000, self.sleep)

    def sleep(self, seconds):
        with self.lock:
            self.slept.append(seconds)
            self.now += seconds * 1000


class Exchange:
    """Klines by the exchange's window rules, the open candle included; `faults` are answers given first."""

    def __init__(self, n=2500, absent=(), interval="1m", start=START, skew_ms=0):
        self.interval = Interval.parse(interval)
        self.opens = [self.interval.next(start, i) for i in range(n) if i not in absent]
        newest = self.opens[-1] + self.interval.milliseconds // 2
        self.time = FakeTime(newest - skew_ms)
        self.skew_ms = skew_ms
        self.status = "TRADING"
        self.faults = []
        self.always = None
        self.requests = []
        self.used = 10
        self.serve_open = True
        self.lock = threading.Lock()
        self.transport = httpx2.MockTransport(self.answer)

    @property
    def now(self):
        return int(self.time.now) + self.skew_ms

    def paths(self):
        return [request.url.path.rsplit("/", 1)[1] for request in self.requests]

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
            if request.url.path.endswith("klines") and (self.faults or self.always):
                fault = self.faults.pop(0) if self.faults else self.always
                if fault is not None:
                    return fault(request) if callable(fault) else fault
            kind = request.url.path.rsplit("/", 1)[1]
            body = getattr(self, f"_{kind}")(dict(request.url.params))
            status = 400 if isinstance(body, dict) and "code" in body else 200
            headers = {"X-MBX-USED-WEIGHT-1M": str(self.used)}
            content = json.dumps(body, separators=(",", ":")).encode()
            return httpx2.Response(status, content=content, headers=headers)

    def _time(self, parameters):
        return {"serverTime": self.now}

    def _exchangeInfo(self, parameters):  # noqa: N802 - the exchange's name
        if parameters.get("symbol", "BTCUSDT") != "BTCUSDT":
            return {"code": -1121, "msg": "Invalid symbol."}
        names = ["BTCUSDT", "ETHUSDT"]
        return {"symbols": [{"symbol": name, "status": self.status} for name in names]}

    def _klines(self, parameters):
        if parameters["symbol"] != "BTCUSDT":
            return {"code": -1121, "msg": "Invalid symbol."}
        start, end = int(parameters.get("startTime", 0)), int(parameters.get("endTime", 2**62))
        limit = min(1000, int(parameters.get("limit", 500)))
        opens = [t for t in self.opens if start <= t <= min(end, self.now)]
        if not self.serve_open:
            opens = [t for t in opens if self.interval.next(t) <= self.now]
        opens = opens[:limit] if "startTime" in parameters else opens[-limit:]
        return [kline(t, self.interval) for t in opens]


def kline(t, interval):
    price = f"{100 + t // MINUTE % 50}.50000000"
    return [t, price, price, price, price, "2.00000000", interval.next(t) - 1, "201.0", 3, "1.0", "100.5", "0"]
