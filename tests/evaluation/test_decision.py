import numpy as np
import pytest

from mlsignal.evaluation.decision import DecisionRule
from mlsignal.learning.calibration import Calibration

IDENTITY = Calibration(slope=1.0, intercept=0.0, n=1)
RULE = DecisionRule(IDENTITY, move_per_volatility=1.0)


def targets(score, round_trip, volatility=0.001, position=None):
    score = np.array(score, dtype=float)
    rows = np.arange(len(score)) if position is None else np.array(position)
    return RULE.targets(score, np.full(len(score), volatility), np.full(len(score), round_trip), rows).tolist()


def test_decision_enters_only_where_the_expected_gain_exceeds_the_round_trip():
    # (2 p - 1) E|r| is .0008, .0002, 0, -.0002, -.0008
    assert targets([0.6, 0.9, 0.5, 0.4, 0.1], 0.0005) == [0, 1, 0, 0, -1]
    assert targets([0.6, 0.9, 0.5, 0.4, 0.1], 0.0001) == [1, 1, 0, -1, -1]
    assert targets([0.6, 0.9, 0.5, 0.4, 0.1], 0.0009) == [0, 0, 0, 0, 0]


def test_decision_stays_while_any_gain_is_expected_and_not_across_a_gap():
    score = [0.9, 0.6, 0.51, 0.49, 0.6, 0.9, 0.6]
    assert targets(score, 0.0005) == [1, 1, 1, 0, 0, 1, 1]
    assert targets(score, 0.0005, position=[0, 1, 5, 6, 7, 8, 20]) == [1, 1, 0, 0, 0, 1, 0]


def test_decision_without_a_score_wants_nothing_and_forgets():
    found = targets([0.9, np.nan, 0.6], 0.0005)
    assert found[0] == 1
    assert np.isnan(found[1])
    assert found[2] == 0


def test_decision_equals_a_loop():
    rng = np.random.default_rng(0)
    score, round_trip = rng.uniform(0.2, 0.8, 3_000), rng.uniform(0, 0.0006, 3_000)
    score[rng.random(3_000) < 0.02] = np.nan
    position = np.cumsum(1 + (rng.random(3_000) < 0.03))
    found = RULE.targets(score, np.full(3_000, 0.001), round_trip, position)
    held = 0.0
    for t in range(3_000):
        gain = RULE.expected_gain(score[t : t + 1], np.array([0.001]))[0]
        if np.isnan(gain):
            held = 0.0
            assert np.isnan(found[t])
            continue
        if t and position[t] != position[t - 1] + 1:
            held = 0.0
        side = np.sign(gain)
        held = side if abs(gain) > round_trip[t] or held == side else 0.0
        assert found[t] == held, t


def test_decision_counts_on_larger_moves_where_volatility_is_larger():
    rule = DecisionRule.fit(IDENTITY, np.array([0.002, -0.002, 0.0, 0.004]), np.full(4, 0.001))
    assert rule.move_per_volatility == pytest.approx(2.0)
    calm, wild = rule.expected_gain(np.array([0.7, 0.7]), np.array([0.0005, 0.005]))
    assert calm == pytest.approx(0.0004)
    assert wild == pytest.approx(0.004)


def test_decision_rule_survives_its_dictionary():
    rule = DecisionRule(Calibration(0.7, -0.1, 12), 1.3)
    assert DecisionRule.from_dict(rule.to_dict()) == rule
