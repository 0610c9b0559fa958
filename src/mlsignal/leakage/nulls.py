"""Labels that nothing can foresee, and whether too many of them were called foreseen."""

import math
from dataclasses import replace

import numpy as np

from mlsignal.labels import Labels
from mlsignal.leakage.finding import CheckResult, Finding

BLOCK_ROWS = 60
"""Labels that stay together when they are shuffled, so that what depends on its neighbours still does."""
LEVEL = 0.05
"""Share of markets without any signal that may be told to have an edge; the verdict's own level is .01."""
SIGNIFICANCE = 0.001
"""A share above the level is a finding where chance makes it so large less often than this."""


def shuffle_labels(labels: Labels, random: np.random.Generator, block_rows: int = BLOCK_ROWS) -> Labels:
    """Deal the known labels out anew, in blocks: their own dependence stays, that on the features goes.

    Single labels shuffled would be independent of each other, which labels of longer horizons, and ties, are not: the
    intervals of the verdict would have it too easy. Turned around in time they would be the same for every seed.

    Parameters
    ----------
    labels
        To shuffle; what is known and where spans end stays.
    random
        Where chance comes from.
    block_rows
        Neighbouring labels that stay together; at least the horizon, of which three are taken where that is more.
    """
    known = np.flatnonzero(labels.known)
    size = max(block_rows, 3 * labels.horizon)
    starts = np.arange(0, len(known), size)
    dealt = [known[start : start + size] for start in random.permutation(starts).tolist()]
    source = np.arange(len(labels.known))
    source[known] = np.concatenate([known[:0], *dealt])
    return replace(labels, up=labels.up[source], tie=labels.tie[source], forward_return=labels.forward_return[source])


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Return the probability of at least so many successes, exactly.

    Examples
    --------
    >>> binomial_tail(2, 2, 0.5), binomial_tail(0, 5, 0.1)
    (0.25, 1.0)
    """
    return min(
        1.0,
        math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes, trials + 1)),
    )


def judge_nulls(check: str, culprit: str, edges: int, trials: int, level: float = LEVEL) -> CheckResult:
    """Hold the number of edges found where there is none against the level that was promised.

    Parameters
    ----------
    check
        Name of the check.
    culprit
        What to blame.
    edges, trials
        How many of the runs found an edge.
    level
        Share of them that may.
    """
    p = binomial_tail(edges, trials, level)
    findings: tuple[Finding, ...] = ()
    if p < SIGNIFICANCE:
        told = (
            f"{edges} of {trials} runs with nothing to foresee found an edge, where {level:.0%} may; by chance "
            f"with p = {p:.2g}: features, labels or splits let the future through"
        )
        findings = (Finding(check, culprit, told),)
    return CheckResult(check, f"{edges} edges in {trials} runs (p = {p:.2g})", trials, findings)
