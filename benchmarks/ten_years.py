"""Peak memory of fetching ten years of 1m candles over REST into a new store.

Usage: python benchmarks/ten_years.py [YEARS]

A small server on the loopback, a process of its own, answers as the exchange does: pages of 1,000 klines of
made-up prices. `mlsignal candles fetch` is measured as a whole process, by the operating system's count of its
resident memory. Time is not the point: the server takes most of it.
"""

import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from measuring import run_measured

MINUTE = 60_000
YEAR_MINUTES = 525_960
END = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1000
PAGE = 1_000


def kline(open_ms: int) -> str:
    """Return one kline as the exchange writes it."""
    price = f"{20_000 + open_ms // MINUTE % 9_973}.01000000"
    volume = f"{1 + open_ms // MINUTE % 97}.12345000"
    return (
        f'[{open_ms},"{price}","{price}","{price}","{price}","{volume}",{open_ms + MINUTE - 1},'
        f'"250000.12345678",{open_ms // MINUTE % 1_000},"0.50000000","125000.00000000","0"]'
    )


class Exchange(BaseHTTPRequestHandler):
    """The endpoints that a fetch asks for."""

    protocol_version = "HTTP/1.1"
    first_ms = 0

    def do_GET(self) -> None:
        """Answer time, exchangeInfo and klines."""
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/time"):
            body = json.dumps({"serverTime": END})
        elif parts.path.endswith("/exchangeInfo"):
            body = json.dumps({"symbols": [{"symbol": "BTCUSDT", "status": "TRADING"}]})
        else:
            body = self._klines(asked)
        content = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-MBX-USED-WEIGHT-1M", "1")
        self.end_headers()
        self.wfile.write(content)

    def _klines(self, asked: dict[str, str]) -> str:
        limit = min(PAGE, int(asked.get("limit", 500)))
        last = min(int(asked.get("endTime", END)), END) // MINUTE * MINUTE
        if "startTime" in asked:
            first = max(-(-int(asked["startTime"]) // MINUTE) * MINUTE, self.first_ms)
            last = min(last, first + (limit - 1) * MINUTE)
        else:
            first = max(self.first_ms, last - (limit - 1) * MINUTE)
        return f"[{','.join(kline(t) for t in range(first, last + 1, MINUTE))}]"

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def serve(years: float) -> None:
    """Serve until the process is ended; the first line of output is the port."""
    Exchange.first_ms = (END - int(years * YEAR_MINUTES) * MINUTE) // MINUTE * MINUTE
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def main(years: float = 10) -> None:
    """Fetch, and print what it took."""
    server = subprocess.Popen([sys.executable, __file__, "serve", str(years)], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline()) if server.stdout else 0
        since = datetime.fromtimestamp((END - int(years * YEAR_MINUTES) * MINUTE) / 1000, UTC)
        with tempfile.TemporaryDirectory() as store:
            fetch = ["candles", "fetch", "BTCUSDT", "--interval", "1m", "--since", f"{since:%Y-%m-%d}"]
            place = ["--store", store, "--binance-base-url", f"http://127.0.0.1:{port}"]
            measured = run_measured([sys.executable, "-m", "mlsignal", *fetch, *place])
            listed = run_measured([sys.executable, "-m", "mlsignal", "candles", "list", "--store", store])
    finally:
        server.kill()
        server.wait()
    candles = max((int(n.replace(",", "")) for n in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", listed.stdout)), default=0)
    print(f"{candles:,} candles of 1m in {measured.seconds:.0f} s, peak memory {measured.peak_mb:.0f} MB")
    print(json.dumps({"years": years, "candles": candles, "seconds": measured.seconds, "peak_mb": measured.peak_mb}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
    else:
        main(*map(float, sys.argv[1:2]))
