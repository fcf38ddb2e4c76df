"""Trains GPT-2 124M in bf16 with Cairn and with PyTorch and compares losses.

Both see windows of the same tokens, in an order that each seed draws anew, and
start from weights drawn from the same distribution; what remains is noise of
the seed. Losses are averaged over ten steps. Printed for each ten: the mean and
the spread (largest minus smallest) over PyTorch's seeds, the mean over Cairn's,
and the difference of the means. Ends with 1 if the losses after the warm-up
differ in the mean by more than PyTorch's seeds spread in the mean.
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

import torch_cuda

BATCH, SEQUENCE, RATE, WARMUP = 16, 1024, 6e-4, 20
LAYERS = 12


def rate_at(step, steps):
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    done = (step - WARMUP) / max(1, steps - WARMUP)
    return 0.1 * RATE + 0.45 * RATE * (1 + math.cos(math.pi * done))


def batches(tokens, seed, steps):
    """Windows without replacement, shifted and shuffled anew each epoch."""
    draw = numpy.random.default_rng(seed)
    rows = []
    for _ in range(steps):
        while len(rows) < BATCH:
            shift = int(draw.integers(SEQUENCE))
            count = (len(tokens) - 1 - shift) // SEQUENCE
            starts = shift + SEQUENCE * draw.permutation(count)
            rows += [tokens[s:s + SEQUENCE + 1] for s in starts]
        batch = numpy.stack(rows[:BATCH]).astype(numpy.int64)
        rows = rows[BATCH:]
        yield torch.from_numpy(batch).cuda()


def torch_losses(tokens, seed, steps):
    torch.manual_seed(seed)
    with torch.device("cuda"):
        model = torch_cuda.Model("gpt2-124m", SEQUENCE, False)
    for name, p in model.named_parameters():
        if name.endswith(("attention_out.weight", "down.weight")):
            nn.init.normal_(p, std=0.02 / math.sqrt(2 * LAYERS))
        elif name.endswith(".bias"):
            nn.init.zeros_(p)
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
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    raw = numpy.fromfile(args.tokens, dtype=numpy.uint16)[512:]
    theirs = [torch_losses(raw, s, args.steps)
              for s in range(1, args.seeds + 1)]
    ours = [cairn_losses(args, args.tokens, s)
            for s in range(1, args.seeds + 1)]

    def tens(losses):
        return [statistics.mean(losses[i:i + 10])
                for i in range(0, len(losses) - 9, 10)]

    theirs, ours = [tens(x) for x in theirs], [tens(x) for x in ours]
    outside = 0
    print("steps        torch   spread    cairn   spread   difference")
    for i in range(len(theirs[0])):
        a, b = [x[i] for x in theirs], [x[i] for x in ours]
        spread = max(a) - min(a)
        gap = statistics.mean(b) - statistics.mean(a)
        outside += abs(gap) > spread
        print(f"{10 * i:3}-{10 * i + 9:3} {statistics.mean(a):10.4f} "
              f"{spread:8.4f} {statistics.mean(b):8.4f} "
              f"{max(b) - min(b):8.4f} {gap:+10.4f}")
    after = range(WARMUP // 10, len(theirs[0]))
    gap = abs(statistics.mean(statistics.mean(x[i] for x in ours) -
                              statistics.mean(x[i] for x in theirs)
                              for i in after))
    spread = statistics.mean(max(x[i] for x in theirs) -
                             min(x[i] for x in theirs) for i in after)
    print(f"ten-step means outside PyTorch's spread: {outside} of "
          f"{len(theirs[0])}; mean difference {gap:.4f}, mean spread "
          f"{spread:.4f}")
    sys.exit(gap > spread)


if __name__ == "__main__":
    main()
