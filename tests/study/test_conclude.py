"""Effects of a factorial with known truth, from run folders as the analysis leaves them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lamina.effect import COLUMNS, read_effects
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.report.verdicts import read_verdicts
from lamina.runs import Run, check_file
from lamina.score import Score, Scores
from lamina.stats.inference import Replicates, write_replicates
from lamina.study.claims import Claim
from lamina.study.conclude import conclude
from lamina.study.contrasts import contrasts
from lamina.study.record import FactorWords, Study, StudyRun, Subject

FACTORS = {"auxiliary": ["no", "yes"], "rate": ["20", "40"]}
WORDS = {name: FactorWords(label=name, levels=tuple(levels)) for name, levels in FACTORS.items()}
TAPS = {"front": 5.9, "enc20.1": 5.1, "mid40.1": 5.3}  # the front end never counts as a layer


def claim(effect: str, direction: str, margin: float = 0.0, **more: str) -> Claim:
    values = {"text": "So it is.", "effect": effect, "measure": "mi-bits", "target": "phone", "margin": margin}
    return Claim.model_validate(values | {"direction": direction} | more)


CLAIMS = {
    "helps": claim("auxiliary", "raises"),
    "helps-much": claim("auxiliary", "raises", 0.5),
    "nothing": claim("rate", "none", 0.1, at="matched"),
    "nothing-at-all": claim("rate", "none", 0.001, at="mean"),
    "no-help": claim("rate", "raises-not", 0.01),
    "cells": claim("10 - 00", "lowers"),
    "no-such-effect": claim("width", "raises"),
    "no-such-score": claim("rate", "raises", measure="rsa"),
}


def make(root: Path, seeds: tuple[int, ...] = (0,), missing: bool = False, noise: float = 1e-5) -> Study:
    """Cells where the auxiliary loss adds .2, the rate takes .05, and both together add .04 more.

    Seeds and what a speaker is to a cell add ``noise``: without any spread there is no error to speak of.
    """
    common = np.random.default_rng(0).normal(0, 0.1, 200)  # what all cells have in common
    chance = np.random.default_rng(1)
    runs = []
    for seed, a, r in product(seeds, (0, 1), (0, 1)):
        levels = {"auxiliary": FACTORS["auxiliary"][a], "rate": FACTORS["rate"][r]}
        run = Run.plan(root, f"analysis-{a}{r}-s{seed}", {"a": a, "r": r, "seed": seed})
        run.start()
        shift = 0.2 * a - 0.05 * r + 0.04 * a * r + 0.001 * seed + chance.normal(0, noise)
        speakers = common + chance.normal(0, noise, 200)
        rows, replicates = [], Replicates()
        for depth, (tap, base) in enumerate(TAPS.items()):
            for measure in ("mi-bits", "mi-corrected"):
                value = base + shift - (10 if measure == "mi-corrected" else 0)  # where that measure can be
                rows.append(
                    Score(
                        run=run.folder.name, model=f"{a}{r}", tap=tap, layer=1 if depth else None, depth=depth,
                        period_ms=20.0, measure=measure, target="phone", value=value, n=50, split="test",
                        protocol="lamina", support="common", seed=seed,
                    )
                )  # fmt: skip
                replicates.put(f"{tap}|{measure}|phone", value + speakers, groups=200, draw="one")
        Scores(rows).write(run.folder / "scores.jsonl")
        write_replicates(run.folder, replicates)
        run.log(event="done", seconds=1.5)
        if not (missing and a and r):
            run.finish()
        subject = Subject(model=f"{a}{r}", seed=seed, levels=levels)
        runs.append(StudyRun(folder=run.folder.name, kind="analysis", subject=subject))
    study = Study(name="known", factors=WORDS, runs=tuple(runs), claims=CLAIMS)
    study.write(root)
    assert Study.read(root) == study
    return study


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize(
    ("at", "measure"),
    [("best", "mi-bits"), ("mean", "mi-corrected"), ("matched", "mi-bits"), ("layer", "mi-bits")],
)
def test_effects_are_the_planted_ones(tmp_path: Path, seeds: tuple[int, ...], at: str, measure: str) -> None:
    make(tmp_path, seeds)
    conclude(tmp_path)
    found = {each.name: each for each in read_effects(tmp_path) if (each.at, each.measure) == (at, measure)}
    assert found["auxiliary"].value == pytest.approx(0.22, abs=1e-4)
    assert found["rate"].value == pytest.approx(-0.03, abs=1e-4)
    assert found["auxiliary x rate"].value == pytest.approx(0.04, abs=1e-4)
    for row in found.values():  # speakers' common part cancels in paired differences
        assert row.low == pytest.approx(row.value, abs=3e-4)
        assert row.high == pytest.approx(row.value, abs=3e-4)
        assert row.low is not None
        assert row.low < row.value


def test_all_rows_carry_the_study_and_are_written(tmp_path: Path) -> None:
    make(tmp_path)
    scores = conclude(tmp_path)
    assert scores.distinct("study") == ["known"]
    assert Scores.read(tmp_path / "scores.jsonl") == scores
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == len(scores) + 1
    effects = read_effects(tmp_path)
    assert {(each.study, each.seeds, each.speakers) for each in effects} == {("known", 1, 200)}
    # 3 effects of 2 measures: at the best layer, at one depth, over the layers, and at each of two layers.
    assert len(effects) == 3 * 2 * 5
    header, *lines = (tmp_path / "effects.csv").read_text().splitlines()
    assert (header.split(","), len(lines)) == (list(COLUMNS), len(effects))


def test_effects_of_two_corpora_are_told_apart_and_pooled(tmp_path: Path) -> None:
    """In the second corpus the auxiliary loss adds .1 more, with a speaker's noise of its own."""
    study = make(tmp_path, seeds=(0, 1, 2))
    random, more = np.random.default_rng(7), []
    for each in study.runs:
        config = Run.read(tmp_path / each.folder).config
        rows = Scores.read(tmp_path / each.folder / "scores.jsonl")
        run = Run.plan(tmp_path, "far", config)
        run.start()
        replicates = Replicates()
        moved = [
            replace(row, run=run.folder.name, value=row.value + 0.1 * config["a"], split="folds-5 of far")
            for row in rows
        ]
        for row in moved:
            replicates.put(row.key, row.value + random.normal(0, 1e-3, 200), groups=5, draw="two")
        Scores(moved).write(run.folder / "scores.jsonl")
        write_replicates(run.folder, replicates)
        run.finish()
        more.append(StudyRun(folder=run.folder.name, kind="analysis", subject=each.subject, corpus="far"))
    claims = {
        "all": claim("auxiliary", "raises"),
        "near": claim("auxiliary", "raises", corpus="training"),
        "far": claim("auxiliary", "raises", corpus="far"),
    }
    study.model_copy(update={"runs": (*study.runs, *more), "claims": claims}).write(tmp_path)
    conclude(tmp_path)
    for at in ("best", "matched", "mean", "layer"):
        found = {
            each.split: each
            for each in read_effects(tmp_path)
            if (each.name, each.measure, each.at) == ("auxiliary", "mi-bits", at)
        }
        assert {split: each.value for split, each in found.items()} == pytest.approx(
            {"test": 0.22, "folds-5 of far": 0.32, "pooled": 0.27}, abs=5e-4
        )
        assert [found[split].speakers for split in ("test", "folds-5 of far", "pooled")] == [200, 5, 5]
        far, pooled = found["folds-5 of far"], found["pooled"]
        assert far.low is not None
        assert far.high is not None
        assert pooled.low is not None
        assert pooled.high is not None
        assert pooled.high - pooled.low < 0.8 * (far.high - far.low)  # the other corpus' half is surer
    effects = {verdict.name: verdict.effect for verdict in read_verdicts(tmp_path)}
    assert effects == pytest.approx({"all": 0.27, "near": 0.22, "far": 0.32}, abs=5e-4)


