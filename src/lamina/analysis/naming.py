"""What names of targets say beyond a tier: a label beside a segment, or what is known already. No torch."""

from __future__ import annotations

import re

FURTHEST = 3  # neighbours that can be asked
GIVEN = " given "
_BESIDE = re.compile(rf"(?P<tier>.+)@(?P<step>[+-][1-{FURTHEST}])")


def beside(name: str) -> tuple[str, int] | None:
    """Tier and step of ``TIER@STEP`` (``phone@-1`` is the segment before); None for other names."""
    found = _BESIDE.fullmatch(name)
    return (found["tier"], int(found["step"])) if found else None


def parted(name: str) -> tuple[str, str] | None:
    """Target and view of ``TARGET given VIEW``; None for other names."""
    target, between, view = name.partition(GIVEN)
    return (target.strip(), view.strip()) if between else None


def tier_of(name: str) -> str:
    """The tier, label or source whose segments or frames a name is about: ``phone`` of ``phone@+1``."""
    target = (parted(name) or (name, ""))[0]
    return (beside(target) or (target, 0))[0]


def tiers_of(name: str) -> tuple[str, ...]:
    """All tiers, labels and sources that a name is about: ``word`` and ``phone`` of ``word given phone``."""
    _, view = parted(name) or (name, "")
    return tuple(filter(None, (tier_of(name), view)))
