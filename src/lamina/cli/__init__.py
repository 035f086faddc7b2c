"""The front door: one module a room. Each command parses, calls one function, prints.

options    the arguments that commands share
study      `lamina study …`
analysis   `lamina analyze`, `lamina analysis …`, `lamina compare`
probe      `lamina probe`
score      `lamina score …`
measures   `lamina measures`
cost       `lamina cost`
corpus     `lamina corpus …`
pretrain   `lamina units …`, `lamina pretrain`
encoders   `lamina encoder …`
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lamina.cli import analysis, corpus, cost, encoders, measures, pretrain, probe, score, study
from lamina.errors import LaminaError

# Heavy libraries are imported inside the command that needs them, so that `lamina --help` answers at once.
app = typer.Typer(
    name="lamina",
    help="What each layer of a speech encoder knows, at the rate that layer runs, and what that layer costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        import lamina

        typer.echo(f"lamina {lamina.__version__}")
        raise typer.Exit


@app.callback()
def front(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What each layer of a speech encoder knows, at the rate that layer runs, and what that layer costs."""


app.add_typer(study.study, name="study")
app.command("analyze")(analysis.analyze)
app.add_typer(analysis.analysis, name="analysis")
app.command("compare")(analysis.compare)
app.command("probe")(probe.probe)
app.command("measures")(measures.measures)
app.add_typer(score.score, name="score")
app.command("cost")(cost.cost)
app.add_typer(corpus.corpus, name="corpus")
app.add_typer(pretrain.units, name="units")
app.command("pretrain")(pretrain.pretrain)
app.add_typer(encoders.encoder, name="encoder")


def main() -> None:
    """Run the command line: bad input is one line on standard error and exit code 2."""
    try:
        app()
    except LaminaError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except SystemExit as leaving:
        if leaving.code == 130:  # what typer makes of an interrupt
            typer.echo(
                "interrupted: the same command goes on from what its run folder keeps, if it has one", err=True
            )
        raise
