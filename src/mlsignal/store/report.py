"""What a store tells of a load."""

from dataclasses import dataclass

PAGE = 1_000  # candles in a request of an exchange, for the count of those saved


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Where the rows of one `Store.load` or `Store.fill` came from."""

    rows: int
    """Rows returned, or, of `fill`, rows that are there now of what was asked for."""
    rows_from_store: int
    """Of these, rows that were stored before."""
    rows_fetched: int
    """Rows that the source sent, an overlap included."""
    fetches: int
    """Calls of the source; 0 means that no request was sent."""
    requests_saved: int
    """Pages of 1000 candles that need not be asked for."""
    revisions: int
    """Stored candles that the source has changed since; its new values are kept, each change is logged."""
    age_minutes: float | None
    """Age of the newest candle returned, since its close; None where there is none."""
    stale: bool
    """The source could not be reached: the rows are older than was asked for."""
    duplicates: int = 0
    """Rows that repeated another of the same answer; dropped."""
    conflicts: int = 0
    """Rows that contradicted another of the same answer and open time; logged, the last possible one is kept."""
    out_of_order: int = 0
    """Rows that came after a later one; sorted."""
    damaged: int = 0
    """Files of the store that were found damaged, put aside, and fetched again."""
