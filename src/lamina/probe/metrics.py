"""Error rates and accuracies: pure functions of references and predictions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.stats.edits import edit_distance

Spans = Sequence[tuple[float, float]]


def equal_error_rate(
    scores: NDArray[np.float64], targets: NDArray[np.bool_], counts: NDArray[np.float64] | None = None
) -> float:
    """Where false acceptances and false rejections are equally frequent, on the straight lines between thresholds.

    Args:
        scores: (n,) higher for pairs that are more alike.
        targets: (n,) whether they are the same; both kinds occur.
        counts: (n,) how often each pair counts; once by default.
    """
    counts = np.ones(len(scores)) if counts is None else counts
    order = np.argsort(-scores, kind="stable")
    ranked, same, weight = scores[order], targets[order], counts[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores are accepted together
    accepted = np.concatenate([[0.0], np.cumsum(weight * ~same)[ends] / weight[~same].sum()])
    rejected = 1 - np.concatenate([[0.0], np.cumsum(weight * same)[ends] / weight[same].sum()])
    # Accepting rises from 0 to 1 and rejecting falls from 1 to 0: they cross in some step.
    after = int(np.argmax(accepted >= rejected))
    gap_before, gap_after = rejected[after - 1] - accepted[after - 1], accepted[after] - rejected[after]
    share = gap_before / (gap_before + gap_after)
    return float(accepted[after - 1] + share * (accepted[after] - accepted[after - 1]))


def diarization_errors(
    reference: Mapping[str, Spans], hypothesis: Mapping[str, Spans], *, collar: float = 0.0
) -> tuple[float, float]:
    """Time that is missed, falsely heard or given to the wrong speaker, and time to be found (NIST's DER is their
    ratio): speakers are matched one to one to share the most time; overlap counts once a speaker.

    Args:
        reference: spans ``[start, end)`` by speaker, in any unit.
        hypothesis: the same, other names.
        collar: time around each reference boundary, on either side, that is not scored.
    """
    from scipy.optimize import linear_sum_assignment

    edges = sorted({edge for spans in reference.values() for span in spans for edge in span})
    cuts = [edge + side for edge in edges for side in ((-collar, collar) if collar else (0.0,))]
    heard = [edge for spans in hypothesis.values() for span in spans for edge in span]
    times = np.unique(np.array([*cuts, *edges, *heard], dtype=np.float64))
    if len(times) < 2:
        return 0.0, 0.0
    middles, lengths = (times[1:] + times[:-1]) / 2, np.diff(times)
    if collar:
        lengths = lengths * (np.abs(middles[:, None] - np.array(edges)).min(1, initial=np.inf) > collar)
    true, told = (_active(side, middles) for side in (reference, hypothesis))
    shared = (true * lengths) @ told.T
    rows, columns = linear_sum_assignment(-shared)
    most = np.maximum(true.sum(0), told.sum(0))
    return float(most @ lengths - shared[rows, columns].sum()), float(true.sum(0) @ lengths)


def _active(spans: Mapping[str, Spans], middles: NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.zeros((len(spans), len(middles)))
    for row, (_, own) in enumerate(sorted(spans.items())):
        for start, end in own:
            made[row] = np.maximum(made[row], (middles >= start) & (middles < end))
    return made


def slots(text: str) -> dict[str, list[str]]:
    """The slots marked in a text such as ``PLAY B-artist ABBA E-artist``: values in order, by type."""
    found: dict[str, list[str]] = {}
    for kind, value in re.findall(r"B-(\S+) (.*?)\s*E-\1", text):
        found.setdefault(kind, []).append(value)
    return found


def slot_type_f1(reference: str, hypothesis: str) -> float:
    """F1 of the types of slots in an utterance; 1 where neither has any (SUPERB's slot filling)."""
    true, told = (set(slots(text)) for text in (reference, hypothesis))
    if not true and not told:
        return 1.0
    return 2 * len(true & told) / (len(true) + len(told))


def slot_value_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Character errors of the slots' values, and characters in them (SUPERB's slot filling).

    Every reference slot is compared with the best match among the hypothesis's slots of its type, or with nothing.
    """
    told = slots(hypothesis)
    errors = total = 0
    for kind, values in slots(reference).items():
        for value in values:
            errors += min(edit_distance(value, other) for other in told.get(kind, [""]))
            total += len(value)
    return errors, total
