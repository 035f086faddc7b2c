"""Read all taps of a mixed-length set: Lamina, transformers one by one, transformers in random padded batches.

The same weights (random), the same audio (noise), the same run. "One by one" is what layer-wise analyses usually
do; "random batches" is the usual padded batching, whose states are wrong for encoders with a norm over time: it is
timed all the same. "Bare" is Lamina's batches through the model without reading a tap.

    python benchmarks/encode.py --size base --threads 2
    python benchmarks/encode.py --size base --dtype bfloat16 --device cuda --batch-seconds 400

Rounds alternate between the ways and the fastest round of each counts, so that a busy machine disturbs them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from card import machine
from lamina.corpus.batches import plan
from lamina.corpus.corpus import Utterance
from lamina.device import exact, resolve, wait
from lamina.encoders.pretrained import PretrainedEncoder

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "conv_dim": (64,) * 7,
    },
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
}
RATE = 16000


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    args.device = resolve(args.device)
    print(machine(args.device, args.dtype))
    from transformers import HubertConfig, HubertModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(args.seed)
    config = HubertConfig(**SIZES[args.size], attn_implementation=args.attention)
    model = HubertModel(config).eval().to(args.device, getattr(torch, args.dtype))
    generator = torch.Generator().manual_seed(args.seed)
    low, high = (int(RATE * float(value)) for value in args.seconds)
    lengths = torch.randint(low, high + 1, (args.utterances,), generator=generator).tolist()
    waves = [torch.randn(length, generator=generator) for length in lengths]
    audio = sum(lengths) / RATE
    encoder = PretrainedEncoder(model, args.size, normalise=False)

    groups = sorted_batches(lengths, args.batch_seconds)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    mixed = [order[start : start + 8] for start in range(0, len(order), 8)]
    last = encoder.taps[-1].name
    ways: dict[str, Callable[[], None]] = {
        "lamina, all taps": lambda: lamina(encoder, waves, groups, None),
        "lamina, bare (last tap only)": lambda: lamina(encoder, waves, groups, [last]),
        "transformers, one by one": lambda: one_by_one(model, waves),
        "transformers, random batches of 8": lambda: padded(model, waves, mixed),
    }
    print(
        f"hubert-{args.size}, {args.dtype}, {args.attention} attention, {args.device}, {args.threads} threads: "
        f"{len(lengths)} utterances of {args.seconds[0]} to {args.seconds[1]} s, {audio:.0f} s of audio, "
        f"{len(encoder.taps)} taps, batches of at most {args.batch_seconds:g} s ({len(groups)} batches)"
    )
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(args.rounds):
        for name, way in ways.items():
            with exact():
                best[name] = min(best[name], timed(way, args.device))
    for name, seconds in best.items():
        print(f"{name:36s} {seconds:8.2f} s {audio / seconds:9.1f} audio seconds a second")
    ours, bare, single, random = best.values()
    print(f"lamina against one by one            {single / ours:8.2f} times as fast")
    print(f"lamina against random batches        {random / ours:8.2f} times as fast")
    print(f"reading taps costs                   {100 * (ours / bare - 1):8.1f} % of the bare forward pass")
    print(
        f"padding in lamina's batches          {100 * padding(lengths, groups):8.1f} %, "
        f"random {100 * padding(lengths, mixed):.1f} %"
    )
    shown = sorted(range(len(lengths)), key=lengths.__getitem__)[:: max(1, len(lengths) // 8)]
    with exact():
        off = errors(encoder, model, waves, groups, mixed, shown)
    print(
        "largest relative error against one by one, last tap: "
        + ", ".join(f"{way} {error:.1e}" for way, error in off.items())
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--utterances", type=int, default=32)
    parser.add_argument("--seconds", nargs=2, default=["2", "16"], metavar=("SHORTEST", "LONGEST"))
    parser.add_argument(
        "--batch-seconds", type=float, default=20.0, help="most padded audio in one of Lamina's batches"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def sorted_batches(lengths: list[int], seconds: float) -> list[list[int]]:
    """Utterances by number, in the batches that Lamina plans."""
    utterances = [Utterance(str(number), "", "", length, "", {}) for number, length in enumerate(lengths)]
    return [[int(one.id) for one in group] for group in plan(utterances, round(seconds * RATE))]


def stacked(waves: list[torch.Tensor], group: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waves[index]) for index in group])
    return torch.nn.utils.rnn.pad_sequence([waves[index] for index in group], batch_first=True), lengths


def lamina(
    encoder: PretrainedEncoder, waves: list[torch.Tensor], groups: list[list[int]], taps: list[str] | None
) -> None:
    for group in groups:
        for _ in encoder.states(*stacked(waves, group), taps):
            pass


@torch.no_grad()
def one_by_one(model: Any, waves: list[torch.Tensor]) -> None:
    for wave in waves:
        model(wave[None].to(model.device, model.dtype), output_hidden_states=True)


@torch.no_grad()
def padded(model: Any, waves: list[torch.Tensor], groups: list[list[int]]) -> Any:
    for group in groups:
        batch, lengths = stacked(waves, group)
        mask = (torch.arange(batch.shape[1])[None] < lengths[:, None]).long()
        out = model(
            batch.to(model.device, model.dtype), attention_mask=mask.to(model.device), output_hidden_states=True
        )
    return out


def padding(lengths: list[int], groups: list[list[int]]) -> float:
    """Share of the batches that is padding."""
    return 1 - sum(lengths) / sum(max(lengths[index] for index in group) * len(group) for group in groups)


def timed(way: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    way()
    wait(device)
    return time.perf_counter() - start


@torch.no_grad()
def errors(
    encoder: PretrainedEncoder,
    model: Any,
    waves: list[torch.Tensor],
    groups: list[list[int]],
    mixed: list[list[int]],
    shown: list[int],
) -> dict[str, float]:
    """Largest relative error of some utterances' last states, in Lamina's batches and in random ones."""

    def found(groups: list[list[int]], read: Callable[[list[int]], Any]) -> Iterator[tuple[int, torch.Tensor]]:
        for group in groups:
            if set(group) & set(shown):
                for index, values in zip(group, read(group), strict=True):
                    if index in shown:
                        yield index, values

    alone = {
        index: model(waves[index][None].to(model.device, model.dtype)).last_hidden_state[0] for index in shown
    }

    def worst(batches: Iterator[tuple[int, torch.Tensor]]) -> float:
        return max(
            float((values[: len(alone[index])] - alone[index]).norm() / alone[index].norm())
            for index, values in batches
        )

    last = encoder.taps[-1].name
    return {
        "lamina": worst(found(groups, lambda group: next(encoder.states(*stacked(waves, group), [last])).values)),
        "random batches": worst(found(mixed, lambda group: padded(model, waves, [group]).last_hidden_state)),
    }


if __name__ == "__main__":
    main()
