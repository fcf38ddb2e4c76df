"""Trains GPT-2 124M in bf16 with Cairn and with PyTorch and compares losses.

For each seed both start from the same weights and see the same batches, which
are drawn as Cairn draws them; what remains is rounding, and what training makes
of it. Losses are averaged over ten steps. Printed for each ten: the mean and
the spread (largest minus smallest) over PyTorch's seeds, the mean over Cairn's,
the difference of the means, and the largest between two runs of one seed. Ends
with 1 if for some seed the losses after the warm-up differ in the mean by more
than PyTorch's seeds spread in the mean.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy
import torch
from torch import nn

import cairn_draws
import torch_cuda

BATCH, SEQUENCE, RATE, WARMUP = 16, 1024, 6e-4, 20
LAYERS = 12
SAME_START = 2e-3  # of the first losses, which round otherwise


def rate_at(step, steps):
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    done = (step + 1 - WARMUP) / (steps - WARMUP)
    return 0.1 * RATE + 0.45 * RATE * (1 + math.cos(math.pi * done))


def batches(tokens, seed, steps):
    for step in range(steps):
        starts = [cairn_draws.sample_start(step * BATCH + i, len(tokens),
                                           SEQUENCE, seed)
                  for i in range(BATCH)]
        batch = numpy.stack([tokens[s:s + SEQUENCE + 1] for s in starts])
        yield torch.from_numpy(batch.astype(numpy.int64)).cuda()


def torch_losses(tokens, seed, steps):
    with torch.device("cuda"):
        model = torch_cuda.Model("gpt2-124m", SEQUENCE, False)
    cairn_draws.draw_weights(model, seed)
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1],
               "weight_decay": 0.1},
              {"params": [p for p in model.parameters() if p.dim() < 2],
               "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95),
                                  fused=True)
    losses = []
    for step, batch in enumerate(batches(tokens, seed, steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps)
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    return [x.item() for x in losses]


def cairn_losses(args, shard, seed):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "config.toml").write_text(f"""[model]
family = "gpt2"
layers = {LAYERS}
width = 768
heads = 12
vocab = 50304
context = {SEQUENCE}
dropout = 0.0
tied = true
[data]
train = {json.dumps(str(shard))}
sequence = {SEQUENCE}
[train]
steps = {args.steps}
global_batch = {BATCH}
micro_batch = {BATCH}
seed = {seed}
device = "cuda"
precision = "bf16"
eval_every = 0
[optimizer]
lr = {RATE}
min_lr = {0.1 * RATE}
warmup = {WARMUP}
clip = 1.0
weight_decay = 0.1
[run]
directory = {json.dumps(str(folder / "run"))}
""")
        done = subprocess.run([args.cairn, "train", folder / "config.toml"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        text = (folder / "run" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["loss"] for line in lines if "grad_norm" in line]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--tokens", required=True,
                        help="a shard in the llm.c form, GPT-2 vocabulary")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    raw = numpy.fromfile(args.tokens, dtype=numpy.uint16)[512:]
    theirs = [torch_losses(raw, s, args.steps)
              for s in range(1, args.seeds + 1)]
    ours = [cairn_losses(args, args.tokens, s)
            for s in range(1, args.seeds + 1)]
    for a, b in zip(theirs, ours):
        if abs(a[0] - b[0]) > SAME_START:
            sys.exit(f"the first losses are {a[0]:.4f} of PyTorch and "
                     f"{b[0]:.4f} of Cairn: they do not start from the same "
                     "weights and batch, which cairn_draws.py is to draw")
    sys.exit(report(theirs, ours))


def tens(losses):
    return [statistics.mean(losses[i:i + 10])
            for i in range(0, len(losses) - 9, 10)]


def spread_of(values):
    return max(values) - min(values)


def report(theirs, ours):
    """Prints the table; whether the curves differ."""
    theirs, ours = [tens(x) for x in theirs], [tens(x) for x in ours]
    gaps = [[b - a for a, b in zip(x, y)] for x, y in zip(theirs, ours)]
    spreads = [spread_of(x) for x in zip(*theirs)]
    print("steps        torch   spread    cairn   difference   of one seed")
    for i, spread in enumerate(spreads):
        a, b, gap = ([x[i] for x in each] for each in (theirs, ours, gaps))
        print(f"{10 * i:3}-{10 * i + 9:3} {statistics.mean(a):10.4f} "
              f"{spread:8.4f} {statistics.mean(b):8.4f} "
              f"{statistics.mean(gap):+12.4f} {max(gap, key=abs):+13.4f}")
    after = slice(WARMUP // 10, None)
    means = [statistics.mean(x[after]) for x in gaps]
    spread = statistics.mean(spreads[after])
    print("after the warm-up: difference of each seed in the mean",
          *(f"{x:+.4f}" for x in means), f"mean spread {spread:.4f}")
    return max(map(abs, means)) > spread


if __name__ == "__main__":
    main()
