"""Verdicts as cards: a claim, what the numbers say of it, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.markup import escaped
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


def summary(verdicts: Sequence[Verdict]) -> str:
    """One sentence: how many claims are what."""
    counts = [(answer, sum(verdict.verdict == answer for verdict in verdicts)) for answer in SIGNS]
    said = ", ".join(f"{count} {answer}" for answer, count in counts if count)
    return f"Of {len(verdicts)} claim{'s' if len(verdicts) != 1 else ''}: {said}."


def cards(verdicts: Sequence[Verdict]) -> str:
    """The cards as a list."""
    # One scale a unit, so that the drawings of cards compare; what would be too small to see has its own.
    scales: dict[str, float] = {}
    for verdict in verdicts:
        scales[verdict.unit] = max(scales.get(verdict.unit, 0.0), _farthest(verdict))
    return f'<ul class="cards">{"".join(_card(verdict, scales[verdict.unit]) for verdict in verdicts)}</ul>'


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
        f"</span> {SAID[verdict.verdict]}</p><h3>{escaped(verdict.claim)}</h3>"
        f'{_effect(verdict)}{drawn}<p class="note">{escaped(_small(verdict))}</p>{why}</li>'
    )


def _effect(verdict: Verdict) -> str:
    if verdict.effect is None:
        return ""
    ends = "" if _counted(verdict) else escaped(interval(verdict.low, verdict.high, _amount))
    where = f"{score_name(verdict.measure, verdict.target)}, {place_name(verdict.where)}"
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
