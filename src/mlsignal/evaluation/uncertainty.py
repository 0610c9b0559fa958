"""The confidence interval of a share of independent rows, by a closed formula."""

from statistics import NormalDist

import numpy as np

LEVEL = 0.95


def share_interval(share: float, n: int, level: float = LEVEL) -> list[float]:
    """Return [low, high] of a binomial share of n rows.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).

    Examples
    --------
    >>> [round(bound, 3) for bound in share_interval(0.5, 100)]
    [0.404, 0.596]
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return [float(middle - reach), float(middle + reach)]
