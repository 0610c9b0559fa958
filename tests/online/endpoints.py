"""Where an exchange is asked, and what every card asks it with."""

import hashlib
import io
import json
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import httpx2
from websockets.sync.client import connect

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
SYMBOL = "BTCUSDT"
_PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Endpoints:
    """Base URLs of one exchange: REST (http), streams (ws) and archive (http)."""

    rest: str
    stream: str
    archive: str

    def get(self, endpoint, status=200, **query):
        response = _get(f"{self.rest}/api/v3/{endpoint}", query)
        assert response.status_code == status, response.text[:200]
        return response

    def json(self, endpoint, **query):
        return self.get(endpoint, **query).json()

    def klines(self, interval="1m", **query):
        return self.json("klines", symbol=SYMBOL, interval=interval, **query)

    def opens(self, interval="1m", **query):
        return [row[0] for row in self.klines(interval, **query)]

    def now_ms(self):
        return self.json("time")["serverTime"]

    def today(self):
        return datetime.fromtimestamp(self.now_ms() / 1000, tz=UTC).date()

    def past_day(self):
        """The newest day whose archive file must be there by now."""
        return self.today() - timedelta(days=3)

    def file(self, period, when, interval="1h", ending="", symbol=SYMBOL):
        name = f"{symbol}-{interval}-{when}.zip{ending}"
        return _get(f"{self.archive}/data/spot/{period}/klines/{symbol}/{interval}/{name}", {})

    def member(self, period, when, interval="1h"):
        """Name and rows of the one file in a zip, its checksum verified."""
        response = self.file(period, when, interval)
        assert response.status_code == 200, f"{period} {interval} {when}: {response.status_code}"
        expected = self.file(period, when, interval, ".CHECKSUM").text.split()[0]
        assert hashlib.sha256(response.content).hexdigest() == expected
        with zipfile.ZipFile(io.BytesIO(response.content)) as opened:
            (name,) = opened.namelist()
            return name, [line.split(",") for line in opened.read(name).decode("ascii").splitlines()]

    @contextmanager
    def streaming(self, path):
        """Connect, and give what returns the next message that is as wanted, and what sends one."""
        with connect(f"{self.stream}{path}", open_timeout=_PATIENCE_SECONDS, close_timeout=1) as wire:

            def receive(wanted=lambda message: True):
                while True:
                    message = json.loads(wire.recv(timeout=_PATIENCE_SECONDS))
                    if wanted(message):
                        return message

            yield receive, lambda message: wire.send(json.dumps(message))


def start_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _get(url, query):
    return httpx2.get(url, params=query, timeout=_PATIENCE_SECONDS)
