"""A synthetic corpus, made: every speaker in turn, and the folder as a whole or not at all.

Every speaker says the same few shared sentences and then sentences of their own, until their share of the minutes
is full. The same config gives the same bits, whatever the number of workers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from lamina.config import shipped
from lamina.corpus.corpus import Utterance
from lamina.corpus.manifest import AUDIO, ManifestWriter, open_folder
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.synth.config import SynthConfig
from lamina.corpus.synth.espeak import Espeak
from lamina.corpus.synth.grammar import Lexicon
from lamina.corpus.synth.material import Draw, Said, material, text_lines
from lamina.corpus.synth.speaking import Stage
from lamina.corpus.synth.trying import query_trials, speaker_trials
from lamina.corpus.synth.voices import voices
from lamina.corpus.trials import write_trials
from lamina.files import digest, replacing


def synthesize(
    config: SynthConfig,
    folder: Path | str,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> StoredCorpus:
    """Synthesise the corpus of ``config`` into ``folder`` (replaced as a whole, or not at all) and open it.

    Tiers: ``phone`` (`lamina.corpus.synth.phones`), ``word``, and in English ``syllable``; of mixtures
    ``speaker:1``, ``phone:1`` and so on.

    Args:
        config: what to synthesise.
        folder: where; made by `lamina.corpus.manifest`.
        workers: eSpeak processes that run at once; changes nothing but the time it takes.
        progress: called with the seconds of audio that are done and those wanted.

    Raises:
        LaminaError: eSpeak NG is not installed or fails; a text cannot be read; the folder cannot be written.
    """
    folder = Path(folder)
    rng = np.random.default_rng([config.seed, 0])
    script, digests = _script(config)
    first = script[next(iter(script))]
    shared = [] if config.texts else [first(rng) for _ in range(config.shared_sentences)]
    cast = voices(config)
    wanted = math.ceil(config.minutes * 60)
    lock, done, stop = threading.Lock(), [0.0], threading.Event()

    def report(seconds: float) -> None:
        with lock:
            done[0] += seconds
            if progress is not None:
                progress(min(round(done[0]), wanted), wanted)

    with replacing(folder, mark="corpus.json") as beside, ExitStack() as stack:
        (beside / AUDIO).mkdir(parents=True)
        stage = Stage(config, cast, script, shared, beside, report, stop)
        pool = [stack.enter_context(Espeak()) for _ in range(max(1, min(workers, len(cast))))]
        free: SimpleQueue[Espeak] = SimpleQueue()
        for espeak in pool:
            free.put(espeak)

        def run(number: int) -> list[Utterance]:
            espeak = free.get()
            try:
                return stage.speak(number, espeak)
            except BaseException:
                stop.set()
                raise
            finally:
                free.put(espeak)

        spoken: list[tuple[str, str, str, str]] = []  # all that trials need to know: id, speaker, split, text
        with ThreadPoolExecutor(len(pool)) as threads, ManifestWriter(beside) as writer:
            try:
                for said in threads.map(run, range(len(cast))):
                    for utterance in said:
                        writer.add(utterance)
                        kept = utterance.text if utterance.labels.get("role") != "query" else f"?{utterance.text}"
                        spoken.append((utterance.id, utterance.speaker, utterance.split, kept))
            except BaseException:
                stop.set()
                raise
            made = {
                "by": "lamina.corpus.synth",
                "config": config.to_json(),
                "seed": config.seed,
                "speakers": {voice.speaker: asdict(voice) for voice in cast},
            }
            if digests:
                made["texts"] = digests
            made["inputs"] = inputs_of(config)
            trials = query_trials(spoken) if config.say == "queries" else []
            if config.split_by == "utterance":
                trials = speaker_trials(spoken, config.seed)
            if trials:
                write_trials(beside, trials)
            writer.finish(f"synth-{config.digest[:8]}", made)
    return open_folder(folder)


def inputs_of(config: SynthConfig) -> str:
    """A digest of all that a corpus is made of: the config, the texts, and the version that made it.

    Raises:
        LaminaError: a text cannot be read.
    """
    import lamina

    return digest([lamina.__version__, config.to_json(), _script(config)[1]])


def _script(config: SynthConfig) -> tuple[dict[str, Draw], dict[str, str]]:
    """What each accent's speakers draw their sentences from, and the digests of the texts."""
    if not config.texts:
        draw = material(config.say or "sentences", Lexicon.of(config.content_words))
        return dict.fromkeys(config.accents, draw), {}
    script: dict[str, Draw] = {}
    digests: dict[str, str] = {}
    for voice, name in config.texts.items():
        digests[name], lines = text_lines(shipped(name))
        script[voice] = _reader(lines, voice)
    return script, digests


def _reader(lines: list[tuple[str, ...]], voice: str) -> Draw:
    language = voice.rpartition("/")[2].partition("-")[0]

    def draw(rng: np.random.Generator) -> Said:
        return Said(lines[int(rng.integers(len(lines)))], {"language": language})

    return draw
