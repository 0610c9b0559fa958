"""An account that goes through runs of positions: what it trades, pays, and is worth, exactly and without a loop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Floats, Times
from mlsignal.evaluation.costs import Costs, cost_parts
from mlsignal.evaluation.positions import Runs

FUNDING_MS = 8 * 3_600_000


@dataclass(frozen=True)
class Account:
    """What happened at each trade; an account of 1 that begins flat and ends flat.

    Trade i begins run i, and the last one ends all; shape (n_runs + 1,), where not said otherwise. Runs may begin
    without anything being traded.

    Attributes
    ----------
    candle
        At whose open the trade is; where `at_close`, one past the candle at whose close it is.
    at_close
        Whether a gap follows, or the candles end there.
    price
        Of the trade.
    exposure
        Of each run as it begins, a fraction of the equity before the trade, shape (n_runs,).
    drifted
        What the exposure had become before the trade.
    traded
        |new exposure - drifted|, in units of the equity.
    cost
        What the trade costs, a fraction of the equity before it.
    equity
        Before the trade.
    growth
        Of the equity over each run, without costs, shape (n_runs,).
    funding
        Paid over each run, a fraction of the equity before it, shape (n_runs,).
    """

    candle: Times
    at_close: npt.NDArray[np.bool_]
    price: Floats
    exposure: Floats
    drifted: Floats
    traded: Floats
    cost: Floats
    equity: Floats
    growth: Floats
    funding: Floats


def mark_prices(candles: Candles, stop: int) -> Floats:
    """Return the price at which each candle is left: the next open, or its own close before a gap and at the end."""
    marks = candles.close[:stop].copy()
    inner = min(stop, len(candles) - 1)
    marks[:inner] = candles.open[1 : inner + 1]
    gaps = candles.gap_starts[candles.gap_starts <= stop] - 1
    marks[gaps] = candles.close[gaps]
    return marks


def funding_sums(candles: Candles, marks: Floats, funding_bps: float) -> Floats:
    """Return what one unit has paid in funding by the end of each candle since the first, in the quote currency.

    Notes
    -----
    Paid at 0, 8 and 16 h UTC on the price at the end of the candle that the moment lies in, the end included.
    """
    opens = candles.open_time_ms[: len(marks)]
    moments = candles.interval.next_array(opens) // FUNDING_MS - opens // FUNDING_MS
    return np.cumsum(funding_bps / 1e4 * moments * marks)


def open_account(
    candles: Candles, runs: Runs, exposure: Floats, costs: Costs, marks: Floats, paid: Floats | None, size: float | None
) -> Account:
    """Follow the runs.

    Parameters
    ----------
    candles, runs, exposure
        Where positions are taken, and how large, shape (n_runs,).
    costs
        What a side costs.
    marks, paid
        Of `mark_prices` and `funding_sums`; no funding where None.
    size
        The account in the quote currency, for the impact of its orders; None leaves impact out. It stays so: gains
        are taken out, losses made up.

    Notes
    -----
    At a trade the position becomes `exposure` times the equity before the trade; from then on its units stay, and its
    share of the equity drifts with the price until the next trade. So a run trades at its beginning only, and
    turnover counts all that is traded. The costs of a trade leave the account at once.

    With e exposure, R price ratio, f funding of a run and c costs of its first trade, equity grows by
    g = 1 - c + e (R - 1) - f, and the exposure drifts to d = e R / g. As c depends on d of the run before through what
    is traded, d is found by iteration; it ends when nothing changes any more, to the last bit, and each step makes at
    least one more run final (in practice the error shrinks by c a step).
    """
    candle = np.append(runs.start, runs.stop)
    at_close = np.isin(candle, np.append(candles.gap_starts, len(candles)))
    price = marks[candle - 1]
    price[0] = candles.open[candle[0]]
    ratio = price[1:] / price[:-1]
    growth = 1 + exposure * (ratio - 1)
    funding = np.zeros(len(exposure))
    if paid is not None:
        funding = exposure * np.diff(paid[candle - 1]) / price[:-1]
    fixed, impact = cost_parts(candles, costs, candle - at_close, size)
    wanted = np.append(exposure, 0.0)
    drifted = np.zeros(len(candle))
    while True:
        traded = np.abs(wanted - drifted)
        cost = np.where(traded > 0, traded * (fixed + impact * np.sqrt(traded)), 0.0)
        grown = solvent(growth - funding - cost[:-1])
        found = np.append(0.0, exposure * ratio / grown)
        if np.array_equal(found, drifted):
            break
        drifted = found
    equity = np.cumprod(np.append(1.0, grown))
    return Account(candle, at_close, price, exposure, drifted, traded, cost, equity, growth, funding)


def solvent(growth: Floats) -> Floats:
    """Put 1 where nothing or less is left: numbers behind a ruin have no meaning, but must not spoil those before."""
    return np.where(growth > 0, growth, 1.0)


def net_values(account: Account, runs: Runs, marks: Floats, paid: Floats | None) -> Floats:
    """Return the equity at the end of each candle of the runs, shape (n,); what follows a ruin has no meaning."""
    units = account.equity[:-1] * account.exposure / account.price[:-1]
    cash = account.equity[:-1] * (1 - account.cost[:-1] - account.exposure)
    level = marks[runs.start[0] :]
    if paid is not None:
        cash = cash + units * paid[runs.start - 1]
        level = level - paid[runs.start[0] :]
    values = _spread(cash, units, runs.length, level)
    ends = account.at_close.copy()
    ends[0], ends[-1] = False, True
    values[account.candle[ends] - 1 - runs.start[0]] -= (account.equity * account.cost)[ends]
    return values


def gross_values(account: Account, runs: Runs, marks: Floats) -> tuple[Floats, float]:
    """Return the equity of the same runs without costs and funding, shape (n,), and what that account trades."""
    grown = solvent(account.growth)
    equity = np.cumprod(np.append(1.0, grown))
    drifted = np.append(0.0, account.exposure * account.price[1:] / account.price[:-1] / grown)
    turnover = float(np.abs(np.append(account.exposure, 0.0) - drifted).sum())
    units = equity[:-1] * account.exposure / account.price[:-1]
    values = _spread(equity[:-1] * (1 - account.exposure), units, runs.length, marks[runs.start[0] :])
    return values, turnover


def _spread(cash: Floats, units: Floats, length: Times, level: Floats) -> Floats:
    values = np.repeat(units, length)
    values *= level
    values += np.repeat(cash, length)
    return values


def ruined(account: Account, candle: int, price: float, paid: Floats | None) -> Account:
    """Return the account cut off at the end of the candle at which nothing was left: closed there, for nothing."""
    runs = int(np.searchsorted(account.candle[:-1], candle, side="right"))
    last = runs - 1
    growth, funding = account.growth[:runs].copy(), account.funding[:runs].copy()
    growth[last] = 1 + account.exposure[last] * (price / account.price[last] - 1)
    if paid is not None:
        since = paid[candle] - paid[account.candle[last] - 1]
        funding[last] = account.exposure[last] * since / account.price[last]
    return Account(
        candle=np.append(account.candle[:runs], candle + 1),
        at_close=np.append(account.at_close[:runs], True),
        price=np.append(account.price[:runs], price),
        exposure=account.exposure[:runs],
        drifted=np.append(account.drifted[:runs], 0.0),
        traded=np.append(account.traded[:runs], 0.0),
        cost=np.append(account.cost[:runs], 0.0),
        equity=np.append(account.equity[:runs], 0.0),
        growth=growth,
        funding=funding,
    )
