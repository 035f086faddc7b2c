"""Claims: sentences of a paper as hypotheses of a study, and what its numbers say of them. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from lamina.config import Config
from lamina.errors import LaminaError
from lamina.measures import find_measure
from lamina.report.verdicts import Answer, Verdict
from lamina.stats.inference import Estimate, holm
from lamina.stats.power import ALPHA, MANY, MOST, Components, detectable

FEW = 8  # seeds below which a spread is told to be rough
WORDS = {
    "best": "at each encoder's best layer",
    "matched": "at one depth for all encoders",
    "mean": "averaged over the layers",
    "whole": "of the whole encoder",
}


class Claim(Config):
    """One claim.

    Attributes:
        text: the sentence, as its authors mean it.
        source: whose it is, such as a paper's authors, year and number; empty for a claim of one's own.
        effect: which difference decides it: a factor (of two levels), ``FACTOR=LEVEL`` (against its first level),
            ``FACTOR x FACTOR`` (their interaction), or ``MODEL - MODEL`` (two cells or baselines by name).
        measure: of which score (`lamina measures`).
        target: of which target, such as ``word``, or a probe's task.
        seconds: of which length of audio, for costs.
        at: ``best`` (each encoder at its best layer), ``matched`` (all at one depth), or ``mean`` (over layers);
            without meaning for scores of a whole encoder.
        direction: what the claim says of the effect: it ``raises`` the score, ``lowers`` it,
            ``raises-not`` (lowers it or does nothing), or does ``none``.
        corpus: on which corpus it is judged: ``training`` or a name of ``[analysis.corpus.NAME]``; where left out,
            on the mean of all that were read.
        margin: effects smaller than this do not count. A claim of no effect needs one: nothing is ever exactly 0.
    """

    text: str = Field(min_length=1)
    source: str = ""
    effect: str = Field(min_length=1)
    measure: str = Field(min_length=1)
    target: str = ""
    seconds: float = Field(default=0.0, ge=0)
    at: Literal["best", "matched", "mean"] = "best"
    direction: Literal["raises", "raises-not", "lowers", "none"]
    corpus: str = ""
    margin: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _sensible(self) -> Claim:
        try:
            measure = find_measure(self.measure)
        except LaminaError as error:
            raise ValueError(str(error)) from error
        if measure.better == "neither" and self.at != "mean":
            raise ValueError(f'{self.measure} has no best layer, as it only describes: compare with at = "mean"')
        if self.direction in ("none", "raises-not") and not self.margin:
            raise ValueError("a claim of no effect needs a margin: the largest difference that counts as none")
        return self

    @property
    def what(self) -> str:
        """The measure and what it is of, in words."""
        of = self.target or (f"{self.seconds:g} s" if self.seconds else "")
        return f"{self.measure} of {of}" if of else self.measure

    def distance(self, value: float) -> float:
        """How far an effect of this value lies from what would leave the claim undecided, whatever the seeds."""
        borders = {"none": (-self.margin, self.margin), "lowers": (-self.margin,)}.get(
            self.direction, (self.margin,)
        )
        return min(abs(value - border) for border in borders)

    def hypothesis(self, where: str) -> str:
        """What the claim says of our numbers."""
        what = f"{self.what} {WORDS[where]}"
        if self.direction == "none":
            return f"{self.effect} changes {what} by less than {self.margin:g}"
        by = f" by more than {self.margin:g}" if self.margin else ""
        does = "does not raise" if self.direction == "raises-not" else self.direction
        return f"{self.effect} {does} {what}{by}"


def probabilities(claim: Claim, found: Estimate) -> tuple[float, float]:
    """One-sided probabilities of data as good for the claim, and as good against it, where the other holds."""
    if claim.direction == "raises":
        return found.p_above(claim.margin), found.p_below(claim.margin)
    if claim.direction == "lowers":
        return found.p_below(-claim.margin), found.p_above(-claim.margin)
    if claim.direction == "raises-not":
        return found.p_below(claim.margin), found.p_above(claim.margin)
    # Two one-sided tests (Schuirmann 1987) for it; outside the margin on either side against it.
    inside = max(found.p_above(-claim.margin), found.p_below(claim.margin))
    outside = min(1.0, 2 * min(found.p_above(claim.margin), found.p_below(-claim.margin)))
    return inside, outside


@dataclass(frozen=True, slots=True)
class Judged:
    """An effect that a claim asks for, or why there is none.

    Attributes:
        found: the estimate; None where it could not be made.
        where: ``best``, ``matched``, ``mean`` or ``whole``.
        unit: of the effect.
        lacking: why there is no estimate.
        beside: what baselines score there, in words.
        seeds: how many seeds each cell has.
        speakers: how many speakers were resampled; 0 where none were.
        chosen: who chose the layers, as of an `Effect`.
        components: the variances behind it; None where there is no estimate or no chance.
    """

    found: Estimate | None
    where: str
    unit: str = ""
    lacking: str = ""
    beside: str = ""
    seeds: int = 0
    speakers: int = 0
    components: Components | None = None
    chosen: str = ""

    def finds(self, alpha: float) -> float | None:
        """The smallest true difference that this design finds four times in five; None where it has no error."""
        planned = self.components.planned(self.seeds, self.speakers) if self.components else None
        if planned is not None:
            return planned.reach(alpha)
        return detectable(self.found, alpha) if self.found is not None else None


def judge(claims: Mapping[str, Claim], effects: Mapping[str, Judged]) -> list[Verdict]:
    """The verdict on every claim; probabilities are corrected for how many there are (Holm 1979).

    A claim is supported where its test passes at 5 % after the correction, contradicted where the opposite's does,
    undecided where neither does. What training made is undecided with one seed a cell, however many speakers there
    are: another seed's models might differ by as much.
    """
    sides = {
        name: probabilities(claims[name], judged.found)
        for name, judged in effects.items()
        if judged.found is not None and judged.found.error is not None
    }
    raw = {name: min(1.0, 2 * min(both)) for name, both in sides.items()}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    bar = strictest(len(raw))
    verdicts = []
    for name, claim in claims.items():
        judged = effects[name]
        answer: Answer = "undecided"
        told = judged.seeds > 1 or (judged.found is not None and judged.found.exact)
        if told and name in sides and corrected[name] < ALPHA:
            answer = "supported" if sides[name][0] < sides[name][1] else "contradicted"
        found = judged.found
        low, high = found.interval() if found else (None, None)
        finds = judged.finds(bar)
        more = None
        if answer == "undecided" and found is not None and judged.components is not None:
            more = judged.components.enough(claim.distance(found.value), judged.seeds, judged.speakers, bar)
        verdicts.append(
            Verdict(
                name=name,
                claim=claim.text,
                hypothesis=claim.hypothesis(judged.where),
                verdict=answer,
                effect=found.value if found else None,
                low=low,
                high=high,
                unit=judged.unit,
                n_seeds=judged.seeds,
                n_speakers=judged.speakers,
                measure=claim.measure,
                target=claim.target or (f"{claim.seconds:g} s" if claim.seconds else ""),
                where=judged.where,
                chosen=judged.chosen,
                source=claim.source,
                reason=_reason(judged, corrected.get(name), len(raw), finds),
                margin=claim.margin,
                p=raw.get(name),
                p_holm=corrected.get(name),
                detectable=finds,
                decides=_decides(claim, judged, more) if answer == "undecided" else "",
                seeds_wanted=more[0] if more else None,
                speakers_wanted=more[1] if more else None,
            )
        )
    return verdicts


def strictest(claims: int) -> float:
    """The level at which Holm's correction tests the clearest of so many claims: what decides one for certain."""
    return ALPHA / max(1, claims)