def test_a_missing_cell_means_no_effects_but_all_scores(tmp_path: Path) -> None:
    make(tmp_path, missing=True)
    scores = conclude(tmp_path)
    assert read_effects(tmp_path) == ()
    assert len(scores) == 3 * len(TAPS) * 2
    verdicts = {verdict.name: verdict for verdict in read_verdicts(tmp_path)}
    assert verdicts["helps"].verdict == "undecided"
    assert verdicts["helps"].reason == "It cannot be told yet: no finished scores of 11."
    assert verdicts["cells"].effect == pytest.approx(0.2, abs=1e-4)  # both of its cells are there


def test_seeds_that_a_cell_lacks_are_left_out(tmp_path: Path) -> None:
    study = make(tmp_path, seeds=(0, 1, 2))
    (tmp_path / study.runs[-1].folder / "done").unlink()  # seed 2 of the last cell
    conclude(tmp_path)
    assert {verdict.name: verdict.n_seeds for verdict in read_verdicts(tmp_path)}["helps"] == 2


def test_verdicts_on_planted_effects(tmp_path: Path) -> None:
    """The auxiliary loss adds .22, the rate takes .03, with hardly any chance but what cancels."""
    make(tmp_path, seeds=(0, 1, 2))
    conclude(tmp_path)
    verdicts = {verdict.name: verdict for verdict in read_verdicts(tmp_path)}
    assert list(verdicts) == list(CLAIMS)
    assert {name: verdict.verdict for name, verdict in verdicts.items()} == {
        "helps": "supported",
        "helps-much": "contradicted",
        "nothing": "supported",
        "nothing-at-all": "contradicted",
        "no-help": "supported",
        "cells": "contradicted",
        "no-such-effect": "undecided",
        "no-such-score": "undecided",
    }
    helps = verdicts["helps"]
    assert helps.effect == pytest.approx(0.22, abs=1e-4)
    assert (helps.n_seeds, helps.n_speakers, helps.where) == (3, 200, "best")
    assert "no effect 'width'" in verdicts["no-such-effect"].reason
    assert "rsa of phone" in verdicts["no-such-score"].reason


