"""A small archive beside the small exchange: monthly and daily zips with CHECKSUM, behind httpx2.MockTransport."""

import calendar
import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime

import httpx2

_PATH = re.compile(r"^/data/spot/(monthly|daily)/klines/(\w+)/(\w+)/\2-\3-(\d{4}-\d{2})(-\d{2})?\.zip(\.CHECKSUM)?$")
MICROSECONDS_FROM = 1_735_689_600_000


class ArchiveHost:
    """Files of what `rows(first_ms, last_ms, place)` says; the sets and `content` are by file name."""

    def __init__(self, rows, now):
        self.rows = rows
        self.now = now
        self.missing = set()
        self.no_checksum = set()
        self.bad_checksum = set()
        self.content = {}
        self.requests = []
        self.transport = httpx2.MockTransport(self.answer)

    def names(self):
        return [path.rsplit("/", 1)[1] for path in self.requests]

    def answer(self, request):
        path = request.url.path
        self.requests.append(path)
        match = _PATH.match(path)
        name = path.rsplit("/", 1)[1].removesuffix(".CHECKSUM")
        if match is None or match[2] != "BTCUSDT" or name in self.missing:
            return httpx2.Response(404, text="<Error><Code>NoSuchKey</Code></Error>")
        first, last = period(match[4], match[5])
        if last >= self.now() or (path.endswith(".CHECKSUM") and name in self.no_checksum):
            return httpx2.Response(404, text="<Error><Code>NoSuchKey</Code></Error>")
        content = self.content.get(name) or zipped(name, self.rows(first, last, match[1]))
        if not path.endswith(".CHECKSUM"):
            return httpx2.Response(200, content=content)
        digest = hashlib.sha256(content if name not in self.bad_checksum else b"other").hexdigest()
        return httpx2.Response(200, text=f"{digest}  {name}")


def period(month, day):
    year, number = (int(part) for part in month.split("-"))
    begin = datetime(year, number, int(day[1:]) if day else 1, tzinfo=UTC)
    days = 1 if day else calendar.monthrange(year, number)[1]
    first = int(begin.timestamp() * 1000)
    return first, first + days * 86_400_000 - 1


def zipped(name, rows, member=None):
    lines = "".join(",".join(map(str, in_unit(row))) + "\n" for row in rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or name.replace(".zip", ".csv"), lines)
    return buffer.getvalue()


def in_unit(row):
    if row[0] < MICROSECONDS_FROM:
        return row
    return [row[0] * 1000, *row[1:6], row[6] * 1000 + 999, *row[7:]]
