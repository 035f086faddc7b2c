"""A training step of Lamina beside its peers: time, memory, and what bounds them.

    python benchmarks/pretrain.py
    python benchmarks/pretrain.py --dtype bfloat16 --threads 1 --allocator default
    python benchmarks/pretrain.py --quick

Every way trains a model of one size from random weights on the same noise with equal masks, units, dropout (0.1,
no layerdrop), threads, allocator and optimiser (AdamW, fused, gradients clipped). Each runs in a process of its
own, one after the other, round after round; the fastest step of all rounds counts, so that a busy machine disturbs
them alike, and memory is the peak of the process.

The allocator counts, too: glibc gives large blocks back to the system as soon as they are free, and each step
faults them in anew. ``kept`` (what `lamina pretrain` sets for itself) keeps them, here for all ways.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # nothing of torch is loaded before a way says with how many threads
    from torch import Tensor

RATE = 16000
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
UNITS = 500
DROPOUT = {
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "feat_proj_dropout": 0.1,
    "activation_dropout": 0.0,
    "layerdrop": 0.0,
}
SIZES: dict[str, dict[str, Any]] = {
    "base": {},
    "quick": {
        "hidden_size": 48,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
}
ALLOCATORS = {
    "default": {},
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20)},
}


def main() -> None:
    args = arguments()
    from card import machine
    from lamina.device import resolve

    args.device = resolve(args.device)
    if args.only:
        print(json.dumps(WAYS[args.only](args)))
        return
    print(machine(args.device, args.dtype, size=128 if args.quick else 0))
    print(
        f"{args.size} size, batch {args.batch} x {args.seconds:g} s, {args.dtype}, {args.threads} threads, "
        f"{args.clock} time, allocator {args.allocator}, best of {args.rounds} rounds of {args.steps} steps"
    )
    found: dict[str, dict[str, Any]] = {}
    for _ in range(args.rounds):
        for name in WAYS if args.device != "cpu" else (name for name in WAYS if "compiled" not in name):
            if "skipped" not in found.get(name, {}):
                measured = here(args, name) if args.quick or args.device != "cpu" else child(name)
                print(f"{name}: {measured}", file=sys.stderr, flush=True)
                found[name] = faster(found.get(name), measured)
    report(args, found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="bfloat16 is autocast")
    parser.add_argument("--device", default="auto", help="on a card all ways run in one process")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--allocator", choices=ALLOCATORS, default="kept")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others work, with one thread")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a round, after one that is not")
    parser.add_argument("--frames", type=int, default=2000, help="masked frames of the objective alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one round and process: it runs")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    args.size = "quick" if args.quick else "base"
    if args.quick:
        args.seconds, args.rounds, args.steps, args.frames = 1.0, 1, 1, 50
    return args


def child(name: str) -> dict[str, Any]:
    """What a fresh process with the same arguments measures of a way."""
    allocator = ALLOCATORS[arguments().allocator]
    done = subprocess.run(
        [sys.executable, *sys.argv, "--only", name],
        env={key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | allocator,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"skipped": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def here(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """As `child`, in this process: ``--quick`` shows only that a way runs."""
    try:
        measured: dict[str, Any] = WAYS[name](args)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a peer that is not installed, or does not run
        return {"skipped": str(error) or type(error).__name__}
    return measured


def faster(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """The better of two rounds, value by value (times and memory: the less; rates: the more)."""
    if before is None or "skipped" in now:
        return now
    return {key: (max if key.startswith("rate") else min)(before[key], value) for key, value in now.items()}


# What is printed


def report(args: argparse.Namespace, found: dict[str, dict[str, Any]]) -> None:
    audio = args.batch * args.seconds
    steps = {name: values for name, values in found.items() if "both" in values}
    rate = found["products"]["rate"]
    print(f"matrix products: {rate:.0f} GFLOP/s; share: of that, what forward and backward reach")
    print(f"{'way':36s} {'step':>8s} {'fwd+bwd':>8s} {'audio s/s':>9s} {'peak':>8s} {'GFLOP':>6s} {'share':>6s}")
    for name, v in steps.items():
        share = v["gflop"] / v["both"] / rate
        print(
            f"{name:36s} {v['step']:6.2f} s {v['both']:6.2f} s {audio / v['step']:9.2f} "
            f"{v['peak'] / 2**30:5.2f} GB {v['gflop']:6.0f} {100 * share:4.0f} %"
        )
    for name, values in found.items():
        if "skipped" in values:
            print(f"{name:36s} skipped: {values['skipped']}")
    peers = {name: v for name, v in steps.items() if not name.startswith("lamina")}
    best = min(peers, key=lambda name: peers[name]["step"], default="")
    least = min(peers, key=lambda name: peers[name]["peak"], default="")
    for name in (HUBERT, TWO) if peers else ():
        print(
            f"{name} against the fastest peer ({best}): {peers[best]['step'] / steps[name]['step']:.2f} times "
            f"the audio a second, forward and backward alone {peers[best]['both'] / steps[name]['both']:.2f}; "
            f"{steps[name]['peak'] / peers[least]['peak']:.2f} of the least memory of any peer"
        )
    for name, like in ((HUBERT, S3PRL), (TWO, S3PRL_TWO)):
        if like in steps:
            print(
                f"{name} against {like}: {steps[like]['step'] / steps[name]['step']:.2f} times the audio a second"
            )
    print(
        f"lamina HuBERT against the same with repeated codes: {steps[CODES]['step'] / steps[HUBERT]['step']:.2f} "
        f"times the audio a second, {steps[HUBERT]['peak'] / steps[CODES]['peak']:.2f} of the memory"
    )
    alone = found["objective"]
    print(
        f"objective alone, {args.frames} frames x {UNITS} units: {1000 * alone['reference']:.1f} ms with repeated "
        f"codes, {1000 * alone['lamina']:.2f} ms here: {alone['reference'] / alone['lamina']:.0f} times as fast; "
        f"relative difference of losses {alone['loss']:.0e}, of gradients {alone['gradient']:.0e}"
    )
    print(
        "levels, 12 layers each, audio a second against lamina HuBERT: "
        + ", ".join(f"{name} {steps[HUBERT]['step'] / steps[name]['step']:.2f}" for name in (TWO, THREE))
    )
    loader = found["loader"]
    for way in ("held", "files"):
        speed = loader[f"rate_{way}"]
        print(
            f"loader alone, audio {'held in memory' if way == 'held' else 'read from files'}: {speed:.0f} audio "
            f"seconds a second, {speed * steps[TWO]['step'] / audio:.0f} times what a step of {TWO} takes"
        )


# What a child measures


def step_way(build: Callable[[argparse.Namespace, Tensor], Callable[[Tensor], Tensor]]) -> Callable[..., Any]:
    """Time steps of a model: ``build`` gives what turns waves into a loss, and has the parameters."""

    def measure(args: argparse.Namespace) -> dict[str, float]:
        torch = ready(args)
        from lamina.device import wait

        waves, mask = batch(args)
        loss_of: Any = build(args, mask).to(args.device)
        compiled = getattr(loss_of, "compiled", None)
        if compiled is not None:
            compiled()
        if args.device != "cpu":
            torch.cuda.reset_peak_memory_stats(args.device)
        weights = [parameter for parameter in loss_of.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=True)
        both, step, tick = [], [], CLOCKS[args.clock]

        def now() -> float:
            wait(args.device)
            return tick()

        for _ in range(args.steps + 1):
            start = now()
            with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.dtype == "bfloat16"):
                loss = loss_of(waves)
            loss.backward()
            middle = now()
            torch.nn.utils.clip_grad_norm_(weights, 10.0)
            optimizer.step()
            optimizer.zero_grad()
            both.append(middle - start)
            step.append(now() - start)
        if not bool(torch.isfinite(loss)):
            raise AssertionError("the loss is no number")
        return {"both": min(both[1:]), "step": min(step[1:]), "peak": peak(args.device), "gflop": loss_of.gflop}

    return measure


def ready(args: argparse.Namespace) -> Any:
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return torch


def batch(args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Noise, and span masks of the finest frames."""
    import numpy as np
    import torch

    from lamina.pretrain.masking import span_mask

    samples = int(args.seconds * RATE)
    draw = np.random.default_rng(args.seed)
    mask = span_mask(args.batch, frames_of(samples), probability=0.8, length=10, generator=draw)
    return torch.randn(args.batch, samples).to(args.device), torch.from_numpy(mask).to(args.device)


