"""The stored klines of one symbol and interval: a file a month, and a manifest of what has been asked for."""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mlsignal.candles import Interval, utc
from mlsignal.errors import DataError, OutputError
from mlsignal.store.atomic import locked, make_folder, remove_temporaries, replace_file
from mlsignal.store.spans import Span, add_span, remove_span

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_MANIFEST = "manifest.json"
_MONTH_FILE = re.compile(r"^\d{4}-\d{2}\.parquet$")
_MILLISECONDS = pl.col("open_time").dt.epoch("ms")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a series beside its rows."""

    covered: list[Span] = field(default_factory=list)
    """Spans of open time (ms) in which every closed candle that the source had is stored."""


class BrokenFileError(DataError):
    """A month's file cannot be read; `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be read ({reason})")
        self.path = path


class Series:
    """One folder of the store: `YYYY-MM.parquet` files and `manifest.json`."""

    def __init__(self, folder: Path, symbol: str, interval: Interval) -> None:
        self.folder = folder
        self.symbol = symbol
        self.interval = interval

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the series' lock; readers need none."""
        make_folder(self.folder)
        with locked(self.folder / ".lock"):
            remove_temporaries(self.folder)
            yield

    # -- manifest -----------------------------------------------------------------------------------------------

    def manifest(self) -> Manifest:
        """Read the manifest; one that is absent or broken counts as empty: the rows are then fetched again.

        Raises
        ------
        DataError
            If a newer version of the package wrote it.
        """
        path = self.folder / _MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = int(content["schema_version"])
            covered = [(int(first), int(last)) for first, last in content["covered"]]
        except (FileNotFoundError, NotADirectoryError):
            return Manifest()
        except (ValueError, KeyError, TypeError):
            logger.warning("%s: not a manifest; its candles are fetched again", path)
            return Manifest()
        except OSError as error:
            raise OutputError(f"{path}: cannot be read ({error.strerror}); give another folder with --store") from None
        if version > SCHEMA_VERSION:
            raise DataError(
                f"{path}: schema version {version}, this package knows up to {SCHEMA_VERSION}; "
                "upgrade it, or give another folder with --store"
            )
        return Manifest(covered)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest; call with the lock held, after the rows are written."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "symbol": self.symbol,
            "interval": self.interval.value,
            "covered": manifest.covered,
        }
        text = json.dumps(content, indent=1) + "\n"
        replace_file(self.folder / _MANIFEST, lambda path: _write_text(path, text))

    # -- rows ---------------------------------------------------------------------------------------------------

    def read(self, span: Span) -> pl.DataFrame | None:
        """Return the rows whose open time lies in the span, ascending; None where nothing is stored.

        Raises
        ------
        BrokenFileError
            If a month's file is damaged.
        """
        frames = []
        for path in self._months(span):
            try:
                frames.append(_read_file(path).filter(_MILLISECONDS.is_between(*span)))
            except FileNotFoundError:
                continue  # put aside by a writer just now
        return pl.concat(frames, how="diagonal") if frames else None

    def write(self, frame: pl.DataFrame) -> tuple[int, int]:
        """Merge rows in, month by month; a row that is there already is replaced where it differs.

        Returns
        -------
        (int, int)
            Rows that are new, and rows that differed from what was stored (revisions, which are logged).
        """
        added = revised = 0
        month = pl.col("open_time").dt.strftime("%Y-%m").alias("month")
        for (name,), rows in frame.group_by(month, maintain_order=True):
            path = self.folder / f"{name}.parquet"
            stored = self._stored_month(path)
            if stored is not None:
                revised += self._revisions(stored, rows)
            merged = rows if stored is None else pl.concat([stored, rows], how="diagonal")
            merged = merged.unique("open_time", keep="last", maintain_order=True).sort("open_time")
            added += merged.height - (0 if stored is None else stored.height)
            if stored is None or not merged.equals(stored):
                replace_file(path, merged.write_parquet)
        return added, revised

    def quarantine(self, path: Path) -> None:
        """Put a damaged file aside, and forget that its month was fetched; call with the lock held."""
        try:
            _read_file(path)
        except FileNotFoundError:
            return  # another writer was first
        except BrokenFileError:
            pass
        else:
            return
        logger.warning("%s: damaged; put aside as %s.damaged, its candles are fetched again", path, path.name)
        self.write_manifest(Manifest(remove_span(self.manifest().covered, _span_of_month(path.stem))))
        path.replace(path.with_name(path.name + ".damaged"))

    def _months(self, span: Span) -> list[Path]:
        if not self.folder.is_dir():
            return []
        paths = sorted(path for path in self.folder.iterdir() if _MONTH_FILE.match(path.name))
        return [path for path in paths if _overlap(_span_of_month(path.stem), span)]

    def _stored_month(self, path: Path) -> pl.DataFrame | None:
        if not path.exists():
            return None
        return _read_file(path)

    def _revisions(self, stored: pl.DataFrame, rows: pl.DataFrame) -> int:
        columns = [name for name in stored.columns if name in rows.columns]
        both = rows.select(columns).join(stored.select("open_time"), on="open_time", how="semi")
        changed = both.join(stored.select(columns), on=columns, how="anti", nulls_equal=True)
        for time in changed["open_time"].dt.epoch("ms").head(3):
            logger.warning(
                "%s %s: the source has revised its candle of %s", self.symbol, self.interval.value, utc(time)
            )
        return changed.height


def covering(manifest: Manifest, span: Span) -> Manifest:
    """Return the manifest with one more span covered."""
    return Manifest(add_span(manifest.covered, span))


def _span_of_month(name: str) -> Span:
    first = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    start = int(first.timestamp() * 1000)
    return start, Interval.MONTH1.next(start) - 1


def _overlap(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _read_file(path: Path) -> pl.DataFrame:
    """Return the rows of a month, from one reading of the file: it may be replaced at any moment."""
    content = io.BytesIO(path.read_bytes())
    try:
        return pl.read_parquet(content)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BrokenFileError(path, (str(error).splitlines() or ["empty"])[0][:200]) from None


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
