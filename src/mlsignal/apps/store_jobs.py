"""What the commands on stored candles do: fetch, list, show, check, repair; and the doctor."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlsignal.apps.messages import print_note
from mlsignal.apps.terminal import StageProgress, output, print_json, print_table
from mlsignal.candles import Interval
from mlsignal.collecting import Collected, SeriesOutcome, fetch_many
from mlsignal.config import Settings
from mlsignal.doctor import Finding, examine
from mlsignal.errors import ConfigurationError, DataError
from mlsignal.gathering import opened_source
from mlsignal.quality import QualityReport, assess_quality
from mlsignal.sources.disagreement import Disagreement
from mlsignal.sources.files import FileSource
from mlsignal.store.calendar import coverage_calendar, legend
from mlsignal.store.listing import StoredSeries, list_series
from mlsignal.store.report import StoreReport
from mlsignal.store.store import Store, identify, source_origin

EXIT_CODES_OF_FINDINGS = {"network": 4, "data": 3, "output": 7}
SHOWN_ROWS = 5
_SHOWN_DISAGREEMENTS = 20


def fetch_job(
    settings: Settings,
    words: Sequence[str],
    intervals: Sequence[str],
    *,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Fetch series into the store side by side; a failed one does not stop the others."""
    symbols, wanted = split_words(words, intervals, settings.interval)
    since_ms, until_ms = (
        None if text is None else moment_ms(text, option) for text, option in ((since, "--since"), (until, "--until"))
    )
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise ConfigurationError(f"until: a time after --since ({since}) expected, found {until}")
    limit = settings.lookback_candles if since is None and until is None else None
    with opened_source(settings.source, settings) as source, StageProgress(quiet=as_json) as progress:
        if isinstance(source, FileSource) or not hasattr(source, "origin"):
            raise ConfigurationError(
                f"source: {settings.source} is read where it is; candles are fetched from an exchange"
            )

        def tell(outcome: SeriesOutcome, done: int, total: int) -> None:
            progress("series", done, total)
            if not as_json and outcome.report is not None and outcome.report.rows:
                print_note(_told(outcome, outcome.report))

        collected = fetch_many(
            symbols,
            wanted,
            source,
            Store(settings.store),
            since_ms=since_ms,
            until_ms=None if until_ms is None else until_ms - 1,
            limit=limit,
            max_age_minutes=settings.max_age_minutes,
            on_series=tell,
        )
        disagreements = getattr(source, "disagreements", ())
    _finish_fetch(collected, disagreements, as_json=as_json)


def _finish_fetch(collected: Collected, disagreements: Sequence[Disagreement], *, as_json: bool) -> None:
    if as_json:
        series = [outcome.to_dict() for outcome in collected.outcomes]
        print_json({"series": series, "disagreements": [item.to_dict() for item in disagreements]})
    else:
        for item in disagreements[:_SHOWN_DISAGREEMENTS]:
            print_note(f"note: {item}")
        if len(disagreements) > _SHOWN_DISAGREEMENTS:
            print_note(f"note: {len(disagreements) - _SHOWN_DISAGREEMENTS} more such values; --json lists them all")
    told = {str(outcome.error) for outcome in collected.failed[:1]}
    for outcome in collected.failed:
        if str(outcome.error) not in told:
            print_note(f"warning: {outcome.symbol} {outcome.interval.value}: {outcome.error}")
            told.add(str(outcome.error))
    collected.raise_first()
    empty = [
        f"{outcome.symbol} {outcome.interval.value}"
        for outcome in collected.outcomes
        if outcome.report is not None and not outcome.report.rows
    ]
    if empty:
        raise DataError(f"{', '.join(empty)}: no data; the source has no closed candle in this span")


