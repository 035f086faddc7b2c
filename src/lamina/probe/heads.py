"""Heads: modules for ONE head, ``forward(states, lengths)``; `lamina.probe.bank` trains many side by side.

Frame heads take (batch, frames, width), pooled heads (batch, width); ``lengths`` are frames of each utterance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class LinearHead(nn.Module):
    """One linear layer, or two without anything between them (``hidden``), as SUPERB's linear heads are.

    On pooled states this is SUPERB's "project, mean over frames, classify": a mean commutes with linear maps.
    """

    def __init__(self, width: int, outputs: int, *, hidden: int = 0) -> None:
        super().__init__()
        self.project = nn.Linear(width, hidden) if hidden else nn.Identity()
        self.out = nn.Linear(hidden or width, outputs)

    def forward(self, states: Tensor, _lengths: Tensor) -> Tensor:
        """(…, width) to (…, outputs)."""
        out: Tensor = self.out(self.project(states))
        return out


class MeanLinear(LinearHead):
    """The same on frames, averaged over each utterance's own."""

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, outputs)."""
        return super().forward(masked_moments(states, lengths)[0], lengths)


class Mlp(nn.Module):
    """Two linear layers with a ReLU between them."""

    def __init__(self, width: int, outputs: int, *, hidden: int = 512) -> None:
        super().__init__()
        self.project, self.out = nn.Linear(width, hidden), nn.Linear(hidden, outputs)

    def forward(self, states: Tensor, _lengths: Tensor) -> Tensor:
        """(…, width) to (…, outputs)."""
        out: Tensor = self.out(functional.relu(self.project(states)))
        return out


class Recurrent(nn.Module):
    """A projection (none where ``project`` is 0), an LSTM over each utterance's own frames, a linear layer."""

    def __init__(
        self,
        width: int,
        outputs: int,
        *,
        project: int = 0,
        hidden: int = 128,
        layers: int = 1,
        both: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(width, project) if project else nn.Identity()
        self.lstm = nn.LSTM(
            project or width,
            hidden,
            layers,
            batch_first=True,
            bidirectional=both,
            dropout=dropout if layers > 1 else 0.0,
        )
        # s3prl drops after every layer, the last one included; torch only between them.
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(hidden * (1 + both), outputs)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, frames, outputs)."""
        packed = pack_padded_sequence(self.project(states), lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=states.shape[1])
        out: Tensor = self.out(self.drop(hidden))
        return out


class Embedding(nn.Module):
    """A linear layer, averaged over frames: an embedding, and its cosines with a vector a training speaker.

    Puts out both, (batch, speakers + size): cosines first.
    """

    def __init__(self, width: int, speakers: int, *, size: int = 256) -> None:
        super().__init__()
        self.embed = nn.Linear(width, size)
        self.centres = nn.Parameter(torch.empty(speakers, size))
        nn.init.xavier_normal_(self.centres)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, speakers + size)."""
        mean, _ = masked_moments(states, lengths)
        embedding = self.embed(mean)
        return torch.cat([_cosines(embedding, self.centres), embedding], -1)


class XVector(nn.Module):
    """SUPERB's speaker verification head: five time-delay layers, mean and deviation, two linear layers.

    The embedding is what the first of them says after its ReLU; cosines are of the second's. Puts out cosines,
    then the embedding. Utterances shorter than the layers' 15 frames are padded with zeros, alone as in
    any batch.
    """

    def __init__(self, width: int, speakers: int, *, size: int = 512, pooled: int = 1500) -> None:
        super().__init__()
        self.project = nn.Linear(width, size)
        shapes = (
            (size, size, 5, 1),
            (size, size, 3, 2),
            (size, size, 3, 3),
            (size, size, 1, 1),
            (size, pooled, 1, 1),
        )
        self.delays = nn.ModuleList(
            nn.Conv1d(inside, out, kernel, dilation=dilation) for inside, out, kernel, dilation in shapes
        )
        self.lost = sum((kernel - 1) * dilation for _, _, kernel, dilation in shapes)
        self.first, self.second = nn.Linear(2 * pooled, size), nn.Linear(size, size)
        self.centres = nn.Parameter(torch.empty(speakers, size))
        nn.init.xavier_normal_(self.centres)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, speakers + size)."""
        inside = torch.arange(states.shape[1], device=states.device) < lengths.to(states.device)[:, None]
        # Padding would be heard by utterances shorter than what the layers see: zeros, alone as in a batch.
        hidden = (self.project(states) * inside[..., None]).transpose(1, 2)
        hidden = functional.pad(hidden, (0, max(0, self.lost + 1 - hidden.shape[-1])))
        for delay in self.delays:
            hidden = functional.relu(delay(hidden))
        mean, deviation = masked_moments(hidden.transpose(1, 2), (lengths - self.lost).clamp(min=1))
        embedding = functional.relu(self.first(torch.cat([mean, deviation], -1)))
        return torch.cat([_cosines(functional.relu(self.second(embedding)), self.centres), embedding], -1)


def masked_moments(states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over each utterance's own frames, (batch, width) each."""
    inside = torch.arange(states.shape[1], device=states.device) < lengths.to(states.device)[:, None]
    mask = inside[..., None].to(states.dtype)
    count = mask.sum(1)
    mean = (states * mask).sum(1) / count
    variance = ((states - mean[:, None]) ** 2 * mask).sum(1) / count
    return mean, (variance + 1e-9).sqrt()


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    return functional.normalize(left, dim=-1) @ functional.normalize(right, dim=-1).T


def spec_augment(states: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
    """SUPERB's SpecAugment of features: time warp 5, four masks of up to 50 dimensions, two of up to 40 frames.

    (Park et al. 2019, zeros for what is masked; one draw an utterance.)
    """

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, max(low + 1, high), (), generator=generator))

    made = states.clone()
    for row, length in enumerate(lengths.tolist()):
        window = 5
        if length > 2 * window:
            centre = draw(window, length - window)
            moved = draw(centre - window, centre + window) + 1
            made[row, :length] = torch.cat(
                [_stretch(states[row, :centre], moved), _stretch(states[row, centre:length], length - moved)]
            )
        for dim, count, most in ((1, 4, 50), (0, 2, 40)):
            size = states.shape[-1] if dim else length
            for _ in range(count):
                span = draw(0, min(most, size))
                start = draw(0, size - span)
                made[row].narrow(dim, start, span).zero_()
    return made


def _stretch(states: Tensor, frames: int) -> Tensor:
    """States (n, width) resampled bicubically to so many frames."""
    if frames == len(states) or frames < 1:
        return states[:frames] if frames >= 0 else states[:0]
    picture = states[None, None]
    return functional.interpolate(picture, (frames, states.shape[-1]), mode="bicubic", align_corners=False)[0, 0]
