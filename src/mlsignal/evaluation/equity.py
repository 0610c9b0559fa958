"""What following the signals would have earned, before and after a stated fee."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlsignal.candles import Candles, Floats, Times
from mlsignal.errors import ConfigurationError


@dataclass(frozen=True)
class Equity:
    """Growth of one unit of money.

    Attributes
    ----------
    curve
        time (UTC), gross, net, buy_and_hold.
    summary
        fee_bps, gross_return, net_return, buy_and_hold_return (fractions), turnover (units of equity traded),
        break_even_fee_bps (the fee a side at which the gross log return is used up; 0 where there was none).
    """

    curve: pl.DataFrame
    summary: dict[str, float]


def signal_equity(candles: Candles, position: Times, p_up: Floats, fee_bps: float) -> Equity:
    """Follow the signals long and short: filled at the next open, held until a signal changes.

    Parameters
    ----------
    candles
        All candles.
    position
        Indices of the candles at whose close there is a signal, ascending, shape (n_signals,).
    p_up
        Their probabilities of Up: long above .5, short below, flat at .5, shape (n_signals,).
    fee_bps
        Fee of each side in basis points of what is traded; from long to short is two sides.

    Notes
    -----
    A signal known at the close of candle t is filled at the open of t+1, and earns until the open of t+2 (the close,
    where t+1 is the last or a gap follows). Across a gap, and where there is no signal, the position is flat. No
    spread, no slippage and no funding: the net curve is still too kind.

    Raises
    ------
    ConfigurationError
        If the fee is negative.
    """
    if not fee_bps >= 0:
        raise ConfigurationError(f"fee: expected basis points of at least 0, found {fee_bps}")
    first, stop = int(position[0]) + 1, min(int(position[-1]) + 2, len(candles))
    held = np.zeros(len(candles) + 1)
    held[position + 1] = np.sign(p_up - 0.5)
    held = held[first:stop]
    starts_after_gap = np.isin(np.arange(first, stop), candles.gap_starts)
    held[starts_after_gap] = 0
    earned = _open_to_open(candles)[first:stop]
    ends_before_gap = np.append(starts_after_gap[1:], True)
    before = np.append(0.0, held[:-1])
    before[starts_after_gap] = 0  # sold at the last price before the gap
    traded = np.abs(held - before) + np.where(ends_before_gap, np.abs(held), 0)
    growth_gross, growth_net = 1 + held * earned, 1 + held * earned - traded * fee_bps / 1e4
    gross, net, buy_and_hold = (np.cumprod(np.maximum(g, 0)) for g in (growth_gross, growth_net, 1 + earned))
    times = candles[first:stop].to_polars()["close_time"]
    curve = pl.DataFrame({"time": times, "gross": gross, "net": net, "buy_and_hold": buy_and_hold})
    return Equity(curve, _summary(curve, float(traded.sum()), fee_bps))


def _open_to_open(candles: Candles) -> Floats:
    """Return what one unit long earns from each candle's open to the next one's (its own close before a gap)."""
    until = candles.close.copy()
    until[:-1] = candles.open[1:]
    before_gap = candles.gap_starts - 1
    until[before_gap] = candles.close[before_gap]
    return until / candles.open - 1


def _summary(curve: pl.DataFrame, turnover: float, fee_bps: float) -> dict[str, float]:
    gross, net, hold = (float(curve[name][-1]) for name in ("gross", "net", "buy_and_hold"))
    return {
        "fee_bps": fee_bps,
        "gross_return": gross - 1,
        "net_return": net - 1,
        "buy_and_hold_return": hold - 1,
        "turnover": turnover,
        "break_even_fee_bps": max(float(np.log(gross)) / turnover * 1e4, 0.0) if turnover and gross > 0 else 0.0,
    }
