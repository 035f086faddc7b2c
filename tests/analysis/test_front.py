"""The doors of an analysis: one resolution of settings, a bound on memory, what the page is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from planted import Plant, PlantedCorpus, PlantedEncoder, tap

import lamina
from lamina.analysis import forecast
from lamina.analysis.config import FAMILIES, USUAL, AnalysisConfig
from lamina.analysis.discover import classes
from lamina.analysis.instruments import INSTRUMENTS
from lamina.analysis.instruments.instrument import Instrument
from lamina.analysis.plan import Sweep
from lamina.cli import analysis as command
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel
from lamina.errors import LaminaError
from lamina.measures import TABLE, family


class Wordless(PlantedCorpus):
    """No words, and what corpora that were opened have besides."""

    notes = ()

    def __init__(self):
        super().__init__(each=4)
        self._utterances = [replace(one, tiers={"phone": one.tiers["phone"]}) for one in self._utterances]


@pytest.fixture
def encoder():
    config = MRHubertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=16, conv_dim=[8] * 7, block_layers=[1, 1, 1],
        label_rate_ratios=[1, 2],
    )  # fmt: skip
    torch.manual_seed(7)
    return MRHubertEncoder(MRHubertModel(config), "tiny")


@pytest.fixture
def doors(monkeypatch, encoder):
    """The command on planted speech; `planned` sweeps and the `page`'s method are kept."""
    seen = SimpleNamespace(planned=[], page={})

    def told(sweep, **_):
        seen.planned.append(sweep)
        return "some"

    def page(_scores, folder, *, title, method):
        seen.page = {"title": title, **method}
        return folder

    monkeypatch.setattr(command, "open_speech", lambda _, **__: Wordless())
    monkeypatch.setattr(command, "_told", lambda *_: None)
    monkeypatch.setattr("lamina.encoders.load.load_encoder", lambda *_, **__: encoder)
    monkeypatch.setattr(forecast, "forecast", told)
    monkeypatch.setitem(sys.modules, "lamina.report.page", SimpleNamespace(write_report=page))
    return seen


@pytest.mark.parametrize(
    ("settings", "targets"), [({}, ("mel", "phone")), ({"protocol": "pasad"}, ("phone",))], ids=["lamina", "pasad"]
)
def test_both_doors_ask_for_what_the_corpus_has(doors, encoder, settings, targets):
    command.analyze("tiny", "speech", plan=True, **settings)
    assert doors.planned[0].config.targets == targets
    found = lamina.analyze(encoder, Wordless(), clusters={"phone": 10}, replicates=0, **settings)
    assert tuple(found.scores.distinct("target")) == targets


def test_who_speaks_is_no_tier_that_a_corpus_must_have(encoder):
    found = lamina.analyze(
        encoder, Wordless(), targets="speaker", clusters={"speaker": 4}, min_instances=1, replicates=0
    )
    assert found.scores.distinct("target") == ["speaker"]


def test_the_page_tells_the_digests_of_the_encoder_that_was_asked_for(doors, encoder, tmp_path):
    command.analyze("tiny", "speech", measures="cka", report=tmp_path / "page", memory_gib=1.0)
    assert doors.page["digests"]["encoder"] == encoder.digest
    assert doors.page["memory_gib"] == 1.0


def test_sums_beyond_the_memory_are_refused_before_anything_is_read(encoder):
    with pytest.raises(LaminaError, match=r"needs more than `memory_gib` = 0\.0001: read fewer taps"):
        Sweep(encoder, PlantedCorpus(each=2), AnalysisConfig(targets=("phone",), memory_gib=1e-4))


def test_measures_that_no_target_has_are_told():
    one = PlantedEncoder([Plant(tap("a", 0), phone=1.0)])
    config = AnalysisConfig(targets=("mel",), measures=("cka", "mi"), replicates=0)
    (note,) = (note for note in Sweep(one, PlantedCorpus(each=4), config).notes if note.startswith("mi"))
    assert note == "mi: none of the targets mel is measured by it"
    with pytest.raises(LaminaError, match="mi: none of the targets mel"):
        Sweep(one, PlantedCorpus(each=4), config.model_copy(update={"measures": ("mi",)}))


def test_every_family_of_the_table_has_its_instrument():
    made = [name for each in INSTRUMENTS for name in each.families]
    assert sorted(made) == sorted(FAMILIES)
    assert set(USUAL) <= set(family(*FAMILIES))


def test_an_instrument_is_found_by_its_file(tmp_path, monkeypatch):
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "__init__.py").write_text("")
    (tmp_path / "kit" / "own.py").write_text(
        "from lamina.analysis.instruments.instrument import Instrument\n"
        "class Own(Instrument):\n"
        "    families, takes, title = ('own',), (), 'own'\n"
        "    def values(self, draw): yield from ()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [each.__name__ for each in classes("kit", Instrument)] == ["Own"]


def test_the_docs_tell_every_measure_of_an_analysis_in_the_order_of_the_table():
    page = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")
    rows = page.split("\n## Measures\n\n")[1].split("\n\n")[0].splitlines()[2:]
    named = [name.strip(" `") for row in rows for name in row.split("|")[1].split(",")]
    assert named == [each.name for each in TABLE if each.family in FAMILIES]
