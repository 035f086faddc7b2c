"""How well scores rank what is right: mean average precision, and the maximum term-weighted value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precisions(scores: NDArray[np.float64], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row, the mean precision at its targets, ranked from the highest score; equal scores share a rank.

    Args:
        scores: (queries, candidates); minus infinity leaves a candidate out.
        targets: (queries, candidates) whether a candidate is right, at least one a row.

    Returns:
        (queries,) from above 0 to 1; their mean is the MAP.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, right = (np.take_along_axis(each, order, 1) for each in (scores, targets))
    last = np.ones(scores.shape, dtype=bool)
    last[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    places = np.arange(scores.shape[1])
    ends = np.minimum.accumulate(np.where(last, places, scores.shape[1])[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(right.cumsum(1), ends, 1) / (ends + 1)
    means: NDArray[np.float64] = (precision * right).sum(1) / right.sum(1)
    return means


def term_weighted_value(
    scores: NDArray[np.float64],
    targets: NDArray[np.bool_],
    terms: NDArray[np.int64],
    *,
    beta: float,
    counts: NDArray[np.float64] | None = None,
) -> float:
    """The maximum term-weighted value: over thresholds, 1 - mean over terms of (misses + beta false alarms).

    Both are rates, of a term's targets and of its other trials (NIST 2006). It is 0 at least: nothing need be
    accepted.

    Args:
        scores: (trials,) higher where a term is more likely there.
        targets: (trials,) whether it is.
        terms: (trials,) which term is looked for; terms without a target do not count.
        beta: cost of false alarms over cost of misses, times (1 / prior - 1).
        counts: (terms,) how often each term counts, by its number; once by default.

    Returns:
        The value; not a number where no term counts.
    """
    size = int(terms.max()) + 1
    there, absent = (np.bincount(terms, which, size) for which in (targets, ~targets))
    weight = (there > 0) * (np.ones(size) if counts is None else counts)
    if not weight.any():
        return float("nan")
    weight = weight / weight.sum()
    gain = np.where(targets, 1 / np.maximum(there, 1)[terms], -beta / np.maximum(absent, 1)[terms]) * weight[terms]
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are accepted together
    return max(0.0, float(gain[order].cumsum()[ends].max()))
