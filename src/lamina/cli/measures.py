"""`lamina measures`: what every number is."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.terminal import names, show


def measures(
    family: Annotated[str | None, typer.Option(help="Only these families, by commas.")] = None,
) -> None:
    """List the measures: what each is, what it can be, and which way is better."""
    from lamina.errors import LaminaError
    from lamina.measures import TABLE, Measure
    from lamina.report.console import table

    asked = names(family, "--family")
    known = dict.fromkeys(each.family for each in TABLE)
    for name in asked or ():
        if name not in known:
            raise LaminaError(f"there is no family {name!r} of measures; there are {', '.join(known)}")

    def ends(each: Measure) -> str:
        return f"{each.low:g} to {each.high:g}".replace("-inf to inf", "any").replace("inf", "…")

    rows = [
        (each.name, each.family, each.meaning, each.unit, ends(each), each.better)
        for each in TABLE
        if asked is None or each.family in asked
    ]
    show(table(("measure", "family", "what", "unit", "can be", "better"), rows))
