"""Word classification: the mean of a segment's frames, named by a small head."""

from __future__ import annotations

from lamina.probe.recipes import segments

TASK = segments("word", "word classification")
