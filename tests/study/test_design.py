"""Designs: every factor of the docs makes a plan, the presets too; what is impossible is one clear line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lamina.config import load_config, merge, parse_config
from lamina.errors import LaminaError
from lamina.study.design import StudyConfig
from lamina.study.plan import plan
from lamina.study.step import AnalysisRun, Step, find_step

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = [
    tomllib.loads(block)
    for block in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "study.md").read_text(), re.DOTALL)
]
BASE = BLOCKS[0]
FACTORS = [block for block in BLOCKS[1:] if "factors" in block]


def steps_of(*changes: dict[str, Any]) -> list[Step]:
    value = BASE
    for change in changes:
        value = merge(value, change)
    return plan(parse_config(value, StudyConfig, "example"))


@pytest.mark.parametrize("block", FACTORS, ids=lambda block: "-".join(block["factors"]))
def test_the_factors_of_the_docs_make_plans(block: dict[str, Any]) -> None:
    steps = steps_of(block)
    names = [step.name for step in steps]
    assert len(names) == len(set(names))
    for place, step in enumerate(steps):
        assert {need.name for need in step.needs.values()} <= set(names[:place]), step.name
    levels = [step.subject.levels for step in steps if step.kind == "analysis" and step.subject.levels]
    for name, factor in block["factors"].items():
        assert {level[name] for level in levels if name in level} == set(factor["levels"])


def test_what_the_factors_of_the_docs_are() -> None:
    found = {name for block in FACTORS for name in block["factors"]}
    assert found == {"auxiliary", "rate", "levels", "body", "units", "masking", "layers", "sampling"}


def test_units_of_a_model_of_the_study_wait_for_it() -> None:
    block = next(block for block in FACTORS if "units" in block["factors"])
    steps = steps_of(block)
    units = find_step(steps, "units-second")
    assert units.needs["model"].name == "pretrain-first-s0"
    assert units.needs["model"].needs["units"].name == "units-mfcc"
    # Every seed learns the same units.
    for seed in (0, 1):
        assert find_step(steps, f"pretrain-of-tap-s{seed}").needs["units"] is units
    both = find_step(steps, "pretrain-of-coarse-s0").needs
    assert (both["units"].name, both["units.1"].name) == ("units-second", "units-coarse")
    assert [step.name for step in steps if step.name.startswith("pretrain-first")] == ["pretrain-first-s0"]


def test_nested_factors_are_crossed_where_they_apply() -> None:
    block = next(block for block in FACTORS if set(block["factors"]) == {"body", "rate"})
    trained = {step.name for step in steps_of(block) if step.kind == "pretrain" and step.name.endswith("s0")}
    assert trained == {"pretrain-hubert-s0", "pretrain-unet-20ms-s0", "pretrain-unet-40ms-s0"}


@pytest.mark.parametrize("name", ["tiny", "small", "paper", "published"])
def test_presets(name: str) -> None:
    config = load_config(ROOT / "configs" / "study" / f"{name}.toml", StudyConfig)
    steps = plan(config)
    kinds = [step.kind for step in steps]
    assert {step.subject.model for step in steps if step.kind == "analysis"} >= {"mel", "mfcc-cmvn", "untrained"}
    assert config.claims
    assert ("pretrain" in kinds) == (name != "published")
    assert (kinds.count("encoder") > 4) == (name == "published")
    cells = {step.subject.model for step in steps if step.kind == "analysis" and step.subject.levels}
    assert len(cells) == (7 if name == "paper" else 4)
    seeds = {step.subject.seed for step in steps if step.kind == "analysis" and step.subject.levels}
    assert len(seeds) == (3 if name in ("small", "paper") else 1)


@pytest.mark.parametrize(
    ("name", "cells_", "seeds", "corpora"),
    [("tiny_decides", 4, 12, [""]), ("human", 4, 3, ["", "testother"]), ("scale", 12, 3, [""])],
)
def test_presets_with_more_to_ask(name: str, cells_: int, seeds: int, corpora: list[str]) -> None:
    config = load_config(ROOT / "configs" / "study" / f"{name}.toml", StudyConfig)
    read = [step for step in plan(config) if isinstance(step.settings, AnalysisRun)]
    assert len({step.subject.model for step in read if step.subject.levels}) == cells_
    assert len({step.subject.seed for step in read if step.subject.levels}) == seeds
    for corpus in corpora:
        own = [step for step in read if isinstance(step.settings, AnalysisRun) and step.settings.corpus == corpus]
        assert len(own) == len(read) / len(corpora)
        wanted = f"corpus-{corpus}" if corpus else "corpus"
        assert {step.needs["corpus"].name for step in own} == {wanted}


def test_corpora_that_are_read_besides(tmp_path: Path) -> None:
    path = tmp_path / "read.toml"
    preset = ROOT / "configs" / "study" / "tiny.toml"
    one = '[analysis.corpus]\npath = "there"\n'
    path.write_text(f'extends = "{preset}"\n{one}')
    config = load_config(path, StudyConfig)
    assert list(config.reading) == ["other"]
    assert [step.name for step in plan(config)][:2] == ["corpus", "corpus-other"]
    assert config.digest == StudyConfig.model_validate(config.to_json()).digest
    path.write_text(f'extends = "{preset}"\n[analysis.corpus.training]\npath = "there"\n')
    with pytest.raises(LaminaError, match=r"analysis\.corpus\.training: choose another name"):
        load_config(path, StudyConfig)
    path.write_text(f'extends = "{preset}"\n{one}[claims.context]\ncorpus = "elsewhere"\n')
    with pytest.raises(LaminaError, match=r"claims\.context\.corpus: none is called 'elsewhere'"):
        plan(load_config(path, StudyConfig))


AUXILIARY, RATE = FACTORS[0], FACTORS[1]
HUBERT = {"pretrain": {"model": {"label_rate_ratios": [], "block_layers": [12]}}}
NOTHING = {"factors": {"none": {"label": "nothing", "levels": {"a": {}, "b": {}}}}}
CLAIM = {"text": "x", "effect": "auxiliary", "measure": "cca-mean", "direction": "raises"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([AUXILIARY, HUBERT], "cell aux is impossible: factors.auxiliary.levels.aux asks for a loss"),
        ([RATE, {"pretrain": {"model": {"block_layers": [12]}}}], "cell 20ms is impossible: MR-HuBERT config"),
        ([NOTHING], "a and b are the same encoder"),
        ([RATE, {"seeds": [0, 0]}], "name one twice"),
        ([RATE, {"baselines": {"40ms": {"cell": {"rate": "20ms"}, "changes": {}}}}], "2 encoders are called"),
        ([RATE, {"baselines": {"mfcc": {"cell": {"rate": "20ms"}, "changes": {}}}}], "the name 'mfcc' is taken"),
        ([RATE, {"baselines": {"mfcc-cmvn": {"cell": {"rate": "20ms"}, "changes": {}}}}], "'mfcc-cmvn' is taken"),
        ([RATE, {"baselines": {"a/b": {"cell": {"rate": "20ms"}, "changes": {}}}}], "names a folder"),
        ([RATE, {"baselines": {"x": {"cell": {"rate": "30ms"}, "changes": {}}}}], "no level '30ms'"),
        ([RATE, {"baselines": {"x": {"cell": {}, "changes": {}}}}], "must give a level to each of rate"),
        ([RATE, {"baselines": {"x": {"cell": {"rat": "20ms"}, "changes": {}}}}], "no factor 'rat'"),
        ([RATE, {"factors": {"rate": {"within": {"body": "unet"}}}}], "'body' is no factor that stands"),
        ([RATE, {"analysis": {"targets": ["phone", "tone"]}}], "synthetic speech has no 'tone'"),
        ([RATE, {"units": {"mfcc": {"features": "run:40ms"}}}], "40ms learns from 40ms|20ms learns from 40ms"),
        ([RATE, {"units": {"mfcc": {"features": "run:teacher"}}}], "no model 'teacher' is trained here"),
        ([RATE, {"pretrain": {"units": "mffc"}}], "there are no units 'mffc'; there are mfcc"),
        ([RATE, {"pretrain": {"units": ["mfcc"] * 3}}], "names 3 units and predicts at 2 levels"),
        ([AUXILIARY, {"claims": {"c": CLAIM | {"effect": "auxilary"}}}], "no effect 'auxilary'; there are"),
        ([AUXILIARY, {"claims": {"c": CLAIM | {"direction": "none"}}}], "a claim of no effect needs a margin"),
        ([{"pretrain": {}, "units": {"features": "mfcc"}}], r"units are named: write \[units.NAME\]"),
        ([RATE, {"corpus": {"path": ""}}], "corpus"),
        ([RATE, {"name": "a/b"}], "name"),
        ([RATE, {"pretrain": {"stepps": 1}}], "unknown key 'stepps'; did you mean 'steps'"),
    ],
)  # fmt: skip
def test_impossible_designs_are_refused(changes: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(LaminaError, match=says):
        steps_of(*changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": "wrd"}, r"c.target: cca-mean of wrd is not measured here; there is mel, phone, word"),
        ({}, r"c.target: cca-mean is not measured here; there is mel, phone, word"),
        ({"measure": "cca-men"}, "no measure 'cca-men'; did you mean 'cca-mean'"),
        ({"measure": "probe-accuracy"}, "no measure 'probe-accuracy'"),
        ({"measure": "cka", "target": "phone"}, "c.measure: cka of phone is not measured here; there is"),
        ({"measure": "mi-bits", "target": "mel"}, "c.target: mi-bits of mel is not measured here"),
        ({"measure": "accuracy", "target": "phone"}, "accuracy of phone is not measured here"),
        ({"measure": "macs", "seconds": 3.5}, "c.target: macs of 3.5 s is not measured here"),
        ({"measure": "effective-rank", "target": "phone"}, "has no best layer"),
    ],
)
def test_claims_of_what_is_not_measured_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(LaminaError, match=says):
        steps_of(AUXILIARY, {"claims": {"c": CLAIM | changes}})
