"""The one truth of a symbol: its minutes, generated block after block, each remembered."""

from dataclasses import dataclass, replace

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.sim.flow import Slots, fill_slots
from mlsignal.sim.moves import Flags, Moves, draw_moves, survivors
from mlsignal.sim.plant import Plant, PlantedWalk
from mlsignal.sim.randomness import Purpose, stream
from mlsignal.sim.symbols import SymbolModel
from mlsignal.sim.table import CandleTable
from mlsignal.sim.volatility import BLOCK, LogVolatility, season

_MINUTE_MS = 60_000
_FLOOR_SHARE = 0.02  # of the first price: the price never falls below it


@dataclass(frozen=True, slots=True)
class MinuteBlock:
    """The minutes of a block, and what made them."""

    table: CandleTable
    p_up: Floats
    """P(up) of each minute, as used in the draw, shape (BLOCK,)."""
    sign: Times
    """Direction drawn for each minute (+1, -1), also where it does not move, shape (BLOCK,)."""
    flip: Times
    """Whether each minute's steps were turned over (-1) or not (+1), shape (BLOCK,)."""
    alive: Flags
    """Whether each minute was allowed to move, shape (BLOCK,)."""
    price_ticks: int
    """Price that the steps are in proportion to."""


@dataclass(frozen=True, slots=True)
class _Directions:
    """Which way a block's minutes go."""

    p_up: Floats
    sign: Times
    flip: Times
    alive: Flags
    closes: Times


class MinutePath:
    """A symbol's minutes since the market opened.

    Parameters
    ----------
    seed, model, start_ms
        What to generate, and when its first minute opens.
    common
        Log volatility that all symbols share.
    plant
        What is planted, for the symbol that leads; no other reads it.
    leader
        Path that this one's signs are copied from, for symbols that follow.
    """

    def __init__(
        self,
        seed: int,
        model: SymbolModel,
        start_ms: int,
        common: LogVolatility,
        plant: Plant | None,
        leader: "MinutePath | None",
    ) -> None:
        self.seed = seed
        self.model = model
        self.start_ms = start_ms
        self.leader = leader
        self._common = common
        self._own = LogVolatility(seed, model.info.name)
        self._first_ticks = round(model.first_price * 10**model.info.price_decimals)
        self._floor = max(1, round(_FLOOR_SHARE * self._first_ticks))
        self._walk = None if plant is None else PlantedWalk(plant, self._first_ticks, self._floor)
        self._blocks: list[MinuteBlock] = []
        self._newest_slots: tuple[int, Slots] | None = None

    def block(self, index: int) -> MinuteBlock:
        """Return a block of BLOCK minutes, generating those before it where they are not there yet."""
        while len(self._blocks) <= index:
            self._blocks.append(self._extend(len(self._blocks)))
        return self._blocks[index]

    def slots(self, index: int) -> Slots:
        """Return the inside of a block's minutes; only the one asked for last is remembered."""
        if self._newest_slots is None or self._newest_slots[0] != index:
            block = self.block(index)
            moves = draw_moves(self.seed, self.model, index, self._log_volatility(index), block.price_ticks)
            self._newest_slots = (index, self._fill(index, moves, block.flip, block.alive, block.table.open))
        return self._newest_slots[1]

    def _extend(self, index: int) -> MinuteBlock:
        first = int(self._blocks[-1].table.close[-1]) if self._blocks else self._first_ticks
        price_ticks = first if self.model.scales_with_price else self._first_ticks
        moves = draw_moves(self.seed, self.model, index, self._log_volatility(index), price_ticks)
        directions = self._direct(index, moves, first)
        opens = np.concatenate([[first], directions.closes[:-1]])
        slots = self._fill(index, moves, directions.flip, directions.alive, opens)
        times = self._minute_times(index)
        # The copies let go of the slots, which take ten times the memory.
        table = replace(slots.minutes(times), close=directions.closes)
        return MinuteBlock(table, directions.p_up, directions.sign, directions.flip, directions.alive, price_ticks)

    def _direct(self, index: int, moves: Moves, first: int) -> _Directions:
        if self._walk is not None:
            return self._direct_planted(self._walk, index, moves)
        p_up = np.full(BLOCK, 0.5)
        if self.leader is None:  # the coins of the steps decide
            sign, flip = _sign(moves.net), np.ones(BLOCK, dtype=np.int64)
        else:
            ahead, share = self.leader.block(index), self.model.copied_sign
            p_up = share * ahead.p_up + (1 - share) * 0.5
            own = np.where(stream(self.seed, self.model.info.name, index, Purpose.SIGN).random(BLOCK) < 0.5, 1, -1)
            copies = stream(self.seed, self.model.info.name, index, Purpose.COPY).random(BLOCK) < share
            sign = np.where(copies, ahead.sign, own)
            flip = sign * _sign(moves.net)
        signed = moves.net * flip
        alive = survivors(first, signed, moves.reach, self._floor)
        return _Directions(p_up, sign, flip, alive, first + np.cumsum(np.where(alive, signed, 0)))

    def _direct_planted(self, walk: PlantedWalk, index: int, moves: Moves) -> _Directions:
        first = walk.close + walk.origin
        uniforms = stream(self.seed, self.model.info.name, index, Purpose.SIGN).random(BLOCK)
        drawn = walk.advance(np.abs(moves.net).tolist(), moves.reach.tolist(), uniforms.tolist())
        sign, closes = np.array(drawn[1], dtype=np.int64), np.array(drawn[2], dtype=np.int64)
        opens = np.concatenate([[first], closes[:-1]])
        alive = opens - moves.reach >= self._floor
        return _Directions(np.array(drawn[0]), sign, sign * _sign(moves.net), alive, closes)

    def _fill(self, index: int, moves: Moves, flip: Times, alive: Flags, opens: Times) -> Slots:
        activity = self._log_volatility(index)
        return fill_slots(self.seed, self.model, index, moves, flip, alive, opens, activity)

    def _log_volatility(self, index: int) -> Floats:
        share = self.model.shared_volatility
        level = season(self._minute_times(index) // _MINUTE_MS % 1440)
        if share:
            level += share * self._common.block(index)
        return np.asarray(level + (1 - share**2) ** 0.5 * self._own.block(index), dtype=np.float64)

    def _minute_times(self, index: int) -> Times:
        return self.start_ms + _MINUTE_MS * np.arange(index * BLOCK, (index + 1) * BLOCK, dtype=np.int64)


def _sign(values: Times) -> Times:
    return np.where(values < 0, -1, 1)