def test_one_seed_decides_nothing_that_training_made(tmp_path: Path) -> None:
    make(tmp_path)
    conclude(tmp_path)
    verdicts = {verdict.name: verdict for verdict in read_verdicts(tmp_path)}
    helps = verdicts["helps"]
    assert helps.p_holm is not None
    assert helps.p_holm < 0.05
    assert {verdict.verdict for verdict in verdicts.values()} == {"undecided"}
    assert "With one seed" in helps.reason


def test_seeds_that_agree_to_the_last_digit_are_no_proof(tmp_path: Path) -> None:
    make(tmp_path, seeds=(0, 1), noise=0.0)
    conclude(tmp_path)
    helps = next(verdict for verdict in read_verdicts(tmp_path) if verdict.name == "helps")
    assert (helps.verdict, helps.p, helps.low) == ("undecided", None, None)
    assert helps.effect == pytest.approx(0.22)


@pytest.mark.parametrize("lacks", [{"seed": 1, "a": 1}, {"a": 1}])
def test_where_one_lacks_replicates_none_has_any(tmp_path: Path, lacks: dict[str, int]) -> None:
    """A seed or a model without resampled speakers: the effect is told from the seeds alone."""
    study = make(tmp_path, seeds=(0, 1, 2))
    for run in study.runs:
        config = Run.read(tmp_path / run.folder).config
        if lacks.items() <= config.items():
            (tmp_path / run.folder / "replicates.npz").unlink()
            (tmp_path / run.folder / "done").unlink()
            Run.read(tmp_path / run.folder).finish()
    conclude(tmp_path)
    found = [each for each in read_effects(tmp_path) if (each.name, each.measure) == ("auxiliary", "mi-bits")]
    assert {each.at for each in found} == {"best", "matched", "mean", "layer"}
    for each in found:
        assert each.value == pytest.approx(0.22, abs=1e-4)
    assert {verdict.name: verdict.n_speakers for verdict in read_verdicts(tmp_path)}["helps"] == 0


