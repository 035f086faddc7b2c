"""Whole probes on toy speech whose labels some taps tell and others hide; bad input; stopping and going on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.trials import Trial, write_trials
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.data import parts
from lamina.probe.layers import groups
from lamina.probe.probe import Probed, probe
from lamina.probe.store import Want, read
from lamina.probe.task import Task, find_task, tasks
from lamina.probe.verify import Verification
from lamina.score import Scores

RATE = 16000
FINE = Grid.samples(RATE).conv(400, 320)
COARSE = FINE.conv(1, 2)


def scores_of(*arguments, **settings):
    return probe(*arguments, **settings).scores


@dataclass
class Tones:
    """Segments are constants: phone ``a3`` sounds as 0.3; a speaker's constant offset tells who speaks.

    ``change`` alters utterances before anyone sees them.
    """

    change: Callable[[Utterance], Utterance | None] = lambda one: one
    name: str = "tones"
    digest: str = "0"
    sample_rate: int = RATE

    def __len__(self) -> int:
        return len(list(self.utterances()))

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        for speaker in range(8):
            part = "train" if speaker < 4 else "dev" if speaker < 6 else "test"
            for number in range(8):
                random = np.random.default_rng([speaker, number])
                bounds = [400, *(400 + np.cumsum(random.integers(1500, 3000, 8))).tolist()]
                names = [f"a{random.integers(4)}" for _ in range(8)]
                phones = tuple(Segment(name, *each) for name, each in zip(names, pairwise(bounds), strict=True))
                halves = ((bounds[0], bounds[5]), (bounds[3], bounds[-1]))
                one = Utterance(
                    f"{speaker}-{number}",
                    f"s{speaker}",
                    part,
                    bounds[-1] + 900,
                    " ".join("ab"[int(name[1]) % 2] for name in names),
                    {
                        "phone": phones,
                        **{f"speaker:{n}": (Segment(f"p{n}", *half),) for n, half in enumerate(halves, 1)},
                    },
                    {
                        "keyword": names[0],
                        "emotion": "loud" if names.count("a3") > 1 else "soft",
                        "slots": " ".join("B-song" if name == "a3" else "O" for name in names),
                        "action": names[0],
                        "object": names[1],
                        "location": "none",
                        "session": str(speaker // 2),
                    },
                )
                changed = self.change(one)
                if changed is not None and split in {None, changed.split}:
                    yield changed

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        wave = np.zeros(utterance.samples, np.float32)
        for segment in utterance.tiers.get("phone", ()):
            wave[segment.onset : segment.offset] = int(segment.label[1:]) / 10
        return wave[start:stop] + 0.001 * int(utterance.speaker[1:])


class Windows:
    """Taps that tell the phone at a frame's centre and who speaks (``fine``, ``coarse``), or nothing."""

    name = "windows"
    digest = "1"
    sample_rate = RATE
    taps = (Tap("fine.1", 0, 10, FINE), Tap("blind.2", 1, 10, FINE), Tap("coarse.3", 2, 10, COARSE))
    passes = 0

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        Windows.passes += len(lengths)
        for tap in find_taps(self, taps):
            samples = [int(count) for count in lengths]
            places = [int(tap.grid.centre_of(frame)) for frame in range(tap.grid.frames(max(samples)))]
            seen = waves[:, places]
            noise = torch.randn(*seen.shape, 1, generator=torch.Generator().manual_seed(0)).expand(*seen.shape, 10)
            phone = (10 * seen).round()
            told = torch.stack([(phone == name).float() for name in range(4)], -1)
            voices = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
            who = voices[(1000 * (seen - phone / 10)).round().long().clamp(0, 7)]
            values = noise if tap.name == "blind.2" else torch.cat([told, who], -1)
            yield States.checked(values, samples, tap)


CONFIG = ProbeConfig(
    tasks=("phone",), heads=("linear",), rates=(3e-3, 3e-2), seeds=(0, 1), steps=100, replicates=50, layers="each"
)


