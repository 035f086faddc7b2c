"""Speech recognition (SUPERB's ASR): letters in order, scored by words and by characters; no language model."""

from __future__ import annotations

from functools import partial

from lamina.corpus.corpus import Corpus, Utterance
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.ctc import Sequences, sequences, symbol_errors, word_errors
from lamina.probe.recipes import FRAMES, SUPERB_RECURRENT, letters, taken_out, words
from lamina.probe.task import Parts, Superb, Task


def label(utterance: Utterance, protocol: str = "lamina") -> tuple[str, ...] | None:
    """The letters of the transcript."""
    return letters(words(utterance.text, protocol))


def objective(parts: Parts, _corpus: Corpus, config: ProbeConfig, grid: Grid) -> Sequences:
    """CTC over letters; SUPERB puts an end symbol behind every target."""
    made = sequences(parts, {"wer": word_errors, "cer": symbol_errors}, config, grid, end="</s>")
    made.notes += taken_out((one.utterance.text for one in parts.all), config.protocol)
    return made


TASK = Task(
    name="asr",
    title="speech recognition",
    needs="transcripts",
    label=label,
    labels=lambda config, _say: partial(label, protocol=config.protocol),
    objective=objective,
    heads=FRAMES,
    measures=("wer", "cer"),
    superb=Superb(
        SUPERB_RECURRENT,
        batch=16,
        steps=200_000,
        every=2000,
        augment=True,
        weaknesses=("greedy decoding, no language model",),
    ),
    steps=1500,
    batch=16,
)
