"""What fairseq, transformers and s3prl call the tensor at a tap."""

from __future__ import annotations

from lamina.encoders.encoder import Encoder, Tap

Row = tuple[str, ...]


def names_of(encoder: Encoder) -> list[Row]:
    """A row a tap: name, depth, width, period (ms), centre of frame 0, window (samples), and what others call it.

    The last three columns are fairseq's, transformers' and s3prl's names; empty where they do not show the tensor
    (fairseq's and s3prl's are told for the MR-HuBERT family). transformers' are those of its version 5 and of the
    model that runs: of Whisper's encoder.
    """
    from lamina.encoders.mrhubert import MRHubertEncoder
    from lamina.encoders.mrhubert.names import tap_names
    from lamina.encoders.pretrained import PretrainedEncoder

    if isinstance(encoder, MRHubertEncoder):
        return [
            _row(each.tap, each.fairseq, each.transformers, each.s3prl) for each in tap_names(encoder.model.config)
        ]
    shown = encoder.shown if isinstance(encoder, PretrainedEncoder) else ("",) * len(encoder.taps)
    return [_row(tap, "", name, "") for tap, name in zip(encoder.taps, shown, strict=True)]


def _row(tap: Tap, fairseq: str, transformers: str, s3prl: str) -> Row:
    grid = tap.grid
    places = (f"{grid.period_ms:g}", f"{float(grid.centre):g}", f"{float(grid.window):g}")
    return (tap.name, str(tap.depth), str(tap.width), *places, fairseq, transformers, s3prl)
