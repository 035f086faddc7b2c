"""Protocols by name. Each that follows published code is a folder here: its rules, targets and instrument.

pasad   the public layerwise-analysis code of Pasad et al.
"""

from __future__ import annotations

from lamina.analysis.protocol import OWN
from lamina.analysis.published.pasad import PASAD

PROTOCOLS = {each.name: each for each in (OWN, PASAD)}
