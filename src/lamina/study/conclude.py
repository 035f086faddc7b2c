"""Conclude: from the finished runs of a study to its scores, effects and verdicts. Needs no torch.

A study folder holds ``study.json`` (the resolved design and the run folder of every step), the run folders,
``scores.jsonl`` and ``effects.jsonl`` (and both as CSV), ``verdicts.json`` and ``report/``. It can be copied
without weights and corpora.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lamina.effect import FILE as EFFECTS
from lamina.effect import TABLE as EFFECTS_TABLE
from lamina.effect import Effect, read_effects, write_effects
from lamina.errors import LaminaError
from lamina.files import unlinked, write_text
from lamina.measures import find_measure
from lamina.report.verdicts import FILE as VERDICTS
from lamina.report.verdicts import read_verdicts, write_verdicts
from lamina.runs import DONE, Run, write_done
from lamina.score import Score, Scores
from lamina.study.claims import Claim, Judged, judge, missing
from lamina.study.contrasts import Weights, contrasts, weights_of
from lamina.study.effects import Contrast, Outcomes, is_layered, layers_of
from lamina.study.handover import notes, trained
from lamina.study.outcomes import PLACES, Choice
from lamina.study.record import POOLED, SCORES, Study

TABLE, REPORT = "scores.csv", "report"
WRITTEN = (SCORES, TABLE, EFFECTS, EFFECTS_TABLE, VERDICTS)  # in the study's folder


def conclude(root: Path, best: Choice = "crossed") -> Scores:
    """Gather the scores of all finished runs, tell the effects, judge the claims, and write all of it.

    A study may be somebody else's: what is written stays in its folder, wherever links there lead.

    Args:
        root: the study folder.
        best: who chooses the best layer: ``crossed`` (other speakers than those that score it) or ``scored``.

    Raises:
        LaminaError: no run of the study is done, or one is only half there.
    """
    study = Study.read(root)
    scores, outcomes = gather(study, root, best)
    levels = {name: each.levels for name, each in study.factors.items()}
    known = dict(contrasts(levels, study.within, outcomes.cells))
    for name in (*WRITTEN, DONE, REPORT):
        unlinked(root / name)
    (root / DONE).unlink(missing_ok=True)
    scores.write(root / SCORES)
    write_text(root / TABLE, scores.to_csv())
    write_effects(root, _effects(outcomes, known))
    judged = {name: judged_effect(claim, outcomes, known) for name, claim in study.claims.items()}
    write_verdicts(root, judge(study.claims, judged))
    write_done(root, (root / name for name in (SCORES, EFFECTS, VERDICTS)))
    return scores


def gather(study: Study, root: Path, best: Choice = "crossed") -> tuple[Scores, Outcomes]:
    """The scores of all finished runs, and the same sorted by model and seed.

    Raises:
        LaminaError: no run of the study is done, or one is only half there.
    """
    runs = study.finished(root)
    if not runs:
        raise LaminaError(f"no run in {root} has scores yet: `lamina study run` makes them")
    scores = Scores(row for run in runs for row in Scores.read(root / run.folder / SCORES)).with_columns(
        study=study.name
    )
    return scores, Outcomes(study, root, runs, scores, best)


def report_study(root: Path, figures: Sequence[str] = (), best: Choice = "crossed") -> Path:
    """Conclude from the finished runs in ``root`` and write its report; returns the page.

    Args:
        root: the study folder.
        figures: formats (`lamina.report.figures.FORMATS`) in which every picture is written, too.
        best: who chooses the best layer, as of `conclude`.
    """
    from lamina.report.page import write_report

    scores = conclude(root, best)
    study = Study.read(root)
    method = {
        "question": study.question,
        "factors": {name: each.to_json() for name, each in study.factors.items()},
        "caveats": list(study.caveats),
        "config": study.config,
        "config_digest": study.config_digest,
        "environment": study.environment,
        "notes": notes(study, root),
        "runs": {run.folder: _seconds(root / run.folder) for run in study.runs},
    }
    return write_report(
        scores,
        root / REPORT,
        title=f"Study: {study.name}",
        method=method,
        verdicts=read_verdicts(root),
        effects=read_effects(root),
        trained=trained(study, root),
        figures=figures,
    )


def _seconds(folder: Path) -> float | None:
    """How long a run took; None where it is not done, or its log does not tell."""
    return Run.read(folder).seconds() if (folder / DONE).is_file() else None


def _effects(outcomes: Outcomes, known: dict[str, Weights]) -> Iterator[Effect]:
    """An effect, measure, target and place (``best``, ``matched``, ``mean``), one a layer; by corpus and pooled.

    Where no value of a measure is better than another there is no best layer, nor one depth at which all are best.
    """
    alike: dict[tuple[str, ...], list[Score]] = {}
    for like in outcomes.kinds():
        alike.setdefault((like.measure, like.target, like.part, *replace(like, split="").way), []).append(like)
    for likes in alike.values():
        corpora = {outcomes.corpus(like): like for like in likes}
        groups = [[like] for like in likes]
        groups += [list(corpora.values())] if len(corpora) > 1 else []
        for group in groups:
            yield from _of(outcomes, known, group)


def _of(outcomes: Outcomes, known: dict[str, Weights], likes: Sequence[Score]) -> Iterator[Effect]:
    """The effects on one measure and target of one corpus, or of several pooled."""
    like = likes[0] if len(likes) == 1 else replace(likes[0], split=POOLED)
    ranked = find_measure(like.measure).better != "neither"
    for name, weights in known.items():
        for at in PLACES if ranked else ("mean",):
            found = outcomes.pooled(weights, likes, at)
            if found is not None:
                yield _effect(name, found, like, at, 0)
        for layer in range(min(layers_of(outcomes, weights, each) for each in likes)):
            found = outcomes.pooled(weights, likes, "layer", layer)
            if found is not None:
                yield _effect(name, found, like, "layer", layer + 1)


def _effect(name: str, found: Contrast, like: Score, at: str, layer: int) -> Effect:
    estimate = found.estimate
    low, high = estimate.interval()
    same = ("study", "measure", "target", "unit", "protocol", "split", "support", "layers", "pooling", "matched")
    return Effect(
        name=name,
        at=at,
        layer=layer,
        chosen=found.chosen,
        value=estimate.value,
        low=low,
        high=high,
        seeds=found.seeds,
        speakers=found.speakers,
        **{column: getattr(like, column) for column in (*same, "head", "setting")},
    )


def judged_effect(claim: Claim, outcomes: Outcomes, known: dict[str, Weights]) -> Judged:
    """What the numbers of a study say of the effect that a claim asks for."""
    models = list(dict.fromkeys(run.subject.model for run in outcomes.study.runs if run.subject.model))
    weights = weights_of(claim.effect, known, models)
    if weights is None:
        return Judged(None, claim.at, lacking=f"There is no effect {claim.effect!r} in this study.")
    likes = outcomes.examples(claim.measure, claim.target, claim.seconds, weights)
    if claim.corpus:
        likes = {name: row for name, row in likes.items() if name == claim.corpus}
    if not likes:
        lacking = f"It cannot be told: no finished run has scores of {claim.what}."
        return Judged(None, claim.at, lacking=lacking)
    like = next(iter(likes.values()))
    where = claim.at if is_layered(like.measure) else "whole"
    found = outcomes.pooled(weights, list(likes.values()), where)
    if found is None:
        without = [model for model in weights if not outcomes.seeds([model], like)]
        return Judged(None, where, like.unit, lacking=missing(without or list(weights)))
    beside = _beside(outcomes, like, where, (model for model in models if model not in outcomes.cells))
    components = None if found.exact else found.components
    return Judged(
        found.estimate, where, like.unit, "", beside, found.seeds, found.speakers, components, found.chosen
    )


def _beside(outcomes: Outcomes, like: Score, where: str, models: Iterable[str]) -> str:
    """What the baselines score at the same place, in words."""
    where = "best" if where == "matched" else where
    said = [
        f"{model} {found.estimate.value:.3f}"
        for model in models
        if (found := outcomes.difference({model: 1.0}, like, where))
    ]
    return ", ".join(said)
