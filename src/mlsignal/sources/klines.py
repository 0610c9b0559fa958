"""The exchange's twelve-column kline rows, read in one place: pages of JSON, and CSV members of archives."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import polars as pl

from mlsignal.candles import OHLCV_COLUMNS, TIME_TYPE, VALUE_COLUMNS
from mlsignal.errors import DataError
from mlsignal.sources.digits import parse_rows

KLINE_COLUMNS = (
    *("open_time", *OHLCV_COLUMNS, "close_time"),
    *("quote_volume", "trades", "taker_buy_base", "taker_buy_quote", "ignore"),
)
TIME_COLUMNS = ("open_time", "close_time")
FRAME_COLUMNS = ("open_time", *VALUE_COLUMNS, "close_time")
"""Columns of every frame made here, in this order; those of flow and close_time only where the source has them."""

_DECIMAL_COLUMNS = (*OHLCV_COLUMNS, "quote_volume", "taker_buy_base", "taker_buy_quote")
_Array = npt.NDArray[Any]

_ALIASES = {
    "timestamp": "open_time",
    "time": "open_time",
    "date": "open_time",
    "datetime": "open_time",
    "count": "trades",
    "quote_asset_volume": "quote_volume",
    "number_of_trades": "trades",
    "taker_buy_volume": "taker_buy_base",
    "taker_buy_quote_volume": "taker_buy_quote",
    "taker_buy_base_asset_volume": "taker_buy_base",
    "taker_buy_quote_asset_volume": "taker_buy_quote",
}
_SCHEMA = {name: pl.Int64() if name in TIME_COLUMNS else pl.Float64() for name in KLINE_COLUMNS[:-1]}
_PAGES_AT_ONCE = 2  # about 350 KB, whose intermediate values a core's cache holds
_QUOTED = 200  # characters of an unreadable answer that an error repeats
# Magnitudes that tell the unit of a time since 1970: 1e11 is the year 5138 in seconds, and 1973 in milliseconds.
_SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 10**11, 10**14, 10**17


class KlineFormatError(DataError):
    """Bytes that are not the exchange's klines: truncated, not JSON, or HTML. Asking again may help."""


class KlineSchemaError(DataError):
    """Rows that have not the columns they should have: the exchange or the file speaks another format."""


# -- JSON -----------------------------------------------------------------------------------------------------------


def klines_from_json(pages: bytes | Iterable[bytes]) -> pl.DataFrame:
    """Read one or several `/api/v3/klines` answers into one frame, in the order given.

    Parameters
    ----------
    pages
        Bodies of answers: arrays of arrays of twelve.

    Returns
    -------
    polars.DataFrame
        `FRAME_COLUMNS`: times as Datetime ms UTC, everything else float64. "NaN" and "inf" are read as such: it is
        cleaning that judges values.

    Raises
    ------
    KlineFormatError
        If a page is truncated, not JSON, or HTML; the message quotes at most 200 characters.
    KlineSchemaError
        If a row has not exactly twelve columns.

    Notes
    -----
    No Python object is made per value: the exchange's usual layout is read by arithmetic on its bytes (`digits`); where
    a value is laid out otherwise, the brackets are cut and polars reads the rest as quoted CSV; a page with spaces or
    line breaks takes the slow way through `json`. All three give the same frame.

    Examples
    --------
    >>> page = b'[[0,"1.5","2","1","1.7","3",59999,"5","4","1","2","0"]]'
    >>> klines_from_json(page).row(0)[1:6]
    (1.5, 2.0, 1.0, 1.7, 3.0)
    """
    frames = [_batch_klines(batch) for batch in _batches([pages] if isinstance(pages, bytes) else pages)]
    return pl.concat(frames, rechunk=True) if frames else empty_klines()


def empty_klines() -> pl.DataFrame:
    """Return a kline frame without rows."""
    times = dict.fromkeys(TIME_COLUMNS, TIME_TYPE)
    return pl.DataFrame(schema={name: times.get(name, pl.Float64()) for name in FRAME_COLUMNS})


