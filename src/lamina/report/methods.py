"""The methods section: what was done, in sentences written from the resolved configs and nothing else.

Each part reads its config strictly: what a config of that kind must have and lacks is an error, never a sentence
that is not there. A part is left out only where the config says that it was not done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina.errors import LaminaError
from lamina.markup import escaped
from lamina.measures import TABLE, find_measure
from lamina.report.diagram import describe
from lamina.report.overview import Overview
from lamina.report.tables import measures_table
from lamina.report.trained import Trained
from lamina.report.wording import capital, listed, told

Config = Mapping[str, Any]
Paragraphs = Sequence[tuple[str, str]]
# What the page tells elsewhere, or in a place of its own.
ELSEWHERE = frozenset({"question", "caveats", "factors", "config", "environment", "runs", "notes", "digests"})
FAMILIES = frozenset(each.family for each in TABLE)
MASKS = {"spans": "spans drawn as in HuBERT", "budget": "spans that cover an exact share"}


def paragraphs(method: Config, seen: Overview) -> Paragraphs:
    """Headings and paragraphs, in plain text: of a study (``config``), or of one analysis (``kind``).

    Raises:
        LaminaError: a config lacks what it must have.
    """
    try:
        if "config" in method:
            return _study(method["config"], method["factors"], seen.trained)
        if method.get("kind") == "analysis":
            return [("Speech", f"Speech was read from {method['corpus']}."), ("Analysis", _analysis(method))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LaminaError(
            f"the methods cannot be told from the config ({type(error).__name__}: {error}): it was written by "
            "another version of Lamina or is damaged; make it again"
        ) from error
    return []


def _study(config: Config, factors: Config, trained: Sequence[Trained]) -> Paragraphs:
    """The parts of a study; each has a paragraph where the study has that part."""
    parts: tuple[tuple[str, bool, Callable[[], str]], ...] = (
        ("Speech", True, lambda: _corpus(config["corpus"])),
        ("Units", bool(config["units"]), lambda: _units(config["units"])),
        ("Released encoders", bool(config["encoders"]), lambda: _released(config["encoders"])),
        ("Encoders", bool(trained), lambda: _encoders(trained)),
        ("Pretraining", any(run.config["steps"] for run in trained), lambda: _pretraining(trained)),
        ("Design", bool(factors), lambda: _design(config, factors)),
        ("Analysis", True, lambda: _analysis(config["analysis"])),
        ("Probes", config["probe"] is not None, lambda: _probe(config["probe"])),
        ("Cost", True, lambda: _cost(config["cost"])),
    )
    return [(name, say()) for name, there, say in parts if there]


def _corpus(corpus: Config) -> str:
    if "path" in corpus:
        return _told({"path": "Speech was read from {}.", "hours": "It has {} hours.", "about": "{}"}, corpus)
    said = _told(
        {
            "minutes": "{} minutes of speech were synthesised with eSpeak NG; phones, syllables and words are "
            "known to the sample.",
            "speakers": "Speakers: {}.",
            "seed": "Seed: {}.",
            "content_words": "Sentences draw on {} content words.",
            "shared_sentences": "{} sentences are said by everyone.",
            "accents": "Accents: {}.",
            "noise_db": "Noise was added at {} dB.",
        },
        corpus,
    )
    return said if "split_by" in corpus else f"{said} No speaker is in two splits."


def _told(templates: Mapping[str, str], config: Config) -> str:
    """A sentence a setting of a table that holds what its file says; at the end those without a template."""
    there = {name: told(value) for name, value in config.items() if value or type(value) in (int, float)}
    said = [template.format(there[name]) for name, template in templates.items() if name in there]
    rest = ", ".join(f"{name} {value}" for name, value in there.items() if name not in templates)
    return " ".join([*said, f"Also: {rest}."] if rest else said)


def _units(units: Config) -> str:
    said = []
    for name, each in units.items():
        tap = f", tap {each['tap']}" if each["tap"] else ""
        passes = f", then settled over the whole split (passes: {each['passes']})" if each["passes"] else ""
        said.append(
            f"{name}: {each['clusters']} clusters (k-means, seed {each['seed']}) of {each['features']} "
            f"features{tap} (normalised: {each['normalise']}), fitted on up to {each['frames']:,} frames of the "
            f"{each['split']} split{passes}."
        )
    return f"Targets of masked prediction. {' '.join(said)}"


def _released(encoders: Config) -> str:
    said = [
        f"{name} is {each['source']}{', its weights drawn anew' if each['untrained'] else ''}"
        for name, each in encoders.items()
    ]
    return f"Read as they are: {'; '.join(said)}."


def _encoders(trained: Sequence[Trained]) -> str:
    shapes: dict[tuple[str, str], dict[str, None]] = {}
    for run in trained:
        model = run.config["model"]
        size = (
            f"Layers are {model['hidden_size']} wide with {model['num_attention_heads']} attention heads and "
            f"feed-forward layers of {model['intermediate_size']}."
        )
        shapes.setdefault((size, describe(run)), {})[run.model] = None
    sizes: dict[str, list[str]] = {}
    for (size, shape), names in shapes.items():
        sizes.setdefault(size, []).append(f"{listed(list(names))}: {shape}.")
    return " ".join(" ".join([size, *said]) for size, said in sizes.items())


def _pretraining(trained: Sequence[Trained]) -> str:
    run = next(run for run in trained if run.config["steps"])
    config, model = run.config, run.config["model"]
    crops = f"{config['batch_size']} crops of {config['crop_seconds']:g} s"
    batch = f"{config['batch_seconds']:g} s of whole utterances" if config["batch_seconds"] else crops
    apart = " Where an encoder departs from this, the design above says so." if len(trained) > 1 else ""
    return (
        f"Every encoder was trained for {config['steps']:,} steps of {batch} with AdamW (peak learning rate "
        f"{config['learning_rate']:g}, linear warm-up over {config['warmup_share']:.0%} of the steps, then linear "
        f"decay, weight decay {config['weight_decay']:g}, gradients clipped at {config['clip_norm']:g}) in "
        f"{config['dtype']}. Masks: {MASKS[config['mask_kind']]}, {config['mask_probability']:.0%} of frames in "
        f"spans of {config['mask_length']} frames of the finest rate. The loss weighs masked frames "
        f"{model['masked_loss_weight']:g} and unmasked frames {model['unmasked_loss_weight']:g}.{apart}"
    )


def _design(config: Config, factors: Config) -> str:
    said = [f"{each['label']} (factor {name}: {told(each['levels'])})" for name, each in factors.items()]
    baselines = config["baselines"]
    beside = f" Beside the crossed cells stand the baselines {listed(list(baselines))}." if baselines else ""
    return (
        f"Crossed: {'; '.join(said)}. All else is equal. The first level of a factor is the one that the others "
        f"are compared with. Seeds: {told(config['seeds'])}.{beside}"
    )


def _analysis(analysis: Config) -> str:
    asked, lamina = analysis["measures"], analysis["protocol"] == "lamina"
    families = {find_measure(name).family if name not in FAMILIES else name for name in asked}
    counts = listed([f"{count} for {target}" for target, count in analysis["clusters"].items()] or ["no target"])
    said = {
        f"Every tap was scored against {told(analysis['targets'])} ({told(asked)}), by the rules of protocol "
        f"{analysis['protocol']}.": True,
        "Frames belong to a segment where their centre lies in it; segments are scored where every compared tap "
        "sees them (support common).": lamina,
        "CCA is fitted on some speakers and scored on others; its ridge is chosen among "
        f"{told(analysis['ridges'])} on the former alone.": lamina and "cca" in families,
        f"Intervals of {analysis['level']:.0%} resample the scored speakers (where the corpus has no splits, the "
        f"folds) {analysis['replicates']} times.": bool(analysis["replicates"]),
        f"Mutual information is that of k-means clusters ({counts}) and labels.": "mi" in families,
        "The null is the same with labels shuffled within speaker, if no note says otherwise, at most "
        f"{analysis['shuffles']} times: their mean and {analysis['level']:.0%} range.": bool(analysis["shuffles"]),
    }
    return " ".join(text for text, holds in said.items() if holds)


def _probe(probe: Config) -> str:
    return _told(
        {
            "tasks": "Small heads were trained on frozen states: {}.",
            "layers": "Layers: {}.",
            "heads": "Heads: {}.",
            "rates": "Learning rates, chosen on dev: {}.",
            "seeds": "Seeds of the heads: {}.",
            "steps": "At most {} steps.",
            "most_minutes": "At most {} minutes of speech were trained on.",
        },
        {name: value for name, value in probe.items() if value},  # where one is 0, the task and the protocol say
    )


def _cost(cost: Config) -> str:
    often = f"as the median of {cost['repeats']} runs" if cost["repeats"] > 1 else "once"
    return f"Multiply-accumulates were counted, and speed measured {often}, on {told(cost['seconds'])} s of audio."


def section(method: Config, seen: Overview) -> str:
    """The methods, the measures, the notes of all runs, and provenance, as HTML."""
    prose = "".join(f"<h3>{escaped(name)}</h3><p>{escaped(text)}</p>" for name, text in paragraphs(method, seen))
    config = method.get("config") or {key: value for key, value in method.items() if key not in ELSEWHERE}
    shown = escaped(json.dumps(config, indent=2, ensure_ascii=False, default=str))
    full = f'<details><summary>The whole resolved config</summary><pre tabindex="0">{shown}</pre></details>'
    return f"{prose}{measures_table(seen)}{_notes(seen)}{_provenance(method)}{full if config else ''}"


def _notes(seen: Overview) -> str:
    """What runs noted; what several noted stands once."""
    whose: dict[str, list[str]] = {}
    for name, notes in seen.notes.items():
        for note in notes:
            whose.setdefault(note, []).append(name)
    items = ""
    for note, names in whose.items():
        who = f"<b>{escaped(', '.join(names))}</b>: " if any(names) else ""
        items += f"<li>{who}{escaped(note)}</li>"
    return f'<h3>Notes of the runs</h3><ul class="plain">{items}</ul>' if items else ""


def _provenance(method: Config) -> str:
    """Where the numbers come from: a row a fact."""
    about = dict(method.get("environment", {}))
    command, machine, versions = about.get("command", ()), about.get("machine", {}), about.get("versions", {})
    facts = {
        "command": command if isinstance(command, str) else " ".join(map(str, command)),
        "commit": about.get("commit"),
        **{f"digest of the {name}": value for name, value in dict(method.get("digests", {})).items()},
        "Python": about.get("python"),
        "libraries": ", ".join(f"{name} {version}" for name, version in dict(versions).items()),
        "machine": ", ".join(
            f"{name} {value}" for name, value in dict(machine).items() if value not in ("", None)
        ),
    }
    if "config" in method:
        facts |= {key.replace("_", " "): value for key, value in method.items() if key not in ELSEWHERE}
    rows = "".join(
        f'<tr><th scope="row">{escaped(capital(name))}</th><td>{escaped(value)}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "")
    )
    table = f'<table class="facts"><caption>Where these numbers come from</caption><tbody>{rows}</tbody></table>'
    return (f"<h3>Provenance</h3>{table}" if rows else "") + _runs(dict(method.get("runs", {})))


def _runs(runs: Mapping[str, float | None]) -> str:
    """The run folders and how long each took, folded."""
    if not runs:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(name)}</th>'
        f"<td>{'not done' if seconds is None else f'{seconds:,.1f}'}</td></tr>"
        for name, seconds in runs.items()
    )
    total = sum(seconds for seconds in runs.values() if seconds)
    return (
        f"<details><summary>{len(runs)} run folders, {total / 60:,.1f} minutes in all</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Run folders"><table><thead><tr>'
        '<th scope="col">run folder</th><th scope="col">seconds</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )
