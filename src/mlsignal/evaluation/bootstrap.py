"""Resampling rows that depend on their neighbours: the stationary block bootstrap, as counts of each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats
from mlsignal.errors import ConfigurationError

REPLICATES = 1_000
LARGEST_CHUNK = 500_000
"""Counts held at a time: 4 MB, which stays in a processor's cache and bounds memory whatever the rows."""
SIGNIFICANT = 2.0
"""The constant c of Politis and White: autocorrelations below c sqrt(log10(n) / n) pass for none."""
FEWEST_LAGS = 5


@dataclass(frozen=True)
class Resampling:
    """How often each row occurs in each replicate; the same whenever it is asked, so that scores are paired.

    Attributes
    ----------
    n_rows
        Rows in the order of time, at least 1.
    block_length
        Mean length of a block in rows, at least 1; 1 resamples single rows.
    replicates
        At least 2.
    seed
        Of the random numbers.
    """

    n_rows: int
    block_length: float
    replicates: int
    seed: int

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a standard error: 2 n / b, at least 1.

        Notes
        -----
        The bootstrap weights the autocovariance of lag k by about exp(-k / b). The variance of such an estimate is
        2 sum w² / n times its square, and sum w² over all lags is b.
        """
        return max(2 * self.n_rows / self.block_length, 1.0) if self.block_length > 1 else float(self.n_rows)

    def standard_error(self, draws: Floats) -> float:
        """Return the standard error of a score from its draws, shape (replicates,); NaN for fewer than two finite ones.

        Notes
        -----
        Blocks are drawn about the sample's own mean, which makes their variance too small by a factor of about
        1 - 2 b / n; that is made good.
        """
        kept = draws[np.isfinite(draws)]
        if len(kept) < 2:
            return float("nan")
        lost = 2 * self.block_length / self.n_rows if self.block_length > 1 else 0.0
        return float(kept.std(ddof=1)) / float(np.sqrt(max(1 - lost, 1 / 3)))

    def counts(self) -> Iterator[Floats]:
        """Yield the replicates in chunks: arrays of shape (n_rows, n_in_chunk), each column summing to n_rows.

        Notes
        -----
        A block starts at any row alike and has a geometric length; it goes on at the first row when it reaches the
        last. A block adds 1 to the rows that it covers: the cumulative sum of +1 at its start and -1 behind its end.

        References
        ----------
        Politis, Romano (1994), The stationary bootstrap, JASA 89(428).
        """
        size = max(1, min(self.replicates, LARGEST_CHUNK // self.n_rows))
        for number, first in enumerate(range(0, self.replicates, size)):
            generator = np.random.default_rng([self.seed, number])
            yield self._chunk(min(size, self.replicates - first), generator)

    def _chunk(self, replicates: int, generator: np.random.Generator) -> Floats:
        n = self.n_rows
        if self.block_length == 1:
            drawn = generator.integers(n, size=(n, replicates)) * replicates + np.arange(replicates)
            return np.bincount(drawn.ravel(), minlength=n * replicates).reshape(n, replicates).astype(np.float64)
        lengths = self._lengths(replicates, generator)
        starts = generator.integers(n, size=lengths.shape)
        ends = starts + lengths
        replicate = np.broadcast_to(np.arange(replicates), lengths.shape)
        steps = np.bincount((starts * replicates + replicate).ravel(), minlength=n * replicates).astype(np.float64)
        steps -= np.bincount(((ends % n) * replicates + replicate).ravel(), minlength=n * replicates)
        table = steps.reshape(n, replicates)
        table[0] += (ends >= n).sum(axis=0)
        return np.cumsum(table, axis=0, out=table)

    def _lengths(self, replicates: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """Return lengths of blocks, shape (n_blocks, replicates), that sum to n_rows in each column."""
        n, chance = self.n_rows, 1 / self.block_length
        expected = n * chance
        more = int(expected + 4 * np.sqrt(expected)) + 4
        lengths = generator.geometric(chance, (more, replicates))
        until = np.cumsum(lengths, axis=0)
        while until[-1].min() < n:
            lengths = np.concatenate([lengths, generator.geometric(chance, (more, replicates))])
            until = np.cumsum(lengths, axis=0)
        until = np.minimum(until, n)
        return np.diff(until, axis=0, prepend=0)


def plan_resampling(
    n_rows: int, block_length: float, generator: np.random.Generator, replicates: int = REPLICATES
) -> Resampling:
    """Plan a resampling whose seed is drawn from a generator.

    Raises
    ------
    ConfigurationError
        If there are no rows, fewer than 2 replicates, or blocks shorter than a row.
    """
    if n_rows < 1 or replicates < 2 or not block_length >= 1:
        raise ConfigurationError(
            "bootstrap: expected at least 1 row, 2 replicates and blocks of at least 1 row, found "
            f"{n_rows}, {replicates} and {block_length}"
        )
    return Resampling(n_rows, float(block_length), replicates, int(generator.integers(2**63)))


def automatic_block_length(series: Sequence[Floats] | Floats) -> float:
    """Return the mean block length that suits the mean of a series: the longest, where there are several series.

    Parameters
    ----------
    series
        Values of rows in the order of time, shape (n,), or several such.

    Returns
    -------
    float
        1 to min(3 sqrt(n), n / 3), or 1 where that is less; 1 for a series that does not vary.

    Notes
    -----
    b = (2 G² / D)^(1/3) n^(1/3), with D = 2 g², g = sum of w(k/M) R(k) and G = sum of w(k/M) |k| R(k) over lags
    -M..M; R are autocovariances, w is 1 up to 1/2 and falls to 0 at 1, and M is twice the lag from which on
    max(5, sqrt(log10 n)) autocorrelations in a row are insignificant.

    References
    ----------
    Politis, White (2004), Automatic block-length selection for the dependent bootstrap, Econometric Reviews 23(1);
    Patton, Politis, White (2009), Correction, Econometric Reviews 28(4), from which D is taken.
    """
    several = [series] if isinstance(series, np.ndarray) else list(series)
    return max((_block_length(np.asarray(values, dtype=np.float64)) for values in several), default=1.0)


def _block_length(values: Floats) -> float:
    n = len(values)
    longest = min(3 * np.sqrt(n), n / 3)
    if longest <= 1:
        return 1.0
    run = max(FEWEST_LAGS, int(np.ceil(np.sqrt(np.log10(n)))))
    most = min(int(np.ceil(np.sqrt(n))) + run, n - 1)
    covariance = autocovariances(values, most)
    if covariance[0] <= 1e-30 * (1 + float(np.square(values).mean())):
        return 1.0
    bandwidth = min(2 * _last_significant_lag(covariance / covariance[0], n, run), most)
    if not bandwidth:
        return 1.0
    lag = np.arange(1, bandwidth + 1)
    weighted = np.minimum(1, 2 * (1 - lag / bandwidth)) * covariance[1 : bandwidth + 1]
    spectrum = covariance[0] + 2 * float(weighted.sum())
    slope = 2 * float((lag * weighted).sum())
    if not spectrum > 0:
        return float(longest)
    return float(np.clip((slope / spectrum) ** 2 * n, 1, longest**3) ** (1 / 3))


def _last_significant_lag(correlation: Floats, n: int, run: int) -> int:
    """Return the lag behind which `run` insignificant autocorrelations follow; the last significant where none do."""
    significant = np.abs(correlation[1:]) >= SIGNIFICANT * np.sqrt(np.log10(n) / n)
    quiet = 0
    for lag, is_significant in enumerate(significant, start=1):
        quiet = 0 if is_significant else quiet + 1
        if quiet == run:
            return lag - run
    return int(np.flatnonzero(significant)[-1]) + 1 if significant.any() else 0


def autocovariances(values: Floats, most: int) -> Floats:
    """Return the autocovariances of lags 0 to `most`, each a sum over n - lag products divided by n."""
    centred = values - values.mean()
    size = 1 << (len(values) + most).bit_length()
    spectrum = np.fft.rfft(centred, size)
    return np.asarray(np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: most + 1] / len(values))