def frames_of(samples: int) -> int:
    from lamina.encoders.mrhubert import MRHubertConfig

    return MRHubertConfig().levels[0].frames(samples)


def lamina_model(args: argparse.Namespace, ratios: list[int], layers: list[int]) -> Any:
    from lamina.encoders.mrhubert import MRHubertConfig, MRHubertForPreTraining

    return MRHubertForPreTraining(
        MRHubertConfig(
            **SIZES[args.size] | DROPOUT,
            label_rate_ratios=ratios,
            block_layers=layers,
            num_classes=[UNITS] * (len(ratios) // 2 + 1),
        )
    ).train()


def lamina(ratios: list[int], layers: list[int], *, parts: bool = False) -> Callable[..., Any]:
    """Ours, with its layers compiled where that is asked."""

    def build(args: argparse.Namespace, mask: Tensor) -> Any:
        import torch

        from lamina.pretrain.workers import compile_parts

        model = lamina_model(args, ratios, layers)
        samples = int(args.seconds * RATE)
        labels = [
            torch.randint(UNITS, (args.batch, grid.frames(samples))).to(args.device)
            for grid in model.config.levels
        ]

        class Ours(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model, self.gflop = model, gflop(args, model.mrhubert)
                self.compiled = (lambda: compile_parts(model)) if parts else None

            def forward(self, waves: Tensor) -> Tensor:
                loss: Tensor = self.model(waves, mask_time_indices=mask, labels=labels).loss
                return loss

        return Ours()

    return step_way(build)


def same_body(args: argparse.Namespace, mask: Tensor) -> Any:
    """Lamina's HuBERT with the reference's objective: cosines of each frame with codes repeated for it."""
    import torch

    model = lamina_model(args, [], [12])
    targets = torch.randint(UNITS, (int(mask.sum()),)).to(args.device)

    class Reference(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.gflop = model, gflop(args, model.mrhubert)

        def forward(self, waves: Tensor) -> Tensor:
            out = self.model.mrhubert(waves, mask_time_indices=mask)
            states = self.model.projections[0](out.last_hidden_state[mask])
            loss = repeated_codes(states, self.model.codes[0].weight, targets) / len(targets)
            return loss + 10 * out.conv_features.float().square().mean()

    return Reference()


def transformers_compiled(args: argparse.Namespace, mask: Tensor) -> Any:
    made = transformers_hubert(args, mask)
    made.compiled = made.body.compile
    return made


def transformers_hubert(args: argparse.Namespace, mask: Tensor) -> Any:
    import torch
    from transformers import HubertConfig, HubertModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    config = HubertConfig(**SIZES[args.size] | DROPOUT, num_hidden_layers=12)
    targets = torch.randint(UNITS, (int(mask.sum()),)).to(args.device)

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = HubertModel(config).train(), torch.nn.Linear(config.hidden_size, UNITS)
            self.gflop = gflop(args, lamina_model(args, [], [12]).mrhubert)

        def forward(self, waves: Tensor) -> Tensor:
            states = self.body(waves, mask_time_indices=mask).last_hidden_state
            return torch.nn.functional.cross_entropy(self.head(states[mask]).float(), targets)

    return Plain()


def repeated_codes(states: Tensor, codes: Tensor, targets: Tensor) -> Tensor:
    """The reference's sum of cross-entropies: positive first, then all codes, the positive's own slot at -inf."""
    import torch

    positive = codes[targets]
    negatives = codes[:, None].expand(-1, len(states), -1)
    same = (positive == negatives).all(-1)
    logits = torch.cosine_similarity(states.float(), torch.cat([positive[None], negatives]).float(), dim=-1) / 0.1
    logits = torch.cat([logits[:1], logits[1:].masked_fill(same, -torch.inf)]).T
    return torch.nn.functional.cross_entropy(logits, targets.new_zeros(len(targets)), reduction="sum")


def objective(args: argparse.Namespace) -> dict[str, float]:
    """Both objectives from projected states on, forward and backward."""
    torch = ready(args)
    from lamina.encoders.mrhubert.pretraining import cosines

    states = torch.randn(args.frames, 256, device=args.device, requires_grad=True)
    codes = torch.rand(UNITS, 256, device=args.device, requires_grad=True)
    targets = torch.randint(UNITS, (args.frames,), device=args.device)

    def ours() -> Tensor:
        return torch.nn.functional.cross_entropy(cosines(states, codes, 0.1), targets, reduction="sum")

    def theirs() -> Tensor:
        return repeated_codes(states, codes, targets)

    from lamina.device import wait

    times, values, tick = {}, {}, CLOCKS[args.clock]

    def now() -> float:
        wait(args.device)
        return tick()

    for name, way, repeats in (("lamina", ours, 20), ("reference", theirs, 2)):
        taken = []
        for _ in range(repeats):
            states.grad = codes.grad = None
            start = now()
            loss = way()
            loss.backward()
            taken.append(now() - start)
        times[name] = min(taken)
        values[name] = float(loss.detach()), torch.cat([states.grad.flatten(), codes.grad.flatten()])
    (ours_loss, ours_gradient), (theirs_loss, theirs_gradient) = values["lamina"], values["reference"]
    return times | {
        "loss": abs(ours_loss / theirs_loss - 1),
        "gradient": float((ours_gradient - theirs_gradient).abs().max() / theirs_gradient.abs().max()),
    }


def products(args: argparse.Namespace) -> dict[str, float]:
    """GFLOP/s of matrix products in the dtype."""
    ready(args)
    from card import products as rate

    return {
        "rate": rate(args.device, args.dtype, 256 if args.quick else 2048 if args.device == "cpu" else 0) / 1e9
    }


def gflop(args: argparse.Namespace, model: Any) -> float:
    """Of a step: a forward pass and twice as much backward."""
    import torch

    from lamina.cost.macs import count_macs

    counted = count_macs(model.eval(), torch.zeros(args.batch, int(args.seconds * RATE)))
    model.train()
    return 3 * 2 * sum(macs.attention for macs in counted.values()) / 1e9


def peak(device: str) -> int:
    """Most bytes that this process ever had in memory; on a card, that its tensors had since the way began."""
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def s3prl_way(*, two: bool) -> Callable[..., Any]:
    """s3prl's model code with its own masks, and its objective on the masked frames alone."""

    def build(args: argparse.Namespace, _mask: Tensor) -> Any:
        import torch

        try:
            from s3prl.upstream.hubert import hubert_model as one_rate
            from s3prl.upstream.multires_hubert import hubert_model as two_rates
        except ImportError as error:
            raise SystemExit(f"s3prl's models do not import ({error})") from None
        size = SIZES[args.size]
        convs = "[({0},10,5)] + [({0},3,2)] * 4 + [({0},2,2)] * 2".format(size.get("conv_dim", (512,))[0])
        settings = {
            "label_rate": 50,
            "conv_feature_layers": convs,
            "encoder_embed_dim": size.get("hidden_size", 768),
            "encoder_ffn_embed_dim": size.get("intermediate_size", 3072),
            "encoder_attention_heads": size.get("num_attention_heads", 12),
            "conv_pos": size.get("num_conv_pos_embeddings", 128),
            "conv_pos_groups": size.get("num_conv_pos_embedding_groups", 16),
            "dropout_input": 0.1,
            "dropout_features": 0.1,
            "feature_grad_mult": 0.1,
            "final_dim": 256,
            "mask_prob": 0.8,
            "skip_nomask": True,
        }
        frames = frames_of(int(args.seconds * RATE))
        padding = torch.zeros(args.batch, int(args.seconds * RATE), dtype=torch.bool, device=args.device)
        if two:
            model = two_rates.MultiresHubertModel(
                two_rates.MultiresHubertConfig(encoder_layers=4, conv_adapator_kernal=1, **settings),
                two_rates.MultiresHubertPretrainingConfig(label_rate=50),
                [range(UNITS)] * 2,
            )
            targets = [
                torch.randint(UNITS, (args.batch, count)).to(args.device) for count in (frames, -(-frames // 2))
            ]
        else:
            model = one_rate.HubertModel(
                one_rate.HubertConfig(encoder_layers=12, encoder_layerdrop=0.0, **settings),
                one_rate.HubertPretrainingConfig(label_rate=50),
                [range(UNITS)],
            )
            targets = [torch.randint(UNITS, (args.batch, frames)).to(args.device)]
        like = ([1, 2], [4, 4, 4]) if two else ([], [12])

        class Theirs(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model, self.gflop = model.train(), gflop(args, lamina_model(args, *like).mrhubert)

            def forward(self, waves: Tensor) -> Tensor:
                out = self.model(waves, target_list=targets, padding_mask=padding)
                logits = self.model.get_logits(out)
                first = (each.new_zeros(len(each), dtype=torch.long) for each in logits)
                losses = map(torch.nn.functional.cross_entropy, logits, first)
                return sum(losses, 10 * out["features_pen"])

        return Theirs()

    return step_way(build)


def loader(args: argparse.Namespace) -> dict[str, float]:
    """Audio seconds a second of what `lamina pretrain` reads batches with: from memory, and from 16-bit files."""
    ready(args)
    import numpy as np

    from lamina.corpus.corpus import Utterance
    from lamina.corpus.manifest import open_folder, write_audio, write_manifest
    from lamina.encoders.mrhubert import MRHubertConfig
    from lamina.pretrain.data import Source
    from lamina.pretrain.labels import Units
    from lamina.pretrain.recipe import PretrainConfig

    draw, now = np.random.default_rng(args.seed), CLOCKS[args.clock]
    samples, count = int(1.5 * args.seconds * RATE), 16
    levels = MRHubertConfig().levels
    with tempfile.TemporaryDirectory() as name:
        utterances = [Utterance(f"u{n}", f"s{n}", "train", samples, "", {}) for n in range(count)]
        Path(name, "audio").mkdir()
        for utterance in utterances:
            write_audio(Path(name), utterance, 0.1 * draw.standard_normal(samples, dtype=np.float32))
        write_manifest(Path(name), "noise", utterances, {})
        corpus = open_folder(Path(name))
        frames = levels[0].frames(samples)
        units = Units(
            draw.integers(UNITS, size=count * frames, dtype=np.uint16),
            np.arange(count + 1) * frames,
            tuple(utterance.id for utterance in utterances),
            levels[0],
            UNITS,
            corpus.digest,
            "",
            "",
        )
        rates = {}
        for way, memory in (("held", 1 << 30), ("files", 0)):
            config = PretrainConfig(
                steps=1, batch_size=args.batch, crop_seconds=args.seconds, memory_bytes=memory, split="train"
            )
            source = Source(config, corpus, list(corpus.utterances()), [units], levels)
            taken = []
            for step in range(20):
                start = now()
                places, _ = source.batch(step)
                source.reader.read(places)
                taken.append(now() - start)
            rates[f"rate_{way}"] = args.batch * args.seconds / float(np.median(taken))
    return rates


S3PRL, S3PRL_TWO = "s3prl HuBERT", "s3prl MR-HuBERT"
HUBERT, TWO, THREE = "lamina HuBERT", "lamina MR-HuBERT", "lamina MR-HuBERT, 3 levels"
CODES, COMPILED = "lamina HuBERT, repeated codes", "lamina HuBERT, layers compiled"
WAYS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    HUBERT: lamina([], [12]),
    "transformers HuBERT, plain loss": step_way(transformers_hubert),
    TWO: lamina([1, 2], [4, 4, 4]),
    THREE: lamina([1, 2, 1, 2], [3, 2, 2, 2, 3]),
    CODES: step_way(same_body),
    S3PRL: s3prl_way(two=False),
    S3PRL_TWO: s3prl_way(two=True),
    COMPILED: lamina([], [12], parts=True),
    "transformers HuBERT, compiled": step_way(transformers_compiled),
    "objective": objective,
    "loader": loader,
    "products": products,
}

if __name__ == "__main__":
    main()
