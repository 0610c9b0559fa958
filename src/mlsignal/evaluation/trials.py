"""A trial: one configuration, evaluated on one stretch of one market, with what is needed to count it later."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.errors import DataError
from mlsignal.evaluation.sharpe import SharpeMoments

FORMAT = 1
MOST_BLOCKS = 200
_HOUR = 3_600_000
BLOCK_LENGTHS = tuple(_HOUR * hours for hours in (1, 2, 4, 12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144))
"""Lengths that a calendar block may have, ms: each divides the next, so that blocks can be merged."""


@dataclass(frozen=True)
class Trial:
    """One configuration, evaluated on one stretch of one market.

    Attributes
    ----------
    configuration
        What decides the numbers: plain JSON values.
    data_sha256
        Hash of the candles.
    start, end
        The test span, UTC.
    model
        Name of the model whose signals were followed.
    n
        Test rows.
    auc_without_ties, log_loss
        On the test rows.
    sharpe
        Of the returns of a period, with their moments: net ones, less those of the mean position held all the time.
    block_ms
        Length of a calendar block.
    blocks
        Start of each calendar block (ms since 1970) -> sum of these returns in it.
    """

    configuration: dict[str, Any]
    data_sha256: str
    start: datetime
    end: datetime
    model: str
    n: int
    auc_without_ties: float
    log_loss: float
    sharpe: SharpeMoments
    block_ms: int
    blocks: dict[int, float]

    @property
    def configuration_sha256(self) -> str:
        """Hash of the configuration: equal for equal settings, in whatever order."""
        text = json.dumps(self.configuration, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this trial: configuration, model and data."""
        return self.configuration_sha256, self.model, self.data_sha256

    @property
    def outcome(self) -> tuple[Any, ...]:
        """What came of it: equal for trials that differ in settings without effect, as a seed that nothing uses."""
        scores = self.n, self.auc_without_ties, self.log_loss, self.sharpe.ratio
        return self.start, self.end, self.model, *map(repr, scores), tuple(self.blocks.items())

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Tell whether the test span shares time with a span."""
        return self.start < end and start < self.end

    def to_line(self) -> str:
        """Return the trial as a line of JSON."""
        record = {
            "format": FORMAT,
            "configuration_sha256": self.configuration_sha256,
            **asdict(self),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "blocks": {str(start): total for start, total in self.blocks.items()},
        }
        return json.dumps(_plain(record), separators=(",", ":"), allow_nan=False, default=str) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Trial":
        """Return the trial that a line holds.

        Raises
        ------
        DataError
            If the line holds none.
        """
        try:
            record = json.loads(line)
            sharpe = record["sharpe"]
            return cls(
                configuration=dict(record["configuration"]),
                data_sha256=str(record["data_sha256"]),
                start=_moment(record["start"]),
                end=_moment(record["end"]),
                model=str(record["model"]),
                n=int(record["n"]),
                auc_without_ties=_number(record["auc_without_ties"]),
                log_loss=_number(record["log_loss"]),
                sharpe=SharpeMoments(
                    ratio=_number(sharpe["ratio"]),
                    skewness=_number(sharpe["skewness"]),
                    kurtosis=_number(sharpe["kurtosis"]),
                    n_periods=int(sharpe["n_periods"]),
                ),
                block_ms=int(record["block_ms"]),
                blocks={int(start): float(total) for start, total in record["blocks"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"a line of the trial log is no trial ({type(error).__name__}: {error})") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return moment


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def calendar_blocks(close_time_ms: Times, net_returns: Floats) -> tuple[int, dict[int, float]]:
    """Sum returns over calendar blocks: their length in ms, and start of block (ms since 1970) -> sum.

    Parameters
    ----------
    close_time_ms
        When each period ends, ms since 1970, ascending, shape (n_periods,), n_periods at least 1.
    net_returns
        After costs, fractions, shape (n_periods,).

    Notes
    -----
    Blocks start at multiples of their length since 1970, UTC. The length is the shortest of `BLOCK_LENGTHS` that makes
    at most 200 blocks.
    """
    reach = int(close_time_ms[-1]) - int(close_time_ms[0])
    fitting = (length for length in BLOCK_LENGTHS if reach // length + 2 <= MOST_BLOCKS)
    length = next(fitting, BLOCK_LENGTHS[-1])
    starts, block = np.unique(close_time_ms // length * length, return_inverse=True)
    sums = np.bincount(block, weights=net_returns, minlength=len(starts))
    return length, dict(zip(starts.tolist(), sums.tolist(), strict=True))
