"""The methods section: what was done, in sentences written from the resolved configs and nothing else.

A sentence whose values a config lacks is left out.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.report.diagram import describe
from lamina.report.learning import Trained

Config = Mapping[str, Any]
# What the page tells elsewhere.
ELSEWHERE = {"question", "caveats", "factors", "config", "environment", "runs"}


def paragraphs(method: Config, trained: Sequence[Trained]) -> list[tuple[str, str]]:
    """Headings and paragraphs, in plain text."""
    config: Config = method.get("config", {})
    analysis = config.get("analysis", method if "ridges" in method else {})
    made = [
        ("Speech", _corpus(config.get("corpus", {}))),
        ("Units", _units(config.get("units", {}))),
        ("Encoders", _encoders(trained)),
        ("Pretraining", _pretraining(trained)),
        ("Design", _design(method, config)),
        ("Analysis", _analysis(analysis)),
        ("Cost", _cost(config.get("cost", {}))),
    ]
    return [(name, text) for name, text in made if text]


def _say(config: Config, *templates: str) -> str:
    """The templates whose names the config has (none of them empty), filled in and joined."""
    said = []
    for template in templates:
        try:
            said.append(template.format_map(_Strict(config)))
        except LookupError:
            continue
    return " ".join(said)


class _Strict(dict[str, Any]):
    """Values as text; an empty or missing one is a LookupError."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is None or value in ("", (), []):
            raise LookupError(name)
        if isinstance(value, (list, tuple)):
            return listed([_text(each) for each in value])
        return value if isinstance(value, (int, float)) else str(value)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def listed(items: Sequence[str]) -> str:
    """Items as a list in words."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _corpus(corpus: Config) -> str:
    if "content_words" not in corpus:
        return _say(corpus, "Speech was read from {path}.", "Speech: {name}.")
    speakers = corpus.get("speakers", {})
    split = listed([f"{count} in {name}" for name, count in speakers.items()]) if speakers else ""
    who = f" by {sum(speakers.values())} speakers ({split}; no speaker is in two splits)" if split else ""
    return _say(
        corpus,
        "{minutes:g} minutes of synthetic speech" + who + " were made with eSpeak NG (seed {seed}), whose phones, "
        "syllables and words are known to the sample.",
        "Sentences draw on {content_words} content words; {shared_sentences} sentences are said by everyone.",
        "Accents: {accents}.",
        "Noise was added at {noise_db:g} dB.",
    )


def _units(units: Any) -> str:
    rounds = units if isinstance(units, (list, tuple)) else [units]
    return " ".join(
        _say(
            each,
            "Targets of masked prediction are the {clusters} clusters (k-means, seed {seed}) of {features} "
            "features"
            + (", tap {tap}" if each.get("tap") else "")
            + ", fitted on up to {frames:,} frames of the {split} split.",
        )
        for each in rounds
        if isinstance(each, Mapping)
    )


def _encoders(trained: Sequence[Trained]) -> str:
    shapes: dict[str, list[str]] = {}
    for run in trained:
        names = shapes.setdefault(describe(run), [])
        if run.model not in names:
            names.append(run.model)
    if not shapes:
        return ""
    shared = _say(
        trained[0].config["model"],
        "Layers are {hidden_size} wide with {num_attention_heads} attention heads and feed-forward layers of "
        "{intermediate_size}.",
    )
    return f"{shared} {' '.join(f'{listed(names)}: {said}.' for said, names in shapes.items())}".strip()


def _pretraining(trained: Sequence[Trained]) -> str:
    runs = [run for run in trained if run.config.get("steps")]
    if not runs:
        return ""
    config = dict(runs[0].config)
    config["mask"] = {"spans": "spans drawn as in HuBERT", "budget": "spans that cover an exact share"}.get(
        str(config.get("mask_kind")), str(config.get("mask_kind", ""))
    )
    weights = _say(
        runs[0].config.get("model", {}),
        "The loss weighs masked frames {masked_loss_weight:g} and unmasked frames {unmasked_loss_weight:g}.",
    )
    said = _say(
        config,
        "Every encoder was trained for {steps:,} steps of {batch_size} crops of {crop_seconds:g} s with AdamW "
        "(peak learning rate {learning_rate:g}, linear warm-up over {warmup_share:.0%} of the steps, then linear "
        "decay, weight decay {weight_decay:g}, gradients clipped at {clip_norm:g}) in {dtype}.",
        "Masks: {mask}, {mask_probability:.0%} of frames in spans of {mask_length} frames of the finest rate.",
    )
    apart = " Where an encoder departs from this, the design above says so." if len(trained) > 1 else ""
    return f"{said} {weights}{apart}".strip()


def _design(method: Config, config: Config) -> str:
    factors = method.get("factors", {})
    if not factors:
        return ""
    said = [
        f"{each.get('label', name)} (factor {name}: {listed([str(level) for level in each.get('levels', [])])})"
        for name, each in factors.items()
    ]
    seeds = config.get("seeds", [])
    count = f" Seeds: {listed([str(seed) for seed in seeds])}." if seeds else ""
    baselines = config.get("baselines", {})
    beside = f" Beside the crossed cells stand the baselines {listed(list(baselines))}." if baselines else ""
    return (
        f"Crossed: {'; '.join(said)}. All else is equal. The first level of a factor is the one that the others "
        f"are compared with.{count}{beside}"
    )


def _analysis(analysis: Config) -> str:
    if not analysis:
        return ""
    said = _say(
        analysis,
        "Every tap was scored against {targets}, by the rules of protocol {protocol}.",
        "Frames belong to a segment where their centre lies in it; segments are scored where every compared tap "
        "sees them (support common).",
        "CCA is fitted on some speakers and scored on others; its ridge is chosen among {ridges} on the former "
        "alone.",
        "Intervals of {level:.0%} resample the scored speakers (where the corpus has no splits, the folds) "
        "{replicates} times.",
    )
    clusters = analysis.get("clusters")
    if isinstance(clusters, Mapping) and clusters:
        counts = listed([f"{count} for {target}" for target, count in clusters.items()])
        said += f" Mutual information is that of k-means clusters ({counts}) and labels."
    if analysis.get("shuffled"):
        said += " The null is the same with labels shuffled within speaker, if no note says otherwise."
    return said


def _cost(cost: Config) -> str:
    return _say(
        cost,
        "Multiply-accumulates were counted, and speed measured as the median of {repeats} runs, on {seconds} s of "
        "audio.",
    )


def section(method: Config, trained: Sequence[Trained]) -> str:
    """The methods and provenance as HTML."""
    prose = "".join(
        f"<h3>{html.escape(name)}</h3><p>{html.escape(text)}</p>" for name, text in paragraphs(method, trained)
    )
    config = method.get("config")
    if config is None:
        config = {key: value for key, value in method.items() if key not in ELSEWHERE | {"digests", "notes"}}
    shown = json.dumps(config, indent=2, ensure_ascii=False)
    full = (
        "<details><summary>The whole resolved config</summary>"
        f'<pre tabindex="0">{html.escape(shown)}</pre></details>'
        if config
        else ""
    )
    notes = "".join(f"<li>{html.escape(str(note))}</li>" for note in method.get("notes", ()))
    return f"{prose}{f'<ul>{notes}</ul>' if notes else ''}{_provenance(method)}{full}"


def _provenance(method: Config) -> str:
    """Where the numbers come from: a row a fact."""
    about: Config = method.get("environment", {})
    machine: Config = about.get("machine", {})
    rows = [
        ("command", " ".join(map(str, about.get("command", [])))),
        ("commit", str(about.get("commit", ""))),
        ("config digest", str(method.get("config_digest", ""))),
        *((f"digest of the {name}", str(value)) for name, value in dict(method.get("digests", {})).items()),
        ("Python", str(about.get("python", ""))),
        ("libraries", ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())),
        ("machine", ", ".join(f"{name} {value}" for name, value in machine.items() if value not in ("", None))),
    ]
    rows += [
        (key, str(value))
        for key, value in method.items()
        if key not in ELSEWHERE
        and isinstance(value, (str, int, float))
        and key != "config_digest"
        and "config" in method
    ]
    facts = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
        if value
    )
    table = (
        f'<h3>Provenance</h3><table class="facts"><caption>Where these numbers come from</caption>'
        f"<tbody>{facts}</tbody></table>"
        if facts
        else ""
    )
    return table + _runs(method.get("runs", {}))


def _runs(runs: Config) -> str:
    """The run folders and how long each took, folded."""
    if not runs:
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th>"
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
