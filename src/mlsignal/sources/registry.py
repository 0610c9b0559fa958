"""Sources by name: what `--source` may say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlsignal.candles import KlineSource
from mlsignal.config import Settings, default_store
from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sources.archive import ArchiveSource
from mlsignal.sources.binance import BinanceSource, Progress
from mlsignal.sources.ccxt import CcxtSource
from mlsignal.sources.files import FileSource

Opener = Callable[[str, Settings, Progress | None], KlineSource]
"""Builds a source from what follows the scheme's colon ("" if nothing), the settings, and a progress callback."""

_FILE_ENDINGS = (".parquet", ".csv", ".zip")
_openers: dict[str, Opener] = {}


def source_scheme(scheme: str) -> Callable[[Opener], Opener]:
    """Register the decorated function as the opener of `SCHEME` and `SCHEME:ARGUMENT`."""

    def register(opener: Opener) -> Opener:
        if scheme in _openers:
            raise ConfigurationError(f"source scheme {scheme!r} is registered twice")
        _openers[scheme] = opener
        return opener

    return register


def source_schemes() -> tuple[str, ...]:
    """Return the registered schemes, sorted."""
    return tuple(sorted(_openers))


def open_source(text: str, settings: Settings, *, on_progress: Progress | None = None) -> KlineSource:
    """Return the source that `text` names: a scheme (`binance`), a file or a folder.

    Raises
    ------
    ConfigurationError
        If it is none of them; the message names the nearest.
    """
    scheme, _, argument = text.partition(":")
    if scheme in _openers:
        return _openers[scheme](argument, settings, on_progress)
    path = Path(text).expanduser()
    if path.exists() or path.suffix.lower() in _FILE_ENDINGS or len(path.parts) > 1:
        return FileSource(path)
    raise ConfigurationError(
        f"source: {text!r} is neither a known source nor a file or folder. {did_you_mean(scheme, _openers)}"
    )


@contextmanager
def opened_source(text: str, settings: Settings, *, on_progress: Progress | None = None) -> Iterator[KlineSource]:
    """Yield `open_source(...)`, and close its connections, if it has any, at the end."""
    source = open_source(text, settings, on_progress=on_progress)
    try:
        yield source
    finally:
        close: Any = getattr(source, "close", None)
        if close is not None:
            close()


@source_scheme("binance")
def _open_binance(argument: str, settings: Settings, on_progress: Progress | None) -> KlineSource:
    _refuse_argument("binance", argument)
    return _binance(settings, on_progress)


@source_scheme("archive")
def _open_archive(argument: str, settings: Settings, on_progress: Progress | None) -> KlineSource:
    _refuse_argument("archive", argument)
    return ArchiveSource(
        settings.archive_base_url,
        rest=_binance(settings, None),
        timeout_seconds=settings.timeout_seconds,
        connections=settings.connections,
        on_progress=on_progress,
    )


@source_scheme("ccxt")
def _open_ccxt(argument: str, settings: Settings, on_progress: Progress | None) -> KlineSource:
    if not argument:
        raise ConfigurationError("source: ccxt:VENUE expected, as in ccxt:kraken, found 'ccxt'")
    return CcxtSource(argument, timeout_seconds=settings.timeout_seconds, on_progress=on_progress)


def _refuse_argument(scheme: str, argument: str) -> None:
    if argument:
        raise ConfigurationError(f"source: {scheme} takes nothing after a colon, found {argument!r}")


def _binance(settings: Settings, on_progress: Progress | None) -> BinanceSource:
    key = settings.binance_api_key
    folder = settings.store if isinstance(settings.store, Path) else default_store()  # bans are of this machine
    return BinanceSource(
        settings.binance_base_url,
        api_key=key.get_secret_value() if key else None,
        timeout_seconds=settings.timeout_seconds,
        connections=settings.connections,
        on_progress=on_progress,
        ban_file=folder / ".bans" / f"{settings.binance_base_url.partition('://')[2].replace('/', '_')}.json",
    )
