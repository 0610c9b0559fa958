"""Settings, from the command line, the environment, a TOML file and the defaults, in that order of precedence.

The file is `mlsignal.toml` in the working folder, or what `MLSIGNAL_CONFIG` names; a value of the environment is
`MLSIGNAL_` and the field's name in capitals, as in `MLSIGNAL_LOOKBACK_CANDLES=10000`.
"""

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.interval import Interval

ENV_PREFIX = "MLSIGNAL_"
CONFIG_FILE = "mlsignal.toml"
_CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
_NO_SETTINGS = (
    "CONFIG",
    "CONTROL_TOKEN",
    "LONG",
    "SHARED",
    "VECTORBT_PYTHON",
)  # variables of the command line and of the tests
_SECRETS = ("binance_api_key", "binance_api_secret")


def default_store() -> Path:
    """Return the platform's cache folder for candles: they can always be fetched again.

    `$XDG_CACHE_HOME/mlsignal` or `~/.cache/mlsignal`, `~/Library/Caches/mlsignal` on macOS,
    `%LOCALAPPDATA%\\mlsignal` on Windows.
    """
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mlsignal"


def default_trials() -> Path:
    """Return the platform's folder for what must not be forgotten: every configuration that was ever evaluated.

    `$XDG_STATE_HOME/mlsignal/trials` or `~/.local/state/mlsignal/trials`,
    `~/Library/Application Support/mlsignal/trials` on macOS, `%LOCALAPPDATA%\\mlsignal\\trials` on Windows.
    """
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "mlsignal" / "trials"


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_MOST = 2**31 - 1  # of anything that is counted: more is a typing error


