"""How a series of returns did: risk-adjusted ratios of a market that never closes, and drawdowns."""

import numpy as np

from mlsignal.candles import Floats

_BLOCK = 16_384


def candle_returns(values: Floats) -> Floats:
    """Return the return of each candle of an equity curve that begins at 1; 0 once nothing is left; shape (n,)."""
    ratio = np.ones_like(values)
    ratio[0] = values[0]
    if values[-1] > 0:
        np.divide(values[1:], values[:-1], out=ratio[1:])
    else:
        np.divide(values[1:], values[:-1], out=ratio[1:], where=values[:-1] > 0)
    ratio -= 1
    return ratio


def drawdowns(values: Floats) -> Floats:
    """Return how far an equity curve that begins at 1 lies below its highest value so far, at most 0; shape (n,).

    Examples
    --------
    >>> drawdowns(np.array([1.0, 2.0, 1.5, 2.0]))
    array([ 0.  ,  0.  , -0.25,  0.  ])
    """
    fallen = np.empty_like(values)
    peak = 1.0
    for start in range(0, len(values), _BLOCK):
        part = values[start : start + _BLOCK]
        highest = part.max()
        # Without a new high, which is the rule, nothing has to be gone through one by one.
        peaks = np.maximum.accumulate(np.maximum(part, peak)) if highest > peak else peak
        np.divide(part, peaks, out=fallen[start : start + _BLOCK])
        peak = max(peak, highest)
    fallen -= 1
    return fallen


def deepest_drawdown(drawdown: Floats) -> tuple[float, int]:
    """Return the deepest drawdown, at most 0, and its candles: from the peak to the recovery, or to the end.

    Examples
    --------
    >>> deepest_drawdown(np.array([0.0, -0.1, -0.2, 0.0, -0.05]))
    (-0.2, 2)
    """
    trough = int(np.argmin(drawdown))
    if drawdown[trough] == 0:
        return 0.0, 0
    before, after = np.flatnonzero(drawdown[:trough] == 0), drawdown[trough:] == 0
    recovered = trough + int(np.argmax(after)) if after.any() else len(drawdown)
    return float(drawdown[trough]), recovered - (int(before[-1]) + 1 if len(before) else 0)


def ratios(returns: Floats, per_year: float) -> tuple[float, float, float]:
    """Return Sharpe ratio, Sortino ratio and volatility, annualised.

    Parameters
    ----------
    returns
        Of each candle, fractions, shape (n,); candles without a position count with 0.
    per_year
        Candles in a year: 365.25 days, for the market never closes.

    Returns
    -------
    tuple of three floats
        NaN where there are fewer than two returns; the ratios also where their risk is 0.

    Notes
    -----
    Sharpe: mean / standard deviation (ddof 1); Sortino: mean / root of the mean of min(r, 0)², over all candles. Both
    times sqrt(per_year), without a risk-free rate. The root assumes uncorrelated returns.

    References
    ----------
    Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1). Sortino and Price (1994), Performance
    Measurement in a Downside Risk Framework, Journal of Investing 3(3), with a target of 0.
    """
    n = len(returns)
    if n < 2:
        return float("nan"), float("nan"), float("nan")
    mean = float(returns.mean())
    centred = returns - mean
    deviation = (_sum_of_squares(centred) / (n - 1)) ** 0.5
    downside = (_sum_of_squares(np.minimum(returns, 0.0, out=centred)) / n) ** 0.5
    year = per_year**0.5
    sharpe = mean / deviation * year if deviation > 0 else float("nan")
    return sharpe, mean / downside * year if downside > 0 else float("nan"), deviation * year


def _sum_of_squares(values: Floats) -> float:
    """Sum without the linear algebra library, whose threads wait for each other longer than this takes."""
    return float(np.einsum("i,i->", values, values))
