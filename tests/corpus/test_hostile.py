"""Manifests and audio from somebody who means harm: nothing runs, nothing waits, every fault is one clear line."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from corpus_help import tone, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.corpus.check import examine
from lamina.corpus.faults import Faults
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.rows import rows
from lamina.corpus.show import show
from lamina.corpus.stored import audio_file
from lamina.corpus.tars import tar_members
from lamina.errors import LaminaError

Row = dict[str, Any]


def recording(path: Path, source: Row | None = None, **values: Any) -> Row:
    source = source or {"type": "file", "channels": [0], "source": str(path)}
    made = {"id": "r", "sources": [source], "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0}
    return {**made, "channel_ids": [0], **values}


def mono(path: Path, **values: Any) -> Row:
    told = {
        "id": "s",
        "recording_id": "r",
        "start": 0.0,
        "duration": 1.0,
        "channel": 0,
        "text": "hi",
        "speaker": "a",
    }
    cut = {"id": "c", "start": 0.0, "duration": 1.0, "channel": 0, "supervisions": [told], "type": "MonoCut"}
    return {**cut, "recording": recording(path), **values}


def track(cut: Row, **values: Any) -> Row:
    return {"cut": {key: value for key, value in cut.items() if key != "type"}, "type": cut["type"], **values}


def mixed(*tracks: Row, **values: Any) -> Row:
    return {"id": "m", "tracks": list(tracks), "type": "MixedCut", **values}


def padding(**values: Any) -> Row:
    cut = {"id": "p", "duration": 1.0, "sampling_rate": 16000, "feat_value": -23.0, "num_samples": 16000}
    return {**cut, "type": "PaddingCut", **values}


def reverb(room: Row) -> list[Row]:
    return [{"name": "ReverbWithImpulseResponse", "kwargs": {"rir": room, "rir_channels": [0]}}]


def features(path: Path) -> Row:
    return {
        "type": "fbank", "num_frames": 100, "num_features": 80, "frame_shift": 0.01, "sampling_rate": 16000,
        "start": 0, "duration": 1.0, "storage_type": "kaldiio", "storage_path": f"ark:touch {path} |",
        "storage_key": "x", "recording_id": "r", "channels": 0,
    }  # fmt: skip


def array(path: Path) -> Row:
    told = {"storage_type": "kaldiio", "storage_path": f"ark:touch {path} |", "storage_key": "x", "shape": [3]}
    return {"array": told, "temporal_dim": 0, "frame_shift": 0.1, "start": 0}


# Where a cut can hide audio: each is given a good file, and a recording that is not to be read.
PLACES: dict[str, Callable[[Path, Row], Row]] = {
    "recording": lambda wav, bad: mono(wav, recording=bad),
    "second source": lambda wav, bad: mono(
        wav, recording={**recording(wav), "sources": [recording(wav)["sources"][0], bad["sources"][0]]}
    ),
    "MultiCut": lambda wav, bad: mono(wav, type="MultiCut", channel=[0], recording=bad),
    "Cut of old": lambda wav, bad: mono(wav, type="Cut", recording=bad),
    "track": lambda wav, bad: mixed(track(mono(wav)), track(mono(wav, recording=bad), offset=1.0)),
    "muted track": lambda wav, bad: mixed(track(mono(wav)), track(mono(wav, recording=bad), mute=True)),
    "padded": lambda wav, bad: mixed(track(mono(wav, recording=bad)), track(padding(), offset=1.0)),
    "padding's own": lambda wav, bad: mixed(track(mono(wav)), track(padding(custom={"x": bad}), offset=1.0)),
    "padding's recording": lambda wav, bad: mixed(track(mono(wav)), track(padding(recording=bad), offset=1.0)),
    "reference": lambda wav, bad: mixed(track(mono(wav)), snr_reference=track(mono(wav, recording=bad))),
    "mix in a mix": lambda wav, bad: mixed(track(mixed(track(mono(wav, recording=bad))))),
    "room": lambda wav, bad: mono(wav, recording=recording(wav, transforms=reverb(bad))),
    "room of a mix": lambda wav, bad: mixed(track(mono(wav)), transforms=reverb(bad)),
    "room that is a cut": lambda wav, bad: mono(
        wav, recording=recording(wav, transforms=reverb(mono(wav, recording=bad)))
    ),
    "room in a room": lambda wav, bad: mono(
        wav, recording=recording(wav, transforms=reverb(recording(wav, transforms=reverb(bad))))
    ),
    "field of the cut": lambda wav, bad: mono(wav, custom={"target": bad}),
    "deep field": lambda wav, bad: mono(wav, custom={"a": [{"b": {"c": [bad]}}]}),
    "field of a supervision": lambda wav, bad: mono(
        wav, supervisions=[{**mono(wav)["supervisions"][0], "custom": {"enrolment": bad}}]
    ),
}

# Sources that are not to be read: the command would leave a file behind.
SOURCES: dict[str, Callable[[Path], Row]] = {
    "command": lambda mark: {"type": "command", "channels": [0], "source": f"touch {mark}"},
    "url": lambda mark: {"type": "url", "channels": [0], "source": "http://127.0.0.1:9/x.wav"},
    "url of a pipe": lambda mark: {"type": "url", "channels": [0], "source": f"pipe:touch {mark}"},
    "file of a pipe": lambda mark: {"type": "file", "channels": [0], "source": f"pipe:touch {mark}"},
    "file afar": lambda mark: {"type": "file", "channels": [0], "source": "s3://bucket/x.wav"},
    "no kind": lambda mark: {"channels": [0], "source": f"touch {mark}"},
    "list": lambda mark: {"type": ["command"], "channels": [0], "source": f"touch {mark}"},
    "object": lambda mark: {"type": "file", "channels": [0], "source": {"command": f"touch {mark}"}},
}


def all_ways(folder: Path) -> list[str]:
    """Open, check and import; read whatever opened. What each of the three says."""
    said = []
    for way in ("open", "check", "import"):
        try:
            if way == "check":
                said.append(" | ".join(examine(folder)[1]))
                continue
            corpus = open_corpus(folder) if way == "open" else import_corpus("cuts", folder, folder / "imported")
            for utterance in corpus.utterances():
                corpus.read(utterance)
            said.append("")
        except LaminaError as error:
            said.append(str(error))
    return said


def manifest(folder: Path, *cuts: Row) -> Path:
    write(folder / "cuts.jsonl", "".join(json.dumps(cut) + "\n" for cut in cuts))
    return folder


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_runs_wherever_it_hides(tmp_path: Path, place: str, source: str) -> None:
    tone(tmp_path / "good.wav")
    mark = tmp_path / "ran"
    bad = recording(tmp_path / "good.wav", SOURCES[source](mark))
    for said in all_ways(manifest(tmp_path / "c", PLACES[place](tmp_path / "good.wav", bad))):
        if source == "no kind" and ("field" in place or "padding's" in place):
            assert said == "", "this is no source of audio, and nobody reads it"
            continue
        assert "nothing is run or fetched" in said or "mixes of cuts of recordings are read" in said, said
        assert "cuts.jsonl: cut " in said
        assert "\n" not in said
        assert len(said) < 700
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["x;touch ran;.sph", "$(touch ran).sph", "x.wav|touch ran", "-", "`touch ran`.opus"]
)
def test_a_files_name_is_never_part_of_a_command(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some readers of lhotse give it to a shell; so the audio of a mix is read without them."""
    monkeypatch.chdir(tmp_path)
    tone(tmp_path / "good.wav")
    for there in (False, True):
        bad = recording(tmp_path, {"type": "file", "channels": [0], "source": name})
        folder = manifest(
            tmp_path / str(there), mixed(track(mono(tmp_path, recording=bad)), track(padding(), offset=1.0))
        )
        if there:
            tone(folder / "x.wav")
            (folder / "x.wav").rename(folder / name)
        said = all_ways(folder)
        assert all(("no audio file" in each) != there for each in said), said
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "values",
    [
        lambda mark: {"features": features(mark)},
        lambda mark: {"custom": {"x": features(mark)}},
        lambda mark: {"custom": {"x": array(mark)}},
        lambda mark: {"custom": {"x": array(mark)["array"]}},
        lambda mark: {"custom": {"x": [{"y": array(mark)}]}},
        lambda mark: {"features": {**features(mark), "storage_type": "lilcom_url"}},
        lambda mark: {
            "features": {**features(mark), "storage_type": "lilcom_chunky", "storage_path": f"pipe:{mark}"}
        },
        lambda mark: {
            "custom": {"x": {"width": 1, "height": 1, "storage_type": "url", "storage_path": "http://x"}}
        },
    ],
)
def test_arrays_that_could_run_something(tmp_path: Path, values: Callable[[Path], Row]) -> None:
    tone(tmp_path / "good.wav")
    folder = manifest(tmp_path / "c", mono(tmp_path / "good.wav", **values(tmp_path / "ran")))
    assert all("has an array that is stored as" in said for said in all_ways(folder))
    assert not (tmp_path / "ran").exists()


