"""Drive eSpeak NG in a process of its own: text goes in, samples and the exact times of phones come out.

eSpeak NG is under the GPL 3; the process that runs Lamina never loads it. `Espeak` starts
``python -m lamina.corpus.synth.espeak`` and talks to it over pipes: one JSON line a request; the answer is one
JSON line and, after it, the samples as 16-bit little-endian integers.

The library carries state from one utterance to the next (lengths change by up to 1 %). So the worker seeds the C
library's `rand`, opens the library, speaks, and closes it again for every utterance: the same request gives the
same bits in any order and in any number of workers. Unloading keeps about 350 kB, so the worker
is replaced by a fresh one now and then.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError

WORD, PHONEME = 1, 7  # espeak_EVENT_TYPE
LONGEST_PATH = 140  # bytes; the library has room for 160, file names included
REPLACE_AFTER = 400  # utterances: about 140 MB


@dataclass(frozen=True, slots=True)
class Event:
    """Where a word (label: its number, from 1) or a phone (label: eSpeak's mnemonic) begins, in samples."""

    kind: int
    sample: int
    label: str


@dataclass(frozen=True)
class Speech:
    """What eSpeak said: ``wave`` (samples,) int16 at ``sample_rate`` Hz, and its events in order."""

    sample_rate: int
    wave: NDArray[np.int16]
    events: tuple[Event, ...]


class Espeak:
    """One eSpeak worker process; use as a context manager. Not for several threads at once.

    Raises:
        LaminaError: espeakng-loader is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise LaminaError(
                "speech synthesis needs eSpeak NG, which is not installed: pip install 'lamina[synth]' "
                "(it is under the GPL 3 and runs in a process of its own)"
            )
        self._start()

    def _start(self) -> None:
        self._said = 0
        # In a group of its own: Ctrl-C is for Lamina, which then closes the worker's input.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lamina.corpus.synth.espeak"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for pipe in self._pipes():
            with suppress(BrokenPipeError):  # what a dead worker left unread
                pipe.close()
        try:
            self._process.wait(timeout=5)  # the worker ends when its input does
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def say(
        self,
        text: str,
        voice: str,
        *,
        pitch: int = 50,
        rate: int = 160,
        spread: int | None = None,
        volume: int | None = None,
    ) -> Speech:
        """Speak ``text``.

        Args:
            text: what to say.
            voice: by file, with or without a variant: ``gmw/en-US`` or ``gmw/en-US+f1``.
            pitch: 0 to 99, 50 is the voice's own.
            rate: words a minute.
            spread: range of the intonation, 0 (flat) to 99; the voice's own where None.
            volume: 100 is the voice's own.

        Raises:
            LaminaError: the voice does not exist, or the worker died.
        """
        if self._said >= REPLACE_AFTER:
            self._stop()
            self._start()
        self._said += 1
        into, out = self._pipes()
        try:
            request = {
                "text": text,
                "voice": voice,
                "pitch": pitch,
                "rate": rate,
                "spread": spread,
                "volume": volume,
            }
            into.write(json.dumps(request).encode() + b"\n")
            into.flush()
            answer = json.loads(out.readline())
            wave = np.frombuffer(out.read(2 * answer.get("samples", 0)), dtype="<i2")
        except (OSError, ValueError) as error:
            raise LaminaError(
                f"the eSpeak worker died while it said {text!r} with voice {voice!r}; its own message, if any, is "
                "above; check that espeakng-loader works on this machine: python -c 'import espeakng_loader'"
            ) from error
        if "error" in answer:
            raise LaminaError(f"eSpeak cannot say {text!r} with voice {voice!r}: {answer['error']}")
        return Speech(answer["sample_rate"], wave, tuple(Event(*event) for event in answer["events"]))

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None  # noqa: S101 - opened above
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdin, self._process.stdout


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_SYNCHRONOUS, _PHONEME_EVENTS, _NO_EXIT = 2, 0x1, 0x8000
_RATE, _VOLUME, _PITCH, _SPREAD = 1, 2, 3, 4  # espeak_PARAMETER
_UTF8, _CHARACTERS = 1, 1


def _speak(path: str, data: bytes, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Open the library, say one request, and close the library again."""
    from _ctypes import dlclose

    ctypes.CDLL(None).srand(1)
    library = ctypes.CDLL(path)
    audio = bytearray()
    events: list[tuple[int, int, str]] = []

    def receive(wave: Any, count: int, first: Any) -> int:
        if wave and count > 0:
            audio.extend(ctypes.string_at(wave, 2 * count))
        place = 0
        while (event := first[place]).type:
            if event.type in {WORD, PHONEME}:
                label = str(event.id.number) if event.type == WORD else event.id.string.decode()
                events.append((event.type, event.sample, label))
            place += 1
        return 0

    callback = _Callback(receive)
    try:
        sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS | _NO_EXIT)
        if sample_rate <= 0:
            return {"error": "the library does not start; reinstall espeakng-loader"}, b""
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(request["voice"].encode()):
            return {"error": "there is no such voice; name it by its file, such as gmw/en-US+f1"}, b""
        library.espeak_SetParameter(_RATE, request["rate"], 0)
        library.espeak_SetParameter(_PITCH, request["pitch"], 0)
        for parameter, name in ((_SPREAD, "spread"), (_VOLUME, "volume")):
            if request[name] is not None:
                library.espeak_SetParameter(parameter, request[name], 0)
        text = request["text"].encode() + b"\0"
        if library.espeak_Synth(text, len(text), 0, _CHARACTERS, 0, _UTF8, None, None):
            return {"error": "the synthesis failed"}, b""
    finally:
        # No espeak_Terminate: it hangs. Unloading is what resets the library's state.
        dlclose(library._handle)  # noqa: SLF001 - ctypes has no public way to unload
    return {"sample_rate": sample_rate, "samples": len(audio) // 2, "events": events}, bytes(audio)


def _serve() -> None:
    """Answer requests from standard input until it ends."""
    import espeakng_loader

    path, data = str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())
    with tempfile.TemporaryDirectory(prefix="lamina-") as folder:
        if len(data.encode()) > LONGEST_PATH:
            link = Path(folder) / "espeak-ng-data"
            link.symlink_to(data)
            data = str(link)
        for line in sys.stdin.buffer:
            answer, audio = _speak(path, data.encode(), json.loads(line))
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + audio)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
