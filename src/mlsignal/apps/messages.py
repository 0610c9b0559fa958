"""One-line messages on standard error."""

import sys

SYNTHETIC_NOTE = "SYNTHETIC market: no price here was ever paid"


def print_error(message: str) -> None:
    """Print an error as one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201  # the command line's own output


def print_note(message: str) -> None:
    """Print a remark as one line."""
    print(message, file=sys.stderr)  # noqa: T201  # the command line's own output
