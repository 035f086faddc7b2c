"""Verdicts as cards: a claim, what the numbers say of it, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.markup import escaped, shortened
from lamina.report.effects import place_name
from lamina.report.verdicts import Verdict
from lamina.report.wording import interval, quantity, score_name, signed

# A word, a sign that is no letter, and a CSS class; nothing is told by colour alone.
SIGNS = {"supported": "✔", "contradicted": "✘", "undecided": "?"}
SAID = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "undecided": "Undecided at this scale",
}


def lead(verdicts: Sequence[Verdict]) -> str:
    """Two sentences: what was decided, and what was not and what would decide it; numbers of two digits."""
    found = {answer: [each for each in verdicts if each.verdict == answer] for answer in SIGNS}
    counts = [f"{len(each)} {answer}" for answer, each in found.items() if each]
    said = f"Of {len(verdicts)} claim{'s' if len(verdicts) != 1 else ''}: {', '.join(counts)}"
    held = [f"“{_short(each)}” holds{_by(each)}" for each in found["supported"]]
    held += [f"“{_short(each)}” does not{_by(each)}" for each in found["contradicted"]]
    first = f"{'; '.join([said, *held])}."
    open_ = [each for each in found["undecided"] if each.effect is not None]
    if not open_:
        return first
    largest = max(open_, key=lambda each: abs(each.effect or 0))
    one = len(open_) == 1
    told = f"{'The undecided difference is' if one else 'The undecided differences are at most'} {_two(largest)}"
    finds = [each.detectable for each in open_ if each.detectable is not None and each.n_seeds > 1]
    if finds:
        told += f", where this design finds {min(finds):.2g} four times in five"
        told += f" at best and {max(finds):.2g} at worst" if len(finds) > 1 else ""
    wanted = [(each.seeds_wanted, each.speakers_wanted) for each in open_ if each.seeds_wanted is not None]
    if wanted:
        seeds, speakers = min(wanted, key=lambda each: (each[0] or 0) * max(1, each[1] or 0))
        told += f"; {seeds} seeds" + (f" and {speakers} test speakers" if speakers else "")
        told += " would decide it" if one else " would decide the nearest"
    elif any(each.n_seeds == 1 for each in open_):
        told += "; one seed decides nothing, so run two or more"
    return f"{first} {told}."


def _short(verdict: Verdict) -> str:
    return shortened(verdict.claim.rstrip("."), 100)


def _by(verdict: Verdict) -> str:
    return f" ({_two(verdict)})" if verdict.effect is not None else ""


def _two(verdict: Verdict) -> str:
    """An effect in two digits, with what it is of."""
    effect = verdict.effect or 0.0
    unit = "" if verdict.unit == "MAC" else verdict.unit  # the score's name says so
    amount = f"{effect:+.2g} {unit}".strip() if abs(effect) < 1000 else _amount(effect, unit)
    return f"{amount.replace('-', '−')} {score_name(verdict.measure, verdict.target)}"


def cards(verdicts: Sequence[Verdict]) -> str:
    """The cards as lists: claims of others first, then the study's own."""
    # One scale a unit, so that the drawings of cards compare; what would be too small to see has its own.
    scales: dict[str, float] = {}
    for verdict in verdicts:
        scales[verdict.unit] = max(scales.get(verdict.unit, 0.0), _farthest(verdict))
    others, own = ([each for each in verdicts if bool(each.source) is theirs] for theirs in (True, False))
    said = ""
    for name, found in (("Claims of others", others), ("Claims of this study", own)):
        listed = "".join(_card(verdict, scales[verdict.unit]) for verdict in found)
        said += f'<h3>{name}</h3><ul class="cards">{listed}</ul>' if found else ""
    return said


def _farthest(verdict: Verdict) -> float:
    return max((abs(end) for end in (verdict.low, verdict.effect, verdict.high) if end is not None), default=0.0)


def _card(verdict: Verdict, scale: float) -> str:
    own = _farthest(verdict)
    drawn = _line(verdict, scale if own > scale / 50 else own)
    why = f"<p>{escaped(verdict.reason)}</p>"
    if verdict.effect is not None:  # the number speaks first; the sentence has the rest
        why = f"<details><summary>Why</summary>{why}</details>"
    return (
        f'<li class="card {verdict.verdict}"><p class="verdict"><span aria-hidden="true">{SIGNS[verdict.verdict]}'
        f"</span> {SAID[verdict.verdict]}</p><h4>{escaped(verdict.claim)}</h4>"
        f'<p class="note">{escaped(verdict.source or "Claim of this study")}</p>'
        f'{_effect(verdict)}{drawn}<p class="note">{escaped(_small(verdict))}</p>{why}</li>'
    )


def _effect(verdict: Verdict) -> str:
    if verdict.effect is None:
        return ""
    ends = "" if _counted(verdict) else escaped(interval(verdict.low, verdict.high, _amount))
    where = f"{score_name(verdict.measure, verdict.target)}, {place_name(verdict.where, verdict.chosen)}"
    amount = escaped(_amount(verdict.effect, verdict.unit))
    return f'<p class="effect"><b>{amount}</b><small>{ends}</small><br><span>{escaped(where)}</span></p>'


def _counted(verdict: Verdict) -> bool:
    """Whether nothing was left to chance, as with multiply-accumulates."""
    return verdict.effect is not None and verdict.low == verdict.effect == verdict.high


def _amount(value: float, unit: str = "") -> str:
    """A difference with its unit; large ones in thousands or millions."""
    if abs(value) < 1000:
        return f"{signed(value)} {unit}".strip()
    return ("+" if value > 0 else "−") + quantity(abs(value), unit)


def _small(verdict: Verdict) -> str:
    said = [f"Hypothesis: {verdict.hypothesis}."]
    if verdict.n_seeds:
        said.append(
            f"{verdict.n_seeds} seed{'s' if verdict.n_seeds != 1 else ''} a cell"
            f"{f', {verdict.n_speakers} speakers' if verdict.n_speakers else ''}."
        )
    if _counted(verdict):
        return " ".join([*said, "Counted, not estimated: every seed and speaker gives the same."])
    if verdict.p_holm is not None:
        said.append(f"p = {verdict.p_holm:.2g} after Holm's correction.")
    if verdict.detectable is not None:
        said.append(f"This design would find {abs(verdict.detectable):.3g} four times in five.")
    if verdict.decides:
        said.append(verdict.decides)
    return " ".join(said)


def _line(verdict: Verdict, scale: float) -> str:
    """The effect and its interval on the scale [-scale, scale], the margin shaded; the text has the numbers."""
    if verdict.effect is None or scale <= 0:
        return ""

    def across(value: float) -> float:
        return round(120 + 112 * max(-1.0, min(1.0, value / scale)), 1)

    drawn = ""
    if verdict.margin:
        left, right = across(-verdict.margin), across(verdict.margin)
        drawn += (
            f'<rect x="{left}" width="{right - left:g}" y="2" height="20" fill="var(--grey)" fill-opacity=".2"/>'
        )
    drawn += '<line x1="120" x2="120" y1="2" y2="22" stroke="var(--grey)" stroke-dasharray="2 2"/>'
    if verdict.low is not None and verdict.high is not None:
        ends = f'x1="{across(verdict.low)}" x2="{across(verdict.high)}"'
        drawn += f'<line {ends} y1="12" y2="12" stroke="currentColor" stroke-width="2.5"/>'
    drawn += f'<circle cx="{across(verdict.effect)}" cy="12" r="5" fill="currentColor"/>'
    return f'<svg class="line" viewBox="0 0 240 24" aria-hidden="true" focusable="false">{drawn}</svg>'