class Settings(BaseSettings):
    """What a run is told from outside; frozen. Build with `load_settings`, which words errors for people."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, env_ignore_empty=True)

    symbol: str = Field("BTCUSDT", min_length=1)
    """The market, by the exchange's name."""
    interval: str = "1m"
    """Length of a candle, by the exchange's name."""
    lookback_candles: int = Field(50_000, ge=1, le=_MOST)
    """How many of the newest closed candles to use, warm-up included."""
    max_age_minutes: float = Field(30.0, ge=0, allow_inf_nan=False)
    """How old the newest stored candle may be before the source is asked for more."""
    allow_stale: bool = False
    """Whether older stored candles will do where the source cannot be reached."""
    source: str = Field("binance", min_length=1)
    """Where candles come from: `binance`, `archive`, `ccxt:VENUE`, `sim:SEED`, a file, a folder."""
    store: Path | str = Field(default_factory=default_store)
    """Folder of the candle store; a text where it is the URL of an object store, as in `s3://bucket/folder`."""
    binance_base_url: str = "https://api.binance.com"
    """Host of the REST interface; `https://data-api.binance.vision` serves market data without keys."""
    archive_base_url: str = "https://data.binance.vision"
    """Host of the archive of monthly and daily files."""
    binance_stream_url: str = "wss://stream.binance.com:9443"
    """Host of the websocket streams."""
    timeout_seconds: float = Field(20.0, gt=0, le=600)
    """Deadline of one request, its retries and the last byte of its body included."""
    connections: int = Field(4, ge=1, le=16)
    """Requests under way at one time."""
    binance_api_key: SecretStr | None = Field(None, validation_alias="BINANCE_API_KEY")
    """Optional: public endpoints need none."""
    binance_api_secret: SecretStr | None = Field(None, validation_alias="BINANCE_API_SECRET")
    """Optional: public endpoints need none."""

    features: Annotated[tuple[str, ...], NoDecode] = ("classic",)
    """Names of feature sets."""
    feature_file: Path | None = None
    """Python file with the user's own features."""
    horizon: int = Field(1, ge=1, le=_MOST)
    """Candles ahead that the label looks."""
    ties: Literal["down", "drop", "third"] = "down"
    """Whether an unchanged close counts as down, leaves the training rows, or is a class of its own."""
    outliers: Literal["remove", "winsorise", "none"] = "remove"
    """What becomes of training rows beyond the interquartile fences."""
    test_share: float = Field(0.2, gt=0, lt=1)
    """Share of the rows, the newest, set apart for the test."""
    folds: int = Field(10, ge=2, le=_MOST)
    """Folds of the cross-validation in time; groups of the combinatorial one."""
    validation: Literal["time_series", "walk_forward", "combinatorial"] = "time_series"
    """How the training rows are cut into folds: as scikit-learn's TimeSeriesSplit, walk-forward with refits, or
    combinatorially; always purged."""
    refit_every: int | None = Field(None, ge=1, le=_MOST)
    """Candles after which models are fitted anew, in walk-forward folds and over the test rows; none keeps one fit."""
    train_candles: int | None = Field(None, ge=1, le=_MOST)
    """Length of a rolling training window; none lets it grow from the first row."""
    embargo: int = Field(0, ge=0, le=_MOST)
    """Candles kept free between test rows and training rows, beyond those that are purged: behind the test rows of a
    combinatorial fold, before those of every other."""
    test_groups: int = Field(2, ge=1, le=_MOST)
    """Groups that each combinatorial fold is tested on."""
    models: Annotated[tuple[str, ...], NoDecode] = ("logistic_regression", "random_forest")
    """Names of classifiers to train."""
    select_by: str = "f1_up"
    """Score, as metrics.json names it, whose mean over the folds chooses the model."""
    trees: int = Field(100, ge=1, le=_MOST)
    """Trees of a forest."""
    engine: Literal["auto", "plain", "accel"] = "auto"
    """Implementation of the models; auto takes the accelerated one where it is installed."""
    seed: int = Field(0, ge=0, le=_MOST)
    """Of every random number."""
    jobs: int = Field(default_factory=available_cores, ge=1, le=_MOST)
    """Fits at a time, one thread each; no number depends on it."""
    costs: str = Field("binance-spot", min_length=1)
    """Preset of what trading costs: fee, half spread, slippage."""
    fee_bps: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Fee of each side in basis points, instead of the preset's."""
    half_spread_bps: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Half the spread in basis points, instead of the preset's."""
    slippage: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Slippage of a side as a share of one candle's volatility, instead of the preset's."""
    latency_candles: int = Field(0, ge=0, le=100_000)
    """Candles between the open at which an order could be filled first and the one at which it is; 100,000 are a day of
    seconds, and more is a typing error."""
    funding_bps: float | None = Field(None, allow_inf_nan=False)
    """What a long pays a short each 8 hours, basis points of the position, instead of the preset's, which is 0."""
    notional: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Size of the account in the quote currency; where it is given, the impact of its orders on the price counts."""
    sizing: Literal["fixed", "volatility"] = "fixed"
    """Whether every position has the same size, or one that aims at a constant volatility."""
    hold: Literal["signal", "flip", "horizon"] = "signal"
    """Whether a position lasts as long as its signal, until an opposite one, or for the horizon of the label."""
    trials: Path = Field(default_factory=default_trials)
    """Folder of the log of every configuration that was ever evaluated on a market."""

    @field_validator("store", mode="before")
    @classmethod
    def _path_or_url(cls, place: Any) -> Any:
        return Path(place) if isinstance(place, str) and "://" not in place else place

    @field_validator("features", "models", mode="before")
    @classmethod
    def _split_names(cls, names: Any) -> Any:
        """Take names as one string, comma-separated, or as a list."""
        parts = names.split(",") if isinstance(names, str) else names
        return (
            tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
            if isinstance(parts, list | tuple)
            else parts
        )

    @field_validator("features", "models")
    @classmethod
    def _not_empty(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("at least one name is needed")
        return names

    @field_validator("train_candles")
    @classmethod
    def _used(cls, candles: int | None, info: ValidationInfo) -> int | None:
        if candles is not None and info.data.get("validation") != "walk_forward" and not info.data.get("refit_every"):
            raise ValueError("a rolling window needs validation walk_forward, or refit_every; give one of them")
        return candles

    @field_validator("interval")
    @classmethod
    def _known(cls, interval: str) -> str:
        return Interval.parse(interval).value

    @field_validator("binance_base_url", "archive_base_url", "binance_stream_url")
    @classmethod
    def _with_scheme(cls, url: str, info: ValidationInfo) -> str:
        """Take a URL without the slash at its end."""
        schemes = ("ws://", "wss://") if info.field_name == "binance_stream_url" else ("http://", "https://")
        if not re.match(rf"({'|'.join(schemes)})[^\s/]+\S*$", url):
            raise ValueError(f"{' or '.join(schemes)} and a host expected, found {url!r}")
        return url.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `load_settings` reads the other places, so that an error can name the place."""
        return (init_settings,)


