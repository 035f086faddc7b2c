"""Spoken queries in spoken documents: QUESST 2014."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lamina.corpus.importers.importer import FoundUtterance, ImportSource
from lamina.corpus.texts import read_lines, read_text
from lamina.corpus.trials import Trial

_HIT = re.compile(r"LEXEME\s+(quesst14_\d+).*?(quesst14_(?:dev|eval)_\d+)")


def quesst14(source: ImportSource) -> Iterator[FoundUtterance]:
    """``Audio``, ``dev_queries``, ``eval_queries`` and ``scoring`` with its language keys and ground truth.

    Documents and queries of all languages; the label ``language`` tells which (SUPERB takes ``nnenglish``),
    ``role``
    is ``query`` or ``document``. Every pair of a query and a document of its language is a trial of the list
    ``dev`` or ``eval``; queries of dev have the split dev, those of eval test, documents none.
    """
    base = source.base("Audio", "scoring")
    documents: dict[str, list[str]] = {}
    for path, language in _keys(source, base / "scoring" / "language_key_utterances.lst"):
        name = Path(path).stem
        documents.setdefault(language, []).append(name)
        labels = {"role": "document", "language": language}
        yield FoundUtterance(name, base / "Audio" / f"{name}.wav", "", labels=labels)
    for part, split in (("dev", "dev"), ("eval", "test")):
        truth = base / "scoring" / f"groundtruth_quesst14_{part}" / f"quesst14_{part}.rttm"
        hits: set[tuple[str, str]] = set()
        if truth.is_file():
            hits = {(match[2], match[1]) for match in _HIT.finditer(read_text(truth))}
        else:
            source.faults.add(f"{base} has no {truth.relative_to(base)}: half-copied")
        for path, language in _keys(source, base / "scoring" / f"language_key_{part}.lst"):
            name = Path(path).stem
            labels = {"role": "query", "language": language}
            yield FoundUtterance(name, base / f"{part}_queries" / f"{name}.wav", "", split, labels=labels)
            source.trials.extend(
                Trial(part, (name, document) in hits, name, document) for document in documents.get(language, ())
            )


def _keys(source: ImportSource, path: Path) -> list[tuple[str, str]]:
    """Lines of a file and its language."""
    if not path.is_file():
        source.faults.add(f"there is no {path}: half-copied")
        return []
    pairs = [line.split() for line in read_lines(path) if line.strip()]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