def _told(outcome: SeriesOutcome, report: StoreReport) -> str:
    parts = [f"{report.rows:,} candles", f"{report.rows_fetched:,} fetched"]
    parts += [f"{report.revisions} revised"] if report.revisions else []
    parts += [f"{report.damaged} damaged files fetched again"] if report.damaged else []
    return f"{outcome.symbol} {outcome.interval.value}: {', '.join(parts)}"


def split_words(words: Sequence[str], intervals: Sequence[str], default: str) -> tuple[list[str], list[str]]:
    """Tell symbols from intervals among words: ``--interval 1m 1h`` leaves the second one among the symbols."""
    known = {member.value for member in Interval}
    symbols = [word for word in words if word not in known]
    wanted = [part for text in intervals for part in text.split(",")] + [word for word in words if word in known]
    if not symbols:
        raise ConfigurationError("candles: a symbol is missing, as in mlsignal candles fetch BTCUSDT")
    return symbols, wanted or [default]


def moment_ms(text: str, option: str) -> int:
    """Read an option's day or moment (ISO 8601, UTC unless it says otherwise) as milliseconds since the epoch.

    Raises
    ------
    ConfigurationError
        If it is neither, or before 1970.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option}: a day or moment expected, as in 2024-01-01 or 2024-01-01T12:00, found {text!r}"
        ) from None
    milliseconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if milliseconds < 0:
        raise ConfigurationError(f"{option}: a day or moment from 1970 on expected, found {text!r}")
    return milliseconds


def list_job(settings: Settings, *, as_json: bool) -> None:
    """List the series of the store."""
    found = list_series(settings.store)
    if as_json:
        print_json([entry.to_dict() for entry in found])
        return
    if not found:
        print_note(f"{settings.store}: no candles yet; mlsignal candles fetch BTCUSDT brings some")
        return
    headings = ["origin", "symbol", "interval", "candles", "first (UTC)", "last (UTC)"]
    headings += ["gaps", "absent", "unfetched", "size"]
    least = ("size", "first (UTC)", "origin", "unfetched", "absent", "gaps")
    print_table(output(), headings, [_row(entry) for entry in found], frozenset({3, 6, 7, 8, 9}), least=least)


def _row(entry: StoredSeries) -> list[str]:
    times = [f"{moment:%Y-%m-%d %H:%M}" for moment in (entry.start, entry.end)]
    counts = [f"{entry.gaps:,}", f"{entry.missing:,}", f"{entry.not_fetched:,}", f"{entry.bytes / 1e6:.1f} MB"]
    return [entry.origin, entry.symbol, entry.interval, f"{entry.candles:,}", *times, *counts]


def show_job(settings: Settings, symbol: str, *, as_json: bool) -> None:
    """Show a stored series: newest candles, coverage, revisions and what is odd about it."""
    store, facts = Store(settings.store), []
    for entry in _entries(settings, [symbol], [settings.interval]):
        frame, report = _assessed(store, entry)
        revisions = len(store.revisions(entry.symbol, entry.interval, origin=entry.origin))
        facts.append({**entry.to_dict(), "revisions": revisions, "quality": report.to_dict()})
        if not as_json:
            _print_series(entry, frame, report, revisions)
    if as_json:
        print_json(facts)


def _assessed(store: Store, entry: StoredSeries) -> tuple[pl.DataFrame, QualityReport]:
    frame = store.read(entry.symbol, entry.interval, origin=entry.origin)
    covered = store.manifest(entry.symbol, entry.interval, origin=entry.origin).covered
    return frame, assess_quality(frame, entry.symbol, entry.interval, covered)


def _print_series(entry: StoredSeries, frame: pl.DataFrame, report: QualityReport, revisions: int) -> None:
    console = output()
    newest = frame.tail(SHOWN_ROWS)
    headings = ["open time (UTC)", "open", "high", "low", "close", "volume"]
    rows = [
        [f"{row['open_time']:%Y-%m-%d %H:%M:%S}", *(f"{row[name]:,.8g}" for name in headings[1:])]
        for row in newest.iter_rows(named=True)
    ]
    print_table(console, headings, rows, frozenset(range(1, 6)), least=("open", "volume"))
    calendar = coverage_calendar(frame["open_time"].dt.epoch("ms").to_numpy(), Interval.parse(entry.interval))
    if calendar:
        console.print()
        for line in calendar:
            console.print(line, highlight=False)
        console.print(legend(), style="dim", highlight=False)
    console.print()
    for line in report.lines():
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"values that the source changed since: {revisions}", highlight=False)


def check_job(settings: Settings, symbols: Sequence[str], *, as_json: bool) -> None:
    """Verify hashes and look at the quality of stored series; damage ends with exit code 3."""
    store, facts, broken = Store(settings.store), [], []
    for entry in _entries(settings, symbols, None):
        try:
            _, report = _assessed(store, entry)
        except DataError as error:
            broken.append(f"{entry.symbol} {entry.interval}: {error}")
            facts.append({**entry.to_dict(), "damaged": str(error)})
            continue
        facts.append({**entry.to_dict(), "damaged": None, "quality": report.to_dict()})
        if not as_json:
            for line in report.lines():
                output().print(line, highlight=False, soft_wrap=True, markup=False)
    if as_json:
        print_json(facts)
    if broken:
        raise DataError(f"store: {'; '.join(broken)}; mlsignal candles repair fetches it again")


def repair_job(settings: Settings, symbols: Sequence[str], *, as_json: bool) -> None:
    """Put damaged files aside and fetch their candles again."""
    facts: list[dict[str, Any]] = []
    with opened_source(settings.source, settings) as source:
        identify(source)
        origin = source_origin(source)
        for entry in _entries(settings, symbols, None):
            if entry.origin != origin:
                print_note(f"{entry.symbol} {entry.interval}: of {entry.origin}, not of {origin}; left alone")
                continue
            start_ms, end_ms = (int(moment.timestamp() * 1000) for moment in (entry.start, entry.end))
            store = Store(settings.store)
            _, report = store.load(entry.symbol, entry.interval, source, start_ms=start_ms, end_ms=end_ms)
            facts.append({"symbol": entry.symbol, "interval": entry.interval, "damaged": report.damaged})
            if not as_json:
                print_note(
                    f"{entry.symbol} {entry.interval}: {report.damaged} damaged files, "
                    f"{report.rows_fetched:,} candles fetched"
                )
    if as_json:
        print_json(facts)


def _entries(settings: Settings, symbols: Sequence[str], intervals: Sequence[str] | None) -> list[StoredSeries]:
    stored = list_series(settings.store)
    if not stored:
        raise DataError(
            f"store {settings.store}: holds no candles, or is not there; mlsignal candles fetch BTCUSDT brings some, "
            "--store names another"
        )
    found = [
        entry
        for entry in stored
        if (not symbols or entry.symbol in symbols) and (intervals is None or entry.interval in intervals)
    ]
    absent = [symbol for symbol in symbols if symbol not in {entry.symbol for entry in found}]
    if absent or not found:
        told = " ".join([*absent, *(intervals or [])])
        raise DataError(f"store {settings.store}: {told} is not there; mlsignal candles list shows what is")
    return found


def doctor_job(settings: Settings, *, as_json: bool) -> int:
    """Look at everything that could keep a job from working; return the exit code."""
    styles = {"good": "green", "warning": "yellow", "bad": "red"}
    console, found = output(), list[Finding]()
    for finding in examine(settings):
        found.append(finding)
        if not as_json:
            console.print(f"{finding.status:<9}", style=styles[finding.status], end="")
            console.print(f"{finding.subject:<14}", end="", highlight=False)
            console.print(finding.detail, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print_json([finding.to_dict() for finding in found])
    codes = [EXIT_CODES_OF_FINDINGS[item.kind] for item in found if item.status == "bad" and item.kind != "none"]
    return codes[0] if codes else 0
