"""The commands on costs: backtest and breakeven, on a market in a file."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import typer

import mlsignal
from mlsignal.apps.backtest_cli import backtest
from mlsignal.apps.breakeven_cli import breakeven
from mlsignal.apps.cli import common
from mlsignal.bundle import load_bundle
from mlsignal.candles import Candles
from mlsignal.errors import ConfigurationError, OutputError, TooFewCandlesError
from mlsignal.evaluation.backtest import run_backtest
from mlsignal.evaluation.costs import choose_costs
from mlsignal.sim.market import Market
from tests.markets import write_market

LENGTH = 3_000


def command(*arguments: str | Path) -> None:
    """Run a command as the command line does, but let its errors through."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(common)
    app.command("backtest")(backtest)
    app.command("breakeven")(breakeven)
    app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), LENGTH)


@pytest.fixture(scope="module")
def bundle(market: Path) -> Path:
    """A model trained on the first 1,600 of the 2,000 first candles."""
    folder = write_market(market.parent / "short", 2_000)
    settings = {"trees": 5, "folds": 3, "models": "logistic_regression", "trials": market / "trials"}
    mlsignal.run(market / "run", source=str(folder), **settings)
    return market / "run"


@pytest.fixture
def candles() -> Candles:
    return Market(7).candles("BTCUSDT", "1m", LENGTH)


def test_backtest_trades_only_what_the_training_has_not_seen(
    bundle: Path, market: Path, candles: Candles, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command(
        *("backtest", bundle, "--source", market, "--json"),
        *("--output", tmp_path / "trades.parquet", "--curve", tmp_path / "curve.parquet"),
    )
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    loaded = load_bundle(bundle)
    p_up = loaded.predict(candles)["p_up"].to_numpy()
    last_seen = candles.to_polars()["close_time"].search_sorted(pl.Series([found["training"]["end"]]).str.to_datetime())
    position = np.arange(last_seen[0] + 2, LENGTH)  # the label of the last training row looks one candle further
    expected = run_backtest(candles, position, np.sign(p_up[position] - 0.5), choose_costs("binance-spot"))
    assert found["economics"]["net_return"] == pytest.approx(expected.summary["net_return"], rel=1e-12)
    assert found["signals"] == len(position)
    assert found["economics"]["costs"] == "binance-spot"
    assert pl.read_parquet(tmp_path / "trades.parquet").equals(expected.trades)
    assert pl.read_parquet(tmp_path / "curve.parquet").equals(expected.curve)
    assert "are left out" in shown.err
    assert "WARNING" not in shown.err


def test_backtest_of_the_training_itself_warns(bundle: Path, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("backtest", bundle, "--source", market, "--include-training", "--json")
    shown = capsys.readouterr()
    assert "WARNING" in shown.err
    assert "says nothing of what it will earn" in shown.err
    found = json.loads(shown.out)
    assert found["training"]["included"]
    assert 1_000 < found["training"]["candles_in_it"] < found["signals"]


def test_backtest_without_newer_candles_is_refused(
    bundle: Path, market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = write_market(market.parent / "early", 1_000)
    with pytest.raises(TooFewCandlesError, match=r"candles after the training .* or --include-training"):
        command("backtest", bundle, "--source", early)
    command("backtest", bundle, "--source", early, "--include-training")
    assert "WARNING" in capsys.readouterr().err
    with pytest.raises(TooFewCandlesError, match="past a warm-up"):
        command("backtest", bundle, "--source", market, "--lookback-candles", "100")


def test_backtest_shows_net_beside_gross_and_buy_and_hold(
    bundle: Path, market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--costs", "binance-futures-maker", "--hold", "flip", "--sizing", "volatility", "--latency-candles", "2")
    command("backtest", bundle, "--source", market, *options)
    shown = capsys.readouterr().out
    for words in ("after costs", "before costs", "buy and hold", "Sharpe", "Sortino", "max drawdown", "upper bound"):
        assert words in shown
    assert "2 + 0 bps" in shown


def test_backtest_options_reach_the_account(bundle: Path, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for name, options in {
        "plain": (),
        "fee": ("--fee-bps", "1"),
        "spread": ("--half-spread-bps", "5"),
        "slippage": ("--slippage", "1"),
        "late": ("--latency-candles", "1"),
        "flip": ("--hold", "flip"),
        "horizon": ("--hold", "horizon"),
        "sized": ("--sizing", "volatility"),
        "large": ("--notional", "1e6"),
    }.items():
        command("backtest", bundle, "--source", market, "--json", *options)
        found[name] = json.loads(capsys.readouterr().out)["economics"]
    # Where every candle has its signal, one candle is held as long as the signal, and until an opposite one.
    held = [found.pop(name) for name in ("horizon", "flip")]
    assert [economics["hold"] for economics in held] == ["horizon", "flip"]
    assert held[0]["horizon"] == 1
    assert len({economics["net_return"] for economics in found.values()}) == len(found)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--costs", "binance-spott"), "Did you mean 'binance-spot'"),
        (("--interval", "5m"), "trained on 1m candles"),
        (("--hold", "forever"), "hold"),
        (("--fee-bps", "-1"), "fee_bps"),
        (("--notional", "-1"), "notional"),
    ],
)
def test_backtest_of_bad_options_is_refused(bundle: Path, market: Path, options: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        command("backtest", bundle, "--source", market, *options)


@pytest.mark.parametrize(("costs", "least", "most"), [("binance-spot", 0, 0), ("free", 50, 10_000)])
def test_backtest_of_what_is_worth_its_cost_trades_where_costs_allow_it(
    bundle: Path, market: Path, capsys: pytest.CaptureFixture[str], costs: str, least: int, most: int
) -> None:
    command("backtest", bundle, "--source", market, "--trade", "worth", "--costs", costs, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["trade"] == "worth"
    assert least <= found["economics"]["trades"] <= most


def test_breakeven_prints_a_row_a_horizon(market: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figure = tmp_path / "new" / "figure.svg"
    command("breakeven", "--source", market, "--horizons", "60,1", "--costs", "binance-futures", "--figure", figure)
    shown = capsys.readouterr().out
    assert "> 100 %" in shown
    assert "costs binance-futures" in shown
    assert ElementTree.parse(figure).getroot().tag.endswith("svg")
    command("breakeven", "--source", market, "--json")
    found = json.loads(capsys.readouterr().out)
    assert [row["horizon"] for row in found["breakeven"]] == [1, 5, 15, 30, 60]
    assert found["candles"] == LENGTH


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        (("--horizons", "1,x"), ConfigurationError, "numbers of candles expected"),
        (("--horizons", ","), ConfigurationError, "found none"),
        (("--horizons", "100000"), TooFewCandlesError, "moves over 100000 candles"),
        (("--costs", "fre"), ConfigurationError, "Did you mean 'free'"),
    ],
)
def test_breakeven_of_bad_options_is_refused(
    market: Path, options: tuple[str, ...], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        command("breakeven", "--source", market, *options)


def test_breakeven_figure_that_cannot_be_written_is_refused(market: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="choose another --figure"):
        command("breakeven", "--source", market, "--figure", tmp_path / "taken" / "figure.svg")


@pytest.mark.parametrize("job", [backtest, breakeven])
def test_options_name_the_presets(job: Callable[..., None]) -> None:
    from mlsignal.apps.options import CostsPreset
    from mlsignal.evaluation.costs import PRESETS

    told = CostsPreset.__metadata__[0].help
    assert all(name.removesuffix("-maker") in told for name in PRESETS)
    assert job.__annotations__["costs"] == CostsPreset
