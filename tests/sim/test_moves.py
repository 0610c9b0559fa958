"""Moves within minutes: symmetric, and never to a price of zero."""

import numpy as np

from mlsignal.sim.moves import draw_moves, survivors, unit_moves
from mlsignal.sim.plant import Plant, PlantedWalk
from mlsignal.sim.symbols import SYMBOL_MODELS
from mlsignal.sim.volatility import BLOCK, LogVolatility, autoregression


def test_survivors_keep_the_price_above_its_floor():
    rng = np.random.default_rng(3)
    net = rng.integers(-9, 10, 2000)
    reach = np.abs(net) + 1
    alive = survivors(20, net, reach, 5)
    closes = 20 + np.cumsum(np.where(alive, net, 0))
    opens = np.concatenate([[20], closes[:-1]])
    assert closes.min() >= 5
    assert not alive.all()
    assert np.array_equal(alive, opens - reach >= 5)


def test_planted_walk_keeps_the_price_above_its_floor():
    walk = PlantedWalk(Plant.of_strength(2.0), origin=100, floor=50)
    moves = np.random.default_rng(3).integers(0, 30, 3000).tolist()
    uniforms = np.random.default_rng(4).random(3000).tolist()
    p_up, signs, closes = walk.advance(moves, moves, uniforms)
    assert min(closes) >= 50
    assert all((uniform < p) == (sign > 0) for uniform, p, sign in zip(uniforms, p_up, signs, strict=True))


def test_planted_walk_in_parts_is_the_walk_in_one():
    moves, uniforms = [5, 0, 9, 3] * 100, np.random.default_rng(1).random(400).tolist()
    whole, parts = (PlantedWalk(Plant.of_strength(0.5), 10_000, 10) for _ in range(2))
    expected = whole.advance(moves, moves, uniforms)
    first, second = (parts.advance(moves[s], moves[s], uniforms[s]) for s in (slice(0, 137), slice(137, 400)))
    assert expected == tuple(a + b for a, b in zip(first, second, strict=True))


def test_unit_moves_are_as_often_up_as_down_and_of_independent_size():
    units = unit_moves(1, SYMBOL_MODELS["NULLUSDT"], 0)
    ups = (units > 0).mean()
    assert abs(ups - 0.5) < 4 * 0.5 / units.size**0.5
    assert abs(np.corrcoef((units > 0).ravel(), np.abs(units).ravel())[0, 1]) < 4 / units.size**0.5


def test_moves_add_up_and_stay_within_reach():
    moves = draw_moves(1, SYMBOL_MODELS["BTCUSDT"], 0, np.zeros(BLOCK), 4_200_000)
    path = np.cumsum(moves.ticks, axis=0)
    assert np.array_equal(path[-1], moves.net)
    assert np.all(np.abs(path) <= moves.reach)


def test_autoregression_matches_its_recursion():
    shocks = np.random.default_rng(0).standard_normal(500)
    for weight in (0.1, 0.9, 0.9999):
        level, expected = 2.0, []
        for shock in shocks.tolist():
            level = weight * level + shock
            expected.append(level)
        np.testing.assert_allclose(autoregression(shocks, weight, 2.0), expected, rtol=1e-9, atol=1e-12)


def test_log_volatility_goes_on_from_block_to_block():
    volatility = LogVolatility(2, "MARKET")
    later = volatility.block(3)
    assert np.array_equal(later, LogVolatility(2, "MARKET").block(3))
    joined = np.concatenate([volatility.block(2)[-60:], later[:60]])
    assert abs(joined[:60].mean() - joined[60:].mean()) < 1.5