def find_trained(name: str) -> Task:
    task = find_task(name)
    assert isinstance(task, Task)
    return task


def config(**changes: object) -> ProbeConfig:
    return ProbeConfig.model_validate({**CONFIG.model_dump(), **changes})


def values(scores: Scores, measure: str) -> dict[str, float]:
    return {row.control or row.tap: row.value for row in scores.select(measure=measure)}


def test_what_a_tap_tells_is_found_and_what_it_hides_is_not() -> None:
    scores = scores_of(Windows(), Tones(), CONFIG, run_name="r")
    found = values(scores, "accuracy")
    assert set(found) == {"fine.1", "blind.2", "coarse.3", "majority"}
    assert found["fine.1"] > 0.85
    assert found["coarse.3"] > 0.85
    assert found["blind.2"] < found["majority"] + 0.1
    for row in scores:
        assert (row.target, row.split, row.protocol, row.run) == ("phone", "test", "lamina", "r")
        assert row.model == "majority" or (row.low is not None and row.low <= row.value <= (row.high or 0))
    assert len({row.n for row in scores}) == 1  # common support


def test_sequences_of_phones_and_letters() -> None:
    both = scores_of(
        Windows(),
        Tones(),
        config(tasks=("pr", "asr", "sf"), taps=("fine.1", "blind.2"), rates=(0.1,), seeds=(0,), steps=120),
    )
    per = values(both, "per")
    assert per["fine.1"] < per["blind.2"] - 0.1
    assert set(values(both, "wer")) == set(values(both, "slot-f1")) == {"fine.1", "blind.2"}


def test_speakers_are_named_by_utterances_and_verified_by_strangers() -> None:
    scores = scores_of(Windows(), Tones(), config(tasks=("sid", "asv"), taps=("fine.1", "blind.2"), rates=(3e-2,)))
    assert values(scores, "accuracy")["fine.1"] > 0.75
    assert values(scores, "accuracy")["blind.2"] < 0.5
    assert {row.split for row in scores.select(target="sid")} == {"utterances of known speakers (seed 0)"}
    eer = values(scores, "eer")
    assert eer["fine.1"] < eer["blind.2"] - 0.1
    assert {row.split for row in scores.select(target="asv")} == {"test"}


def test_strangers_stay_strangers() -> None:
    mixed = Tones(lambda one: replace(one, split=("train", "dev", "test")[int(one.id[-1]) % 3]))
    plan = config(tasks=("asv", "phone"), taps=("fine.1",), steps=2)
    found = probe(Windows(), mixed, plan)
    assert {row.split for row in found.scores.select(target="asv")} == {
        "folds-4"
    }  # two speakers each: trials need others
    assert any("asv: the corpus's splits share 8 speakers" in note for note in found.notes)
    assert any("phone: 8 speakers are in train and in test" in note for note in found.notes)


@pytest.mark.parametrize("other", ["train", "test"])
def test_strangers_select(other: str) -> None:
    def change(one: Utterance) -> Utterance:  # half of a dev speaker's utterances are in another part
        return replace(one, split=other) if one.speaker == "s4" and int(one.id[-1]) % 2 else one

    notes: list[str] = []
    division = parts(find_trained("asv"), Tones(change), config(), (FINE,), notes.append)[0]
    sides = [{one.label for one in side} for side in (division.train, division.dev, division.test)]
    assert not any(one & two for one, two in combinations(sides, 2))
    assert division.split == "test"  # the corpus's own is kept
    assert any(f"asv: 1 speakers are in dev and in {other} of tones" in note for note in notes)
    parts(find_trained("pr"), Tones(change), config(), (FINE,), notes.append)
    assert f"pr: 1 speakers are in dev and in {other} of tones" in notes


