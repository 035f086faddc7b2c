"""What the protocols do of their own: lexica, crops, the blank's prior, task files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_probe import FINE, Tones, Windows, config, values
from typer.testing import CliRunner

from lamina.cli import app
from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.probe import heads, task, tasks
from lamina.probe.bank import Bank, Slot
from lamina.probe.ctc import Sequences, symbol_errors
from lamina.probe.lexicon import pronounced, read_lexicon
from lamina.probe.probe import probe
from lamina.probe.task import Example, Parts, find_task

LEXICON = ";;; words of two letters\nA AA1 T # place, danish\nA  AH0\n\nb B IY1\t# a letter\n"


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    file = tmp_path / "lexicon.txt"
    file.write_text(LEXICON)
    return file


def test_a_lexicon_gives_the_first_pronunciation_and_spn_for_what_it_lacks(lexicon: Path) -> None:
    found = read_lexicon(lexicon)
    assert found == {"A": ("AA1", "T"), "B": ("B", "IY1")}
    assert pronounced(["B", "C", "A"], found) == ("B", "IY1", "SPN", "AA1", "T")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"A AH\nB\n", r"lexicon.txt, line 2: 'B' has no phones"),
        (b"A 0.9 AH\n", "line 1: 'A' has a number among its phones"),
        (b"\n;;; no\n", "is empty"),
        (b"A \xff\n", "give a text in UTF-8"),
        (None, "cannot read the lexicon"),
    ],
)
def test_files_that_are_no_lexicon(tmp_path: Path, written: bytes | None, said: str) -> None:
    file = tmp_path / "lexicon.txt"
    if written is not None:
        file.write_bytes(written)
    with pytest.raises(LaminaError, match=said):
        probe(Windows(), Tones(), config(tasks=("pr",), lexicon=str(file), steps=1))


@pytest.mark.parametrize(
    ("protocol", "symbols"), [("superb", {"AA1", "T", "SPN"}), ("lamina", {"AA", "T", "SPN"})]
)
def test_phones_of_a_lexicon(tmp_path: Path, protocol: str, symbols: set[str]) -> None:
    file = tmp_path / "only-a.txt"
    file.write_text("A AA1 T\n")
    plan = config(
        tasks=("pr",), lexicon=str(file), protocol=protocol, heads=(), taps=("fine.1",), steps=2, seeds=(0,)
    )
    found = probe(Windows(), Tones(), plan)
    label = find_task("pr").labels(plan, print)  # type: ignore[union-attr,misc]  # it is a trained task with labels
    texts = [one.text.split() for one in Tones().utterances()]
    assert {phone for one in Tones().utterances() for phone in label(one) or ()} == symbols
    lacking = sum(words.count("b") for words in texts)
    whole = lacking + 2 * sum(words.count("a") for words in texts)
    assert f"pr: the lexicon lacks {lacking} words: each is one SPN among {whole} phones" in found.notes
    assert found.scores[0].n == sum(1 + (word == "a") for one in texts[-16:] for word in one)  # phones of test


def test_the_aligned_phones_are_said_to_be_no_lexicons() -> None:
    plan = config(tasks=("pr",), protocol="superb", heads=(), taps=("fine.1",), steps=1, seeds=(0,))
    notes = probe(Windows(), Tones(), plan).notes
    assert any("phones are the aligned ones of the tier, not a lexicon's" in note for note in notes)


def test_superbs_speaker_head_reads_crops_and_averages_frames() -> None:
    whole = find_task("sid")
    assert isinstance(whole, task.Task)
    assert whole.superb is not None
    assert whole.superb.crop_seconds == 8
    head = whole.superb.head(5, 3)
    states, lengths = torch.randn(4, 9, 5), torch.tensor([9, 1, 4, 6])
    linear = heads.LinearHead(5, 3, hidden=256)
    linear.load_state_dict(head.state_dict())
    wanted = [linear(one[:length], lengths).mean(0) for one, length in zip(states, lengths.tolist(), strict=True)]
    assert torch.allclose(head(states, lengths), torch.stack(wanted), atol=1e-6)
    plan = config(
        tasks=("sid",), taps=("fine.1",), protocol="superb", heads=(), seeds=(0,), rates=(3e-2,), steps=60
    )
    assert values(probe(Windows(), Tones(), plan).scores, "accuracy")["fine.1"] > 0.75


def test_one_start_has_the_blank_as_often_as_there_is_no_symbol() -> None:
    def example(label: str, frames: int) -> Example:
        return Example(Utterance("u", "s", "train", 400 + 320 * (frames - 1), "", {}), tuple(label))

    parts = Parts([example("ab", 10), example("cda", 10)], [], [], "test")
    began, anywhere = (Sequences(parts, {"per": symbol_errors}, grid=grid) for grid in (FINE, None))
    # 5 symbols in 20 frames: the blank is 3 in 4, the four symbols share the rest.
    assert began.starts == ((0,) * 5, (pytest.approx(math.log(12)), 0, 0, 0, 0))
    assert anywhere.starts == ()
    zeros = torch.tensor(began.starts[1]).expand(1, 1, 10, 5)
    lengths, targets = torch.tensor([10]), began.prepare(parts.train[:1])
    paths = [math.comb(10 + 2, 4)]  # alignments of two symbols in ten frames
    uneven = torch.log(torch.tensor([0.75, *[0.0625] * 4])).expand(1, 1, 10, 5)
    assert anywhere.loss(zeros, lengths, targets) == pytest.approx(anywhere.loss(uneven, lengths, targets))
    assert began.predict(zeros, lengths) == [[[]]]
    even = (10 * math.log(5) - math.log(paths[0])) / 2
    assert float(anywhere.loss(0 * zeros, lengths, targets)) == pytest.approx(even, rel=1e-5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are tasks, too."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    task._files.cache_clear()
    yield tmp_path
    task._files.cache_clear()
    sys.modules.pop("lamina.probe.tasks.mine", None)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("def broken(:\n", r"mine.py, line 1: SyntaxError"),
        ("import math\n\nmath.nothing\n", r"mine.py, line 3: AttributeError: module 'math' has no"),
        (
            "from lamina.probe.recipes import segments\nTASK = segments('word', 'again')\n",
            "its task is called 'word'; a file is called as its task",
        ),
        ("TASK = 'mine'\n", "has no TASK"),
        ("", "has no TASK"),
    ],
)
def test_a_broken_task_file_breaks_only_its_task(folder: Path, written: str, said: str) -> None:
    (folder / "mine.py").write_text(written)
    with pytest.raises(LaminaError, match=f"the task 'mine' cannot be used: .*{said}") as caught:
        find_task("mine")
    assert "\n" not in str(caught.value)
    assert find_task("phone").name == "phone"
    listed = CliRunner().invoke(app, ["probe", "list"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert "broken: mine: " in listed.output
    with pytest.raises(LaminaError, match=r"no task 'mien'.*; broken are mine"):
        find_task("mien")


def test_heads_are_tried_from_each_start() -> None:
    bank = Bank(
        lambda: heads.LinearHead(2, 3), [Slot(0, 0.1, 0, (1.0, 0, 0)), Slot(0, 0.1, 0, (0, 0, 0))], 1, "cpu"
    )
    states, lengths = torch.randn(4, 6, 1, 2), torch.full((4,), 6)
    one, other = bank(states, lengths)
    assert torch.allclose(one - other, torch.tensor([1.0, 0, 0]).expand(4, 6, 3), atol=1e-6)
    assert torch.equal(bank.subset([1], bank.parameters)(states, lengths)[0], other)
    found = probe(Windows(), Tones(), config(tasks=("pr",), taps=("fine.1", "blind.2"), steps=1))
    assert any("16 heads side by side (2 taps, 2 rates, 2 seeds, 2 starts)" in note for note in found.notes)


def test_scores_come_before_the_weights_of_layers() -> None:
    plan = config(tasks=("phone", "sid"), layers="weighted", seeds=(0,), steps=2)
    measures = [row.measure for row in probe(Windows(), Tones(), plan).scores]
    first = measures.index("layer-weight")
    assert set(measures[:first]) == {"accuracy"}
    assert set(measures[first:]) == {"layer-weight", "layer-norm"}


def test_texts_without_words_are_left_out(lexicon: Path) -> None:
    silent = Tones(lambda one: replace(one, text="") if one.id == "0-0" else one)
    plan = config(tasks=("pr",), lexicon=str(lexicon), taps=("fine.1",), steps=1)
    assert any("1 utterances have no label" in note for note in probe(Windows(), silent, plan).notes)
