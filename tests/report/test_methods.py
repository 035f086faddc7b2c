"""The methods section: every part of a real study is told, and what a config lacks is an error, not a silence."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lamina.analysis.config import AnalysisConfig
from lamina.config import load_config, parse_config
from lamina.errors import LaminaError
from lamina.report.methods import paragraphs, section
from lamina.report.overview import overview
from lamina.score import Scores
from lamina.study.design import StudyConfig

STUDIES = Path(__file__).resolve().parents[2] / "configs" / "study"

PARTS = ["Speech", "Units", "Encoders", "Pretraining", "Design", "Analysis", "Probes", "Cost"]


def test_every_part_of_a_study_has_a_paragraph(method, seen, study) -> None:
    found = dict(paragraphs(method, seen))
    assert list(found) == PARTS
    for said in (
        f"{study.speech.minutes:g} minutes", "Seed: 0.", "10 train, 2 dev and 4 test", "200 content words",
        "Accents: ", "Noise was added at -60 dB.", "No speaker is in two splits.",
    ):  # fmt: skip
        assert said in found["Speech"]
    assert "mfcc: 100 clusters (k-means, seed 0) of mfcc features (normalised: utterance)" in found["Units"]
    assert f"up to {study.units['mfcc'].frames:,} frames of the train split" in found["Units"]
    assert (
        "2 layers at 20 ms, 2 layers at 40 ms, 2 layers at 20 ms; masked units are predicted at"
        in found["Encoders"]
    )
    assert "150 steps of" in found["Pretraining"]
    for name, factor in study.factors.items():
        assert f"{factor.label} (factor {name}: {' and '.join(factor.levels)})" in found["Design"]
    assert "the baselines nomask and untrained" in found["Design"]
    assert (
        "against mel, phone, phone@+1, word and word given phone (cca-mean, cca-pwcca, mi and reach)"
        in found["Analysis"]
    )
    assert "100 for phone and 200 for word" in found["Analysis"]
    assert "on frozen states: pr, word and sid" in found["Probes"]
    for said in ("Layers: blocks.", "chosen on dev: 0.03 and 0.1.", "At most 200 steps."):
        assert said in found["Probes"]
    assert "the median of 5 runs, on 10 s of audio" in found["Cost"]


@pytest.mark.parametrize("config", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_here_can_be_told(config, seen) -> None:
    study = load_config(config, StudyConfig)
    factors = {name: {"label": each.label, "levels": list(each.levels)} for name, each in study.factors.items()}
    found = dict(
        paragraphs({"config": study.to_json() | {"corpus": study.speech.to_json()}, "factors": factors}, seen)
    )
    assert all(found.values())
    assert ("Units" in found) == bool(study.units)
    assert ("Released encoders" in found) == bool(study.encoders)
    for name in study.units:
        assert f"{name}: " in found["Units"]
    for name in study.encoders:
        assert f"{name} is " in found["Released encoders"]


def _without(method: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    less = deepcopy(dict(method))
    place = less["config"]
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return less


def test_what_a_config_lacks_is_an_error_never_a_silence(method, seen) -> None:
    """Whatever is taken out of it, one clear line says what lacks, or nothing that was told rests on it."""
    whole, config = paragraphs(method, seen), method["config"]
    paths = [
        (name,) for name in ("corpus", "units", "encoders", "baselines", "seeds", "analysis", "probe", "cost")
    ]
    paths += [
        (*part, name) for part in (("units", "mfcc"), ("analysis",), ("cost",)) for name in _at(config, part)
    ]
    refused = []
    for path in paths:
        less = _without(method, path)
        try:
            found = paragraphs(less, seen)
        except LaminaError as error:
            refused.append(path)
            said = str(error)
        else:
            said = path[-1] if found == whole else ""
        assert path[-1] in said, path
    assert set(paths[:8]) <= set(refused)
    assert len(refused) > 20


def _at(config: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    for name in path:
        config = config[name]
    return list(config)


def test_what_a_part_of_free_form_says_is_told_in_full(method, seen) -> None:
    """A corpus and probes hold what their file says: what has no sentence of its own stands at the end."""
    more = deepcopy(dict(method))
    more["config"]["corpus"] |= {"room": {"snr_db": 10}, "split_by": "utterance"}
    more["config"]["probe"] |= {"patience": 7}
    found = dict(paragraphs(more, seen))
    assert "Also: room 10 snr_db, split_by utterance." in found["Speech"]
    assert "No speaker is in two splits" not in found["Speech"]
    assert "patience 7" in found["Probes"]
    more["config"]["corpus"] = {"path": "some/where", "hours": 9.5}
    assert dict(paragraphs(more, seen))["Speech"] == "Speech was read from some/where. It has 9.5 hours."


def test_one_analysis(curve) -> None:
    config = parse_config({}, AnalysisConfig, "test").to_json()
    method = {"kind": "analysis", "encoder": "hubert", "corpus": "speech", **config, "notes": ["few speakers"]}
    seen = overview(Scores(curve("hubert", 0.4)), notes={"": method["notes"]})
    found = dict(paragraphs(method, seen))
    assert list(found) == ["Speech", "Analysis"]
    assert "against mel, phone and word" in found["Analysis"]
    page = section(method, seen)
    assert "<li>few speakers</li>" in page
    assert "mean held-out canonical correlation of states and target; more is better" in page


def test_a_page_of_rows_alone_has_no_methods(seen) -> None:
    assert paragraphs({}, seen) == []


def test_notes_of_every_run_stand_on_the_page(method, scores) -> None:
    notes = {"plain": ["few speakers", "CCA left out"], "other": ["few speakers"]}
    page = section(method, overview(scores, notes=notes))
    assert "<li><b>plain, other</b>: few speakers</li>" in page
    assert "<li><b>plain</b>: CCA left out</li>" in page
