"""Hugging Face dataset folders: any column names, class labels, parts; audio in tables needs pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus_help import tone, write

from lamina.corpus.corpus import Utterance
from lamina.corpus.importers.importing import import_corpus
from lamina.errors import LaminaError


def bring(base: Path, **options: Any) -> tuple[dict[str, Utterance], tuple[str, ...]]:
    made = import_corpus("hf", base, base.parent / "out", **options)
    return {utterance.id: utterance for utterance in made.utterances()}, made.notes


def sound(tmp_path: Path) -> bytes:
    tone(tmp_path / "x.wav")
    return (tmp_path / "x.wav").read_bytes()


def parquet(path: Path, rows: list[dict[str, Any]], features: dict[str, Any] | None = None) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow reads parquet and arrow; it is not installed")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(rows)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table)


@pytest.mark.parametrize("name", ["train-00000-of-00001.parquet", "data-00000-of-00001.arrow"])
def test_speaker_zero_and_class_labels_keep_their_names(tmp_path: Path, name: str) -> None:
    audio = {"bytes": sound(tmp_path), "path": None}
    rows = [
        {"audio": audio, "speaker_id": 0, "label": 1, "age": None, "tokens": [1, 2], "score": float("nan")},
        {"audio": audio, "speaker_id": 12, "label": -1, "age": 30, "tokens": [1], "score": 0.5},
    ]
    features = {
        "label": {"names": ["no", "yes"], "_type": "ClassLabel"},
        "age": {"dtype": "int64", "_type": "Value"},
    }
    parquet(tmp_path / "src" / name, rows, features)
    made, notes = bring(tmp_path / "src")
    assert [u.speaker for u in made.values()] == ["0", "12"]
    assert [u.labels for u in made.values()] == [{"label": "yes"}, {"age": "30", "score": "0.5"}]
    assert "columns not read, for they hold no plain value (2): 'tokens'" in notes


def test_columns_of_any_name(tmp_path: Path) -> None:
    audio = {"bytes": sound(tmp_path), "path": "one.wav"}
    row = {"speech": audio, "what": "Ja.", "who": 3, "text": "no"}
    parquet(tmp_path / "src" / "test.parquet", [row])
    made, _ = bring(tmp_path / "src", columns={"text": "what", "speaker": "who"})
    one = made["one"]
    assert (one.text, one.speaker, one.split, one.labels) == ("Ja.", "3", "test", {"text": "no"})
    with pytest.raises(LaminaError, match=r"no column is called 'said' \(--text\): there are "):
        bring(tmp_path / "src", columns={"text": "said"})
    parquet(tmp_path / "src" / "test.parquet", [{**row, "noise": audio}])
    with pytest.raises(LaminaError, match=r"has no audio column, only .*--audio names the column"):
        bring(tmp_path / "src")
    assert len(bring(tmp_path / "src", columns={"audio": "noise"})[0]) == 1


def test_parts_that_are_missing_are_told(tmp_path: Path) -> None:
    audio = {"bytes": sound(tmp_path), "path": "one.wav"}
    for number in (0, 2):
        parquet(
            tmp_path / "src" / "data" / f"train-0000{number}-of-00004.parquet", [{"audio": audio, "n": number}]
        )
    parquet(tmp_path / "src" / "data" / "cache-0123.arrow", [{"audio": audio}])
    with pytest.raises(LaminaError, match=r"2 of the 4 parts of 'train' are missing, such as number 1: half-down"):
        bring(tmp_path / "src")
    made, notes = bring(tmp_path / "src", partial=True)
    assert len(made) == 2, "one.wav is in both parts"
    assert "rows named by their table, for ids repeat (1): train-00002-of-00004.parquet" in notes
    assert "caches of computed tables not read (1): cache-0123.arrow" in notes


def test_tables_beside_audio(tmp_path: Path) -> None:
    tone(tmp_path / "src" / "train" / "a.wav")
    tone(tmp_path / "src" / "train" / "b.wav")
    write(tmp_path / "src" / "train" / "c.m4a", "")
    rows = "file_name;speaker_id;label;sentence\na.wav;0;good;Ja\u2028nein.\nc.m4a;1;bad;Nein.\n"
    write(tmp_path / "src" / "train" / "metadata.csv", rows)
    made, notes = bring(tmp_path / "src")
    (one,) = made.values()
    assert (one.speaker, one.split, one.text, one.labels) == ("0", "train", "Ja\u2028nein.", {"label": "good"})
    assert "rows of metadata.csv that name no wav, flac, mp3 or ogg (1): .m4a" in notes
    assert "audio files of no utterance (1): .wav" in notes
    assert "sound or video not read, to be converted to wav or flac (1): .m4a" in notes
    write(tmp_path / "src" / "train" / "metadata.csv", "file_name,split\na.wav,some\n")
    with pytest.raises(LaminaError, match="has the split 'some'"):
        bring(tmp_path / "src")
