"""The stored klines of one symbol and interval: month files that never change, and a manifest that names them.

The manifest is the one commit point. A writer first writes new month files, whose names hold their hashes, and then
replaces the manifest; it removes only files that neither the new manifest nor the one before it names. So a reader,
which takes no lock, reads the manifest once and then files that can only be whole or gone. One that is gone was
superseded twice meanwhile: the reader takes the new manifest and begins again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import OutputError
from mlsignal.store.arrivals import FILE as ARRIVALS
from mlsignal.store.arrivals import Arrival, append_arrival, forget_arrivals, joined, read_arrivals
from mlsignal.store.folder import Folder
from mlsignal.store.manifest import (
    SCHEMA_VERSION,
    BrokenManifestError,
    Manifest,
    OldManifestError,
)
from mlsignal.store.mending import migrated, put_aside, rebuilt
from mlsignal.store.merging import merge, settle
from mlsignal.store.months import FILE_NAME, BrokenFileError, Verified, read_month, write_month
from mlsignal.store.revisions import append_revisions
from mlsignal.store.spans import Span

logger = logging.getLogger(__name__)

__all__ = ["SCHEMA_VERSION", "BrokenFileError", "Manifest", "Merged", "Series"]
MANIFEST = "manifest.json"
_MILLISECONDS = pl.col("open_time").dt.epoch("ms")
_NAMED_REVISIONS = 3


@dataclass(frozen=True, slots=True)
class Merged:
    """What one commit did."""

    manifest: Manifest
    """As committed."""
    added: int = 0
    """Candles that were not stored before."""
    revisions: int = 0
    """Stored candles that the source has changed."""
    duplicates: int = 0
    """Rows that repeated another of the same answer."""
    conflicts: int = 0
    """Rows that contradicted another, and were not kept."""
    out_of_order: int = 0
    """Rows that came after a later one."""


class Series:
    """One folder of the store. Not for several threads: build one for each.

    Parameters
    ----------
    folder
        Where it lies.
    symbol, interval
        What it is of.
    verified
        Files whose hash was found right before; shared by the series of a store.
    """

    def __init__(self, folder: Folder, symbol: str, interval: Interval, verified: Verified | None = None) -> None:
        self.folder = folder
        self.symbol = symbol
        self.interval = interval
        self._verified: Verified = {} if verified is None else verified
        self._locked = False
        self._noted = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock, which may be held already; readers need none."""
        if self._locked:
            yield
            return
        with self.folder.writing():
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    # -- manifest -----------------------------------------------------------------------------------------------

    def manifest(self) -> Manifest:
        """Read the manifest; an old one is migrated, a broken one put aside and built again from the files.

        Raises
        ------
        DataError
            If a newer version of the package wrote it.
        OutputError
            If it cannot be read, or had to be mended and cannot be written.
        """
        try:
            return self._read_manifest()
        except (OldManifestError, BrokenManifestError):
            with self.writing():
                return self._mended()

    def _read_manifest(self) -> Manifest:
        place = self.folder.place(MANIFEST)
        try:
            text = self.folder.read(MANIFEST).decode("utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            if self._locked and any(FILE_NAME.match(name) for name in self.folder.names()):
                raise BrokenManifestError(f"{place}: it is not there, but month files are") from None
            return Manifest()
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{place}: cannot be read ({error.strerror}); give another folder with --store") from None
        return Manifest.from_text(text, place)

    def _mended(self) -> Manifest:
        try:
            return self._read_manifest()  # another writer was first
        except OldManifestError as error:
            manifest = migrated(self.folder, error.covered, self.interval)
        except BrokenManifestError as error:
            put_aside(self.folder, MANIFEST, str(error))
            manifest = rebuilt(self.folder, self.interval)
        self._commit(manifest, manifest)
        return manifest

    def _commit(self, manifest: Manifest, before: Manifest) -> None:
        self.folder.write(MANIFEST, manifest.to_text(self.symbol, self.interval).encode())
        named = {entry.name for one in (manifest, before) for entry in one.months.values()}
        for name in self.folder.names():
            if FILE_NAME.match(name) and name not in named:
                with suppress(OSError):  # a reader of another system may hold it: the next commit removes it
                    self.folder.remove(name)
                self._verified.pop(self.folder.place(name), None)

    # -- rows ---------------------------------------------------------------------------------------------------

    def read(self, manifest: Manifest, span: Span) -> pl.DataFrame | None:
        """Return the rows whose open time lies in the span, ascending; None where nothing is stored.

        Raises
        ------
        BrokenFileError
            If a month's file is damaged or lost.
        """
        frames = []
        for month, entry in manifest.months.items():
            if entry.first_ms > span[1] or entry.last_ms < span[0]:
                continue
            frame = read_month(self.folder, manifest.months[month], self._verified)
            if entry.first_ms < span[0] or entry.last_ms > span[1]:
                frame = frame.filter(_MILLISECONDS.is_between(*span))
            frames.append(frame)
        if not frames:
            return None
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")

    def count(self, manifest: Manifest, span: Span) -> int:
        """Count the rows whose open time lies in the span; only months that it cuts are read."""
        total = 0
        for entry in manifest.months.values():
            if entry.first_ms >= span[0] and entry.last_ms <= span[1]:
                total += entry.rows
            elif entry.first_ms <= span[1] and entry.last_ms >= span[0]:
                part = self.read(manifest, (max(span[0], entry.first_ms), min(span[1], entry.last_ms)))
                total += 0 if part is None else part.height
        return total

    def commit(self, manifest: Manifest, rows: pl.DataFrame, covered: Span, *, source: str, seen_ms: int) -> Merged:
        """Merge rows in, note what has been asked for, and commit both at once; call with the lock held.

        Parameters
        ----------
        manifest
            As it stands.
        rows
            As the source sent them.
        covered
            Span of open time that the rows are all of; none where its end lies before its start.
        source, seen_ms
            Who was asked, and when.

        Raises
        ------
        OutputError
            If the store cannot be written; it is then as before.
        BrokenFileError
            If a month that must be merged with is damaged.
        """
        arrival = settle(rows, seen_ms=seen_ms, source=source)
        revisions, added, revised = list(arrival.revisions), 0, set()
        new = manifest.with_fetched(covered, source)
        month = pl.col("open_time").dt.strftime("%Y-%m").alias("month")
        for (name,), part in arrival.rows.group_by(month, maintain_order=True):
            entry = manifest.months.get(str(name))
            stored = None if entry is None else read_month(self.folder, entry, self._verified)
            merged, changes = merge(stored, part, seen_ms=seen_ms, source=source)
            revisions += changes
            revised |= {change.open_time_ms for change in changes}
            added += merged.height - (0 if stored is None else stored.height)
            if stored is None or not merged.equals(stored):
                new = new.with_month(write_month(self.folder, str(name), merged, self.interval, self._verified))
        append_revisions(self.folder, revisions)
        if new != manifest:
            self._commit(new, manifest)
        done = Merged(new, added, len(revised), arrival.duplicates, arrival.conflicts, arrival.out_of_order)
        self._warn(done, revised)
        return done

    def note(self, arrival: Arrival) -> None:
        """Keep a page from being lost with this process, where that costs little; call with the lock held.

        Raises
        ------
        OutputError
            If it cannot be written; the store is then as before.
        """
        if self.folder.grows:
            append_arrival(self.folder, arrival)
            self._noted = True

    def adopt(self) -> None:
        """Merge the pages that a killed writer had noted; call with the lock held.

        Raises
        ------
        OutputError, BrokenFileError
            As `commit`.
        """
        self._noted = self.folder.grows and ARRIVALS in self.folder.names()
        for page in joined(read_arrivals(self.folder)) if self._noted else ():
            self.commit(self.manifest(), page.rows, page.covered, source=page.source, seen_ms=page.seen_ms)
        self.forget()

    def forget(self) -> None:
        """Forget the noted pages, whose rows are committed; call with the lock held.

        Raises
        ------
        OutputError
            If they cannot be removed.
        """
        if self._noted:
            forget_arrivals(self.folder)
            self._noted = False

    def quarantine(self, error: BrokenFileError) -> bool:
        """Put a damaged file aside and forget that its month was fetched; tell whether that was needed."""
        if not self._names(error.name):
            return False  # superseded while it was read: no lock is needed to see that
        with self.writing():
            manifest = self.manifest()
            for month, entry in manifest.months.items():
                if entry.name == error.name:
                    try:
                        read_month(self.folder, entry, self._verified)
                    except BrokenFileError:
                        self._commit(manifest.without_month(month), manifest)
                        put_aside(self.folder, error.name, str(error))
                        return True
        return False

    def _names(self, name: str) -> bool:
        return any(entry.name == name for entry in self.manifest().months.values())

    def _warn(self, done: Merged, revised: set[int]) -> None:
        label = f"{self.symbol} {self.interval.value}"
        if revised:
            times = pl.Series(sorted(revised)[:_NAMED_REVISIONS]).cast(pl.Datetime("ms"))
            first = ", ".join(str(time) for time in times)
            logger.warning("%s: the source has revised %d of its candles: %s …", label, len(revised), first)
        if done.out_of_order:
            logger.warning("%s: %d rows came out of order; sorted", label, done.out_of_order)
        if done.conflicts:
            logger.warning("%s: %d rows contradict others of the same open time", label, done.conflicts)