def _decides(claim: Claim, judged: Judged, more: tuple[int, int] | None) -> str:
    """What would decide an undecided claim, in words; empty where there is no estimate to go by."""
    found, parts = judged.found, judged.components
    if found is None or parts is None:
        return ""
    if parts.seed is None:
        return "What would decide it is not known yet: one seed says nothing of others; run two or more."
    away = claim.distance(found.value)
    if more is None:
        return (
            f"{MANY} seeds and {MOST:,} speakers would not decide it if the true difference is {found.value:+.3f}."
        )
    seeds, speakers = more
    who = f"{seeds} seeds" + (f" and {speakers} test speakers" if speakers != judged.speakers else "")
    low, high = parts.known()
    rough = f" (the spread is known from {parts.seeds} seeds: {low:.1f} to {high:.1f} times what is told here)"
    said = (
        f"{who} would decide it four times in five if the true difference is as found, {away:.3f} from the border"
    )
    return f"{said}{rough if parts.seeds < FEW else ''}."


def _reason(judged: Judged, p: float | None, claims: int, finds: float | None) -> str:
    found = judged.found
    if found is None:
        return judged.lacking
    if found.exact:
        return f"The difference is {found.value:+.4g}; it is counted, not estimated, so there is no chance in it."
    seeds = f"{judged.seeds} seed{'s' if judged.seeds != 1 else ''}"
    who = f"{seeds}, {judged.speakers} speakers" if judged.speakers else seeds
    low, high = found.interval()
    if low is None or high is None or p is None:
        return f"The difference is {found.value:+.3f} ({who}); with so few of them chance cannot be told."
    said = (
        f"The difference is {found.value:+.3f} (95 % interval {low:+.3f} to {high:+.3f}; {who}); p = {p:.2g} "
        f"after Holm's correction for {claims} claim{'s' if claims != 1 else ''}; this design finds a true "
        f"difference of {finds:.3f} four times in five."
    )
    if judged.seeds == 1:
        said += " With one seed a cell this tells these models apart, not what made them."
    elif not judged.speakers:
        said += " Speakers were not resampled: this speaks of seeds only."
    return said + (f" Beside it: {judged.beside}." if judged.beside else "")


def missing(names: Sequence[str]) -> str:
    """Why an effect cannot be told where runs are missing."""
    return f"It cannot be told yet: no finished scores of {', '.join(names)}."
