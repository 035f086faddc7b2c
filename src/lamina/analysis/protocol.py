"""What a protocol of analyses is: who is scored, what may be asked, by which instruments. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.analysis.config import AnalysisConfig
    from lamina.analysis.instruments.instrument import Instrument
    from lamina.analysis.targets.target import Target
    from lamina.corpus.corpus import Corpus
    from lamina.corpus.splits import Roles


@dataclass(frozen=True, slots=True)
class Rules:
    """What a protocol does, once an analysis is planned.

    Attributes:
        roles: divides a corpus; utterances of fewer than so many samples are left out.
        targets: the kinds of targets that can be asked.
        instruments: what answers.
    """

    roles: Callable[[Corpus, int, AnalysisConfig], Roles]
    targets: tuple[type[Target], ...]
    instruments: tuple[type[Instrument], ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules by name.

    Attributes:
        name: as in settings and scores.
        usual: targets where nobody says; those that a corpus has.
        check: raises ValueError where settings ask for what it does not do.
        module: holds its ``RULES``; imported when an analysis is planned.
    """

    name: str
    usual: tuple[str, ...]
    check: Callable[[AnalysisConfig], None]
    module: str

    @property
    def rules(self) -> Rules:
        """Its rules."""
        found: Rules = import_module(self.module).RULES
        return found


OWN = Protocol("lamina", ("mel", "phone", "word"), lambda _: None, "lamina.analysis.rules")
