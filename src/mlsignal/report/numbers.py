"""How numbers are written in the report; what is missing or not finite is a dash."""

import math
from datetime import UTC, datetime
from typing import Any

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
FIXED = "\N{NO-BREAK SPACE}"
_NAMES = {"lightgbm": "LightGBM"}


def finite(value: Any) -> float | None:
    """Return the value as a float, or None where it is no finite number.

    Examples
    --------
    >>> finite("0.5"), finite(float("nan")), finite(True), finite(2)
    (None, None, None, 2.0)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def score(value: Any, digits: int = 4) -> str:
    """Write a score with a fixed number of digits."""
    number = finite(value)
    return MISSING if number is None else _minus(f"{number:.{digits}f}")


def interval(bounds: Any, digits: int = 3) -> str:
    """Write a confidence interval as `[lo, hi]`; empty where there is none."""
    pair = bounds_of(bounds)
    return "" if pair is None else f"[{score(pair[0], digits)}, {score(pair[1], digits)}]"


def span(bounds: Any, digits: int = 3) -> str:
    """Write an interval in the least room, `lo–hi`; empty where there is none."""
    pair = bounds_of(bounds)
    return "" if pair is None else f"{score(pair[0], digits)}–{score(pair[1], digits)}"


def bounds_of(bounds: Any) -> tuple[float, float] | None:
    """Return the two ends of an interval, or None where it is not one."""
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
        return None
    low, high = finite(bounds[0]), finite(bounds[1])
    return None if low is None or high is None else (low, high)


def count(value: Any) -> str:
    """Write a whole number with thousands marked; a number that is not whole keeps one digit."""
    number = finite(value)
    if number is None:
        return MISSING
    return _minus(f"{number:,.0f}" if number == int(number) else f"{number:,.1f}")


def percent(value: Any, digits: int = 1, *, signed: bool = False) -> str:
    """Write a fraction as percent; a loss that is not total is not rounded to one, as far as four digits go.

    Examples
    --------
    >>> percent(0.0341).replace(THIN, " "), percent(-0.5, signed=True).replace(THIN, " ")
    ('3.4 %', '−50.0 %')
    """
    number = finite(value)
    if number is None:
        return MISSING
    sign = "+" if signed else ""
    while digits < 4 and number > -1 and round(100 * number, digits) <= -100:
        digits += 1
    return _minus(f"{100 * number:{sign},.{digits}f}") + THIN + "%"


def basis_points(value: Any, digits: int = 1) -> str:
    """Write basis points with their unit."""
    number = finite(value)
    return MISSING if number is None else _minus(f"{number:,.{digits}f}") + THIN + "bps"


def seconds(value: Any) -> str:
    """Write seconds with their unit."""
    number = finite(value)
    return MISSING if number is None else f"{number:,.2f}{THIN}s"


def p_value(value: Any) -> str:
    """Write a p-value, in one piece; below a thousandth only that it is."""
    number = finite(value)
    if number is None:
        return MISSING
    told = "p < 0.001" if number < 0.001 else f"p = {number:.3f}"
    return told.replace(" ", FIXED)


def moment(value: Any) -> str:
    """Write an ISO time as minutes of UTC; what cannot be read stays as it is."""
    if not isinstance(value, str) or not value:
        return MISSING
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return value
    utc = time.astimezone(UTC) if time.tzinfo else time
    return f"{utc:%Y-%m-%d %H:%M}"


def decimal(value: float, step: float) -> str:
    """Write a tick label with the digits that its step needs.

    Examples
    --------
    >>> decimal(67250, 250), decimal(0.5, 0.05), decimal(0.00001, 0.000005)
    ('67,250', '0.50', '0.000010')
    """
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if digits and abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return _minus(f"{value + 0.0:,.{digits}f}")


def words(name: str) -> str:
    """Write an identifier as words, as a title begins.

    Examples
    --------
    >>> words("random_forest"), words("lightgbm")
    ('Random forest', 'LightGBM')
    """
    text = in_text(name)
    return text[:1].upper() + text[1:]


def in_text(name: str) -> str:
    """Write an identifier as words within a sentence.

    Examples
    --------
    >>> in_text("random_forest"), in_text("lightgbm")
    ('random forest', 'LightGBM')
    """
    return _NAMES.get(name, name.replace("_", " ").strip())


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
