"""Every error that the package raises on purpose, with the exit code of the command line.

::

    MlSignalError                 1  a bug, unless it is one of those below
    ├── ConfigurationError        2  a bad argument, option or configuration key   (also a ValueError)
    ├── MissingExtraError         2  an optional dependency is not installed       (also an ImportError)
    ├── DataError                 3  data missing, broken or too few               (also a ValueError)
    │   ├── CandleError              candles that break the rules of `Candles`
    │   ├── MissingColumnError       a column that a feature needs is not there
    │   └── TooFewCandlesError       fewer candles than the job needs
    ├── ExchangeError             4  the exchange refused, or could not be reached
    │   ├── UnknownSymbolError       the exchange does not know the symbol
    │   ├── RateLimitError           too many requests (429) or banned (418)
    │   └── UnreachableError         no usable answer within the deadline
    ├── ModelError                5  a model or bundle is refused                  (also a ValueError)
    │   └── FeatureMismatchError     the features are not those that the model was fitted on
    ├── LeakageError              6  the audit found a leak
    └── OutputError               7  the output cannot be written                  (also an OSError)
"""

import difflib
from collections.abc import Iterable


class MlSignalError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigurationError(MlSignalError, ValueError):
    """A bad argument, option or configuration key."""

    exit_code = 2


class MissingExtraError(MlSignalError, ImportError):
    """An optional dependency is needed and not installed."""

    exit_code = 2

    @classmethod
    def for_extra(cls, what: str, extra: str) -> "MissingExtraError":
        """Name the extra that `what` needs, and how to install it."""
        return cls(f"{what} needs the extra {extra!r}: pip install 'ml-signal-generator[{extra}]'")


class DataError(MlSignalError, ValueError):
    """Data missing, broken or too few."""

    exit_code = 3


class CandleError(DataError):
    """Candles that break the rules of `mlsignal.Candles`."""


class MissingColumnError(DataError):
    """A column that a feature or a stage needs is not among the candles' columns."""


class TooFewCandlesError(DataError):
    """Fewer candles than the job needs."""


class ExchangeError(MlSignalError):
    """The exchange refused, or could not be reached."""

    exit_code = 4


class UnknownSymbolError(ExchangeError):
    """The exchange does not know the symbol, or does not trade it."""


class RateLimitError(ExchangeError):
    """Too many requests (429), or the address is banned (418)."""


class UnreachableError(ExchangeError):
    """No usable answer within the deadline."""


class ModelError(MlSignalError, ValueError):
    """A model or bundle is refused."""

    exit_code = 5


class FeatureMismatchError(ModelError):
    """The features given are not those that the model was fitted on."""


class LeakageError(MlSignalError):
    """The audit found a leak."""

    exit_code = 6


class OutputError(MlSignalError, OSError):
    """The output cannot be written."""

    exit_code = 7


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to `word`, or list the known ones where none is near.

    Examples
    --------
    >>> did_you_mean("clasic", ["classic", "rich"])
    "Did you mean 'classic'?"
    >>> did_you_mean("xyz", ["b", "a"])
    'Known: a, b.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."
