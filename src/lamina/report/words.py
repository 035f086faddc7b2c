"""The answer in sentences, made from the numbers and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.report import peaks
from lamina.report.forest import clear, factor, interval, named, ratios
from lamina.report.style import SECONDARY, number, place, score_name, signed
from lamina.report.view import Picture, View
from lamina.score import Scores


def sentences(view: View, labels: Mapping[str, str] | None = None) -> list[str]:
    """What the scores say: a sentence a factor, then one a target about its best layer and its baselines.

    Args:
        view: the scores.
        labels: what factors are called in words, by their names.
    """
    alike = ratios(view)
    effects = view.effects.select(lambda row: row.measure in alike and row.measure not in SECONDARY)
    labels = labels or {}
    points = [point for picture in view.pictures for curve in picture.of("model") for point in curve.points]
    single = bool(points) and all(point.seeds == 1 for point in points)
    said = [_effect(name, named(name, labels), effects) for name in dict.fromkeys(map(factor, effects))]
    said = (
        [f"{each[:-1]}; one seed, so what another would change is not known." for each in said] if single else said
    )
    said += peaks.sentences(view)
    seen: set[str] = set()
    for picture in view.pictures:
        # One sentence a target: the first measure speaks, the others are in the table.
        if picture.target not in seen and picture.of("model", "untrained", "reference"):
            seen.add(picture.target)
            said.append(_best(picture))
    return said


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
        f"{what}: {where} it {counts} of {len(best)} score{'s' if len(best) > 1 else ''}; the largest change is "
        f"{signed(largest.value)}{interval(largest)} in {score_name(largest.measure, largest.target)}; {judged}."
    )


def _best(picture: Picture) -> str:
    less = picture.falling
    top = min if less else max
    tops = {}
    for kind in ("model", "untrained", "reference"):
        found = picture.of(kind)
        if kind == "reference" and "model" in tops:  # mel knows mel by definition: no rival
            found = [curve for curve in found if curve.label != picture.target]
        if found:
            tops[kind] = top(found, key=lambda curve: curve.best.value)
    lead = tops.get("model") or tops.get("reference") or tops["untrained"]
    best = lead.best
    where = place(best.tap, best.period_ms)
    behind = " behind the front end" if best.depth else ""
    seed = ", one seed" if lead.kind == "model" and best.seeds == 1 else ""
    extreme = "lowest" if less else "highest"
    said = [
        f"{picture.title}: the {extreme} value{behind} is {number(best.value)}, of “{lead.label}” at {where}{seed}"
    ]
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
        null = top(curve.best.value for curve in picture.of("null"))
        chance = ", no better than chance" if (null <= best.value if less else null >= best.value) else ""
        said.append(f"with shuffled labels the {extreme} is {number(null)}{chance}")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."
