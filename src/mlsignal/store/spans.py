"""Spans of open time that a source has been asked for: sorted, apart, both ends included, milliseconds."""

Span = tuple[int, int]


def add_span(spans: list[Span], new: Span) -> list[Span]:
    """Return the spans with one more; those that touch become one.

    Examples
    --------
    >>> add_span([(0, 9), (20, 29)], (10, 15))
    [(0, 15), (20, 29)]
    """
    if new[1] < new[0]:
        return list(spans)
    merged: list[Span] = []
    for first, last in sorted([*spans, new]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def remove_span(spans: list[Span], gone: Span) -> list[Span]:
    """Return the spans without what lies in `gone`.

    Examples
    --------
    >>> remove_span([(0, 29)], (10, 19))
    [(0, 9), (20, 29)]
    """
    pieces = []
    for first, last in spans:
        pieces += [(first, min(last, gone[0] - 1)), (max(first, gone[1] + 1), last)]
    return [piece for piece in sorted(set(pieces)) if piece[0] <= piece[1]]


def holes(spans: list[Span], wanted: Span) -> list[Span]:
    """Return what of `wanted` no span covers.

    Examples
    --------
    >>> holes([(0, 9), (20, 29)], (5, 40))
    [(10, 19), (30, 40)]
    """
    found, start = [], wanted[0]
    for first, last in spans:
        if last < start or first > wanted[1]:
            continue
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    if start <= wanted[1]:
        found.append((start, wanted[1]))
    return found


def intersection(spans: list[Span], wanted: Span) -> list[Span]:
    """Return what of `wanted` the spans cover.

    Examples
    --------
    >>> intersection([(0, 9), (20, 29)], (5, 25))
    [(5, 9), (20, 25)]
    """
    pieces = [(max(first, wanted[0]), min(last, wanted[1])) for first, last in spans]
    return [piece for piece in pieces if piece[0] <= piece[1]]
