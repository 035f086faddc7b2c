"""The protocol ``pasad``: what the public layerwise-analysis code of Pasad et al. computes.

drawing   which rows it scores, and how it pools
rules     its target and instrument
score     its PWCCA, from the moments of ten splits

Pasad, Chou and Livescu 2021, "Layer-wise analysis of a self-supervised speech representation model", and the code
published with it. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.analysis.protocol import Protocol
from lamina.measures import TABLE

if TYPE_CHECKING:
    from lamina.analysis.config import AnalysisConfig

MEASURE, FAMILY = "cca-pwcca", "cca"  # all that it measures
USUAL = tuple(each.name for each in TABLE if each.usual)
NO_TIERS = frozenset({"mel", "speaker", "sentence", "query", "word-vectors", "tap", "encoder"})


def check(config: AnalysisConfig) -> None:
    """Refuse what this protocol does not do.

    Raises:
        ValueError: targets that are no tiers, other measures, poolings or rates.
    """
    strange = [name for name in config.targets if name.partition(":")[0] in NO_TIERS]
    if strange or config.rate_matched or config.pooling != ("all",):
        raise ValueError(
            "protocol pasad measures tiers (--targets phone,word) by poolings of its own, nothing else"
        )
    others = [name for name in config.measures if name not in {MEASURE, FAMILY}]
    if others and config.measures != USUAL:
        raise ValueError(f"protocol pasad has no {others[0]}; it measures {MEASURE}")


PASAD = Protocol("pasad", ("phone", "word"), check, f"{__name__}.rules")
