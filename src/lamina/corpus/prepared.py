"""What ``lhotse prepare`` writes: recordings and supervisions apart.

A supervision is an utterance, as lhotse trims them. Some recipes (of conversations) write a supervision a word;
then the words of a speaker make stretches, ended by half a second without any, and each is an utterance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lamina.corpus.allowed import SECONDS, Row, channels_of, number, text
from lamina.corpus.corpus import Utterance
from lamina.corpus.cuts import Cut, cut_of
from lamina.corpus.cutsets import audio_of, utterance_of
from lamina.corpus.faults import Faults
from lamina.corpus.rows import rows
from lamina.corpus.spoken import RECORDING
from lamina.corpus.stored import Audio, AudioFile
from lamina.corpus.voices import by_turns
from lamina.errors import LaminaError


def recipe_items(
    recordings: Path, supervisions: Path, faults: Faults, turns: bool | None = None
) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of a recipe's folder.

    Args:
        recordings: the file of recordings.
        supervisions: the file of supervisions beside it.
        faults: where those of single recordings are told.
        turns: an utterance each stretch of a speaker (True) or each channel of a recording (False); where None, a
            supervision, but a stretch where every supervision of a recording is one word.
    """
    said: dict[str, list[Row]] = {}
    for row in rows(supervisions):
        said.setdefault(text(row.get("recording_id"), "recording_id", str(supervisions)), []).append(row)
    path = str(recordings)
    for recording in rows(recordings):
        own = said.get(text(recording.get("id"), "id", path), [])
        apart = turns is None and not _a_word_each(own)
        if apart:
            for row in own:
                with faults.catching():
                    cut = cut_of(
                        {
                            **row,
                            "type": "MonoCut",
                            "recording": recording,
                            "supervisions": [{**row, "start": 0.0}],
                        },
                        path,
                    )
                    yield utterance_of(cut, RECORDING, path, faults), audio_of(cut, recordings, False)
            continue
        for cut in _channels(recording, own, path):
            with faults.catching():
                before = faults.added
                utterance = utterance_of(cut, RECORDING, path, faults, voices=True)
                audio = audio_of(cut, recordings, False)
                if faults.added > before:
                    continue
                if turns is False:
                    yield utterance, audio
                elif isinstance(audio, AudioFile):
                    yield from by_turns(utterance, audio, faults)
                else:
                    raise LaminaError(f"{path}: the audio of {cut.id!r} is in no file of its own: save it to one")


def _a_word_each(own: Sequence[Row]) -> bool:
    """Whether each of several supervisions is of one word, and none tells when its words are said."""
    texts = [str(row.get("text") or "").split() for row in own]
    return (
        len(own) > 1 and all(len(words) == 1 for words in texts) and not any(row.get("alignment") for row in own)
    )


def _channels(recording: Row, own: Sequence[Row], path: str) -> Iterator[Cut]:
    """A cut for each channel on which somebody speaks, whole, with all that is said there."""
    identity = text(recording.get("id"), "id", path)
    where = f"{path}: recording {identity!r}"
    asked: dict[tuple[int, ...], list[Row]] = {}
    spelled = _a_word_each(own)
    for row in sorted(own, key=lambda row: number(row.get("start"), "start", where, 0, SECONDS)):
        told = row.get("channel", 0)
        channels = tuple(channels_of(told if isinstance(told, list) else [told], where))
        named = {**row, "speaker": row.get("speaker") or identity}
        asked.setdefault(channels, []).append(_timed(named) if spelled else named)
    for channels, rows_of in sorted(asked.items()):
        made: dict[str, Any] = {
            "id": f"{identity}-c{'-'.join(map(str, channels))}" if len(asked) > 1 else identity,
            "type": "MonoCut" if len(channels) == 1 else "MultiCut",
            "start": 0.0,
            "duration": recording.get("duration"),
            "channel": channels[0] if len(channels) == 1 else list(channels),
            "recording": recording,
            "supervisions": rows_of,
        }
        yield cut_of(made, path)


def _timed(row: Row) -> Row:
    """A supervision of one word says when that is said."""
    return {**row, "alignment": {"word": [[row["text"].strip(), row.get("start"), row.get("duration"), None]]}}
