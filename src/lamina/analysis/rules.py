"""The rules of the protocol ``lamina``: every target and instrument there is, held out by speakers."""

from __future__ import annotations

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments import INSTRUMENTS
from lamina.analysis.protocol import Rules
from lamina.analysis.targets import TARGETS
from lamina.corpus.corpus import Corpus
from lamina.corpus.splits import Roles, plan_roles


def roles(corpus: Corpus, least: int, config: AnalysisConfig) -> Roles:
    """The corpus's splits, else folds of speakers."""
    return plan_roles(corpus, least, folds=config.folds, seed=config.seed, max_groups=config.max_groups)


RULES = Rules(roles, TARGETS, INSTRUMENTS)
