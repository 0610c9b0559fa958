"""What a side of a trade costs: fee, half the spread, slippage, impact; from what is known before the fill."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.config import Settings
from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.features.rolling import rolling_sums

Liquidity = Literal["taker", "maker"]

WINDOW = 60
"""Candles over which volatility and volume count as recent."""
LIQUID_HALF_SPREAD_BPS = 0.5
PROMPT_SLIPPAGE = 0.05
SQUARE_ROOT_IMPACT = 1.0
_BLOCK = 16_384
_SMALLEST_VOLUME = 1e-200  # keeps a market without volume from dividing by zero: an order there costs without bound


@dataclass(frozen=True)
class Costs:
    """What trading costs; a side is a purchase or a sale.

    Attributes
    ----------
    name
        Of the preset that it was made from.
    fee_bps
        Fee of a side, basis points of what is traded, at `liquidity`.
    half_spread_bps
        Half of the spread, basis points: what an order that takes liquidity pays beyond the middle price.
    slippage
        Share of one candle's recent volatility that the price moves against an order before it is filled.
    impact
        Factor y of the order's own impact, y volatility sqrt(order / quote volume of a candle); it counts only where
        the size of the account is given.
    latency_candles
        Candles between the first open at which an order could be filled and the one at which it is.
    funding_bps
        What a long pays a short each 8 hours, basis points of the position; 0 leaves funding out.
    liquidity
        Whether `fee_bps` is that of a taker or of a maker. A maker's order waits in the book: it pays neither spread
        nor slippage, but it is filled only if the price comes to it, and then more often when it goes on moving
        against it. The backtest fills every order, so a result with a maker's costs is an upper bound.

    Raises
    ------
    ConfigurationError
        If an amount is negative or not finite.

    Notes
    -----
    Half a basis point of half spread: on BTCUSDT and ETHUSDT the spread is mostly one tick, below .1 bps; on the next
    fifty pairs 1 to 3 bps. A slippage of .05: an order that is filled .15 s after a one-minute candle closes meets a
    price that has moved by sqrt(.15 / 60) = .05 of that minute's volatility, here taken to be always against it. For
    longer candles the same delay is a smaller share: give a smaller slippage, or the default charges too much. The
    factor 1 of the square-root law is the usual order of magnitude for volume and volatility of one span of time.

    References
    ----------
    Tóth et al. (2011), Anomalous price impact and the critical nature of liquidity in financial markets, Physical
    Review X 1, 021006: impact is about volatility times sqrt(order / volume).
    """

    name: str
    fee_bps: float
    half_spread_bps: float = LIQUID_HALF_SPREAD_BPS
    slippage: float = PROMPT_SLIPPAGE
    impact: float = SQUARE_ROOT_IMPACT
    latency_candles: int = 0
    funding_bps: float = field(default=0.0)
    liquidity: Liquidity = "taker"

    def __post_init__(self) -> None:
        for name in ("fee_bps", "half_spread_bps", "slippage", "impact", "latency_candles"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"costs: {name} expected to be a finite number of at least 0, found {value}")
        if not math.isfinite(self.funding_bps):
            raise ConfigurationError(f"costs: funding_bps expected to be a finite number, found {self.funding_bps}")

    @property
    def fixed(self) -> float:
        """Fee and half spread of a side, a fraction."""
        return (self.fee_bps + self.half_spread_bps) / 1e4


def _with_makers(presets: dict[str, tuple[float, float]]) -> dict[str, Costs]:
    found = {"free": Costs("free", 0.0, 0.0, 0.0, 0.0)}
    for name, (taker, maker) in presets.items():
        found[name] = Costs(name, taker)
        found[f"{name}-maker"] = Costs(f"{name}-maker", maker, 0.0, 0.0, 0.0, liquidity="maker")
    return found


PRESETS = _with_makers(
    {
        "binance-spot": (10.0, 10.0),
        "binance-spot-bnb": (7.5, 7.5),
        "binance-futures": (5.0, 2.0),
        "binance-futures-bnb": (4.5, 1.8),
    }
)
"""Binance's fees for everyone (VIP 0), spot and USD-M futures, with and without the discount for paying in BNB. Each
also as `NAME-maker`: the maker's fee, no spread, no slippage; fills are then NOT certain, though a backtest takes them
to be. `free` costs nothing at all: for comparison only."""


def choose_costs(
    preset: str,
    fee_bps: float | None = None,
    half_spread_bps: float | None = None,
    slippage: float | None = None,
    latency_candles: int = 0,
    funding_bps: float | None = None,
) -> Costs:
    """Take a preset and put given numbers in the place of its own.

    Parameters
    ----------
    preset
        A name in `PRESETS`.
    fee_bps, half_spread_bps, slippage, funding_bps
        As of `Costs`; None keeps the preset's.
    latency_candles
        As of `Costs`.

    Raises
    ------
    ConfigurationError
        If there is no such preset, or a number is negative or not finite.

    Examples
    --------
    >>> choose_costs("binance-futures", half_spread_bps=0).fixed
    0.0005
    """
    if preset not in PRESETS:
        raise ConfigurationError(f"costs: {preset!r} is not a preset. {did_you_mean(preset, PRESETS)}")
    own = PRESETS[preset]
    return replace(
        own,
        fee_bps=own.fee_bps if fee_bps is None else fee_bps,
        half_spread_bps=own.half_spread_bps if half_spread_bps is None else half_spread_bps,
        slippage=own.slippage if slippage is None else slippage,
        funding_bps=own.funding_bps if funding_bps is None else funding_bps,
        latency_candles=latency_candles,
    )


def costs_of(settings: Settings) -> Costs:
    """Return the costs that settings ask for; errors as of `choose_costs`."""
    return choose_costs(
        settings.costs,
        settings.fee_bps,
        settings.half_spread_bps,
        settings.slippage,
        settings.latency_candles,
        settings.funding_bps,
    )


def side_cost(candles: Candles, costs: Costs, notional: float | None = None) -> Floats:
    """Return what a side costs that is filled at the open of each candle, as a fraction, shape (n_candles,).

    Parameters
    ----------
    candles
        Any number.
    costs
        Fee, half spread, slippage and impact.
    notional
        Size of the order in the quote currency; None leaves its impact out.

    Raises
    ------
    ConfigurationError
        If `notional` is not positive.
    MissingColumnError
        If `notional` is given and the candles have no quote_volume.

    Notes
    -----
    The cost at candle t is a function of the candles before t. NaN at the first candle, before which nothing is known,
    where volatility matters at all.
    """
    fixed, impact = cost_parts(candles, costs, np.arange(len(candles)), notional)
    return fixed + impact


def cost_parts(candles: Candles, costs: Costs, fill: Times, notional: float | None) -> tuple[Floats, Floats]:
    """Return the cost of a side at the opens of some candles: without impact, and the impact of an order of `notional`.

    Parameters
    ----------
    candles, costs, notional
        As for `side_cost`, which names the errors.
    fill
        Positions of the candles, shape (n,).

    Returns
    -------
    tuple of two arrays of float64, shape (n,)
        An order of x times `notional` costs first + second sqrt(x), a fraction of what it trades.
    """
    if notional is not None and not (math.isfinite(notional) and notional > 0):
        raise ConfigurationError(f"notional: expected a positive amount of the quote currency, found {notional}")
    fixed = np.full(len(fill), costs.fixed)
    impact = np.zeros(len(fill))
    of_size = costs.impact if notional is not None else 0.0
    if not (costs.slippage or of_size):
        return fixed, impact
    volatility = before(recent_volatility(candles), fill)
    fixed += costs.slippage * volatility
    if notional is not None and of_size:
        volume = np.maximum(
            before(_recent_mean(candles.quote_volume.__getitem__, len(candles)), fill), _SMALLEST_VOLUME
        )
        impact = of_size * volatility * np.sqrt(notional / volume)
    return fixed, impact


def recent_volatility(candles: Candles) -> Floats:
    """Return the volatility of one candle as known at each candle's close, a fraction, shape (n_candles,).

    Notes
    -----
    Root of the mean of log(close / open)² over the last 60 candles, this one included; of as many as there are at the
    beginning. Each candle's own move crosses no gap.
    """

    def squares(rows: slice) -> Floats:
        moves = np.log(candles.close[rows] / candles.open[rows])
        return np.square(moves, out=moves)

    mean = _recent_mean(squares, len(candles))
    return np.sqrt(mean, out=mean)


def before(values: Floats, fill: Times) -> Floats:
    """Return the value as of the close before each candle; NaN before the first."""
    return np.where(fill > 0, values[np.maximum(fill - 1, 0)], np.nan)


def _recent_mean(values: Callable[[slice], Floats], length: int) -> Floats:
    """Return the mean of the last `WINDOW` values, or of as many as there are; `values` gives those of some rows."""
    mean = np.empty(length)
    for start in range(0, length, _BLOCK):  # a few rows at a time stay within the processor's cache
        known = max(start - WINDOW + 1, 0)
        sums = rolling_sums(values(slice(known, start + _BLOCK)), [WINDOW])[0]
        mean[start : start + _BLOCK] = sums[start - known :]
    mean /= WINDOW
    young = min(WINDOW - 1, length)
    mean[:young] = np.cumsum(values(slice(young))) / np.arange(1, young + 1)
    return mean
