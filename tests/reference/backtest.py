"""The backtest as an event loop: candle by candle, one order at a time, nothing precomputed."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlsignal.candles import Candles
from mlsignal.evaluation.costs import Costs

EIGHT_HOURS = 8 * 3_600_000


@dataclass
class Trade:
    """A round trip that is still open, or done."""

    side: int
    entry: int
    entry_price: float
    size: float
    equity: float
    gross: float = 1.0
    costs: float = 0.0
    funding: float = 0.0
    exit_price: float = 0.0
    net_return: float = 0.0
    candles: int = 0


@dataclass
class Outcome:
    """Everything that happened."""

    position: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    buy_and_hold: list[float] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    turnover: float = 0.0
    costs_paid: float = 0.0
    funding_paid: float = 0.0
    ruined: bool = False


def volatility_before(candles: Candles, t: int) -> float:
    """Root mean square of the moves of the 60 candles before candle t."""
    moves = [math.log(candles.close[u] / candles.open[u]) ** 2 for u in range(max(t - 60, 0), t)]
    return math.sqrt(sum(moves) / len(moves))


def side_cost(candles: Candles, costs: Costs, t: int, order: float | None) -> float:
    """Cost of a side at the open of candle t as a fraction; `order` in the quote currency."""
    total = (costs.fee_bps + costs.half_spread_bps) / 1e4
    if costs.slippage or (costs.impact and order is not None):
        total += costs.slippage * volatility_before(candles, t)
    if costs.impact and order is not None:
        volumes = [candles.quote_volume[u] for u in range(max(t - 60, 0), t)]
        volume = max(sum(volumes) / len(volumes), 1e-200)
        total += costs.impact * volatility_before(candles, t) * math.sqrt(order / volume)
    return total


class Book:
    """An account: cash and units, and the trade that is open."""

    def __init__(self, candles: Candles, costs: Costs | None, notional: float | None) -> None:
        self.candles, self.costs, self.notional = candles, costs, notional
        self.cash, self.units = 1.0, 0.0
        self.exposure = 0.0
        self.turnover = self.costs_paid = self.funding_paid = 0.0
        self.run_price = self.run_equity = math.nan
        self.trade: Trade | None = None
        self.trades: list[Trade] = []

    def value(self, price: float) -> float:
        return self.cash + self.units * price

    def order(self, exposure: float, price: float, t: int, candle: int) -> None:
        """Trade to an exposure; `t` is the candle whose past sets the cost, `candle` where the trade counts."""
        before = self.value(price)
        held = self.units * price / before
        traded = abs(exposure - held)
        cost = 0.0
        if self.costs is not None and traded > 0:
            size = None if self.notional is None else self.notional * traded
            cost = traded * side_cost(self.candles, self.costs, t, size)
        closing = cost * abs(held) / traded if traded > 0 else 0.0
        self.turnover += traded
        self.costs_paid += cost
        if self.trade is not None:
            self.trade.gross *= 1 + self.exposure * (price / self.run_price - 1)
        if self.trade is not None and np.sign(exposure) != self.trade.side:
            self._close(before, closing, price, candle)
            cost_left = before * (cost - closing)
        else:
            cost_left = before * cost
        if exposure and self.trade is None:
            self.trade = Trade(int(np.sign(exposure)), candle, price, abs(exposure), before * (1 - closing))
        if self.trade is not None:
            self.trade.costs += cost_left
        self.exposure, self.run_price, self.run_equity = exposure, price, before
        self.units = exposure * before / price
        self.cash = before - before * cost - self.units * price

    def _close(self, before: float, closing: float, price: float, candle: int) -> None:
        assert self.trade is not None
        self.trade.costs += before * closing
        self.trade.exit_price = price
        self.trade.net_return = before * (1 - closing) / self.trade.equity - 1
        self.trade.candles = candle - self.trade.entry
        self.trades.append(self.trade)
        self.trade = None

    def cost_of_leaving(self, price: float, t: int) -> float:
        """What closing the position would cost, in money."""
        held = abs(self.units * price)
        if self.costs is None or self.value(price) <= 0:
            return 0.0
        size = None if self.notional is None else self.notional * held / self.value(price)
        return held * side_cost(self.candles, self.costs, t, size)

    def pay_funding(self, amount: float) -> None:
        self.cash -= amount
        self.funding_paid += amount / self.run_equity
        if self.trade is not None:
            self.trade.funding += amount

    def ruin(self, price: float, candle: int) -> None:
        if self.trade is not None:
            self.trade.gross *= 1 + self.exposure * (price / self.run_price - 1)
            self._close(0.0, 0.0, price, candle)
        self.cash = self.units = self.exposure = 0.0


def wanted(candles: Candles, signals: dict[int, float], t: int, lifetime: float, latency: int) -> tuple[float, int]:
    """The newest signal that rules candle t, and the candle it is of."""
    gaps = set(candles.gap_starts.tolist())
    for fill in range(t, -1, -1):
        signal = fill - 1 - latency
        crossed = any(u in gaps for u in range(signal + 1, t + 1)) if signal >= 0 else True
        if crossed:
            return 0.0, 0
        target = signals.get(signal, 0.0)
        if target == target and target != 0:
            return (target, signal) if t - fill < lifetime else (0.0, 0)
    return 0.0, 0


def backtest(
    candles: Candles,
    position: np.ndarray,
    target: np.ndarray,
    costs: Costs,
    *,
    hold: str = "signal",
    horizon: int = 1,
    sizing: str = "fixed",
    target_volatility: float = 0.4,
    largest_factor: float = 1.0,
    notional: float | None = None,
) -> Outcome:
    """Go through the candles one by one."""
    signals = dict(zip(position.tolist(), target.tolist(), strict=True))
    lifetime = {"signal": 1, "horizon": horizon, "flip": math.inf}[hold]
    latency, n = costs.latency_candles, len(candles)
    first = int(position[0]) + 1 + latency
    last = min(int(position[-1]) + 1 + latency + (horizon - 1 if hold == "horizon" else 0), n - 1)
    gaps = set(candles.gap_starts.tolist())
    out = Outcome()
    accounts = [Book(candles, costs, notional), Book(candles, None, None)]
    alive = [True, True]
    asked = exposure = 0.0
    for t in range(first, last + 1):
        now, decided = wanted(candles, signals, t, lifetime, latency)
        closes = t + 1 in gaps or t + 1 == n
        mark = candles.close[t] if closes else candles.open[t + 1]
        if now != asked:
            exposure = now
            if sizing == "volatility" and now:
                yearly = volatility_before(candles, decided + 1) * math.sqrt(candles.interval.per_year)
                exposure = now * (largest_factor if yearly == 0 else min(largest_factor, target_volatility / yearly))
        out.position.append(exposure if alive[0] else 0.0)
        for k, account in enumerate(accounts):
            if not alive[k]:
                continue
            if now != asked:
                account.order(exposure, candles.open[t], t, t)
            if account.costs is not None and account.units:
                opens = int(candles.open_time_ms[t])
                moments = candles.interval.next(opens) // EIGHT_HOURS - opens // EIGHT_HOURS
                account.pay_funding(account.units * mark * costs.funding_bps / 1e4 * moments)
            leaving = account.units and (closes or t == last)
            if account.value(mark) - (account.cost_of_leaving(mark, t if closes else t + 1) if leaving else 0) <= 0:
                account.ruin(mark, t + 1)
                alive[k] = False
            elif leaving:
                account.order(0.0, mark, t if closes else t + 1, t + 1)
        out.net.append(accounts[0].value(mark))
        out.gross.append(accounts[1].value(mark))
        out.buy_and_hold.append(mark / candles.open[first])
        if closes:
            asked = exposure = 0.0
        else:
            asked = now
    book = accounts[0]
    out.trades, out.turnover, out.costs_paid = book.trades, book.turnover, book.costs_paid
    out.funding_paid, out.ruined = book.funding_paid, not alive[0]
    return out


def performance(returns: list[float], per_year: float) -> dict[str, Any]:
    """Sharpe, Sortino, volatility, by the book."""
    n = len(returns)
    mean = sum(returns) / n
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / (n - 1))
    downside = math.sqrt(sum(min(r, 0) ** 2 for r in returns) / n)
    return {
        "sharpe": mean / deviation * math.sqrt(per_year),
        "sortino": mean / downside * math.sqrt(per_year),
        "volatility": deviation * math.sqrt(per_year),
    }


def deepest_drawdown(net: list[float]) -> tuple[float, int]:
    """Depth and candles from the peak to the recovery, or the end."""
    best, depth, peak, peak_of_deepest, trough = 1.0, 0.0, -1, -1, -1
    for t, value in enumerate(net):
        if value >= best:
            best, peak = value, t
        if value / best - 1 < depth:
            depth, peak_of_deepest, trough = value / best - 1, peak, t
    if depth == 0:
        return 0.0, 0
    level = 1.0 if peak_of_deepest < 0 else net[peak_of_deepest]
    back = next((t for t in range(trough, len(net)) if net[t] >= level), len(net))
    return depth, back - (peak_of_deepest + 1)
