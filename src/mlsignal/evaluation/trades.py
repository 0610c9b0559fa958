"""The trades of an account, one row each: from flat or the other side, to flat or the other side."""

import numpy as np
import polars as pl

from mlsignal.candles import Candles, Floats, Times, times_utc
from mlsignal.evaluation.account import Account

SIDES = ("long", "short")


def trade_table(candles: Candles, account: Account) -> pl.DataFrame:
    """Return the round trips of an account, ascending in time.

    Returns
    -------
    polars.DataFrame
        entry_time, exit_time (Datetime ms UTC), side ("long" or "short"), entry_price, exit_price, size (exposure as
        opened, a fraction of the equity), gross_return, net_return, costs, funding (fractions of the equity at the
        entry; funding is negative where it was received), candles (held).

    Notes
    -----
    A trade that is enlarged or reduced on its way stays one trade; its size and prices are those of its first and
    last order. A reversal ends one trade and begins the next: its costs are split by what each of them trades. The
    product of 1 + net_return is the growth of the account.
    """
    side = np.sign(account.exposure)
    changes = np.ones(len(side), dtype=np.bool_)
    changes[1:] = side[1:] != side[:-1]
    begin = np.flatnonzero(changes)
    end = np.append(begin[1:], len(side))
    paid = account.equity * account.cost
    leaving = np.abs(account.drifted) / np.maximum(account.traded, np.finfo(np.float64).tiny)
    closing = paid * np.where(account.traded > 0, leaving, 0.0)
    entered, left = account.equity[begin] - closing[begin], account.equity[end] - closing[end]
    costs = np.add.reduceat(paid[:-1], begin) - closing[begin] + closing[end]
    funding = np.add.reduceat(account.equity[:-1] * account.funding, begin)
    gross = np.multiply.reduceat(account.growth, begin) - 1
    kept = side[begin] != 0
    begin, end, entered = begin[kept], end[kept], entered[kept]
    return pl.DataFrame(
        {
            "entry_time": times_utc(candles.open_time_ms[account.candle[begin]]),
            "exit_time": times_utc(_exit_times(candles, account, end)),
            "side": pl.Series(SIDES).gather((side[begin] < 0).astype(np.uint32)),
            "entry_price": account.price[begin],
            "exit_price": account.price[end],
            "size": np.abs(account.exposure[begin]),
            "gross_return": gross[kept],
            "net_return": left[kept] / entered - 1,
            "costs": costs[kept] / entered,
            "funding": funding[kept] / entered,
            "candles": account.candle[end] - account.candle[begin],
        }
    )


def trade_facts(trades: pl.DataFrame) -> dict[str, float]:
    """Return how often and how much the trades won, after costs; NaN where there is none to count.

    Returns
    -------
    dict
        trades, hit_rate (share with a net return above 0), average_win, average_loss (mean net return of those above 0
        and of the others, fractions of the equity).
    """
    net = trades["net_return"].to_numpy()
    won = net > 0
    return {
        "trades": len(net),
        "hit_rate": _mean(won.astype(np.float64)),
        "average_win": _mean(net[won]),
        "average_loss": _mean(net[~won]),
    }


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _exit_times(candles: Candles, account: Account, end: Times) -> Times:
    candle, at_close = account.candle[end], account.at_close[end]
    times = candles.open_time_ms[np.minimum(candle, len(candles) - 1)]
    times[at_close] = candles.interval.next_array(candles.open_time_ms[candle[at_close] - 1]) - 1
    return times


def order_sizes(account: Account) -> tuple[Times, Floats]:
    """Return the candles of all orders and what they trade, in units of the equity; both of shape (n_orders,)."""
    traded = account.traded > 0
    return (account.candle - account.at_close)[traded], account.traded[traded]
