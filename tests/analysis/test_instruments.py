"""Instruments of distances: planted encoders, slow twins, other libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments import nearest
from lamina.analysis.instruments.abx import Triples
from lamina.analysis.instruments.spotting import BETA
from lamina.analysis.plan import Sweep
from lamina.analysis.results import Analysis
from lamina.analysis.sweep import analyze, finish, merge_parts, read_part
from lamina.analysis.targets.itemfile import Item, read_items, tier_items, write_items
from lamina.analysis.targets.items import across_cells, grouped, within_cells
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.trials import Trial, write_trials
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.score import Scores

RATE = 16000
FINE = Grid.samples(RATE).conv(400, 320)
COARSE = FINE.conv(1, 2)
NAMES = "abcd"


@dataclass
class Speech:
    """Utterances of random phones, whose samples are the phone's number; a speaker adds a hundredth of theirs."""

    folder: Path | None = None
    tier: bool = True
    name: str = "speech"
    digest: str = "0"
    sample_rate: int = RATE
    made: list[Utterance] = field(default_factory=list)

    def __len__(self) -> int:
        return len(list(self.utterances()))

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        for speaker in range(9):
            part = ("train", "dev", "test")[speaker // 3]
            for number in range(6):
                random = np.random.default_rng([speaker, number])
                query = number > 3
                size = 5 if query else 12
                bounds = [400, *(400 + np.cumsum(random.integers(1500, 2600, size))).tolist()]
                # A query is what a document of the next speaker begins with.
                told = np.random.default_rng([(speaker // 3) * 3 + (speaker + query) % 3, number - 4 * query, 7])
                # No phone is said twice in a row: warping could not tell how often.
                names = ["abcd"[place % 4] for place in told.integers(1, 4, 12).cumsum()[:size]]
                phones = tuple(Segment(name, *each) for name, each in zip(names, pairwise(bounds), strict=True))
                words = tuple(
                    Segment(one.label + other.label, one.onset, other.offset)
                    for one, other in zip(phones[::2], phones[1::2], strict=False)
                )
                tiers = {"phone": phones, "word": words} if self.tier else {}
                if split in {None, part}:
                    yield Utterance(
                        f"{speaker}-{number}", f"s{speaker}", part, bounds[-1] + 900, "".join(names), tiers
                    )

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        wave = np.full(utterance.samples, 0.5, np.float32)
        for segment in utterance.tiers.get("phone", ()):
            wave[segment.onset : segment.offset] = NAMES.index(segment.label) / 10 + 0.01
        return wave[start:stop]


class Planted:
    """Taps that know the phone at a frame's centre, at 20 and at 40 ms, and one that knows nothing."""

    name = "planted"
    digest = "1"
    sample_rate = RATE
    taps = (Tap("fine", 0, 8, FINE), Tap("blind", 1, 8, FINE), Tap("coarse", 2, 8, COARSE))

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        for tap in find_taps(self, taps):
            samples = [int(count) for count in lengths]
            places = [int(tap.grid.centre_of(frame)) for frame in range(tap.grid.frames(max(samples)))]
            phone = (10 * (waves[:, places] - 0.01)).round().long().clamp(0, 5)
            table = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
            # Noise depends on the audio's length only: the same alone and in any batch.
            noise = torch.stack(
                [torch.randn(len(places), 8, generator=torch.Generator().manual_seed(each)) for each in samples]
            )
            values = noise if tap.name == "blind" else table[phone] + 0.05 * noise
            yield States.checked(values, samples, tap)


TARGETS = {"map": "word", "qbe": "query"}
CONFIG = AnalysisConfig(targets=("phone",), contexts="any", replicates=50, batch_seconds=5.0)


def config(family: str, **changes: object) -> AnalysisConfig:
    asked = {"targets": (TARGETS.get(family, "phone"),), "measures": (family,)}
    return AnalysisConfig.model_validate({**CONFIG.model_dump(), **asked, **changes})


def values(scores: Scores, measure: str) -> dict[str, float]:
    return {row.tap: row.value for row in scores.select(measure=measure, control="", layers="")}


def asked(family: str, **changes: object) -> Analysis:
    return analyze(Planted(), Speech(), config(family, **changes))


def test_a_tap_that_knows_phones_tells_them_apart_and_a_blind_one_guesses() -> None:
    found = asked("abx")
    for measure in ("abx-within", "abx-across"):
        told = values(found.scores, measure)
        assert told["fine"] < 0.01
        assert told["coarse"] < 0.01
        assert told["blind"] == pytest.approx(0.5, abs=0.06)
    assert {row.split for row in found.scores} == {"test"}
    assert all(row.low is not None and row.low <= row.value for row in found.scores.select(tap="blind"))
    assert len({row.n for row in found.scores.select(measure="abx-within")}) == 1  # the same items at both rates


@pytest.mark.parametrize("task", ["knn", "centroid"])
def test_neighbours_and_centroids_of_other_speakers(task: str) -> None:
    found = asked(task).scores
    told = values(found, f"{task}-accuracy")
    assert told["fine"] == told["coarse"] == 1
    assert told["blind"] < 0.5
    for row in found.select(control="shuffled"):  # chance
        assert row.value == pytest.approx(0.25, abs=0.12)
    assert len(found.select(control="shuffled")) == 3


@pytest.mark.parametrize("task", ["knn", "centroid", "abx", "map"])
def test_without_splits_everybody_is_scored(task: str) -> None:
    """Folds name each other; where nothing is fitted there is nothing to hold out."""

    class Whole(Speech):
        def utterances(self, split: str | None = None) -> Iterator[Utterance]:
            return (replace(one, split="") for one in super().utterances(None))

    found = analyze(Planted(), Whole(), config(task))
    everyone = len({one.speaker for one in Whole().utterances()})
    for row in found.scores.select(control="", tap="fine"):
        assert row.split == ("folds-5" if task in ("knn", "centroid") else "all")
        assert found.replicates.groups[row.key] == everyone
    assert values(found.scores, "abx-within").get("fine", 0) < 0.01
    assert values(found.scores, "knn-accuracy").get("fine", 1) == 1
    if task != "abx":  # which takes smaller groups of more speakers
        assert found.scores[0].n > asked(task).scores[0].n


def test_words_rank_by_what_they_share() -> None:
    found = asked("map").scores
    for measure in ("map", "map-across"):
        told = values(found, measure)
        assert told["fine"] > 0.5  # pooling loses the order of phones: ab is ba
        assert told["blind"] < 0.25


def queries(folder: Path) -> Speech:
    speech = Speech(folder)
    trials = []
    for part in ("dev", "test"):
        own = list(speech.utterances(part))
        for query, document in product(own, own):
            if int(query.id[-1]) > 3 >= int(document.id[-1]) and query.speaker != document.speaker:
                trials.append(Trial(part, query.text in document.text, query.id, document.id))
    write_trials(folder, trials)
    return speech


def test_queries_are_found_where_they_are(tmp_path: Path) -> None:
    found = analyze(Planted(), queries(tmp_path), config("qbe")).scores
    told = values(found, "mtwv")
    assert told["fine"] > 0.7
    assert told["blind"] < 0.3
    (chosen,) = found.select(layers="chosen")
    assert chosen.value == told[chosen.tap]
    few = analyze(Planted(), queries(tmp_path), config("qbe", most_pairs=20))
    assert few.scores[0].n <= 20


def test_an_interrupted_pass_goes_on_and_items_can_be_compared_again(tmp_path: Path) -> None:
    plan = AnalysisConfig.model_validate({**CONFIG.model_dump(), "measures": ("knn", "abx")})
    whole = analyze(Planted(), Speech(), plan)
    run = Run.plan(tmp_path, "a", {})
    run.start()

    class Stopping(Planted):
        left = 5

        def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
            if not Stopping.left:
                raise KeyboardInterrupt
            Stopping.left -= 1
            return super().states(waves, lengths, taps)

    with pytest.raises(KeyboardInterrupt):
        analyze(Stopping(), Speech(), plan, run=run, save_seconds=0.0)
    again = analyze(Planted(), Speech(), plan, run=run)
    assert again.scores.with_columns(run="") == whole.scores
    items = run.folder / "abx-phone.item"
    given = analyze(Planted(), Speech(), config("abx", items=str(items)))
    assert values(given.scores, "abx-within")["fine"] < 0.01
    assert given.scores[0].split == "items of abx-phone.item"


@pytest.mark.parametrize("count", [1, 3])
def test_parts_of_many_machines_make_one_whole(tmp_path: Path, count: int) -> None:
    """Also what one round would do for, in an analysis of two: item files take whoever they name."""
    items = tmp_path / "all.item"
    write_items(items, tier_items(Speech().utterances(), "phone"), RATE)
    plan = AnalysisConfig.model_validate(
        {**CONFIG.model_dump(), "measures": ("knn", "abx"), "targets": ("phone",), "items": str(items)}
    )
    whole = analyze(Planted(), Speech(), plan)

    def fresh() -> Sweep:
        return Sweep(Planted(), Speech(), plan)

    for learned in (None, tmp_path / "learned.npz"):  # the second round needs nothing of the first but that file
        folders = [tmp_path / f"part{number}-{bool(learned)}" for number in range(count)]
        for number, folder in enumerate(folders, 1):
            folder.mkdir()
            read_part(fresh(), (number, count), folder, learned=learned)
        merged = fresh()
        assert merge_parts(merged, folders, tmp_path) == (learned is not None)
    assert finish(merged, None, "").scores == whole.scores


def slow_abx(items: Sequence[Item], distance: NDArray[np.float64], *, across: bool) -> float:
    """Every triple by a loop, averages by dictionaries."""
    cells: dict[tuple[str, str, str, str, str, str], list[float]] = {}
    for a, b, x in product(range(len(items)), repeat=3):
        one, other, third = items[a], items[b], items[x]
        same = one.segment.label == third.segment.label != other.segment.label
        context = len({(each.before, each.after) for each in (one, other, third)}) == 1
        whose = one.speaker == other.speaker and (one.speaker != third.speaker) == across
        if a != x and same and context and whose:
            key = (one.segment.label, other.segment.label, one.speaker, third.speaker, one.before, one.after)
            gap = distance[a, x] - distance[b, x]
            cells.setdefault(key, []).append(0.5 if gap == 0 else float(gap > 0))
    rates = {key: float(np.mean(own)) for key, own in cells.items()}
    for size in (3, 2):  # over contexts and speakers of X together, then speakers
        merged: dict[tuple[str, ...], list[float]] = {}
        for key, rate in rates.items():
            merged.setdefault(key[:size], []).append(rate)
        rates = {key: float(np.mean(own)) for key, own in merged.items()}
    return float(np.mean(list(rates.values())))


@pytest.mark.parametrize("across", [False, True])
def test_cells_and_averages_are_those_of_a_loop(across: bool) -> None:
    random = np.random.default_rng(0)
    items = [
        Item(
            "u",
            Segment("abc"[random.integers(3)], place, place + 1),
            "xy"[random.integers(2)],
            "z",
            f"s{place % 3}",
        )
        for place in range(36)
    ]
    distance = random.integers(0, 6, (36, 36)).astype(float)  # with ties
    distance = distance + distance.T
    groups = grouped(items, same=True, most=10, random=random)
    cells = list(across_cells(groups, random) if across else within_cells(groups))
    triples = Triples.of(cells)
    errors = triples.errors(distance[tuple(triples.pairs.T)])
    assert errors.values(np.ones((1, 3)))[0] == pytest.approx(slow_abx(items, distance, across=across))
    twice = [item for item in items if item.speaker == "s0"]
    if not across:  # only s0 drawn: what s0 alone says
        alone = np.array([[3.0, 0.0, 0.0]])
        own = [place for place, item in enumerate(items) if item.speaker == "s0"]
        wanted = slow_abx(twice, distance[np.ix_(own, own)], across=False)
        assert errors.values(alone)[0] == pytest.approx(wanted)


def test_caps_hold() -> None:
    few = asked("abx", most_pairs=100)
    assert any("cells, of at most 2 items" in note for note in few.notes)
    assert few.scores[0].n < asked("abx").scores[0].n
    assert few.scores == asked("abx", most_pairs=100).scores
    knn = asked("knn", most_items=20)
    assert knn.scores[0].n == 20
    assert any("20 of 174 score segments, drawn by the seed" in note for note in knn.notes)
    assert asked("map", most_items=20).scores[0].n <= 20


def test_neighbours_are_those_of_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    random = np.random.default_rng(0)
    codes = random.integers(0, 5, 200)
    fit = random.normal(size=(200, 6)) + codes[:, None] * 0.5
    test = random.normal(size=(80, 6)) + random.integers(0, 5, 80)[:, None] * 0.5
    rows = (torch.from_numpy(fit).float(), torch.from_numpy(test).float())
    assert (nearest.by_centroids(rows[0], codes, rows[1]) == NearestCentroid().fit(fit, codes).predict(test)).all()
    model = KNeighborsClassifier(1, metric="cosine").fit(fit, codes)
    both = np.stack([codes, codes[::-1]])  # two labellings
    named = nearest.by_neighbours(rows[0], both, rows[1], k=1)
    assert (named[0] == model.predict(test)).all()
    assert (named[1] == KNeighborsClassifier(1, metric="cosine").fit(fit, codes[::-1]).predict(test)).all()
    votes = KNeighborsClassifier(9, metric="cosine").fit(fit, codes).predict_proba(test)
    (ours,) = nearest.by_neighbours(rows[0], codes[None], rows[1], k=9)
    assert (votes[np.arange(80), ours] == votes.max(1)).all()  # where votes tie, any of the winners


def test_item_files_come_back(tmp_path: Path) -> None:
    speech, path = Speech(), tmp_path / "a.item"
    items = tier_items(speech.utterances("test"), "phone")
    write_items(path, items, RATE)
    assert path.read_text().splitlines()[0] == "#file onset offset #phone prev-phone next-phone speaker"
    assert read_items(path, speech) == items
    assert items[0].before == "#"
    assert items[1].before == items[0].segment.label
    path.write_text(
        "#file onset offset #phone prev-phone next-phone speaker more\n6-0 0.2925 0.4725 IH L NG 6295 x\n"
    )
    assert read_items(path, speech) == [Item("6-0", Segment("IH", 4680, 7560), "L", "NG", "6295")]
    spaced = [Item("6-0", Segment("a b", 0, 9), "#", "#", "s")]
    with pytest.raises(LaminaError, match="with a space"):
        write_items(path, spaced, RATE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file on off\n", "no column '#file'"),
        ("", "no item file"),
        ("{}\n6-0 0.1 0.2 a b\n", "line 2 is no item"),
        ("{}\n6-0 one 0.2 a b c s\n", "line 2 is no item"),
        ("{}\nnobody 0.1 0.2 a b c s\n", "no utterance 'nobody'"),
        ("{}\n6-0 0.1 99 a b c s\n", "0.1 to 99 s is no stretch"),
        ("{}\n6-0 0.2 0.1 a b c s\n", "is no stretch"),
        ("{}\n", "no two items"),
    ],
)
def test_bad_item_files(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.item"
    path.write_text(text.format("#file onset offset #phone prev-phone next-phone speaker"))
    with pytest.raises(LaminaError, match=said):
        analyze(Planted(), Speech(), config("abx", items=str(path)))
    with pytest.raises(LaminaError, match="cannot read items"):
        read_items(tmp_path / "none.item", Speech())


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("abx", "no utterance that is scored .* has such a tier"),
        ("knn", "has a tier 'phone'"),
        ("centroid", "has a tier 'phone'"),
        ("map", "two labels or more must be said twice"),
        ("qbe", "spoken queries and documents with trials"),
    ],
)
def test_what_a_corpus_lacks(task: str, said: str) -> None:
    with pytest.raises(LaminaError, match=said):
        analyze(Planted(), Speech(tier=False), config(task))


def test_trials_that_cannot_be_scored(tmp_path: Path) -> None:
    write_trials(tmp_path, [Trial("train", True, "6-4", "6-0")])
    with pytest.raises(LaminaError, match="no list test or eval, but train"):
        analyze(Planted(), Speech(tmp_path), config("qbe"))
    write_trials(tmp_path, [Trial("test", True, "6-4", "6-0")])
    with pytest.raises(LaminaError, match="the list test needs queries"):
        analyze(Planted(), Speech(tmp_path), config("qbe"))


def test_the_costs_of_query_by_example_are_the_effective_prior_of_quessts_scorer() -> None:
    prior = 1 / (1 + BETA)
    assert prior == pytest.approx(0.0741289, abs=2e-7)