def load_settings(overrides: Mapping[str, Any] | None = None, *, path: Path | str | None = None) -> Settings:
    """Gather the settings from every place, the strongest first: `overrides`, environment, file, defaults.

    Parameters
    ----------
    overrides
        What the command line was told; a value of None counts as not told.
    path
        The TOML file. By default `MLSIGNAL_CONFIG`, or `mlsignal.toml` in the working folder where there is one.

    Raises
    ------
    ConfigurationError
        If the file is missing or not TOML, a key is unknown (the message names the nearest), or a value is bad.
    """
    told = {name: value for name, value in (overrides or {}).items() if value is not None}
    file, from_file = _read_file(path)
    _refuse_unknown(told, "command line")
    _refuse_unknown(from_file, str(file))
    from_environment = _read_environment()
    places = {
        **{name: f"{file}: {name}" for name in from_file},
        **{name: variable_of(name) for name in from_environment},
        **dict.fromkeys(told, ""),
    }
    try:
        return Settings(**{**from_file, **from_environment, **told})
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, places)) from None


def variable_of(name: str) -> str:
    """Return the environment variable that sets a field.

    Examples
    --------
    >>> variable_of("symbol"), variable_of("binance_api_key")
    ('MLSIGNAL_SYMBOL', 'BINANCE_API_KEY')
    """
    return name.upper() if name in _SECRETS else ENV_PREFIX + name.upper()


def _read_file(path: Path | str | None) -> tuple[Path, dict[str, Any]]:
    asked = path or os.environ.get(_CONFIG_VARIABLE)
    file = Path(asked or CONFIG_FILE)
    if not asked and not file.exists():
        return file, {}
    try:
        return file, tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"configuration file {file} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration file {file} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration file {file} is not TOML: {error}") from None


def _read_environment() -> dict[str, Any]:
    """Return what the environment sets. A variable that is nearly a known one is refused: it is a typing error."""
    known = {variable_of(name).removeprefix(ENV_PREFIX) for name in Settings.model_fields}
    for variable in os.environ:
        name = variable.upper().removeprefix(ENV_PREFIX)
        if variable.upper().startswith(ENV_PREFIX) and name not in known and name not in _NO_SETTINGS:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            if near:
                meant = ENV_PREFIX + near[0]
                raise ConfigurationError(f"environment: {variable} is not known. Did you mean {meant!r}?")
    found = EnvSettingsSource(Settings, env_prefix=ENV_PREFIX)()
    names = {variable_of(name): name for name in _SECRETS}
    return {names.get(name, name): value for name, value in found.items()}


def _refuse_unknown(values: Mapping[str, Any], place: str) -> None:
    for name in values:
        if name not in Settings.model_fields:
            raise ConfigurationError(f"{place}: {name!r} is not a setting. {did_you_mean(name, Settings.model_fields)}")


def _one_line(error: ValidationError, places: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "settings"
    name = field.lower() if field.lower() in _SECRETS else field
    told = first["msg"].removeprefix("Value error, ").removeprefix(f"{name}: ")
    found = repr(first["input"])
    ending = "" if name in _SECRETS or found in told else f", found {found}"
    return f"{places.get(name) or name}: {told[:1].lower()}{told[1:]}{ending}"
