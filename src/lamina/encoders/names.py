"""What fairseq, transformers and s3prl call the tensor at a tap."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.encoders.encoder import Encoder, Tap

Row = tuple[str, ...]


def names_of(encoder: Encoder) -> list[Row]:
    """A row a tap: name, depth, width, period (ms), centre of frame 0, window (samples), and what others call it.

    The last three columns are fairseq's, transformers' and s3prl's names; empty where they do not show the tensor
    (or where it is not known: they are told for the MR-HuBERT family).
    """
    from lamina.encoders.mrhubert import MRHubertEncoder
    from lamina.encoders.mrhubert.names import tap_names

    if isinstance(encoder, MRHubertEncoder):
        return [
            _row(each.tap, each.fairseq, each.transformers, each.s3prl) for each in tap_names(encoder.model.config)
        ]
    return [_row(tap, "", _transformers(encoder.taps, tap), "") for tap in encoder.taps]


def _transformers(taps: Sequence[Tap], tap: Tap) -> str:
    """Outputs of transformers' speech encoders: ``hidden_states[k]`` is what block k returns."""
    if tap.layer is not None:
        return f"hidden_states[{tap.layer}]"
    return "last_hidden_state" if tap is taps[-1] and len(taps) > 1 else ""


def _row(tap: Tap, fairseq: str, transformers: str, s3prl: str) -> Row:
    grid = tap.grid
    places = (f"{grid.period_ms:g}", f"{float(grid.centre):g}", f"{float(grid.window):g}")
    return (tap.name, str(tap.depth), str(tap.width), *places, fairseq, transformers, s3prl)
