"""The answer in sentences, made from the numbers and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.report.style import SECONDARY, number, place, signed
from lamina.report.tables import factor, score_label
from lamina.report.view import Picture, View
from lamina.score import Score, Scores


def sentences(view: View, labels: Mapping[str, str] | None = None) -> list[str]:
    """What the scores say: a sentence a factor, then one a target about its best layer and its baselines.

    Args:
        view: the scores.
        labels: what factors are called in words, by their names.
    """
    effects = view.effects.select(lambda row: row.measure not in SECONDARY)
    labels = labels or {}
    said = [
        _effect(name, " × ".join(labels.get(part, part) for part in name.split(" x ")), effects)
        for name in dict.fromkeys(factor(row) for row in effects)
    ]
    seen: set[str] = set()
    for picture in view.pictures:
        # One sentence a target: the first measure speaks, the others are in the table.
        if picture.target not in seen and picture.of("model", "untrained", "reference"):
            seen.add(picture.target)
            said.append(_best(picture))
    return said


def clear(row: Score) -> bool:
    """Whether the interval of a difference is known and leaves out zero."""
    return row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)


def _effect(name: str, label: str, effects: Scores) -> str:
    rows = effects.select(lambda row: factor(row) == name)
    best = rows.select(tap="best") if len(rows.select(tap="best")) else rows
    where = "at the best layer" if best[0].tap == "best" else "over the layers"
    ways = (("raises", sum(row.value > 0 for row in best)), ("lowers", sum(row.value < 0 for row in best)))
    counts = " and ".join(f"{verb} {count}" for verb, count in ways if count) or "changes none"
    largest = max(best, key=lambda row: abs(row.value))
    known = [row for row in best if row.low is not None and row.high is not None]
    if known:
        sure = sum(map(clear, known))
        judged = f"{sure} of {len(known)} intervals exclude zero"
    else:
        judged = "no interval was estimated, so chance is not ruled out"
    what = f"{label[:1].upper()}{label[1:]}"
    return (
        f"{what}: {where} it {counts} of {len(best)} score{'s' if len(best) > 1 else ''}; the "
        f"largest change is {signed(largest.value)}{_interval(largest)} in {score_label(largest)}; {judged}."
    )


def _interval(row: Score) -> str:
    return "" if row.low is None or row.high is None else f" ({signed(row.low)} to {signed(row.high)})"


def _best(picture: Picture) -> str:
    tops = {
        kind: max(picture.of(kind), key=lambda curve: curve.best.value)
        for kind in ("model", "untrained", "reference")
        if picture.of(kind)
    }
    lead = tops.get("model") or tops.get("reference") or tops["untrained"]
    best = lead.best
    where = place(best.tap, best.period_ms)
    behind = " behind the front end" if best.depth else ""
    said = [f"{picture.title}: the highest value{behind} is {number(best.value)}, of “{lead.label}” at {where}"]
    if "reference" in tops and lead.kind == "model":
        rival = tops["reference"]
        gap = best.value - rival.best.value
        side = f"{number(abs(gap))} {'above' if gap > 0 else 'below'}" if gap else "equal to"
        said.append(
            f"it is {side} the strongest single-tap baseline (“{rival.label}”, {number(rival.best.value)})"
        )
    if "untrained" in tops and lead.kind != "untrained":
        said.append(f"an untrained encoder reaches {number(tops['untrained'].best.value)}")
    if picture.of("null"):
        top = max(curve.best.value for curve in picture.of("null"))
        said.append(f"with shuffled labels the highest is {number(top)}")
    return "; ".join(said) + "."