def test_frequent_labels_beyond_the_most_are_not_called_rare() -> None:
    notes: list[str] = []
    every = Counter(each.label for one in Tones().utterances() for each in one.tiers["phone"])
    division = parts(find_trained("phone"), Tones(), config(most_labels=3), (FINE,), notes.append)[0]
    (left,) = set(every) - {one.label[0] for one in division.train}
    assert notes == [
        f"phone: {every[left]} segments are of 1 labels beyond the 3 most frequent of train; they are left out"
    ]


@pytest.mark.parametrize(("protocol", "kept", "note"), [("lamina", "ö", False), ("superb", "", True)])
def test_letters_of_the_protocol(protocol: str, kept: str, note: bool) -> None:
    plan, notes = config(protocol=protocol, tasks=("asr", "sf")), list[str]()
    german = Tones(lambda one: replace(one, text=one.text.replace("b", "bö")))
    for name in plan.tasks:
        task = find_trained(name)
        division = parts(task, german, plan, (FINE,), notes.append)[0]
        assert ("Ö" in {symbol for one in division.all for symbol in one.label}) == bool(kept)
        told = task.objective(division, german, plan, FINE).notes
        assert any("letters beyond A to Z and digits" in one for one in told) == note


@dataclass
class Listed(Tones):
    """With a trial list."""

    folder: Path = Path()


def listed(folder: Path, *trials: Trial) -> list[str]:
    write_trials(folder, trials)
    corpus = Listed(folder=folder)
    task = find_trained("asv")
    division = parts(task, corpus, config(), (FINE,), print)[0]
    objective = task.objective(division, corpus, config(), FINE)
    assert isinstance(objective, Verification)
    vectors = [np.eye(len(division.test))[0] for _ in division.test]
    return [*objective.notes, f"{objective.score(vectors, division.test, None)['eer'].n} scored"]


def test_trials_that_are_not_of_speakers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match=r"target pair 6-0 \(speaker s6\) and 7-0 \(speaker s7\) is of two"):
        listed(tmp_path, Trial("test", True, "6-0", "6-1"), Trial("test", True, "6-0", "7-0"))


def test_trials_that_are_not_scored_are_counted(tmp_path: Path) -> None:
    both = (Trial("test", True, "6-0", "6-1"), Trial("test", False, "6-0", "7-0"))
    told = listed(tmp_path, *both, Trial("test", False, "0-0", "6-0"), Trial("test", True, "4-0", "4-1"))
    assert told[0].startswith("trials.tsv has 1 trials of two dev utterances, not of both kinds")
    assert told[1].startswith("2 of 4 listed trials are not scored")
    assert told[2:] == ["2 scored"]


def test_trials_of_one_kind_are_drawn(tmp_path: Path) -> None:
    told = listed(tmp_path, Trial("test", True, "6-0", "6-1"))
    assert any(note.startswith("trials.tsv has 1 trials of two test utterances, not of both") for note in told)
    assert told[-1] == "112 scored"  # 2 times 28 pairs of one speaker, as many of two


def test_labels_of_utterances() -> None:
    scores = scores_of(Windows(), Tones(), config(tasks=("ks", "ic", "er"), taps=("fine.1",), layers="weighted"))
    assert {(row.target, row.measure) for row in scores.select(layers="weighted")} == {
        ("ks", "accuracy"),
        ("ic", "accuracy"),
        ("er", "accuracy"),
    }
    assert scores.select(target="er", layers="weighted")[0].value > 0.8


def test_who_speaks_when() -> None:
    scores = scores_of(
        Windows(), Tones(), config(tasks=("sd",), taps=("fine.1", "coarse.3"), rates=(1e-2,), seeds=(0,), steps=30)
    )
    assert set(values(scores, "der")) == {"fine.1", "coarse.3"}
    assert all(0 <= value < 1.5 for value in values(scores, "der").values())
    assert all(0.2 < value <= 1 for value in values(scores, "frame-accuracy").values())


