"""What several tasks share: their heads, their labels, the words they are made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from lamina.corpus.corpus import Utterance
from lamina.probe.classes import SegmentClasses
from lamina.probe.heads import LinearHead, Mlp, Recurrent
from lamina.probe.task import MakeHead, Task

# SUPERB's heads: two linear layers without anything between; a projection and two LSTMs both ways.
SUPERB_LINEAR: MakeHead = partial(LinearHead, hidden=256)
SUPERB_RECURRENT: MakeHead = partial(Recurrent, project=1024, hidden=1024, layers=2, dropout=0.2)
# Lamina's two sizes a task.
POOLED: Mapping[str, MakeHead] = {"linear": LinearHead, "mlp": Mlp}
FRAMES: Mapping[str, MakeHead] = {"linear": LinearHead, "blstm": Recurrent}


def labelled(name: str) -> Callable[[Utterance], tuple[str, ...] | None]:
    """The utterance's label of that name, as one class."""

    def label(utterance: Utterance) -> tuple[str, ...] | None:
        value = utterance.labels.get(name, "")
        return (value,) if value else None

    return label


def speaker(utterance: Utterance) -> tuple[str, ...] | None:
    """Who speaks."""
    return (utterance.speaker,) if utterance.speaker else None


def words(text: str, protocol: str = "lamina") -> list[str]:
    """The words of a transcript as recognition spells them, in capitals; ``&`` is AND, other marks part words.

    Args:
        text: as it is written.
        protocol: ``lamina`` keeps the letters of every alphabet (composed, with their marks), ``superb`` A to Z;
            both keep ', and take digits out.
    """
    return "".join(mark if _spelt(mark, protocol) else " " for mark in _capitals(text)).split()


def taken_out(texts: Iterable[str], protocol: str) -> list[str]:
    """A note that counts the letters and digits that `words` takes out of transcripts, if there are any."""
    counts = [sum(mark.isalnum() and not _spelt(mark, protocol) for mark in _capitals(text)) for text in texts]
    if not any(counts):
        return []
    what = "letters beyond A to Z and digits (SUPERB's rule)" if protocol == "superb" else "digits"
    return [f"{sum(counts)} {what} were taken out of {sum(map(bool, counts))} of {len(counts)} transcripts"]


def _capitals(text: str) -> str:
    return unicodedata.normalize("NFC", text).upper().replace("&", " AND ").replace("’", "'")


def _spelt(mark: str, protocol: str) -> bool:
    if protocol == "superb":
        return "A" <= mark <= "Z" or mark == "'"
    return mark.isalpha() or mark == "'" or unicodedata.category(mark).startswith("M")  # vowel signs, say


def letters(spoken: list[str]) -> tuple[str, ...]:
    """Words as characters, ``|`` between them and behind the last."""
    return tuple("|".join([*spoken, ""]))


def segments(tier: str, title: str) -> Task:
    """The task of naming the pooled segments of a tier."""

    def label(utterance: Utterance) -> tuple[str, ...] | None:
        return tuple(segment.label for segment in utterance.tiers.get(tier, ())) or None

    return Task(
        name=tier,
        title=title,
        needs=f"a tier `{tier}`",
        label=label,
        objective=lambda parts, *_: SegmentClasses(parts),
        heads=POOLED,
        measures=("accuracy",),
        steps=1000,
        batch=256,
        tier=tier,
    )
