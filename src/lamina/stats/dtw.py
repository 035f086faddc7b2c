"""Dynamic time warping of many pairs at once: whole against whole, and a query anywhere in a document."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = 4_000_000  # values that are worked on at a time


def warped(costs: Floats, rows: Ints, columns: Ints) -> Floats:
    """The mean cost along the cheapest path from the first to the last cell of each matrix.

    Steps go one row, one column or both ahead (Sakoe and Chiba 1978). The mean is over the cells of the path that
    is found by going back diagonally where that is cheapest, else along the row, else along the column: the
    convention of ABX evaluations (libri-light, fastabx).

    Args:
        costs: (pairs, most rows, most columns), anything beyond each matrix's size.
        rows: (pairs,) of each matrix, at least one.
        columns: (pairs,) likewise.

    Returns:
        (pairs,) means.
    """
    pairs, height, width = costs.shape
    found = np.empty(pairs)
    everyone, last = np.arange(pairs), rows + columns - 2
    along = np.arange(height)
    blocked = np.full((pairs, height + 1), np.inf)  # place 0 is before the first row
    before, one = blocked, blocked.copy()
    steps_before = steps_one = np.zeros((pairs, height + 1))
    for diagonal in range(int(last.max()) + 1):
        across = diagonal - along
        inside = (across >= 0) & (across < width)
        here = np.where(inside, costs[:, along, np.clip(across, 0, width - 1)], np.inf)
        if diagonal == 0:
            total, steps = here.copy(), np.ones((pairs, height))
        else:
            both, row, column = before[:, :-1], one[:, 1:], one[:, :-1]
            diagonally, rowwise = (both <= row) & (both <= column), row <= column
            total = here + np.where(diagonally, both, np.where(rowwise, row, column))
            steps = 1 + np.where(
                diagonally, steps_before[:, :-1], np.where(rowwise, steps_one[:, 1:], steps_one[:, :-1])
            )
        ends = everyone[last == diagonal]
        found[ends] = total[ends, rows[ends] - 1] / steps[ends, rows[ends] - 1]
        before, steps_before = one, steps_one
        one = np.concatenate([blocked[:, :1], total], 1)
        steps_one = np.concatenate([np.zeros((pairs, 1)), steps], 1)
    return found


def found_anywhere(costs: Floats, columns: Ints) -> Floats:
    """The mean cost of each query along the cheapest path through its document, which may begin and end anywhere.

    Every step is one query frame ahead and none, one or two document frames (the asymmetric pattern of Sakoe and
    Chiba 1978; in dtw-python ``step_pattern="asymmetric", open_begin=True, open_end=True``).

    Args:
        costs: (documents, query frames, most document frames), anything beyond each document's end.
        columns: (documents,) frames of each document, at least one.
    """
    total = costs[:, 0]
    for row in range(1, costs.shape[1]):
        stay, step, skip = total, _shifted(total, 1), _shifted(total, 2)
        total = costs[:, row] + np.minimum(np.minimum(stay, step), skip)
    outside = np.arange(costs.shape[2]) >= columns[:, None]
    best: Floats = np.where(outside, np.inf, total).min(1) / costs.shape[1]
    return best


def _shifted(values: Floats, by: int) -> Floats:
    made = np.full_like(values, np.inf)
    made[:, by:] = values[:, :-by] if by < values.shape[1] else made[:, by:]
    return made


def unit(frames: Tensor) -> Tensor:
    """Frames (n, width) at length one, float64; zeros stay."""
    return torch.nn.functional.normalize(frames.double(), dim=-1)


def angular_distances(frames: Tensor, starts: Ints, counts: Ints, pairs: Ints) -> Floats:
    """Warped distances of pairs of items: the angle between two frames over pi, mean along the path.

    Args:
        frames: (frames, width) of all items, one item after the other.
        starts: (items,) the first frame of each.
        counts: (items,) how many frames it has, at least one.
        pairs: (pairs, 2) places of the two items.

    Returns:
        (pairs,) from 0 to 1.
    """
    frames = unit(frames)
    rows, columns = counts[pairs[:, 0]], counts[pairs[:, 1]]
    order = np.lexsort((columns, rows))  # pairs of like sizes are worked on together
    found = np.empty(len(pairs))
    begin = 0
    while begin < len(order):
        end = _chunk(order, begin, rows, columns, frames.shape[1])
        some = order[begin:end]
        left = frames[_places(starts[pairs[some, 0]], rows[some])]
        right = frames[_places(starts[pairs[some, 1]], columns[some])]
        angles = torch.bmm(left, right.transpose(1, 2)).clamp(-1, 1).arccos() / torch.pi
        found[some] = warped(angles.numpy(), rows[some], columns[some])
        begin = end
    return found


def _chunk(order: Ints, begin: int, rows: Ints, columns: Ints, width: int) -> int:
    """Where the next part of the ordered pairs ends: as many as memory allows when padded."""
    most_rows = np.maximum.accumulate(rows[order[begin : begin + CELLS // width + 1]])
    most_columns = np.maximum.accumulate(columns[order[begin : begin + len(most_rows)]])
    size = (most_rows * most_columns + (most_rows + most_columns) * width) * np.arange(1, len(most_rows) + 1)
    return begin + max(1, int(np.searchsorted(size, CELLS, side="right")))


def _places(starts: Ints, counts: Ints) -> Tensor:
    """(items, most frames) where the frames of some items are; an item's last frame fills its row."""
    along = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
    return torch.from_numpy(starts[:, None] + along)


def query_costs(query: Tensor, documents: Sequence[Tensor]) -> tuple[Floats, Ints]:
    """What a query's frames cost at each document's: exp(1 - cosine) - 1, each row of a document scaled to 0 … 1.

    Args:
        query: (frames, width) at length one.
        documents: the same of each document.

    Returns:
        (documents, query frames, most document frames), and (documents,) frames of each.
    """
    counts = np.array([len(each) for each in documents])
    padded = torch.nn.utils.rnn.pad_sequence(list(documents), batch_first=True)
    costs = torch.matmul(query, padded.transpose(1, 2)).neg_().add_(1).exp_().sub_(1).numpy()
    outside = np.arange(costs.shape[2]) >= counts[:, None]
    low = np.where(outside[:, None], np.inf, costs).min(2, keepdims=True)
    high = np.where(outside[:, None], -np.inf, costs).max(2, keepdims=True)
    return (costs - low) / np.maximum(high - low, 1e-9), counts