def test_a_weighted_sum_tells_its_weights_and_norms() -> None:
    for grid, period in (("fine", 20.0), ("coarse", 40.0)):
        scores = scores_of(
            Windows(), Tones(), config(tasks=("phone", "pr"), layers="weighted", grid=grid, rates=(3e-2,))
        )
        rows = scores.select(layers="weighted")
        assert {row.period_ms for row in rows} == {period}
        weights = values(scores.select(target="phone"), "layer-weight")
        assert sum(weights.values()) == pytest.approx(1)
        assert weights["blind.2"] < min(weights["fine.1"], weights["coarse.3"])
        assert set(values(scores, "layer-norm")) == set(weights)


def test_blocks_are_their_last_taps() -> None:
    taps = (Tap.of("a", 1, 0, 6, FINE), Tap.of("a", 2, 1, 6, FINE), Tap.of("b", 1, 2, 6, COARSE))
    from lamina.probe.layers import chosen

    encoder = Windows()
    encoder.taps = taps
    assert [tap.name for tap in chosen(encoder, config(layers="blocks"))] == ["a.2", "b.1"]


def test_the_superb_protocol_runs_every_task_it_has() -> None:
    named = tuple(name for name, task in tasks().items() if isinstance(task, Task) and task.superb is not None)
    assert {"pr", "asr", "ks", "ic", "sf", "sid", "asv", "sd", "er"} <= set(named)
    cheap = tuple(name for name in named if name not in {"asr", "sf", "asv"})
    plan = config(tasks=cheap, protocol="superb", heads=(), layers="weighted", steps=4, batch=4, seeds=(0,))
    found = probe(Windows(), Tones(), plan)
    assert {row.protocol for row in found.scores} == {"superb"}
    assert {row.head for row in found.scores.select(layers="weighted")} == {"superb"}
    assert any("er, protocol superb: dev shares speakers" in note for note in found.notes)
    (er,) = found.scores.select(target="er", layers="weighted")
    assert er.n == 64  # four sessions, each scored once
    with pytest.raises(LaminaError, match="SUPERB has no task 'phone'"):
        scores_of(Windows(), Tones(), config(protocol="superb"))


def test_the_same_seed_gives_the_same_rows() -> None:
    tapped = config(tasks=("pr", "sid"), taps=("coarse.3",), steps=10)
    assert scores_of(Windows(), Tones(), tapped) == scores_of(Windows(), Tones(), tapped)


def test_a_stopped_probe_goes_on(tmp_path: Path) -> None:
    plan = config(tasks=("phone", "sid"), steps=20)

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > 64 + 30:  # while the second part is trained
            raise StopError

    with pytest.raises(StopError):
        probe(Windows(), Tones(), plan, folder=tmp_path, progress=stop)
    assert [path.name for path in sorted((tmp_path / "parts").glob("*/*"))] == ["phone-linear-0"]
    Windows.passes = 0
    resumed = probe(Windows(), Tones(), plan, folder=tmp_path)
    assert Windows.passes == 0  # all states were kept
    assert not (tmp_path / "states").exists()
    assert _plain(resumed) == _plain(probe(Windows(), Tones(), plan))


def test_a_folder_gives_no_other_probes_rows(tmp_path: Path) -> None:
    class Other(Windows):
        name, digest = "other", "2"

    plan = config(taps=("fine.1",), steps=2, seeds=(0,), rates=(3e-2,))
    first = probe(Windows(), Tones(), plan, folder=tmp_path)
    louder = Tones(lambda one: replace(one, samples=one.samples - 100), digest="1")
    calls: list[Callable[[], Probed]] = [
        lambda: probe(Other(), Tones(), plan, folder=tmp_path),
        lambda: probe(Windows(), louder, plan, folder=tmp_path),
        lambda: probe(Windows(), Tones(), plan, folder=tmp_path, control="untrained"),
        lambda: probe(Windows(), Tones(), plan, folder=tmp_path, support=(COARSE,)),
        lambda: probe(Windows(), Tones(), plan.model_copy(update={"steps": 3}), folder=tmp_path),
    ]
    for call in calls:
        Windows.passes = 0
        call()
        assert Windows.passes == 64  # read and trained anew
    Windows.passes = 0
    assert probe(Windows(), Tones(), plan, folder=tmp_path).scores == first.scores
    assert Windows.passes == 0  # the first one's parts are still there


