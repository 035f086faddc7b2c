"""Conclude: from the finished runs of a study to its scores, effects and verdicts. Needs no torch.

A study folder holds ``study.json`` (the resolved design and the run folder of every step), the run folders,
``scores.jsonl``, ``scores.csv``, ``verdicts.json`` and ``report/``. It can be copied without weights and corpora.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lamina.errors import LaminaError
from lamina.files import write_text
from lamina.report.verdicts import FILE as VERDICTS
from lamina.report.verdicts import read_verdicts, write_verdicts
from lamina.runs import DONE, Run, write_done
from lamina.score import Score, Scores
from lamina.stats.inference import Estimate
from lamina.study.claims import Claim, Judged, judge, missing
from lamina.study.effects import READINGS, Outcomes, Weights, contrasts, layers_of, weights_of
from lamina.study.handover import trained
from lamina.study.record import SCORES, Study


def conclude(root: Path) -> Scores:
    """Gather the scores of all finished runs, add the effects, judge the claims, and write all of it.

    Raises:
        LaminaError: no run of the study is done, or one is only half there.
    """
    study = Study.read(root)
    runs = study.finished(root)
    if not runs:
        raise LaminaError(f"no run in {root} has scores yet: `lamina study run` makes them")
    scores = Scores(row for run in runs for row in Scores.read(root / run["folder"] / SCORES)).with_columns(
        study=study.name
    )
    outcomes = Outcomes(study, root, runs, scores)
    known = dict(contrasts(study.factors, study.within, outcomes.cells))
    scores += Scores(_effects(outcomes, known))
    (root / DONE).unlink(missing_ok=True)
    scores.write(root / SCORES)
    write_text(root / "scores.csv", scores.to_csv())
    judged = {name: _judged(claim, outcomes, known) for name, claim in study.claims.items()}
    write_verdicts(root, judge(study.claims, judged))
    write_done(root, (root / name for name in (SCORES, "scores.csv", VERDICTS)))
    return scores


def report_study(root: Path) -> Path:
    """Conclude from the finished runs in ``root`` and write its report; returns the page."""
    from lamina.report.page import write_report

    scores = conclude(root)
    study = Study.read(root)
    method = study.method | {"runs": {run["folder"]: _seconds(root / run["folder"]) for run in study.runs}}
    return write_report(
        scores,
        root / "report",
        title=f"Study: {study.name}",
        method=method,
        verdicts=read_verdicts(root),
        trained=trained(study, root),
    )


def _seconds(folder: Path) -> float | None:
    """How long a run took; None where it is not done, or its log does not tell."""
    return Run.read(folder).seconds() if (folder / "done").is_file() else None


def _effects(outcomes: Outcomes, known: dict[str, Weights]) -> Iterator[Score]:
    """A row an effect, measure, target and reading (``best``, ``matched``, ``mean``), and one a layer."""
    for like in outcomes.kinds():
        for name, weights in known.items():
            for at in READINGS:
                found = outcomes.estimate(weights, like, at)
                if found is not None:
                    yield _row(name, found[0], like, at, 0)
            for layer in range(layers_of(outcomes, weights, like)):
                found = outcomes.estimate(weights, like, "layer", layer)
                if found is not None:
                    yield _row(name, found[0], like, "layer", layer + 1)


def _row(name: str, effect: Estimate, like: Score, at: str, depth: int) -> Score:
    low, high = effect.interval()
    return replace(
        like,
        run="conclude",
        model=f"effect:{name}",
        tap=at,
        depth=depth,
        period_ms=0.0,
        value=effect.value,
        unit="difference",
        low=low,
        high=high,
        control="",
    )


def _judged(claim: Claim, outcomes: Outcomes, known: dict[str, Weights]) -> Judged:
    """What the study's numbers say of the effect that a claim asks for."""
    models = list(dict.fromkeys(run["model"] for run in outcomes.study.runs if run["model"]))
    weights = weights_of(claim.effect, known, models)
    if weights is None:
        return Judged(None, claim.at, lacking=f"There is no effect {claim.effect!r} in this study.")
    like = outcomes.example(claim.measure, claim.target, weights)
    if like is None:
        what = f"{claim.measure}{f' of {claim.target}' if claim.target else ''}"
        return Judged(None, claim.at, lacking=f"It cannot be told: no finished run has scores of {what}.")
    where = claim.at if like.tap and like.measure != "masked-accuracy" else "whole"
    found = outcomes.estimate(weights, like, where)
    if found is None:
        lacking = [model for model in weights if not outcomes.seeds([model], like)]
        return Judged(None, where, like.unit, lacking=missing(lacking or list(weights)))
    estimate, seeds, speakers = found
    beside = _beside(outcomes, like, where, (model for model in models if model not in outcomes.cells))
    return Judged(estimate, where, like.unit, beside=beside, seeds=seeds, speakers=speakers)


def _beside(outcomes: Outcomes, like: Score, where: str, models: Iterable[str]) -> str:
    """What the baselines score at the same place, in words."""
    where = "best" if where == "matched" else where
    said = [
        f"{model} {found[0].value:.3f}"
        for model in models
        if (found := outcomes.estimate({model: 1.0}, like, where))
    ]
    return ", ".join(said)
