"""`lamina measures`: what each measure is called and means."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.terminal import show


def measures(
    family: Annotated[str | None, typer.Option(help="Only those of one family, such as cca.")] = None,
) -> None:
    """List the measures: name, family, meaning, unit, range, and which way is better."""
    from lamina.errors import LaminaError
    from lamina.measures import TABLE
    from lamina.report.console import table

    rows = [each.told for each in TABLE if family in (None, each.family)]
    if not rows:
        known = ", ".join(dict.fromkeys(each.family for each in TABLE))
        raise LaminaError(f"there is no family of measures {family!r}; there are {known}")
    show(table(("measure", "family", "what it is", "unit", "range", "better", "of"), rows))
