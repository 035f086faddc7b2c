"""How far one sequence is from another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def edit_distance(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> int:
    """Levenshtein distance: the fewest substitutions, insertions and deletions.

    Bit-parallel (Myers 1999, in Hyyrö's form): a column of the usual table is two integers.
    """
    if not reference:
        return len(hypothesis)
    places: dict[Hashable, int] = {}
    for place, symbol in enumerate(reference):
        places[symbol] = places.get(symbol, 0) | 1 << place
    full, last = (1 << len(reference)) - 1, 1 << (len(reference) - 1)
    up, down, distance = full, 0, len(reference)
    for symbol in hypothesis:
        match = places.get(symbol, 0)
        vertical = match | down
        diagonal = (((match & up) + up) ^ up) | match
        right, left = down | ~(diagonal | up), up & diagonal
        distance += bool(right & last) - bool(left & last)
        right = right << 1 | 1
        up, down = (left << 1 | ~(vertical | right)) & full, right & vertical & full
    return distance
