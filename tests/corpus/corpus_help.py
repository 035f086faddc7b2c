"""Small trees in the layout of each corpus, made of tones, and TextGrids written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile


def tone(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1, kind: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.1 * np.sin(np.arange(round(seconds * rate)) * 0.1)
    soundfile.write(path, np.stack([wave * (i + 1) for i in range(channels)], axis=1), rate, format=kind)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


def textgrid(path: Path, encoding: str = "utf-8", **tiers: list[tuple[float, float, str]]) -> None:
    """Write a TextGrid by hand, so that the reader is not tested against its own library."""
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 1",
        "tiers? <exists>",
    ]
    lines += [f"size = {len(tiers)}", "item []:"]
    for number, (name, entries) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", "        xmax = 1", f"        intervals: size = {len(entries)}"]
        for place, (start, stop, label) in enumerate(entries, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {start}", f"            xmax = {stop}"]
            lines += [f'            text = "{label}"']
    write(path, "\n".join(lines) + "\n", encoding)


def librispeech(base: Path) -> None:
    for part, speaker in (("train-clean-100", 19), ("dev-clean", 84)):
        folder = base / part / str(speaker) / "198"
        for number in (0, 1):
            tone(folder / f"{speaker}-198-000{number}.flac")
        write(folder / f"{speaker}-198.trans.txt", f"{speaker}-198-0000 HELLO YOU\n{speaker}-198-0001 AGAIN\n")
    write(
        base / "SPEAKERS.TXT", ";ID|SEX|\n19   | F | train-clean-100 | 25.19 | Kara\n84 | M | dev-clean | 8 | X\n"
    )


def timit(base: Path) -> None:
    for place in ("TRAIN/DR1/FCJF0", "TEST/DR1/FELC0", "TEST/DR1/FAKS0", "TEST/DR2/MZZZ0"):
        folder = base / place
        tone(folder / "SX37.WAV", kind="NIST")
        write(
            folder / "SX37.PHN",
            "0 1600 h#\n1600 3200 sh\n3200 4000 ix\n4000 4400 q\n4400 5200 tcl\n5200 8000 t\n"
            "8000 9000 q\n9000 9500 ae\n9500 9900 dcl\n9900 16000 h#\n",
        )
        write(folder / "SX37.WRD", "1600 4400 she\n3200 8000 it\n8000 9900 add\n")
        write(folder / "SX37.TXT", "0 16000 She it add.\n")


def buckeye(base: Path) -> None:
    tone(base / "s01" / "s0101a.wav", 4.0)
    head = "signal s0101a\ntype 0\nnfields 1\n#\n"
    write(
        base / "s01" / "s0101a.phones",
        head + " 0.5 121 {B_TRANS}\n 0.7 121 hh\n 0.9 122 ay; *\n 2.0 121 SIL\n 2.2 121 ow\n 4.0 121 IVER\n",
    )
    write(
        base / "s01" / "s0101a.words",
        head + " 0.5 121 {B_TRANS}\n 0.9 122 hi; hh ay; hh ay; UH\n 2.0 121 <SIL>\n 2.2 121 oh; ow; ow; UH\n"
        " 4.0 121 <IVER>\n",
    )


def vctk(base: Path) -> None:
    write(
        base / "speaker-info.txt", "ID  AGE  GENDER  ACCENTS  REGION\np225  23  F    English    Southern England\n"
    )
    for number in (1, 2):
        name = f"p225_00{number}"
        tone(base / "wav48_silence_trimmed" / "p225" / f"{name}_mic1.flac", rate=48000)
        tone(base / "wav48_silence_trimmed" / "p225" / f"{name}_mic2.flac", rate=48000)
        write(base / "txt" / "p225" / f"{name}.txt", "Hello you.\n")


def ljspeech(base: Path) -> None:
    for number in (1, 2):
        tone(base / "wavs" / f"LJ001-000{number}.wav", rate=22050)
    write(base / "metadata.csv", "LJ001-0001|No 1|number one\nLJ001-0002|Caf\u00e9|caf\u00e9\n")


def emodb(base: Path) -> None:
    for name in ("03a01Fa", "08b02Wb"):
        tone(base / "wav" / f"{name}.wav")
        lines = "signal x\nnfields 1\n#\n 0.1 121 t\n 0.15 121 !t\n 0.2 121 \u00e4\n 0.9 121 .\n"
        write(base / "lablaut" / f"{name}xx.lablaut", lines, "latin-1")


def speechcommands(base: Path) -> None:
    for name in ("yes/a1_nohash_0", "yes/b2_nohash_0", "bed/c3_nohash_1"):
        tone(base / "speech_commands_v0.01" / f"{name}.wav")
    tone(base / "speech_commands_v0.01" / "_background_noise_" / "running_tap.wav", 2.5)
    write(base / "speech_commands_v0.01" / "validation_list.txt", "yes/b2_nohash_0.wav\n")
    write(base / "speech_commands_v0.01" / "testing_list.txt", "")
    for name in ("yes/d4_nohash_0", "_unknown_/cat_e5_nohash_0", "_silence_/0"):
        tone(base / "speech_commands_test_set_v0.01" / f"{name}.wav")


def voxceleb1(base: Path) -> None:
    lines = []
    for speaker in ("id10001", "id10270"):
        for number, split in enumerate((1, 2, 3), start=1):
            name = f"{speaker}/vid{number}/0000{number}.wav"
            tone(base / ("dev" if speaker == "id10001" else "test") / "wav" / name)
            lines.append(f"{split} {name}")
    write(base / "iden_split.txt", "\n".join(lines) + "\n")
    write(
        base / "veri_test.txt",
        "1 id10270/vid1/00001.wav id10270/vid2/00002.wav\n0 id10270/vid1/00001.wav id10001/vid1/00001.wav\n",
    )
    write(
        base / "vox1_meta.csv",
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tX\tm\tIreland\tdev\n",
    )


def fluent(base: Path) -> None:
    head = ",path,speakerId,transcription,action,object,location\n"
    for split, speaker in (("train", "s1"), ("valid", "s2"), ("test", "s3")):
        tone(base / "wavs" / "speakers" / speaker / f"{split}1.wav")
        row = f'0,wavs/speakers/{speaker}/{split}1.wav,{speaker},"Lights on, please",activate,lights,none\n'
        write(base / "data" / f"{split}_data.csv", head + row)


def librimix(base: Path) -> None:
    for number, split in enumerate(("train-100", "test")):
        folder = base / "Libri2Mix" / "wav16k" / "max" / split
        name = f"61-70968-000{number}_8455-210777-0012.wav"
        for part, active in (("mix_clean", 2.0), ("s1", 2.0), ("s2", 1.0)):
            tone(folder / part / name, 2.0)
            wave, _ = soundfile.read(folder / part / name)
            wave[0] = 0.05
            wave[round(active * 16000) :] = 0
            soundfile.write(folder / part / name, wave, 16000)


def iemocap(base: Path) -> None:
    for number in range(1, 6):
        session, name = base / f"Session{number}", f"Ses0{number}F_impro01"
        for who in ("F", "M"):
            tone(session / "sentences" / "wav" / name / f"{name}_{who}000.wav")
        write(
            session / "dialog" / "EmoEvaluation" / f"{name}.txt",
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[6.2901 - 8.2357]\t{name}_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
            f"[10.0100 - 11.3925]\t{name}_M000\texc\t[2.5000, 2.0000, 2.5000]\n",
        )
        write(
            session / "dialog" / "transcriptions" / f"{name}.txt",
            f"{name}_F000 [006.2901-008.2357]: Excuse me.\n{name}_M000 [010.0100-011.3925]: Do you have your "
            f"forms?\n",
        )
        write(
            session / "sentences" / "ForcedAlignment" / name / f"{name}_F000.wdseg",
            "\t SFrm  EFrm    SegAScr Word\n\t 0 9 -1 <s>\n\t 10 49 -5 EXCUSE(2)\n\t 50 99 -7 ME\n Total "
            "score: -3\n",
        )


def quesst14(base: Path) -> None:
    for number in (1, 2, 3):
        tone(base / "quesst14Database" / "Audio" / f"quesst14_0000{number}.wav", rate=8000)
    scoring = base / "quesst14Database" / "scoring"
    lines = [f"Audio/quesst14_0000{n}.wav {'nnenglish' if n < 3 else 'czech'}\n" for n in (1, 2, 3)]
    write(scoring / "language_key_utterances.lst", "".join(lines))
    for part in ("dev", "eval"):
        tone(base / "quesst14Database" / f"{part}_queries" / f"quesst14_{part}_0001.wav", 0.5, 8000)
        write(scoring / f"language_key_{part}.lst", f"{part}_queries/quesst14_{part}_0001.wav nnenglish\n")
        write(
            scoring / f"groundtruth_quesst14_{part}" / f"quesst14_{part}.rttm",
            f"LEXEME quesst14_00002 1 0.00 1.00 quesst14_{part}_0001 lex spkr 0.5\n",
        )


def snips(base: Path) -> None:
    lines = []
    for split, speaker in (("train", "Ivy"), ("valid", "Amy"), ("test", "Emma"), ("train", "Emma")):
        name = f"{speaker}-snips-{split}-0"
        tone(base / split / f"{name}.wav")
        lines.append(f"{name} BOS PLAY SOME BACH EOS\tO O O B-artist PlayMusic\n")
    write(base / "all.iob.snips.txt", "".join(lines))


def commonvoice(base: Path) -> None:
    for split in ("train", "dev", "test"):
        tone(base / "de" / "clips" / f"cv_{split}.mp3", rate=32000)
        write(
            base / "de" / f"{split}.tsv",
            "client_id\tpath\tsentence\tage\tgender\taccents\tlocale\n"
            f'c{split}\tcv_{split}.mp3\tSie sagte "ja.\ttwenties\tfemale\t\tde\n',
        )


def folder(base: Path) -> None:
    tone(base / "audio" / "ann_1.wav")
    tone(base / "audio" / "bob_1.wav", rate=8000, channels=2)
    write(base / "words.ctm", "ann_1 1 0.10 0.20 Hello\nann_1 1 0.30 0.20 you\nbob_1 1 0.5 0.25 Yes 0.9\n")
    write(
        base / "who.rttm",
        "SPEAKER bob_1 1 0.0 0.6 <NA> <NA> bob <NA> <NA>\nSPEAKER bob_1 1 0.4 0.5 <NA> <NA> eve <NA>\n",
    )


def kaldi(base: Path) -> None:
    """A recipe's ``data`` with two data folders, whose paths count from it."""
    tone(base / "wav" / "r1.wav", 2.0)
    tone(base / "wav" / "r2.wav", 1.0)
    train, test = base / "train", base / "test"
    write(train / "wav.scp", "r1 wav/r1.wav\n")
    write(train / "segments", "ann-r1-1 r1 0.0 0.5\nann-r1-2 r1 1.0 2.0\n")
    write(train / "text", "ann-r1-1 hi you\nann-r1-2 oh\nann-r9 no\n" if base.name == "data" else "ann-r1-1 hi\n")
    write(train / "utt2spk", "ann-r1-1 ann\nann-r1-2 ann\n")
    write(train / "spk2gender", "ann f\n")
    write(train / "reco2dur", "r1 2.0\n")
    lines = "ann-r1-1 1 0.10 0.20 Hi\nann-r1-1 1 0.30 0.20 you\nr1 1 1.25 0.25 oh\nzzz 1 0.1 0.1 no\n"
    write(train / "ctm", lines)
    write(test / "wav.scp", "bob-r2 wav/r2.wav\n")
    write(test / "utt2spk", "bob-r2 bob\n")


def cuts(base: Path) -> None:
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

    made = []
    for number, name in enumerate("xy"):
        tone(base / f"{name}.wav", 2.0)
        told = SupervisionSegment(
            name, name, 0.0, 1.0, text="hi", speaker=f"s{number}", language="en", custom={"mood": "good", "n": 3}
        )
        made.append(MonoCut(name, 0.5, 1.0, 0, [told], recording=Recording.from_file(base / f"{name}.wav")))
    CutSet.from_cuts(made).to_file(base / "cuts.jsonl.gz")


def hf(base: Path) -> None:
    for split in ("train", "test"):
        tone(base / split / f"{split}_1.wav")
        row = {"file_name": f"{split}_1.wav", "sentence": "Ja.", "speaker_id": 7, "emotion": "joy"}
        write(base / split / "metadata.jsonl", json.dumps(row) + "\n")


TREES: dict[str, Callable[[Path], None]] = {
    tree.__name__: tree
    for tree in (
        librispeech, timit, buckeye, vctk, ljspeech, emodb, speechcommands, voxceleb1, fluent, librimix, iemocap,
        quesst14, snips, commonvoice, folder, kaldi, cuts, hf,
    )
}  # fmt: skip