def test_chance_leaves_claims_undecided(tmp_path: Path) -> None:
    make(tmp_path, seeds=(0, 1, 2), noise=0.3)
    conclude(tmp_path)
    helps = next(verdict for verdict in read_verdicts(tmp_path) if verdict.name == "helps")
    assert helps.verdict == "undecided"
    assert helps.low is not None
    assert helps.high is not None
    assert helps.effect is not None
    assert helps.low < 0.22 < helps.high
    assert helps.p is not None
    assert helps.p_holm is not None
    assert helps.p_holm >= helps.p
    assert helps.detectable is not None
    assert helps.detectable > 0.3


def test_nested_factors_are_compared_where_they_mean_something() -> None:
    """HuBERT has no middle: its one cell is held against the U-net that differs in nothing else."""
    factors = {"body": ["hubert", "unet"], "loss": ["no", "yes"], "rate": ["20", "40", "80"]}
    within = {"loss": {"body": "unet"}, "rate": {"body": "unet"}}
    cells = {"h": {"body": "hubert"}} | {
        f"{a}{r}": {"body": "unet", "loss": a, "rate": r} for a in factors["loss"] for r in factors["rate"]
    }
    found = dict(contrasts(factors, within, cells))
    assert set(found) == {"body", "loss", "rate=40", "rate=80", "loss x rate=40", "loss x rate=80"}
    assert found["body"] == {"no20": 1, "h": -1}
    assert found["loss"] == pytest.approx(
        {f"{a}{r}": (1 if a == "yes" else -1) / 3 for a in factors["loss"] for r in factors["rate"]}
    )
    assert found["rate=80"] == {"no80": 0.5, "yes80": 0.5, "no20": -0.5, "yes20": -0.5}
    assert found["loss x rate=40"] == {"yes40": 1, "yes20": -1, "no40": -1, "no20": 1}


@pytest.mark.parametrize("name", ["scores.jsonl", "replicates.npz", "log.jsonl", "done"])
@pytest.mark.parametrize("damage", ["cut", "changed", "deleted"])
def test_half_copied_and_changed_runs_are_named(tmp_path: Path, name: str, damage: str) -> None:
    study = make(tmp_path)
    path = tmp_path / study.runs[0].folder / name
    held = path.read_bytes()
    if damage == "cut":
        path.write_bytes(held[:-20])
    elif damage == "changed":
        digit = next(place for place, byte in enumerate(held) if byte in b"1234" and place > 10)
        path.write_bytes(held[:digit] + b"9" + held[digit + 1 :])
    else:
        path.unlink()
    if (name, damage) == ("done", "deleted"):
        assert conclude(tmp_path)  # as if it had not finished
        return
    said = name if name != "done" else ""  # a changed digest there is told of the file that it is of
    with pytest.raises(LaminaError, match=rf"{said}.*copy the folder again, or delete it and make the run again"):
        conclude(tmp_path)


def test_one_changed_digit_of_what_was_concluded_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    conclude(tmp_path)
    path = tmp_path / "scores.jsonl"
    check_file(path)
    path.write_text(path.read_text().replace('"value": 5.4', '"value": 5.9', 1))
    with pytest.raises(LaminaError, match=r"its scores\.jsonl is changed"):
        check_file(path)
    conclude(tmp_path)
    check_file(path)


