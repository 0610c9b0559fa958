"""Student's t in closed form, against the exact one."""

import pytest
from scipy import stats

from mlsignal.evaluation.student import student_reach, student_tail


@pytest.mark.parametrize("degrees", [8, 20, 100, 1e4])
@pytest.mark.parametrize("statistic", [-2.5, 0.0, 0.7, 1.96, 3.3])
def test_student_tail_is_within_a_hundredth_of_the_exact_one(statistic: float, degrees: float) -> None:
    assert student_tail(statistic, degrees) == pytest.approx(stats.t.sf(statistic, degrees), rel=0.011)


def test_student_tail_keeps_its_digits_far_out() -> None:
    assert student_tail(12.0, 1e5) == pytest.approx(stats.t.sf(12.0, 1e5), rel=0.02)


@pytest.mark.parametrize("degrees", [1, 2, 4])
@pytest.mark.parametrize("statistic", [2.5, 4.0, 8.0])
def test_student_tail_of_few_degrees_errs_upwards_if_at_all(statistic: float, degrees: float) -> None:
    assert student_tail(statistic, degrees) > 0.95 * stats.t.sf(statistic, degrees)


@pytest.mark.parametrize("degrees", [8, 20, 100, 1e4])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_student_reach_is_within_a_hundredth_of_the_exact_one(level: float, degrees: float) -> None:
    assert student_reach(level, degrees) == pytest.approx(stats.t.ppf(0.5 + level / 2, degrees), rel=0.01)