def test_kept_states_are_of_the_same_segments(tmp_path: Path) -> None:
    tones = Tones()
    whole = list(tones.utterances())[:2]
    group = groups(Windows(), config(taps=("fine.1",)))[0]

    def kept(first: int) -> Tensor:
        own = {one.id: one.tiers["phone"][first : first + 2] for one in whole}
        wants = {"s": (Want("segments", group, own, "s"), whole)}
        found = read(Windows(), tones, wants, seconds=40, memory_gib=1, folder=tmp_path)
        return found["s"].values.clone()

    first = kept(0)
    assert not torch.equal(kept(4), first)  # as many rows, of other segments
    assert torch.equal(kept(0), first)


def test_batches_hold_the_windows_of_an_encoder_that_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 s a batch are two utterances for an encoder that pads each to 2 s."""
    sizes: list[int] = []

    class Padded(Windows):
        window_samples = 2 * RATE

        def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
            sizes.append(len(lengths))
            yield from super().states(waves, lengths, taps)

    plan = config(steps=5, batch_seconds=4.0)
    probe(Padded(), Tones(), plan)
    assert max(sizes) == 2
    monkeypatch.setattr(Padded, "window_samples", 0)
    probe(Padded(), Tones(), plan)
    assert max(sizes) > 2


def test_a_reading_that_was_stopped_goes_on(tmp_path: Path) -> None:
    class Fails(Windows):
        def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
            if Windows.passes > 20:
                raise KeyboardInterrupt
            yield from super().states(waves, lengths, taps)

    plan = config(steps=5, batch_seconds=5.0)
    Windows.passes = 0
    with pytest.raises(KeyboardInterrupt):
        probe(Fails(), Tones(), plan, folder=tmp_path)
    before, Windows.passes = Windows.passes, 0
    resumed = probe(Windows(), Tones(), plan, folder=tmp_path)
    assert 0 < Windows.passes <= 64 - before + 4
    assert _plain(resumed) == _plain(probe(Windows(), Tones(), plan))


def _plain(found: Probed) -> list[tuple[str, str, float]]:
    return sorted((row.target, row.tap, round(row.value, 6)) for row in found.scores)


def without(label: str) -> Callable[[Utterance], Utterance]:
    return lambda one: replace(one, labels={name: each for name, each in one.labels.items() if name != label})


def test_utterances_that_cannot_be_used_are_left_out_and_counted() -> None:
    def change(one: Utterance) -> Utterance:
        if one.id == "0-1":
            return replace(one, tiers={})
        if one.id == "0-2":
            return replace(one, tiers={"phone": ()})
        # 720 samples make two frames at 20 ms and one at 40 ms; 500 make one of each; 300 make none.
        return replace(one, samples=300) if one.id == "0-3" else one

    found = probe(Windows(), Tones(change), config(tasks=("pr",), taps=("fine.1",), steps=5))
    for said in ("1 utterances have no label", "1 utterances have an empty label", "1 utterances are too short"):
        assert any(note.startswith(f"pr: {said}") for note in found.notes), found.notes


def test_targets_longer_than_their_frames() -> None:
    def crowd(one: Utterance) -> Utterance:
        parts = tuple(Segment(f"a{n % 4}", 400 + 10 * n, 410 + 10 * n) for n in range(one.samples // 400))
        return replace(one, tiers={"phone": parts}) if one.id.startswith("0") else one

    plan = config(tasks=("pr",), taps=("coarse.3",), steps=5)
    found = probe(Windows(), Tones(crowd), plan)
    assert any("8 of 32 training targets are longer than their frames at 40 ms" in note for note in found.notes)
    everyone = Tones(lambda one: crowd(replace(one, id=f"0{one.id}")))
    with pytest.raises(
        LaminaError, match="all 32 training targets are longer than their frames at 40 ms: read finer"
    ):
        scores_of(Windows(), everyone, plan)


def test_classes_that_train_lacks_are_wrong_and_counted() -> None:
    def rename(one: Utterance) -> Utterance:
        return replace(one, labels={"keyword": "new"}) if one.id == "7-0" else one

    found = probe(Windows(), Tones(rename), config(tasks=("ks",), taps=("fine.1",), steps=5))
    assert any("1 examples of dev and test are of classes that train lacks (new)" in note for note in found.notes)
    assert found.scores[0].n == 16


@pytest.mark.parametrize(
    ("change", "plan", "said"),
    [
        (without("emotion"), {"tasks": ("er",)}, "needs the label `emotion`: of its utterances 64 have no label"),
        (lambda one: replace(one, tiers={}), {"tasks": ("pr",)}, "needs a tier `phone`"),
        (lambda one: replace(one, text="!"), {"tasks": ("asr",)}, "64 have an empty label"),
        (lambda one: replace(one, labels={"emotion": "calm"}), {"tasks": ("er",)}, "one class only .calm."),
        (lambda one: replace(one, text="a"), {"tasks": ("asr",), "steps": 1}, None),
        (lambda one: replace(one, tiers={"phone": ()}), {}, "cannot be probed for phone"),
        (lambda one: replace(one, speaker="s0", split=""), {"tasks": ("asv",)}, "one speaker only"),
        (lambda one: replace(one, samples=300), {}, "64 are too short for a frame on every grid"),
        (lambda one: replace(one, labels={"slots": "O"}), {"tasks": ("sf",)}, "8 words and 1 slot tags"),
        (lambda one: one if one.split == "train" else None, {"tasks": ("phone",)}, None),
        (lambda one: one, {"tasks": ("phon",)}, "no task 'phon'; did you mean 'phone'"),
        (lambda one: one, {"taps": ("nowhere",)}, "no tap 'nowhere'"),
        (lambda one: one, {"heads": ("lstm",)}, "phone has no head 'lstm'; its heads are linear, mlp"),
        (lambda one: one, {"least_count": 10**6}, "0 labels of the tier 'phone' have 1000000"),
        (lambda one: one, {"rates": (0.0,)}, "above 0"),
        (lambda one: one, {"memory_gib": 1e-6, "tasks": ("pr",)}, "give a run folder"),
    ],
)
def test_bad_input(
    change: Callable[[Utterance], Utterance | None], plan: dict[str, object], said: str | None
) -> None:
    settings = config(**{"steps": 2, **plan})
    if said is None:
        assert len(scores_of(Windows(), Tones(change), settings))
    else:
        with pytest.raises(LaminaError, match=said):
            scores_of(Windows(), Tones(change), settings)


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(LaminaError, match="8000 Hz"):
        scores_of(Windows(), Tones(sample_rate=8000), CONFIG)


def test_taps_of_different_widths_cannot_be_summed() -> None:
    encoder = Windows()
    encoder.taps = (*Windows.taps[:1], Tap("wide", 1, 9, FINE))
    with pytest.raises(LaminaError, match="widths 9, 10 cannot be summed"):
        scores_of(encoder, Tones(), config(layers="weighted"))


def test_grids_of_other_encoders_narrow_the_support() -> None:
    tapped = config(taps=("fine.1",), steps=2)
    alone = scores_of(Windows(), Tones(), tapped)[0].n
    slow = COARSE.conv(1, 2).conv(1, 2)
    assert scores_of(Windows(), Tones(), tapped, support=[slow])[0].n < alone


def test_every_task_says_what_it_needs() -> None:
    for name, task in tasks().items():
        assert find_task(name) is task
        assert task.needs
        assert not isinstance(task, Task) or len(task.heads) == 2
