"""One function opens all corpora: ours, lhotse's CutSets and Shar folders, Kaldi's, folders of audio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamina.corpus.cutsets import is_shar, open_cuts, open_shar
from lamina.corpus.faults import Faults
from lamina.corpus.folders import open_audio_folder
from lamina.corpus.kaldi import is_kaldi, open_kaldi
from lamina.corpus.labels import tier_name
from lamina.corpus.manifest import ABOUT, CUTS, open_folder
from lamina.corpus.phonemaps import fold_phones
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError

RUN_CORPUS = "corpus"  # where a run that made a corpus holds it


def open_corpus(
    path: Path | str, *, tiers: Sequence[str] = (), faults: Faults | None = None, phones: str = ""
) -> StoredCorpus:
    """Open whatever corpus lies at ``path``; the first that fits.

    1. One of our folders (``corpus.json``), see `lamina.corpus.manifest`, or a study's run that holds one.
    2. A lhotse CutSet: a ``.jsonl`` or ``.jsonl.gz`` file, or a folder that holds one named ``*cuts*``.
    3. A lhotse Shar folder (``cuts.000000.jsonl.gz``, ``recording.000000.tar``).
    4. A Kaldi data folder (``wav.scp``), see `lamina.corpus.kaldi`.
    5. A folder of audio files with alignments, see `lamina.corpus.folders`.

    Its ``notes`` say what was decided on the way (resampling, speakers, files left out).

    Args:
        path: file or folder.
        tiers: names of tiers (``phone``, ``syllable``, ``word``, …) that the corpus must have.
        faults: where faults of single utterances are told, which are then left out; the first is raised
            where None.
        phones: a phone map to fold its phone tiers by (`lamina.corpus.phonemaps`); none where empty.

    Raises:
        LaminaError: there is no corpus at ``path``, a file in it is broken, or a tier is missing.
    """
    if not str(path).strip():
        raise LaminaError("the corpus's path is empty: give a folder or a CutSet")
    path, tiers = Path(path), [tier_name(tier) for tier in tiers]
    corpus = _open(path, tiers, faults)
    for tier in tiers:
        if not corpus.tiers.get(tier):
            there = ", ".join(sorted(name for name, count in corpus.tiers.items() if count)) or "none"
            raise LaminaError(
                f"{path} has no {tier!r} tier (it has: {there}): ask for other tiers, or align the corpus first"
            )
    return fold_phones(corpus, phones) if phones else corpus


def _open(path: Path, tiers: Sequence[str], faults: Faults | None) -> StoredCorpus:
    if path.is_file():
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            return open_folder(path.parent, faults) if _ours(path) else open_cuts(path, faults=faults)
        raise LaminaError(
            f"{path} is not a corpus: give a lhotse CutSet (.jsonl or .jsonl.gz), a corpus folder of Lamina, or a "
            "folder of audio with TextGrids"
        )
    if not path.is_dir():
        raise LaminaError(f"there is no corpus at {path}: check the path, or make one with `lamina corpus synth`")
    if not any(path.iterdir()):
        raise LaminaError(f"{path} is an empty folder: check the path, or copy the corpus again")
    for folder in (path, path / RUN_CORPUS):
        if (folder / ABOUT).is_file():
            return open_folder(folder, faults)
    if is_shar(path):
        return open_shar(path, faults=faults)
    if is_kaldi(path):
        return open_kaldi(path, faults)
    manifests = sorted(
        file for ending in ("jsonl", "jsonl.gz") for file in path.glob(f"*cuts*.{ending}") if file.is_file()
    )
    if len(manifests) > 1:
        raise LaminaError(f"{path} holds {len(manifests)} CutSets: give one of them, such as {manifests[0]}")
    return open_cuts(manifests[0], faults=faults) if manifests else open_audio_folder(path, tiers, faults)


def _ours(path: Path) -> bool:
    return path.name == CUTS and (path.parent / ABOUT).is_file()