def _batches(pages: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for page in pages:
        if page.strip() != b"[]":
            batch.append(page)
        if len(batch) == _PAGES_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _batch_klines(batch: list[bytes]) -> pl.DataFrame:
    usual = all(page.startswith(b"[[") and page.endswith(b"]]") for page in batch)
    parsed = parse_rows(b"],[".join(page[2:-2] for page in batch)) if usual else None
    if parsed is not None:
        return _frame(*parsed)
    try:
        return _csv_klines(b"\n".join(_page_rows(page) for page in batch))
    except DataError:
        return _csv_klines(b"\n".join(_page_rows_slowly(page) for page in batch))


def _frame(times: _Array, decimals: _Array, trades: _Array) -> pl.DataFrame:
    """Return the frame of what `parse_rows` gives."""
    values = dict(zip(_DECIMAL_COLUMNS, decimals, strict=True)) | {"trades": trades}
    opens_closes = dict(zip(TIME_COLUMNS, times, strict=True))
    return _usual_frame(pl.DataFrame([pl.Series(name, array) for name, array in (opens_closes | values).items()]))


def _usual_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return what `normalise` would of numbers without gaps and times in milliseconds; a query costs more."""
    series = [frame[name] for name in FRAME_COLUMNS if name in frame.columns]
    return pl.DataFrame([each.cast(TIME_TYPE) if each.name in TIME_COLUMNS else each for each in series])


def _page_rows(page: bytes) -> bytes:
    """Return the rows of a page as CSV lines; whatever looks unusual goes the slow way, which names what is wrong."""
    if not (page.startswith(b"[[") and page.endswith(b"]]")):
        return _page_rows_slowly(page)
    rows = page[2:-2].split(b"],[")
    lines = b"\n".join(rows)
    # As many commas as whole rows have; a row with more than twelve columns is refused by the CSV reader.
    return lines if lines.count(b",") == 11 * len(rows) else _page_rows_slowly(page)


def _page_rows_slowly(page: bytes) -> bytes:
    try:
        rows = json.loads(page)
    except (ValueError, RecursionError):
        raise KlineFormatError(f"{_what_came(page)} where klines in JSON were expected: {quoted(page)}") from None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise KlineSchemaError(f"an array of klines expected, found: {quoted(page)}")
    for number, row in enumerate(rows):
        if len(row) != len(KLINE_COLUMNS):
            raise KlineSchemaError(
                f"12 columns expected in every kline, found {len(row)} in row {number}: {quoted(page)}"
            )
        if not all(isinstance(row[position], int) for position in (0, 6)):
            raise KlineSchemaError(
                f"times in columns 0 and 6 expected, found otherwise in row {number}: {quoted(page)}"
            )
    lines = (",".join("NaN" if value is None else str(value) for value in row) for row in rows)
    return "\n".join(lines).encode()


def _what_came(page: bytes) -> str:
    start = page[:_QUOTED].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<")):
        return "an HTML page"
    return "an empty answer" if not start else "truncated or invalid JSON"


def quoted(body: bytes) -> str:
    """Return at most 200 characters of a body, on one line, for an error message."""
    text = " ".join(body[: 4 * _QUOTED].decode("utf-8", errors="replace").split())
    return repr(text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…")


# -- CSV ------------------------------------------------------------------------------------------------------------


def klines_from_csv(content: bytes | Path) -> pl.DataFrame:
    """Read an archive member, or any CSV of candles, into a kline frame.

    Parameters
    ----------
    content
        The bytes of a file, or its path. Without a header: the exchange's twelve columns, or open_time and OHLCV.
        With one: columns by name (`open_time` or timestamp, time, date; extra columns are ignored).

    Returns
    -------
    polars.DataFrame
        As `klines_from_json`; times in seconds, milliseconds, microseconds, nanoseconds or ISO 8601 become
        milliseconds, so a close time in microseconds …999999 becomes …999.

    Raises
    ------
    KlineSchemaError
        If the columns are not understood.
    KlineFormatError
        If a value is not a number.
    """
    first_line = _first_line(content)
    if not first_line.strip():
        raise KlineFormatError("the file is empty; candles in CSV were expected")
    fields = [field.strip(' "\r\n') for field in first_line.split(",")]
    if _is_number(fields[0]):
        return _headerless(content, len(fields))
    return _with_header(content, fields)


def _headerless(content: bytes | Path, n_fields: int) -> pl.DataFrame:
    if n_fields == len(KLINE_COLUMNS):
        return _csv_klines(content)
    if n_fields == 1 + len(OHLCV_COLUMNS):
        return _csv_klines(content, KLINE_COLUMNS[:n_fields])
    raise KlineSchemaError(
        f"12 columns (the exchange's klines) or 6 (open_time and OHLCV) expected without a header, found {n_fields}"
    )


def _csv_klines(content: bytes | Path, columns: tuple[str, ...] = KLINE_COLUMNS) -> pl.DataFrame:
    schema = {name: _SCHEMA.get(name, pl.String()) for name in columns}
    quote = None if isinstance(content, bytes) and b'"' not in content else '"'  # a quarter faster without
    try:
        frame = pl.read_csv(content, has_header=False, schema=schema, quote_char=quote)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        if "more fields" in reason:
            raise KlineSchemaError(f"{len(columns)} columns expected in every kline, found more") from None
        raise KlineFormatError(f"a kline's value is not what it should be: {reason[:_QUOTED]}") from None
    if frame[columns[-1]].null_count():
        row = frame[columns[-1]].is_null().arg_max()
        raise KlineSchemaError(f"{len(columns)} columns expected in every kline, found fewer in row {row}")
    return _usual_frame(frame) if _is_usual(frame) else normalise(frame.lazy()).collect()


def _is_usual(frame: pl.DataFrame) -> bool:
    if any(frame.null_count().row(0)):
        return False
    times = (frame[name] for name in TIME_COLUMNS if name in frame.columns)
    return all(time.is_between(_SECONDS_BELOW, _MILLISECONDS_BELOW - 1).all() for time in times)


def _with_header(content: bytes | Path, fields: list[str]) -> pl.DataFrame:
    names = canonical_names(fields)
    if len(set(fields)) < len(fields):
        raise KlineSchemaError(f"every column once expected, found {', '.join(fields)}")
    wanted = [field for field in fields if field in names]
    values = {field: pl.Float64() for field in wanted if names[field] not in TIME_COLUMNS}
    schema = {field: values.get(field, pl.String()) for field in fields}
    try:
        frame = pl.read_csv(content, has_header=False, skip_lines=1, schema=schema, raise_if_empty=False)
    except pl.exceptions.PolarsError as error:
        raise KlineFormatError(f"candles in CSV expected: {str(error).splitlines()[0][:_QUOTED]}") from None
    times = [_parsed_time(frame[field]) for field in wanted if names[field] in TIME_COLUMNS]
    return normalise(frame.with_columns(times).lazy()).collect()


def _parsed_time(column: pl.Series) -> pl.Series:
    numbers = column.cast(pl.Int64, strict=False)
    if numbers.null_count() == column.null_count():
        return numbers
    try:
        return column.str.to_datetime(time_unit="ms", time_zone="UTC", ambiguous="earliest")
    except pl.exceptions.PolarsError:
        bad = column.filter(numbers.is_null())[0]
        raise KlineFormatError(
            f"column {column.name!r}: a time since 1970 or in ISO 8601 expected, found {bad!r}"
        ) from None


def _first_line(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        line = content[: content.find(b"\n")] if b"\n" in content else content
    else:
        with content.open("rb") as file:
            line = file.readline(100_000)
    return line.decode("utf-8-sig", errors="replace")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


# -- columns and times ----------------------------------------------------------------------------------------------


def canonical_names(columns: Iterable[str]) -> dict[str, str]:
    """Return, for each column that is understood, our name for it.

    Raises
    ------
    KlineSchemaError
        If the opening time or one of OHLCV is absent, or two columns claim one name.
    """
    columns = list(columns)
    names = {}
    for column in columns:
        plain = column.strip().lower().replace(" ", "_")
        name = plain if plain in FRAME_COLUMNS else _ALIASES.get(plain)
        if name == "open_time" and plain != "open_time" and "open_time" in columns:
            continue
        if name is not None:
            names[column] = name
    found = list(names.values())
    doubled = sorted({name for name in found if found.count(name) > 1})
    if doubled:
        claimants = [column for column, name in names.items() if name == doubled[0]]
        raise KlineSchemaError(f"columns {', '.join(claimants)} could all be {doubled[0]}; keep one of them")
    absent = [name for name in ("open_time", *OHLCV_COLUMNS) if name not in found]
    if absent:
        raise KlineSchemaError(f"column {', '.join(absent)} expected, found {', '.join(columns) or 'none'}")
    return names


def normalise(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return the frame with our columns only, in our order and types.

    Times may be Datetime of any unit and zone (naive is read as UTC), Date, or integers since 1970, whose unit is told
    by their magnitude; a missing value becomes NaN.
    """
    schema = frame.collect_schema()
    names = canonical_names(schema.names())
    ours = {name: column for column, name in names.items()}
    chosen = []
    for name in (name for name in FRAME_COLUMNS if name in ours):
        column, kind = ours[name], schema[ours[name]]
        if name in TIME_COLUMNS:
            expression = time_expression(column, kind)
        else:
            expression = pl.col(column).cast(pl.Float64).fill_null(float("nan"))
        chosen.append(expression.alias(name))
    return frame.select(chosen)


def time_expression(column: str, kind: pl.DataType) -> pl.Expr:
    """Return the expression that makes a time column of type `kind` Datetime ms UTC.

    Raises
    ------
    KlineSchemaError
        If `kind` cannot hold a time.
    """
    time = pl.col(column)
    if kind == TIME_TYPE:
        return time
    if isinstance(kind, pl.Datetime):
        aware = time.dt.replace_time_zone("UTC") if kind.time_zone is None else time.dt.convert_time_zone("UTC")
        return aware.dt.cast_time_unit("ms")
    if kind == pl.Date:
        return time.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    if kind.is_integer():
        return _milliseconds(time.cast(pl.Int64)).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    raise KlineSchemaError(f"column {column!r}: Datetime, Date or integers since 1970 expected, found {kind}")


def _milliseconds(time: pl.Expr) -> pl.Expr:
    magnitude = time.abs()
    return (
        pl.when(magnitude < _SECONDS_BELOW)
        .then(time * 1_000)
        .when(magnitude < _MILLISECONDS_BELOW)
        .then(time)
        .when(magnitude < _MICROSECONDS_BELOW)
        .then(time // 1_000)
        .otherwise(time // 1_000_000)
    )
