"""The answer in sentences, made from the numbers and nothing else."""

from __future__ import annotations

import statistics

from lamina.effect import Effect
from lamina.markup import shortened
from lamina.measures import find_measure
from lamina.report.comparison import Comparison
from lamina.report.effects import amount, clear, factor_name, is_ratio, score_names
from lamina.report.overview import Overview
from lamina.report.pictures.peaks import levels
from lamina.report.wording import capital, measure_label, number


def sentences(seen: Overview) -> list[str]:
    """What the scores say: a sentence a factor, one on the order of peaks, one a target on its best layer."""
    said = _factors(seen) + _peaks(seen)
    told: set[str] = set()
    for each in seen.ranked:
        # One sentence a target: the first measure speaks, the others are in the tables.
        if each.target not in told and each.of("model", "untrained", "reference"):
            told.add(each.target)
            said.append(_best(each, seen))
    return said


def _factors(seen: Overview) -> list[str]:
    asked = [each for each in seen.effects if is_ratio(each.measure) and find_measure(each.measure).rank == 1]
    at = next((place for place in ("best", "mean") if any(each.at == place for each in asked)), "")
    names = score_names(seen)
    points = [point for each in seen.comparisons for curve in each.of("model") for point in curve.points]
    single = bool(points) and all(point.seeds == 1 for point in points)
    also = "; one seed, so what another would change is not known" if single else ""
    factors: dict[str, list[Effect]] = {}
    for each in asked:
        if each.at == at:
            factors.setdefault(each.name, []).append(each)
    where = "at the best layer" if at == "best" else "over the layers"
    said = []
    for factor, effects in factors.items():
        gains = [each.value * (-1 if find_measure(each.measure).better == "lower" else 1) for each in effects]
        ways = (("improves", sum(gain > 0 for gain in gains)), ("worsens", sum(gain < 0 for gain in gains)))
        counts = " and ".join(f"{verb} {count}" for verb, count in ways if count) or "changes none"
        largest = max(effects, key=lambda each: abs(each.value))
        known = [each for each in effects if each.low is not None and each.high is not None]
        judged = f"{sum(map(clear, known))} of {len(known)} intervals exclude zero"
        if not known:
            judged = "no interval was estimated, so chance is not ruled out"
        said.append(
            f"{capital(factor_name(factor, seen.labels))}: {where} it {counts} of {len(effects)} "
            f"score{'s' if len(effects) > 1 else ''}; the largest change is {amount(largest)} in "
            f"{names[largest]}; {judged}{also}."
        )
    return said


def _peaks(seen: Overview) -> list[str]:
    """A sentence on the first measure of several targets: the order of its peaks, as the median share of depth."""
    groups = {name: found for name, found in levels(seen).items() if found[0].measure.rank == 1}
    measure = next((name for name in groups if len(groups[name]) > 1), "")
    said = []
    for each in groups.get(measure, []):
        curves = each.of("model")
        middle = statistics.median(curve.best.depth / max(1, curve.points[-1].depth) for curve in curves)
        slow = sum(curve.best.period_ms > min(point.period_ms for point in curve.points) for curve in curves)
        able = sum(len({point.period_ms for point in curve.points}) > 1 for curve in curves)
        rate = f" (at a slower rate in {slow} of {able} encoders that have one)" if able else ""
        if len(curves) == 1:
            rate = f", {curves[0].best.where}"
        said.append(f"{shortened(each.target)} at {int(100 * middle)} % of the depth{rate}")
    if not said:
        return []
    many = any(len(each.of("model")) > 1 for each in groups[measure])
    single = all(curve.best.seeds == 1 for each in groups[measure] for curve in each.of("model"))
    told = [text for text, holds in (("median over encoders", many), ("one seed", single)) if holds]
    over = f" ({', '.join(told)})" if told else ""
    return [f"Where {measure_label(measure)} is best behind the front end{over}: {'; '.join(said)}."]


def _best(each: Comparison, seen: Overview) -> str:
    models, untrained = each.lead("model"), each.lead("untrained")
    # mel knows mel by definition: no rival.
    rival = each.lead("reference", but=each.target if models else "")
    lead = models or rival or untrained
    if lead is None:
        raise AssertionError("a sentence on a comparison without curves")
    best, lacking = lead.best, seen.lacking(each)
    behind = " behind the front end" if best.depth else ""
    seed = ", one seed" if lead.kind == "model" and best.seeds == 1 else ""
    among = " of those that could be compared" if lacking else ""
    where = f"“{lead.label}” at {best.where or 'no layer'}{seed}"
    said = [f"{each.title}: the {each.extreme} value{behind}{among} is {number(best.value)}, of {where}"]
    if rival and lead.kind == "model":
        gap = best.value - rival.best.value
        side = f"{number(abs(gap))} {'above' if gap > 0 else 'below'}" if gap else "equal to"
        said.append(f"it is {side} the best single-tap baseline (“{rival.label}”, {number(rival.best.value)})")
    if untrained and lead.kind != "untrained":
        said.append(f"an untrained encoder reaches {number(untrained.best.value)}")
    if null := each.lead("null"):
        less = each.measure.better == "lower"
        beaten = null.best.value <= best.value if less else null.best.value >= best.value
        chance = ", no better than chance" if beaten else ""
        said.append(f"with shuffled labels the {each.extreme} is {number(null.best.value)}{chance}")
    if lacking:
        said.append(f"not compared: {lacking_in_words(lacking)}")
    return f"{capital('; '.join(said))}."


def lacking_in_words(lacking: dict[str, str]) -> str:
    """Who could not be compared, and why."""
    return "; ".join(
        f"“{shortened(model)}” ({shortened(why.rstrip('.'), 300) or 'no note says why'})"
        for model, why in lacking.items()
    )