CHANGES = {
    "digit": lambda value: value["claims"]["helps"].update(margin=0.5),
    "version": lambda value: value.update(format=0),
    "runs": lambda value: value.update(runs={}),
    "run": lambda value: value["runs"].append("x"),
    "claims": lambda value: value.update(claims=[1]),
    "claim": lambda value: value["claims"].update(new={}),
    "factors": lambda value: value.update(factors={"rate": 2}),
    "outside": lambda value: value["runs"][0].update(folder="../elsewhere"),
    "name": lambda value: value.pop("name"),
}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_study_of_another_shape_is_one_line(tmp_path: Path, change: str, sealed: bool) -> None:
    make(tmp_path)
    path = tmp_path / "study.json"
    value = json.loads(path.read_text())
    CHANGES[change](value)
    if sealed and change != "digit":  # whoever changed it knew of the digest
        value["digest"] = digest({key: each for key, each in value.items() if key not in {"format", "digest"}})
    path.write_text(json.dumps(value))
    with pytest.raises(LaminaError, match=r"study\.json.*run `lamina study run` again") as told:
        conclude(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_written_outside_a_foreign_study(tmp_path: Path, dangling: bool) -> None:
    root, home = tmp_path / "study", tmp_path / "home"
    make(root)
    home.mkdir()
    names = ("scores.jsonl", "scores.csv", "effects.jsonl", "effects.csv", "verdicts.json")
    for name in (*names, "done") if dangling else names:  # a `done` that says nothing is refused first
        if not dangling:
            (home / name).write_text("mine")
        (root / name).symlink_to(home / name)
    (home / "pages").mkdir()
    (home / "pages" / "index.html").write_text("mine")
    (root / "report").symlink_to(home / "pages", target_is_directory=True)
    conclude(root)
    there = {path.relative_to(home).as_posix(): path.read_text() for path in home.rglob("*") if path.is_file()}
    assert there == {"pages/index.html": "mine"} | ({} if dangling else dict.fromkeys(names, "mine"))
    assert not any(path.is_symlink() for path in root.rglob("*"))
    assert all((root / name).is_file() for name in names)


def test_weights_and_corpora_need_not_be_copied(tmp_path: Path) -> None:
    study = make(tmp_path)
    folder = tmp_path / study.runs[0].folder
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_text("heavy")
    (folder / "done").unlink()
    Run.read(folder).finish()
    (folder / "model" / "weights").unlink()
    conclude(tmp_path)


def test_runs_of_another_version_are_named(tmp_path: Path) -> None:
    study = make(tmp_path)
    path = tmp_path / study.runs[1].folder / "run.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(LaminaError, match=f"{study.runs[1].folder}/run.json was written by another version"):
        conclude(tmp_path)


def test_folders_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="is no study folder: there is no file"):
        conclude(tmp_path)
    Study(name="empty", factors=WORDS, runs=()).write(tmp_path)
    with pytest.raises(LaminaError, match="no run in"):
        conclude(tmp_path)


def test_measures_without_a_better_way_have_no_best_layer(tmp_path: Path) -> None:
    """Effective rank describes: its difference is told over the layers and at each, never at a best one."""
    study = make(tmp_path)
    for run in study.runs:
        folder = tmp_path / run.folder
        rows = [
            replace(row, measure="effective-rank", value=20 + row.value) if row.measure == "mi-corrected" else row
            for row in Scores.read(folder / "scores.jsonl")
        ]
        Scores(rows).write(folder / "scores.jsonl")
        Run.read(folder).finish()
    conclude(tmp_path)
    assert {each.at for each in read_effects(tmp_path) if each.measure == "effective-rank"} == {"mean", "layer"}


def test_probes_of_one_task_with_two_heads_have_effects_of_their_own(tmp_path: Path) -> None:
    study = make(tmp_path)
    for run in study.runs:
        folder = tmp_path / run.folder
        rows = list(Scores.read(folder / "scores.jsonl"))
        probes = [
            Score(
                run=run.folder, model=run.subject.model, layers="weighted", measure="accuracy", target="word",
                value=0.5, head=head, protocol="lamina",
            )
            for head in ("linear", "mlp")
        ]  # fmt: skip
        Scores([*rows, *probes]).write(folder / "scores.jsonl")
        Run.read(folder).finish()
    conclude(tmp_path)
    found = [each for each in read_effects(tmp_path) if each.measure == "accuracy"]
    assert {(each.head, each.layers) for each in found} == {("linear", "weighted"), ("mlp", "weighted")}
