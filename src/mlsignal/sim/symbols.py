"""The symbols of the simulated market: what the exchange tells of them, and what makes their prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BITCOIN = "BTCUSDT"
ETHER = "ETHUSDT"
SOLANA = "SOLUSDT"
NULL = "NULLUSDT"


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """What an exchange publishes about a symbol."""

    name: str
    """Name, base and quote in one: BTCUSDT."""
    base: str
    """Asset that is traded."""
    quote: str
    """Asset that it is priced in."""
    price_decimals: int
    """Decimals of a price."""
    lot_decimals: int
    """Decimals of an amount of the base asset."""

    @property
    def tick_size(self) -> float:
        """Smallest step of a price."""
        return 10.0**-self.price_decimals

    @property
    def lot_step(self) -> float:
        """Smallest step of an amount of the base asset."""
        return 10.0**-self.lot_decimals


@dataclass(frozen=True, slots=True)
class SymbolModel:
    """What the simulator makes a symbol's candles from; a trader never learns it."""

    info: SymbolInfo
    first_price: float
    """Open of the first candle, in the quote asset."""
    volatility: float
    """Typical standard deviation of a 1m return, a fraction."""
    shared_volatility: float
    """Weight (0..1) of the market's common log volatility; the rest is the symbol's own."""
    quiet_share: float
    """Share of minutes that end where they began although the tick is fine."""
    volume: float
    """Typical base volume of a minute."""
    trades: float
    """Typical number of trades in a minute."""
    leader: str | None = None
    """Symbol whose sign and size this one follows."""
    copied_sign: float = 0.0
    """Probability that the sign of a minute is the leader's; otherwise it is a fair coin of its own."""
    copied_size: float = 0.0
    """Correlation of the moves within a minute with the leader's, before the sign is drawn."""
    scales_with_price: bool = True
    """Whether moves grow with the price. Those of the null symbol must not: see `mlsignal.sim.market`."""


_MODELS = (
    SymbolModel(SymbolInfo(BITCOIN, "BTC", "USDT", 2, 5), 42_000.0, 5.0e-4, 0.9, 0.034, 18.0, 1_100.0),
    SymbolModel(SymbolInfo(ETHER, "ETH", "USDT", 2, 4), 2_300.0, 6.0e-4, 0.9, 0.034, 210.0, 800.0, BITCOIN, 0.88, 0.85),
    SymbolModel(SymbolInfo(SOLANA, "SOL", "USDT", 3, 3), 100.0, 8.0e-4, 0.85, 0.03, 2_600.0, 500.0, BITCOIN, 0.8, 0.8),
    SymbolModel(
        SymbolInfo(NULL, "NULL", "USDT", 2, 1),
        100.0,
        2.5e-4,
        0.0,
        0.0,
        5_000.0,
        60.0,
        scales_with_price=False,
    ),
)

SYMBOL_MODELS: Mapping[str, SymbolModel] = MappingProxyType({model.info.name: model for model in _MODELS})
