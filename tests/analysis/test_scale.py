"""However a pass is cut (killed, sharded, over processes), the scores are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from planted import PlantedCorpus, scale_case

from lamina.analysis.forecast import forecast
from lamina.analysis.sums import memory
from lamina.analysis.sweep import LEARNED, Sweep, analyze, finish, merge_parts, read_part
from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Scores

BOTH = pytest.mark.parametrize("splits", [True, False], ids=["splits", "folds"])


@pytest.fixture(scope="module")
def whole():
    return {splits: analyze(*scale_case(splits=splits)) for splits in (True, False)}


def same(found: Scores, wanted: Scores, tolerance: float) -> None:
    assert len(found) == len(wanted) > 50
    for one, other in zip(found, wanted, strict=True):
        assert (one.tap, one.measure, one.target, one.n) == (other.tap, other.measure, other.target, other.n)
        for name in ("value", "low", "high"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=tolerance), (one, name)


class KilledError(Exception):
    pass


class Mortal(PlantedCorpus):
    """Reads so many utterances, then dies."""

    def __init__(self, corpus, life):
        self._corpus, self.life = corpus, life

    def __len__(self):
        return len(self._corpus)

    def utterances(self, split=None):
        return self._corpus.utterances(split)

    def read(self, utterance, start=0, stop=None):
        self.life -= 1
        if self.life < 0:
            raise KilledError
        return self._corpus.read(utterance, start, stop)


@BOTH
def test_an_interrupted_pass_goes_on_bit_for_bit(tmp_path, whole, splits):
    encoder, corpus, config = scale_case(splits=splits)
    run = Run.plan(tmp_path, "run", {})
    run.start()
    deaths = 0
    read: list[int] = []
    for _ in range(20):
        mortal = Mortal(corpus, life=17)
        try:
            found = analyze(
                encoder, mortal, config, run=run, save_seconds=0, progress=lambda done, _: read.append(done)
            )
            break
        except KilledError:
            deaths += 1
    assert deaths >= 3
    assert read == sorted(set(read)), "no batch is read twice"
    for one, other in zip(found.scores, whole[splits].scores, strict=True):
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)
    assert not list(run.folder.glob("*progress.npz"))
    assert not (run.folder / LEARNED).exists()


@BOTH
def test_five_shards_merge_to_the_same(tmp_path, whole, splits):
    case = scale_case(splits=splits)
    folders = [tmp_path / str(number) for number in range(1, 6)]
    rounds = [None, tmp_path / LEARNED] if splits else [None]
    for learned in rounds:
        for number, folder in enumerate(folders, 1):
            folder.mkdir(exist_ok=True)
            read_part(Sweep(*case), (number, 5), folder, learned=learned)
        sweep = Sweep(*case)
        complete = merge_parts(sweep, folders, tmp_path)
        assert complete == (learned is rounds[-1])
    same(finish(sweep, None, "").scores, whole[splits].scores, 1e-10)


def test_parts_that_make_no_whole(tmp_path):
    encoder, corpus, config = scale_case(splits=False)
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        read_part(Sweep(encoder, corpus, config), (number, 2), tmp_path / str(number))
    sweep = Sweep(encoder, corpus, config)
    with pytest.raises(LaminaError, match="these parts do not make one whole: 1/2"):
        merge_parts(sweep, [tmp_path / "1"], tmp_path)
    with pytest.raises(LaminaError, match=r"do not make one whole: 2/2 .* 2/2"):
        merge_parts(sweep, [tmp_path / "2", tmp_path / "2"], tmp_path)
    other = Sweep(encoder, corpus, config.model_copy(update={"seed": 1}))
    with pytest.raises(LaminaError, match="part of another analysis"):
        merge_parts(other, [tmp_path / "1", tmp_path / "2"], tmp_path)
    with pytest.raises(LaminaError, match="cannot read unfinished sums"):
        merge_parts(sweep, [tmp_path / "3"], tmp_path)
    with pytest.raises(LaminaError, match="leave --learned out"):
        read_part(Sweep(encoder, corpus, config), (1, 3), tmp_path, learned=tmp_path / LEARNED)


@BOTH
def test_two_processes_agree_with_one(tmp_path, whole, splits):
    here = Path(__file__).parent
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [str(here / "share_sweep.py"), str(tmp_path), "splits" if splits else "folds"]
    told = subprocess.run(command + arguments, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stderr[-3000:]
    for rank in (0, 1):
        same(Scores.read(tmp_path / f"scores-{rank}.jsonl"), whole[splits].scores, 1e-10)


def test_batches_hold_the_windows_of_an_encoder_that_pads():
    """16 s a batch are two utterances for an encoder that pads each to 8 s; the forecast counts the padding."""
    encoder, corpus, config = scale_case(splits=False)
    plain, padded = (config.model_copy(update={"batch_seconds": seconds}) for seconds in (16.0, 8.0))
    assert max(len(group) for phase in Sweep(encoder, corpus, plain).phases for group in phase) > 2
    encoder.window_samples = 8 * 16000
    two, one = Sweep(encoder, corpus, plain), Sweep(encoder, corpus, padded)
    assert max(len(group) for phase in two.phases for group in phase) == 2
    more = forecast(two, timed=False).memory - forecast(one, timed=False).memory
    assert more == 4 * (16 / 320) * 8 * 16000  # float32 states of one window more, 16 values every 20 ms
    asked = config.model_copy(update={"targets": ("encoder:far:front",)})
    assert Sweep(scale_case(splits=False)[0], corpus, asked, others={"far": encoder}).window == 8 * 16000


def test_a_forecast_tells_size_time_and_memory():
    sweep = Sweep(*scale_case(splits=False))
    held = memory(sweep.sums())
    told = forecast(sweep, timed=True)
    assert told.utterances == 60
    assert told.hours == pytest.approx(sum(u.samples for u in sweep.corpus.utterances()) / 16000 / 3600)
    assert told.memory > held
    assert told.reading > 0
    (phones,) = (target for target in sweep.targets if target.name == "phone")
    assert told.rows["phone"] == len(phones.fit)
    assert "60 utterances in" in str(told)
    assert "to read in one process" in str(told)
    assert forecast(Sweep(*scale_case(splits=False)), timed=False).reading is None
