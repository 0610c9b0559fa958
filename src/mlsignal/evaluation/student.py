"""Student's t in closed form: what an estimate over its own standard error follows."""

import math
from statistics import NormalDist


def student_tail(statistic: float, degrees: float) -> float:
    """Return the probability that Student's t exceeds a statistic.

    Notes
    -----
    Within 1 % of the exact tail from 8 degrees of freedom on, up to a statistic of 3.3; below 8 it errs to the safe
    side, upwards.

    References
    ----------
    Wallace (1959), Bounds on normal approximations to Student's and the chi-square distributions, Annals of
    Mathematical Statistics 30(4).

    Examples
    --------
    >>> round(student_tail(2.0, 50), 4)
    0.0255
    """
    reach = (8 * degrees + 1) / (8 * degrees + 3) * math.sqrt(degrees * math.log1p(statistic * statistic / degrees))
    return math.erfc(math.copysign(reach, statistic) / math.sqrt(2)) / 2  # keeps its digits far out, as cdf does not


def student_reach(level: float, degrees: float) -> float:
    """Return how many standard errors a two-sided interval of a level reaches.

    Examples
    --------
    >>> round(student_reach(0.95, 20), 3)
    2.086
    """
    z = NormalDist().inv_cdf(0.5 + level / 2) * (8 * degrees + 3) / (8 * degrees + 1)
    return math.sqrt(degrees * math.expm1(z * z / degrees))
