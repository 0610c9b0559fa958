"""The planted signal: P(up) of the next candle as a logistic function of two classic features."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

_GAIN_WEIGHT = 1 / 14  # Wilder's smoothing of rsi14
_WINDOW = 20  # candles of bollinger_percent_b
_WARM_UP = 50  # candles during which the coin is fair
_LOGIT_BOUND = 8.0
_FLAT = 1e-12  # of the close: below it, rsi14 is 50 by definition


@dataclass(frozen=True, slots=True)
class Plant:
    """What is planted in BTCUSDT: logit P(up at t+1) = sum of coefficient x (feature at t - centre).

    The features are those of set `classic`, known when candle t closes. The price reverts where the RSI
    strays from 50; the term in %B takes back the part of that which the last candle's direction alone would
    show, so that a rule that looks one candle back (persistence, reversal) finds little of it.

    Notes
    -----
    The coefficients are `signal_strength` times (-0.172, 2.92), for which the standard deviation of the logit
    is about `signal_strength`. At the default .2 the best possible accuracy without ties is about 54 % and
    the best area under the ROC curve about .555. The first 50 candles have P = .5.
    """

    coefficients: tuple[float, ...]
    """One per feature, per unit of the feature (rsi14 counts 0..100, %B is a fraction)."""
    features: tuple[str, ...] = ("rsi14", "bollinger_percent_b")
    """Names of the features, in set `classic`."""
    centre: tuple[float, ...] = (50.0, 0.5)
    """The value of each feature that speaks for neither direction."""

    @classmethod
    def of_strength(cls, signal_strength: float) -> "Plant":
        """Return the plant whose logit has a standard deviation of about `signal_strength`."""
        return cls(coefficients=(-0.172 * signal_strength, 2.92 * signal_strength))


@dataclass(slots=True)
class PlantedWalk:
    """The planted symbol's price, in ticks, minute by minute, with all that the plant's features remember.

    Prices are counted from `origin`, and the sums of the rolling window are integers: they cannot drift.
    """

    plant: Plant
    origin: int
    floor: int
    close: int = 0
    """Last close, ticks above `origin`."""
    p_up: float = 0.5
    """P(up) of the next candle."""
    age: int = 0
    _gain: float = 0.0
    _loss: float = 0.0
    _ring: list[int] = field(default_factory=lambda: [0] * _WINDOW)
    _sum: int = 0
    _squares: int = 0

    def advance(
        self, moves: Sequence[int], reaches: Sequence[int], uniforms: Sequence[float]
    ) -> tuple[list[float], list[int], list[int]]:
        """Draw the signs of a block of minutes.

        Parameters
        ----------
        moves
            How far each minute will go, in ticks, at least 0.
        reaches
            How far each minute's prices stray from its open, in ticks.
        uniforms
            One uniform number in [0, 1) a minute: it goes up where that is below P(up).

        Returns
        -------
        tuple of lists
            P(up) as used, the sign drawn (+1 or -1, for minutes that do not move too), the close in ticks.
        """
        gain, loss, ring, total, squares = self._gain, self._loss, self._ring, self._sum, self._squares
        close, p_up, age, lowest, origin = (
            self.close,
            self.p_up,
            self.age,
            self.floor - self.origin,
            self.origin,
        )
        decay, exp, sqrt, slot = 1 - _GAIN_WEIGHT, math.exp, math.sqrt, self.age % _WINDOW
        per_rsi = 50 * self.plant.coefficients[0]  # rsi14 - 50 = 50 (gain - loss) / (gain + loss)
        per_band = self.plant.coefficients[1] / 4  # %B - .5 = (close - mean) / (4 standard deviations)
        probabilities, signs, closes = [], [], []
        for move, reach, uniform in zip(moves, reaches, uniforms, strict=True):
            sign = 1 if uniform < p_up else -1
            probabilities.append(p_up)
            signs.append(sign)
            change = sign * move if close - reach >= lowest else 0
            close += change
            closes.append(close + origin)
            gain, loss = gain * decay, loss * decay
            if change > 0:
                gain += change
            else:
                loss -= change
            oldest, ring[slot] = ring[slot], close
            slot = slot + 1 if slot < _WINDOW - 1 else 0
            total += close - oldest
            squares += close * close - oldest * oldest
            spread = _WINDOW * squares - total * total
            age += 1
            moved = gain + loss
            strength = (gain - loss) / moved if moved > _FLAT * (close + origin) else 0.0
            band = (_WINDOW * close - total) / sqrt(spread) if spread > 0 else 0.0
            logit = per_rsi * strength + per_band * band
            p_up = 1 / (1 + exp(-max(-_LOGIT_BOUND, min(_LOGIT_BOUND, logit)))) if age >= _WARM_UP else 0.5
        self._gain, self._loss, self._sum, self._squares = gain, loss, total, squares
        self.close, self.p_up, self.age = close, p_up, age
        return probabilities, signs, closes
