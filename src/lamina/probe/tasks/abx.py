"""ABX discrimination of phones within and across speakers: nothing is trained."""

from __future__ import annotations

from lamina.probe.abx import Discrimination
from lamina.probe.free import Reading

TASK = Reading(
    "abx",
    "ABX: is X nearer to A, of its class, than to B?",
    "the tier of `--tier`, `phone` by default, or an item file (`--items`)",
    Discrimination,
)