def test_arrays_in_files_are_left_aside(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    told = {**features(tmp_path), "storage_type": "lilcom_chunky", "storage_path": "feats"}
    assert all_ways(manifest(tmp_path / "c", mono(tmp_path / "good.wav", features=told))) == ["", "", ""]


def test_a_recipe_and_a_shar_folder_hide_nothing(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    bad = recording(tmp_path, SOURCES["command"](tmp_path / "ran"))
    recipe = tmp_path / "recipe"
    write(recipe / "x_recordings_train.jsonl", json.dumps(bad) + "\n")
    write(recipe / "x_supervisions_train.jsonl", json.dumps(mono(tmp_path)["supervisions"][0]) + "\n")
    with pytest.raises(LaminaError, match="nothing is run or fetched"):
        import_corpus("cuts", recipe, tmp_path / "out")
    shar = tmp_path / "shar"
    placeholder = recording(tmp_path, {"type": "shar", "channels": [0], "source": ""})
    for values in ({"recording": bad}, {"recording": placeholder, "custom": {"enrolment": bad}}):
        write(shar / "cuts.000000.jsonl", json.dumps(mono(tmp_path, **values)) + "\n")
        with tarfile.open(shar / "recording.000000.tar", "w") as tar:
            tar.add(tmp_path / "good.wav", "c.wav")
        with pytest.raises(LaminaError, match="nothing is run or fetched"):
            open_corpus(shar)
    write(tmp_path / "ours" / "corpus.json", "{}")
    assert not (tmp_path / "ran").exists()


def test_our_own_manifest_is_no_better_than_others(tmp_path: Path) -> None:
    tone(tmp_path / "src" / "a.wav")
    import_corpus("folder", tmp_path / "src", tmp_path / "out")
    cuts = tmp_path / "out" / "cuts.jsonl.gz"
    row = json.loads(gzip.decompress(cuts.read_bytes()))
    row["recording"]["sources"][0] = SOURCES["command"](tmp_path / "ran")
    cuts.write_bytes(gzip.compress(json.dumps(row).encode()))
    with pytest.raises(LaminaError, match="takes audio from a 'command'"):
        open_corpus(tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def deep(levels: int) -> str:
    return '{"x":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"duration": float("nan")}, "its duration is nan, not a number from"),
        ({"duration": 1e14}, "its duration is 100000000000000.0, not a number"),
        ({"duration": -1.0}, "its duration is -1.0"),
        ({"start": float("inf")}, "its start is inf"),
        ({"start": 0.5}, "ends at 1.500 s of a recording of 1.000 s"),
        ({"start": "0"}, "its start is '0', not a number"),
        ({"channel": 99}, r"asks for channel 99; its recording has \[0\]"),
        ({"channel": [0, 99]}, "asks for channel"),
        ({"channel": "x"}, "has the channels"),
        ({"recording": None}, "has no recording"),
        ({"recording": 5}, "5 stands where a JSON object was expected"),
        ({"supervisions": {"a": 1}}, "its supervisions are"),
        ({"supervisions": [5]}, "its supervisions are"),
        ({"id": ["x"]}, "its id is"),
        ({"id": "\ud800"}, "is no Unicode text"),
        ({"type": "CutSet"}, "holds Recording objects|holds objects of type 'CutSet', not cuts"),
    ],
)
def test_values_that_are_none(tmp_path: Path, values: Row, says: str) -> None:
    tone(tmp_path / "good.wav")
    folder = manifest(tmp_path / "c", mono(tmp_path / "good.wav", **values))
    with pytest.raises(LaminaError, match=says) as told:
        open_corpus(folder)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sampling_rate": 0}, "its sampling_rate is 0, not a number from 1000"),
        ({"sampling_rate": 10**12}, "its sampling_rate is 1000000000000"),
        ({"sampling_rate": 16000.5}, "not a whole number"),
        ({"num_samples": 10**14}, "its num_samples is 100000000000000"),
        ({"num_samples": 10**9}, "is to last 1.000 s"),
        ({"num_samples": True}, "its num_samples is True"),
        ({"duration": 1e300}, "its duration is 1e[+]300"),
        ({"channel_ids": [10**9]}, "has the channels"),
        ({"sources": []}, "a recording without a source"),
        ({"transforms": [{"name": "Popen", "kwargs": {}}]}, "has the transform 'Popen'; known are"),
        ({"transforms": [{"name": "Speed", "kwargs": {"factor": 1e-9}}]}, "its factor is 1e-09"),
        ({"transforms": [{"name": "Volume", "kwargs": {"factor": float("nan")}}]}, "its value is nan"),
        (
            {
                "transforms": [
                    {"name": "Resample", "kwargs": {"source_sampling_rate": 16000, "target_sampling_rate": 1e12}}
                ]
            },
            "transform Resample: its value is 1000000000000.0",
        ),
    ],
)
def test_recordings_that_are_none(tmp_path: Path, values: Row, says: str) -> None:
    tone(tmp_path / "good.wav")
    folder = manifest(
        tmp_path / "c", mono(tmp_path / "good.wav", recording=recording(tmp_path / "good.wav", **values))
    )
    with pytest.raises(LaminaError, match=says):
        open_corpus(folder)


