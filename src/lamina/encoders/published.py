"""The published checkpoints of the family: where they are, what they are, what is known of their training.

Addresses and names are those of fairseq's ``examples/mr_hubert/README.md`` and ``examples/hubert/README.md``. What
they and the paper do not say is None here, not guessed.
"""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lamina.errors import LaminaError
from lamina.files import file_digest, replacing

MRHUBERT = "https://dl.fbaipublicfiles.com/mrhubert"
HUBERT = "https://dl.fbaipublicfiles.com/hubert"
# fairseq's README puts its models under its own licence; the copy of them at huggingface.co/s3prl/mr_hubert names
# another. Whoever depends on one should ask the authors.
MRHUBERT_LICENCE = "MIT (fairseq); CC BY-NC 4.0 (copy at s3prl/mr_hubert)"
LIBRISPEECH, LIBRILIGHT, VOXPOPULI = "LibriSpeech 960 h", "Libri-Light 60,000 h", "VoxPopuli 100,000 h"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One published checkpoint.

    Attributes:
        name: ours, what `find` takes.
        paper: what fairseq's README and the paper call it.
        url: of the file.
        levels: frame periods in ms, finest first; None where unknown.
        block_layers: transformer layers of each block in the order they run; None where unknown.
        parameters: in millions, as its authors say; None where they do not.
        data: what it was trained on.
        training: what sets it apart.
        licence: as far as its publishers say.
        sha256: of the file; None where no source tells it, and then a download cannot be checked.
    """

    name: str
    paper: str
    url: str
    levels: tuple[int, ...] | None
    block_layers: tuple[int, ...] | None
    parameters: int | None
    data: str
    training: str
    licence: str = MRHUBERT_LICENCE
    sha256: str | None = None


def _base(
    code: str, training: str, layers: tuple[int, ...] | None = (4, 4, 4), levels: tuple[int, ...] | None = (20, 40)
) -> PublishedModel:
    file = code.lower()
    url = f"{MRHUBERT}/{file}/{file}.pt"
    return PublishedModel(f"mr-hubert-{file}", code, url, levels, layers, None, LIBRISPEECH, training)


def _large(letter: str, training: str) -> PublishedModel:
    file = f"b8-{letter}"
    url = f"{MRHUBERT}/{file}/{file}.pt"
    return PublishedModel(f"mr-hubert-{file}", f"B8-{letter}", url, None, None, None, LIBRILIGHT, training)


TWO, THREE, BASE, LARGE = (20, 40), (20, 40, 80), (4, 4, 4), (8, 8, 8)
UNKNOWN = "large variant, see the paper's appendix"

PUBLISHED: tuple[PublishedModel, ...] = (
    PublishedModel(
        "mr-hubert-base", "mono_base", f"{MRHUBERT}/mono_base/mrhubert_mono_base.pt", TWO, BASE, 97, LIBRISPEECH,
        "400k updates on units of HuBERT base",
    ),
    PublishedModel(
        "mr-hubert-large", "mono_large", f"{MRHUBERT}/mono_large/mrhubert_mono_large.pt", TWO, LARGE, 321,
        LIBRILIGHT, "pre-norm, normalised waveforms",
    ),
    PublishedModel(
        "mr-hubert-multilingual-base", "multi_base", f"{MRHUBERT}/multi_base/multi_base.pt", TWO, BASE, 97,
        VOXPOPULI, "multilingual",
    ),
    PublishedModel(
        "mr-hubert-multilingual-large-400k", "multi_large (400k)", f"{MRHUBERT}/multi_large/multi_large_400k.pt",
        TWO, LARGE, 321, VOXPOPULI, "multilingual, 400k updates",
    ),
    PublishedModel(
        "mr-hubert-multilingual-large-600k", "multi_large (600k)", f"{MRHUBERT}/multi_large/multi_large_600k.pt",
        TWO, LARGE, 321, VOXPOPULI, "multilingual, 600k updates",
    ),
    PublishedModel(
        "mr-hubert-multilingual-large-simple", "multi_large_simple",
        f"{MRHUBERT}/multi_large_simple/multi_large_simple.pt", None, None, None, VOXPOPULI,
        "multilingual, simple sampling",
    ),
    PublishedModel(
        "mr-hubert-xlarge-v1", "mono_xlarge (v1)", f"{MRHUBERT}/mono_xlarge/v1.pt", None, None, None, LIBRILIGHT,
        "units of HuBERT base",
    ),
    PublishedModel(
        "mr-hubert-xlarge-v2", "mono_xlarge (v2)", f"{MRHUBERT}/mono_xlarge/v2.pt", None, None, None, LIBRILIGHT,
        "units of HuBERT large",
    ),
    _base("B1-a", "layers 2-4-6", (2, 4, 6)),
    _base("B1-b", "layers 5-2-5", (5, 2, 5)),
    _base("B1-c", "layers 6-4-2", (6, 4, 2)),
    _base("B2-a", "three rates, layers 3-2-2-2-3", (3, 2, 2, 2, 3), THREE),
    _base("B2-b", "three rates, layers 2-2-4-2-2", (2, 2, 4, 2, 2), THREE),
    _base("B2-c", "three rates, layers 2-2-2-2-2", (2, 2, 2, 2, 2), THREE),
    _base("B3-a", "simple sampling"),
    _base("B4-a", "single prediction: no auxiliary loss"),
    _base("B4-b", "single prediction and simple sampling"),
    _base("B5-a", "mono-resolution", levels=(20, 20)),
    _base("B6-a", "layers 3-3-3", (3, 3, 3)),
    _base("B6-b", "layers 3-3-3, mono-resolution", (3, 3, 3), (20, 20)),
    _base("B7-a", "units of HuBERT at 20 and 40 ms", None),
    _base("B7-b", "Encodec units at 50 Hz", None, None),
    _base("B7-c", "Encodec units at 50 and 25 Hz", None, None),
    _base("B7-d", "two streams of Encodec units at 50 Hz", None, None),
    _large("a", "no waveform normalisation"),
    *(_large(letter, UNKNOWN) for letter in "bcdefghij"),
    PublishedModel(
        "hubert-base", "HuBERT Base", f"{HUBERT}/hubert_base_ls960.pt", (20,), (12,), 95, LIBRISPEECH,
        "second round, units of round 1", "MIT",
        "1703cf8d2cdc76f8c046f5f6a9bcd224e0e6caf4744cad1a1f4199c32cac8c8d",
    ),
    PublishedModel(
        "hubert-large", "HuBERT Large", f"{HUBERT}/hubert_large_ll60k.pt", (20,), (24,), 316, LIBRILIGHT,
        "pre-norm, normalised waveforms, units of HuBERT base", "MIT",
    ),
    PublishedModel(
        "hubert-xlarge", "HuBERT Extra Large", f"{HUBERT}/hubert_xtralarge_ll60k.pt", (20,), (48,), 1000,
        LIBRILIGHT, "pre-norm, normalised waveforms, units of HuBERT base", "MIT",
    ),
)  # fmt: skip


def find(name: str) -> PublishedModel:
    """The published checkpoint of that name (ours or the paper's).

    Raises:
        LaminaError: there is none.
    """
    for published in PUBLISHED:
        if name.lower() in {published.name, published.paper.lower()}:
            return published
    raise LaminaError(f"no published checkpoint is called {name!r}; `lamina encoder list` shows them")


def fetch(published: PublishedModel, folder: Path) -> Path:
    """Download a checkpoint into ``folder``, or find it there; its checksum is compared where it is known.

    Raises:
        LaminaError: it cannot be reached, or what came is not what was published.
    """
    path = folder / f"{published.name}.pt"
    if not path.is_file():
        with replacing(path) as beside:
            _download(published.url, beside)
            _verify(published, beside)
    else:
        _verify(published, path)
    return path


def model_folder(published: PublishedModel, cache: Path | None = None) -> Path:
    """The transformers folder of a published checkpoint: from the cache, or fetched and converted into it.

    Args:
        published: which one.
        cache: where checkpoints and models are kept; ``~/.cache/lamina`` by default.

    Raises:
        LaminaError: as `fetch` and `lamina.encoders.fairseq.convert`.
    """
    cache = Path.home() / ".cache" / "lamina" if cache is None else cache
    folder = cache / published.name
    if not (folder / "config.json").is_file():
        from lamina.encoders.fairseq import convert

        convert(fetch(published, cache), folder)
    return folder


def _download(url: str, path: Path) -> None:
    try:
        # the address comes from our own table
        with urllib.request.urlopen(url, timeout=60) as source, path.open("wb") as target:  # noqa: S310
            shutil.copyfileobj(source, target, length=1 << 20)
            expected = source.headers.get("Content-Length")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise LaminaError(
            f"{url} cannot be reached ({error}): download it where there is a network and run "
            "`lamina encoder convert` on the file"
        ) from error
    size = path.stat().st_size
    if expected is not None and size != int(expected):
        raise LaminaError(f"{url} ended after {size} of {expected} bytes: try again")


def _verify(published: PublishedModel, path: Path) -> None:
    if published.sha256 is None:
        return
    found = file_digest(path, length=hashlib.sha256().digest_size * 2)
    if found != published.sha256:
        raise LaminaError(
            f"{published.name} has SHA-256 {found}, published was {published.sha256}: the file was changed on its "
            "way or at its source; delete it and do not convert it"
        )
