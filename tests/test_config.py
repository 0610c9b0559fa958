import re

import pytest

from mlsignal.config import Settings, default_store, load_settings
from mlsignal.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _empty_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MLSIGNAL_{name.upper()}", raising=False)
    for name in ("MLSIGNAL_CONFIG", "BINANCE_API_KEY", "BINANCE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)


def test_settings_without_anything_are_the_promised_defaults():
    settings = load_settings({})
    assert (settings.symbol, settings.interval, settings.lookback_candles) == ("BTCUSDT", "1m", 50_000)
    assert (settings.max_age_minutes, settings.source) == (30, "binance")
    assert settings.binance_base_url == "https://api.binance.com"
    assert settings.store == default_store()
    assert settings.binance_api_key is None


def test_settings_of_several_places_take_the_strongest(tmp_path, monkeypatch):
    (tmp_path / "mlsignal.toml").write_text('symbol = "FILE"\ninterval = "5m"\nlookback_candles = 7\n')
    monkeypatch.setenv("MLSIGNAL_SYMBOL", "ENVIRONMENT")
    monkeypatch.setenv("MLSIGNAL_INTERVAL", "15m")
    settings = load_settings({"symbol": "COMMAND", "interval": None})
    assert (settings.symbol, settings.interval, settings.lookback_candles) == ("COMMAND", "15m", 7)


def test_settings_file_named_by_argument_or_variable_is_read(tmp_path, monkeypatch):
    (tmp_path / "a.toml").write_text("connections = 2")
    (tmp_path / "b.toml").write_text("connections = 3")
    monkeypatch.setenv("MLSIGNAL_CONFIG", "a.toml")
    assert load_settings({}).connections == 2
    assert load_settings({}, path=tmp_path / "b.toml").connections == 3


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).symbol = "ETHUSDT"


@pytest.mark.parametrize("place", ["command", "file", "environment"])
def test_settings_unknown_key_names_the_nearest(place, tmp_path, monkeypatch):
    overrides = {}
    if place == "command":
        overrides = {"symbl": "X"}
    elif place == "file":
        (tmp_path / "mlsignal.toml").write_text('symbl = "X"')
    else:
        monkeypatch.setenv("MLSIGNAL_SYMBL", "X")
    with pytest.raises(ConfigurationError, match=r"(?i)symbl.*Did you mean '(MLSIGNAL_)?symbol'"):
        load_settings(overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lookback_candles": 0}, "lookback_candles: .*greater than or equal to 1, found 0"),
        ({"lookback_candles": "many"}, "lookback_candles: .*integer.*found 'many'"),
        ({"interval": "sometimes"}, "^interval: 'sometimes' is not one of"),
        ({"interval": "1min"}, "^interval: '1min' .*Did you mean '1m'"),
        ({"interval": "7m"}, "^interval: '7m' is not one of"),
        (
            {"binance_base_url": "ftp://x"},
            "^binance_base_url: http:// or https:// and a host expected, found 'ftp://x'$",
        ),
        ({"binance_stream_url": "http://x"}, "^binance_stream_url: ws:// or wss:// and a host expected"),
        ({"train_candles": 100}, "^train_candles: a rolling window needs .*, found 100$"),
        ({"models": ""}, "^models: at least one name is needed, found ''$"),
    ],
)
def test_settings_bad_value_is_one_line(overrides, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings(overrides)
    assert "\n" not in str(caught.value)


def test_settings_bad_environment_value_names_the_variable(monkeypatch):
    monkeypatch.setenv("MLSIGNAL_CONNECTIONS", "0")
    with pytest.raises(ConfigurationError, match="MLSIGNAL_CONNECTIONS: "):
        load_settings({})


def test_settings_bad_interval_of_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("MLSIGNAL_INTERVAL", "1H")
    with pytest.raises(ConfigurationError, match=r"^MLSIGNAL_INTERVAL: '1H' is not"):
        load_settings({})


@pytest.mark.parametrize("latency", [-1, 100_001, 10**20])
def test_settings_latency_beyond_reason_is_refused(latency):
    with pytest.raises(ConfigurationError, match=r"latency_candles: input should be .*, found"):
        load_settings({"latency_candles": latency})
    assert load_settings({"latency_candles": 100_000}).latency_candles == 100_000


@pytest.mark.parametrize("name", ["lookback_candles", "horizon", "folds", "embargo", "trees", "seed", "refit_every"])
def test_settings_number_beyond_reason_is_refused(name):
    with pytest.raises(ConfigurationError, match=rf"{name}: .*, found 100000000000000000000"):
        load_settings({name: 10**20})


def test_settings_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("MLSIGNAL_SYMBOL", "")
    assert load_settings({}).symbol == "BTCUSDT"


@pytest.mark.parametrize(("content", "message"), [("symbol = ", "not TOML"), (None, "not there")])
def test_settings_file_broken_or_missing_is_refused(content, message, tmp_path):
    path = tmp_path / "other.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"{re.escape(str(path))}.*{message}"):
        load_settings({}, path=path)


def test_settings_secrets_are_read_and_never_shown(monkeypatch):
    monkeypatch.setenv("BINANCE_API_KEY", "canary-key")
    monkeypatch.setenv("BINANCE_API_SECRET", "canary-secret")
    settings = load_settings({})
    assert settings.binance_api_key is not None
    assert settings.binance_api_key.get_secret_value() == "canary-key"
    assert "canary" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


def test_settings_bad_secret_is_not_quoted(tmp_path):
    (tmp_path / "mlsignal.toml").write_text('binance_api_key = ["canary"]')
    with pytest.raises(ConfigurationError) as caught:
        load_settings({})
    assert "canary" not in str(caught.value)


def test_settings_leave_the_variables_of_the_tests_alone(monkeypatch):
    monkeypatch.setenv("MLSIGNAL_SHARED", "somewhere")
    monkeypatch.setenv("MLSIGNAL_LONG", "full")
    assert load_settings().seed == 0
