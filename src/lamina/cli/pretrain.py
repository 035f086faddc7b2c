"""`lamina units` and `lamina pretrain`: what is predicted, and the predicting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import (
    ConfigFile,
    CorpusPath,
    Device,
    OutFolder,
    PhoneMapName,
    made_before,
    on,
    open_speech,
)
from lamina.terminal import is_main, progress, say

units = typer.Typer(help="What pretraining predicts: clusters of a layer's states.", no_args_is_help=True)


@units.command("fit")
def units_fit(config: ConfigFile, corpus_path: CorpusPath, out: OutFolder, device: Device = "auto") -> None:
    """Cluster the states of a layer (or MFCC) into a codebook; `lamina units label` uses it."""
    from lamina.config import load_config
    from lamina.pretrain.labels import CODEBOOK_FILE, Codebook
    from lamina.pretrain.units import UnitsConfig, features_of, fit_units
    from lamina.runs import Run

    device = on(device)
    settings, speech = load_config(config, UnitsConfig), open_speech(corpus_path)
    encoder = features_of(settings, device)
    inputs = {"corpus": speech.digest, "encoder": encoder.digest}
    run = Run(out, {"kind": "units fit", **settings.to_json()}, inputs)
    if not made_before(run):
        with run.held(), progress(f"frames of {speech.name}") as tell:
            run.start()
            fitted = fit_units(encoder, settings.tap, speech, settings, tell, device=device)
            fitted.write(out / CODEBOOK_FILE)
            run.finish()
    made = Codebook.read(out)
    say(
        f"{len(made.centroids)} centres of {made.tap} in {out.resolve()}, mean squared distance {made.inertia:.4g}"
    )


@units.command("label")
def units_label(
    config: ConfigFile,
    codebook: Annotated[Path, typer.Argument(help="What `lamina units fit` made of CONFIG.", metavar="CODEBOOK")],
    corpus_path: CorpusPath,
    out: OutFolder,
    phone_map: PhoneMapName = "",
    device: Device = "auto",
) -> None:
    """Label a corpus with a codebook's units, and tell how well they know its phones."""
    from lamina.config import load_config
    from lamina.corpus.phonemaps import fold_phones
    from lamina.corpus.pieces import notes_of
    from lamina.pretrain.labels import Codebook, Units
    from lamina.pretrain.units import UnitsConfig, label_corpus
    from lamina.runs import Run
    from lamina.score import phones_by

    device = on(device)
    settings, book, speech = load_config(config, UnitsConfig), Codebook.read(codebook), open_speech(corpus_path)
    inputs = {"corpus": speech.digest, "codebook": book.digest}
    folded = fold_phones(speech, phone_map) if phone_map else speech
    by = phones_by(folded.phone_map, "phone")
    run = Run(out, {"kind": "units label", "phone_map": phone_map, **settings.to_json()}, inputs)
    if not made_before(run):
        with run.held(), progress(f"units of {speech.name}") as tell:
            run.start()
            _, quality = label_corpus(settings, book, speech, out, tell, told_on=folded, device=device)
            run.log(event="quality", **quality, **({"setting": by} if by else {}))
            run.finish()
    made = Units.read(out)
    for note in notes_of(made.pieces(speech)):
        say(f"note: {note}")
    say(f"{made.clusters} units, {len(made.labels)} labels in {out.resolve()}")
    for measure, value in run.last_log().items():
        if measure not in {"time", "event", "setting"}:
            say(f"{measure}: {value:.3f}{f' ({by})' if by else ''}")


def pretrain(
    config: ConfigFile,
    corpus_path: CorpusPath,
    units_folders: Annotated[
        list[Path],
        typer.Argument(help="What `lamina units label` made: for all levels, or one a level, finest first."),
    ],
    out: Annotated[Path, typer.Option(help="Where the run folder goes.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Pretrain an encoder by masked unit prediction; the same command goes on where it was stopped.

    On several processes: torchrun --nproc-per-node N --no-python lamina pretrain …
    """
    from lamina.config import load_config
    from lamina.pretrain.labels import Units
    from lamina.pretrain.loop import pretrain as train
    from lamina.pretrain.recipe import PretrainConfig
    from lamina.pretrain.weights import check_shape
    from lamina.runs import Run

    device = on(device)
    recipe = load_config(config, PretrainConfig)
    check_shape(recipe.model, str(config))
    speech, labels = open_speech(corpus_path), [Units.read(folder) for folder in units_folders]
    inputs = {"corpus": speech.digest, "units": "+".join(each.digest for each in labels)}
    run = Run.plan(out, config.stem, {"kind": "pretrain", **recipe.to_json()}, inputs)
    if not made_before(run):
        with progress(config.stem, quiet=not is_main()) as tell:
            train(
                recipe,
                speech,
                labels,
                run,
                device=device,
                progress=lambda done, total, figures: tell(done, total, told(figures)),
                warn=lambda message: say(f"note: {message}", error=True),
            )
        if is_main():
            run.finish()
    if is_main():
        say(f"encoder: {run.folder.resolve()}")


def told(figures: dict[str, float]) -> str:
    """The figures that somebody who waits wants to see."""
    shown = [f"loss {figures['loss']:.3f}"] if figures else []
    shown += [f"{value:.0%} right" for name, value in figures.items() if name == "accuracy_masked_0"]
    shown += [f"{figures['audio_seconds_per_second']:.0f} s of audio a second"] if figures else []
    return ", ".join(shown)
