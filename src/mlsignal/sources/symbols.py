"""Symbols of the exchange: what cannot be one, and what was meant."""

import re
from collections.abc import Sequence

from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sources.connection import RefusedError

_UNKNOWN, _BAD_CHARACTERS = -1121, -1100  # the exchange's codes
# Upper case where there is a case: since 2025-12 symbols may hold letters that have none.
_SYMBOL = re.compile(r"^[\w.-]{1,20}$")
_FEW = 20  # names that are all told


def check_symbol(symbol: str) -> None:
    """Refuse what cannot be a symbol, before any request.

    Raises
    ------
    ConfigurationError
        If it is not in upper case, or holds other characters than symbols do.
    """
    if symbol != symbol.upper():
        raise ConfigurationError(f"symbol: upper case expected, found {symbol!r}. Did you mean {symbol.upper()!r}?")
    if not _SYMBOL.match(symbol):
        raise ConfigurationError(f"symbol: 1 to 20 letters and digits expected, as in BTCUSDT, found {symbol!r}")


def refuses_symbol(error: RefusedError) -> bool:
    """Tell whether it is the symbol that the exchange refused."""
    return error.code == _UNKNOWN or (error.code == _BAD_CHARACTERS and "'symbol'" in str(error))


def symbol_hint(symbol: str, names: Sequence[str]) -> str:
    """Return what may have been meant, of the exchange's names; where none is near, how symbols are written."""
    hint = did_you_mean(symbol, names) if names else ""
    if hint.startswith("Did") or 0 < len(names) < _FEW:
        return hint
    return "Symbols are written as in BTCUSDT."
