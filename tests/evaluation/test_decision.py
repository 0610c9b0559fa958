import numpy as np
import pytest

from mlsignal.evaluation.decision import DecisionRule
from mlsignal.learning.calibration import Calibration

IDENTITY = Calibration(slope=1.0, intercept=0.0, n=1)


def test_decision_trades_only_where_the_expected_gain_exceeds_the_round_trip():
    rule = DecisionRule(IDENTITY, move_per_volatility=1.0)
    score = np.array([0.9, 0.6, 0.5, 0.4, 0.1, np.nan])
    volatility = np.full(6, 0.001)
    # (2 p - 1) E|r| is .0008, .0002, 0, -.0002, -.0008
    np.testing.assert_array_equal(rule.targets(score, volatility, np.full(6, 0.0005)), [1, 0, 0, 0, -1, np.nan])
    np.testing.assert_array_equal(rule.targets(score, volatility, np.full(6, 0.0001)), [1, 1, 0, -1, -1, np.nan])
    np.testing.assert_array_equal(rule.targets(score, volatility, np.full(6, 0.0009)), [0, 0, 0, 0, 0, np.nan])


def test_decision_counts_on_larger_moves_where_volatility_is_larger():
    rule = DecisionRule.fit(IDENTITY, np.array([0.002, -0.002, 0.0, 0.004]), np.array([0.001, 0.001, 0.001, 0.001]))
    assert rule.move_per_volatility == pytest.approx(2.0)
    calm, wild = rule.targets(np.array([0.7, 0.7]), np.array([0.0005, 0.005]), np.array([0.002, 0.002]))
    assert (calm, wild) == (0, 1)


def test_decision_rule_survives_its_dictionary():
    rule = DecisionRule(Calibration(0.7, -0.1, 12), 1.3)
    assert DecisionRule.from_dict(rule.to_dict()) == rule
