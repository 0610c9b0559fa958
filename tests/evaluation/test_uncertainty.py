"""The interval of a share, by its coverage of a known truth."""

import numpy as np

from mlsignal.evaluation.uncertainty import share_interval

SIMULATIONS = 400


def test_share_interval_covers_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(1)
    hits = rng.binomial(300, 0.53, SIMULATIONS) / 300
    covered = sum(low <= 0.53 <= high for low, high in (share_interval(share, 300) for share in hits))
    assert 0.92 < covered / SIMULATIONS < 0.98