def test_mixes_that_are_none(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    good = track(mono(tmp_path / "good.wav"))
    for cut, says in (
        (mixed(track(padding())), "is padding alone"),
        (mixed(good, track(padding(duration=1e14), offset=1.0)), "its duration is"),
        (mixed(good, track(padding(), offset=86_400)), "a day of it at most"),
        (mixed(good, track(padding(sampling_rate=8000))), "mixes the sample rates 8000, 16000"),
        (mixed(good, track(padding(), offset=float("nan"))), "its offset is nan"),
        (mixed({**good, "snr": "x"}), "its snr is 'x'"),
        (mixed(track({"type": "PaddingCut", "id": "x"})), "its sampling_rate is None"),
        ({"id": "m", "type": "MixedCut", "tracks": "x"}, "its tracks are 'x'"),
        ({"id": "m", "type": "MixedCut"}, "its tracks are None"),
    ):
        with pytest.raises(LaminaError, match=says):
            open_corpus(manifest(tmp_path / "c", cut))


def test_alignments_that_are_none(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    for items, says in (
        ([["a", 0.1]], "is no symbol, start and duration"),
        ([["a", None, 0.1]], "is no symbol, start and duration"),
        ([["a", float("nan"), 0.1]], "a time is no finite number"),
        ([["a", 1e400, 0.1]], "a time is no finite number"),
        ([[5, 0.1, 0.1]], "is no symbol"),
        ([["\ud800", 0.1, 0.1]], "is no symbol"),
        ("abc", "an alignment that is no table of lists"),
    ):
        told = {**mono(tmp_path)["supervisions"][0], "alignment": {"word": items}}
        with pytest.raises(LaminaError, match=says):
            open_corpus(manifest(tmp_path / "c", mono(tmp_path / "good.wav", supervisions=[told])))


@pytest.mark.parametrize(
    "data",
    [
        deep(100_000).encode(), b"[" * 100_000, b"\xff\xfe{}", b'{"a":', b"[1]\n", b"\x1f\x8b",
        b"\x1f\x8bnot gzip", gzip.compress(b'{"type": "MonoCut"}')[:-9], b"\0" * 999,
    ],
)  # fmt: skip
def test_manifests_that_do_not_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "cuts.jsonl.gz").write_bytes(data)
    for ways in (
        lambda: open_corpus(tmp_path),
        lambda: examine(tmp_path),
        lambda: list(rows(tmp_path / "cuts.jsonl.gz")),
    ):
        with pytest.raises(LaminaError, match=r"^cannot read a lhotse CutSet from .*cuts.jsonl.gz.*copy it again"):
            ways()


def test_deep_fields_are_looked_through(tmp_path: Path) -> None:
    """As deep as JSON is read at all; what is beyond is a line."""
    tone(tmp_path / "good.wav")
    good = json.dumps(mono(tmp_path / "good.wav", custom={"x": 0}))
    write(tmp_path / "c" / "cuts.jsonl", good.replace('{"x": 0}', deep(400)) + "\n")
    assert len(open_corpus(tmp_path / "c")) == 1
    write(tmp_path / "c" / "cuts.jsonl", good.replace('{"x": 0}', deep(100_000)) + "\n")
    with pytest.raises(LaminaError, match="cannot read a lhotse CutSet"):
        open_corpus(tmp_path / "c")
    nested = recording(tmp_path / "good.wav")
    for _ in range(150):
        nested = recording(tmp_path / "good.wav", transforms=reverb(nested))
    with pytest.raises(LaminaError, match="a room within a room"):
        open_corpus(manifest(tmp_path / "d", mono(tmp_path, recording=nested)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_in_a_gzipped_manifest(tmp_path: Path, data: st.DataObject) -> None:
    """A clear line, or the same utterances: gzip's sum tells what JSON does not."""
    tone(tmp_path / "good.wav")
    cuts = [mono(tmp_path / "good.wav", id=f"c{number}") for number in range(5)]
    whole = gzip.compress("".join(json.dumps(cut) + "\n" for cut in cuts).encode(), mtime=0)
    (tmp_path / "cuts.jsonl.gz").write_bytes(whole)
    before = list(open_corpus(tmp_path).utterances())
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    (tmp_path / "cuts.jsonl.gz").write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    try:
        after = list(open_corpus(tmp_path).utterances())
    except LaminaError as error:
        said = str(error)
        assert "\n" not in said
    else:
        assert after == before


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(LaminaError, match="is a folder, a pipe or a device, not an audio file"):
        audio_file(tmp_path / "pipe.wav")
    for said in all_ways(manifest(tmp_path / "c", mono(tmp_path / "pipe.wav"))):
        assert "is a folder, a pipe or a device" in said
    for said in all_ways(manifest(tmp_path / "m", mixed(track(mono(tmp_path / "pipe.wav")), track(padding())))):
        assert "is a folder, a pipe or a device" in said
    for name in ("cuts.jsonl.gz", "cuts.000000.jsonl.gz", "corpus.json"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / name)
        if name.startswith("cuts.0"):
            (tmp_path / name / "recording.000000.tar").touch()
        with pytest.raises(LaminaError, match=r"pipes?(,| or a device)"):
            open_corpus(tmp_path / name)
    os.mkfifo(tmp_path / "x.tar")
    with pytest.raises(LaminaError, match="is a pipe or a device"):
        tar_members(tmp_path / "x.tar", Faults(keep=False))


def test_files_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tone(tmp_path / "good.wav")
    folder = manifest(tmp_path / "c", mono(tmp_path / "good.wav"))
    corpus = open_corpus(folder)
    (utterance,) = corpus.utterances()

    def refused(path: object, *_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(LaminaError, match=r"cannot read a lhotse CutSet from .*cuts.jsonl: Permission denied"):
        open_corpus(folder)
    monkeypatch.undo()
    monkeypatch.setattr(soundfile, "SoundFile", refused)
    with pytest.raises(LaminaError, match=r"good.wav .*Permission denied"):
        corpus.read(utterance)


def tarred(path: Path, *members: tarfile.TarInfo, data: bytes = b"") -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(data) if member.isreg() and member.size == len(data) else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


def test_a_tar_gives_its_own_plain_files_alone(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    data = (tmp_path / "good.wav").read_bytes()
    path = tarred(
        tmp_path / "t" / "x.tar" if (tmp_path / "t").mkdir() is None else tmp_path,
        member("a.wav", size=len(data)), member("l.wav", tarfile.SYMTYPE, link="/etc/passwd"),
        member("h.wav", tarfile.LNKTYPE, link="../../good.wav"), member("c.wav", tarfile.CHRTYPE),
        member("f.wav", tarfile.FIFOTYPE), member("d.wav", tarfile.DIRTYPE), data=data,
    )  # fmt: skip
    assert list(tar_members(path, Faults(keep=False))) == ["a.wav"]
    corpus = open_corpus(tmp_path / "t")
    assert [utterance.id for utterance in corpus.utterances()] == ["a"]
    out = tmp_path / "deep" / "deeper" / "out"
    before = set(tmp_path.rglob("*"))
    tarred(path, member("../../../escaped.wav", size=len(data)), member("/abs.wav", size=len(data)), data=data)
    import_corpus("folder", tmp_path / "t", out)
    new = set(tmp_path.rglob("*")) - before - {out.parent.parent, out.parent}
    assert all(each == out or out in each.parents for each in new), new


def test_tars_that_lie(tmp_path: Path) -> None:
    """Sizes beyond the file, below zero, and sums of bytes that would be taken into memory."""
    tone(tmp_path / "good.wav")
    data = (tmp_path / "good.wav").read_bytes()

    def broken(*members: tarfile.TarInfo) -> None:
        path = tmp_path / "x.tar"
        path.write_bytes(b"".join(each.tobuf(tarfile.GNU_FORMAT) for each in members) + data + b"\0" * 1024)
        kept = Faults(keep=True)
        found = tar_members(path, kept)
        assert len(kept.lines) == 1, kept.lines
        assert "cannot read a tar from" in kept.lines[0]
        for first, size in found.values():
            assert first + size <= path.stat().st_size

    for size in (10**14, 1 << 40, len(data) + 5000):
        broken(member("a.wav", size=size))
        broken(member("a.wav", tarfile.GNUTYPE_LONGNAME, size=size), member("b.wav", size=9))
        broken(member("a.wav", tarfile.XHDTYPE, size=size), member("b.wav", size=9))
    negative = member("a.wav", size=1)
    head = bytearray(negative.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = b"\xff" * 10 + (-1024 & 0xFFFF).to_bytes(2, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    (tmp_path / "x.tar").write_bytes(bytes(head) + data)
    kept = Faults(keep=True)
    tar_members(tmp_path / "x.tar", kept)
    assert len(kept.lines) == 1


def test_places_in_tars_that_lie(tmp_path: Path) -> None:
    tone(tmp_path / "good.wav")
    for told in (
        "first=0&bytes=100000000000000",
        "first=-5&bytes=10",
        "first=99999999&bytes=10",
        "first=0&bytes=-1",
    ):
        source = {"type": "tar", "channels": [0], "source": f"{tmp_path / 'good.wav'}?{told}"}
        bad = recording(tmp_path, source)
        for cut in (mono(tmp_path, recording=bad), mixed(track(mono(tmp_path, recording=bad)), track(padding()))):
            corpus = open_corpus(manifest(tmp_path / "c", cut))
            with pytest.raises(LaminaError, match="bytes, the manifest speaks of"):
                corpus.read(next(corpus.utterances()))
    for told in ("", "first=x&bytes=1", "bytes=1"):
        source = {"type": "tar", "channels": [0], "source": f"x.tar?{told}"}
        with pytest.raises(LaminaError, match="is no place in a tar"):
            open_corpus(manifest(tmp_path / "c", mono(tmp_path, recording=recording(tmp_path, source))))


def test_memory_in_a_manifest_is_read_and_nothing_else_of_it(tmp_path: Path) -> None:
    import base64

    tone(tmp_path / "good.wav")
    held = base64.b64encode((tmp_path / "good.wav").read_bytes()).decode()
    source = {"type": "memory", "channels": [0], "source": held}
    corpus = open_corpus(manifest(tmp_path / "c", mono(tmp_path, recording=recording(tmp_path, source))))
    (utterance,) = corpus.utterances()
    assert np.array_equal(corpus.read(utterance), soundfile.read(tmp_path / "good.wav", dtype="float32")[0])
    source["source"] = "touch ran"
    corpus = open_corpus(manifest(tmp_path / "c", mono(tmp_path, recording=recording(tmp_path, source))))
    with pytest.raises(LaminaError, match="is no base64 text"):
        corpus.read(utterance)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\xfe"))
    tone(tmp_path / "a.wav")
    folder.mkdir()
    (tmp_path / "a.wav").rename(folder / "a.wav")
    corpus = open_corpus(folder)
    (utterance,) = corpus.utterances()
    assert corpus.read(utterance).shape == (16000,)
    assert examine(folder)[1] == []
    with pytest.raises(LaminaError, match="the name is not UTF-8: rename"):
        import_corpus("folder", folder, tmp_path / "out")
    show(corpus, tmp_path / "page")
    assert corpus.name == "??"
    (tmp_path / "src").mkdir()
    folder = folder.rename(tmp_path / "src" / folder.name)
    tone(tmp_path / "src" / "good" / "c.wav")
    with pytest.raises(LaminaError, match="its speaker, text or label is not UTF-8"):
        open_corpus(tmp_path / "src")


def test_headers_that_lie(tmp_path: Path) -> None:
    """A FLAC that promises 68 billion samples, a WAV of 1 Hz."""
    soundfile.write(tmp_path / "a.flac", np.zeros(16000), 16000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] |= 0x0F  # the upper bits of the number of samples in STREAMINFO
    data[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(data)
    audio, _ = audio_file(tmp_path / "a.flac")
    with pytest.raises(LaminaError, match=r"ends after 16000 samples|does not fit into memory"):
        audio.read(16000, 0, audio.samples)
    tone(tmp_path / "b.wav")
    data = bytearray((tmp_path / "b.wav").read_bytes())
    data[24:28] = (1).to_bytes(4, "little")
    (tmp_path / "b.wav").write_bytes(data)
    with pytest.raises(LaminaError, match="is at 1 Hz, which is no rate of speech"):
        audio_file(tmp_path / "b.wav")


def test_a_folder_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "x.wav").mkdir()
    with pytest.raises(LaminaError, match="is a folder, a pipe or a device"):
        audio_file(tmp_path / "x.wav")
    assert stat.S_ISDIR((tmp_path / "x.wav").stat().st_mode)
