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

import os
import sys
import traceback
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lamina.cli import analysis, corpus, cost, encoders, measures, pretrain, probe, score, study
from lamina.errors import LaminaError, told
from lamina.terminal import say, written


class Front(TyperGroup):
    """All commands: what is wrong with files, the system or the memory is one line whichever of them it meets."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for.

        Raises:
            LaminaError: in place of any error that is none of Lamina's own mistakes.
        """
        try:
            return super().invoke(ctx)
        except LaminaError:
            raise
        except Exception as error:
            if (line := told(error)) is None:
                raise
            raise LaminaError(line) from error


# Heavy libraries are imported inside the command that needs them, so that `lamina --help` answers at once.
app = typer.Typer(
    name="lamina",
    cls=Front,
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
    code: Any = 2
    try:
        try:
            _check_streams()
            app()
        except SystemExit as leaving:
            code = leaving.code
            if code == 130:  # what typer makes of an interrupt
                say(
                    "interrupted: the same command goes on from what its run folder keeps, if it has one",
                    error=True,
                )
        with written():
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - whatever there is
        code = 2
        line = told(error)
        if line is None:
            code = 1
            traceback.print_exc()
            line = "this is a mistake in Lamina, not in what you gave it: please report it with the lines above"
        say(f"error: {line}".replace("\n", " "), error=True)
    _let_go_of_output()
    sys.exit(code)


def _check_streams() -> None:
    for name, stream in (("output", sys.stdout), ("error", sys.stderr)):
        if stream is None:
            raise LaminaError(f"standard {name} is closed: send it to /dev/null to see none of it")
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text


def _let_go_of_output() -> None:
    """Where the rest cannot be written, Python shall not try again when it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
