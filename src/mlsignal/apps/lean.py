"""Leaving out what libraries import only because it happens to be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("pandas", "pytest")
"""scikit-learn looks at the version of pandas, and at pytest for its own tests; the command line uses neither."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let imports inside the block go without `UNUSED`: a second saved where these are installed.

    What is imported later, a user's feature file for one, finds them as usual.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's mark for "not to be had"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
