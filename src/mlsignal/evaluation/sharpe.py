"""The Sharpe ratio: its standard error, and what is left of it when many strategies were tried."""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.errors import ConfigurationError, DataError

EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True)
class SharpeMoments:
    """The Sharpe ratio of one period, never annualised, and what its standard error needs.

    Attributes
    ----------
    ratio
        Mean over standard deviation (ddof 1) of the returns of a period; NaN where they do not vary.
    skewness, kurtosis
        Third and fourth standardised moments (ddof 0); 0 and 3 for the normal law.
    n_periods
        Returns behind it.
    """

    ratio: float
    skewness: float
    kurtosis: float
    n_periods: int

    @property
    def standard_error(self) -> float:
        """Standard error of the ratio, for returns that do not depend on each other.

        References
        ----------
        Mertens (2002), Comments on variance of the IID estimator in Lo (2002); for normal returns Lo (2002), The
        statistics of Sharpe ratios, Financial Analysts Journal 58(4): sqrt((1 + SR²/2) / n). Like Bailey and Lopez de
        Prado, we divide by n - 1.
        """
        if self.n_periods < 2 or not math.isfinite(self.ratio):
            return float("nan")
        variance = 1 - self.skewness * self.ratio + (self.kurtosis - 1) / 4 * self.ratio**2
        return math.sqrt(max(variance, 0.0) / (self.n_periods - 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the standard error."""
        return {**asdict(self), "standard_error": self.standard_error}


def sharpe_moments(returns: Floats) -> SharpeMoments:
    """Return the Sharpe ratio of a period and its moments.

    Parameters
    ----------
    returns
        Of each period, fractions, shape (n_periods,), finite; in excess of what idle money earns.

    Raises
    ------
    DataError
        If there are fewer than 2 returns, or one is not finite.
    """
    n = len(returns)
    if n < 2 or not np.isfinite(returns).all():
        raise DataError(f"Sharpe ratio: expected at least 2 finite returns, found {int(np.isfinite(returns).sum())}")
    centred = returns - returns.mean()
    variance = float(np.square(centred).mean())
    if np.ptp(returns) == 0 or variance == 0:
        return SharpeMoments(float("nan"), 0.0, 3.0, n)
    ratio = float(returns.mean()) / math.sqrt(variance * n / (n - 1))
    skewness = float((centred**3).mean()) / variance**1.5
    return SharpeMoments(ratio, skewness, float((centred**4).mean()) / variance**2, n)


def annualised_sharpe(ratio: float, periods_per_year: float) -> float:
    """Return the yearly Sharpe ratio of a period's, for returns that do not depend on each other.

    Parameters
    ----------
    ratio
        Of one period.
    periods_per_year
        525,600 for minutes: this market never closes.

    Raises
    ------
    ConfigurationError
        If `periods_per_year` is not positive.

    Examples
    --------
    >>> annualised_sharpe(0.1, 400)
    2.0
    """
    if not periods_per_year > 0:
        raise ConfigurationError(f"periods_per_year: expected more than 0, found {periods_per_year}")
    return ratio * math.sqrt(periods_per_year)


def probabilistic_sharpe(moments: SharpeMoments, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio of a period exceeds a benchmark's; NaN where not defined.

    Parameters
    ----------
    moments
        Of the strategy's returns.
    benchmark
        A Sharpe ratio of the same period, not annualised.

    References
    ----------
    Bailey, Lopez de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15(2).
    """
    error = moments.standard_error
    if not error > 0:
        return float("nan")
    return NormalDist().cdf((moments.ratio - benchmark) / error)


def expected_maximum_sharpe(n_trials: float, spread: float) -> float:
    """Return the best Sharpe ratio to expect of trials without skill.

    Parameters
    ----------
    n_trials
        Independent trials, at least 1; 0 is expected of a single one.
    spread
        Standard deviation of the trials' ratios, in the unit of the result.

    Notes
    -----
    spread ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e))), Z the normal quantile, g Euler's constant.

    References
    ----------
    Bailey, Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40(5).

    Raises
    ------
    ConfigurationError
        If there is less than one trial, or the spread is negative.
    """
    if not n_trials >= 1 or not spread >= 0:
        raise ConfigurationError(
            f"expected maximum: expected at least 1 trial and a spread of at least 0, found {n_trials} and {spread}"
        )
    if n_trials == 1:
        return 0.0
    quantile = NormalDist().inv_cdf
    highest = (1 - EULER_GAMMA) * quantile(1 - 1 / n_trials) + EULER_GAMMA * quantile(1 - 1 / (n_trials * math.e))
    return spread * max(highest, 0.0)


def deflated_sharpe(moments: SharpeMoments, n_trials: float, spread: float) -> float:
    """Return the probability that a selected strategy's true Sharpe ratio exceeds the best one that luck would show.

    Parameters
    ----------
    moments
        Of the selected strategy's returns.
    n_trials
        Independent trials that it was selected from, at least 1.
    spread
        Standard deviation of the trials' Sharpe ratios of the same period, not annualised.

    References
    ----------
    Bailey, Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40(5).
    """
    return probabilistic_sharpe(moments, expected_maximum_sharpe(n_trials, spread))
