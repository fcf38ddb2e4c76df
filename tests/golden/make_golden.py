"""Writes the golden files: what PyTorch computes for four tiny models.

Each NAME.json lists the configuration and where everything lies in NAME.bin,
which is raw little-endian: float32 tensors, then int32 tokens. Offsets count
elements of four bytes. Run it again after a change: python make_golden.py
"""
import json
import math
import pathlib

import torch
from torch.nn import functional as F

BASE = {
    "layers": 2, "width": 32, "heads": 4, "kv_heads": 4, "vocab": 61,
    "context": 16, "sequence": 16, "micro_batch": 3, "global_batch": 6,
    "dropout": 0.0, "epsilon": 1e-5, "theta": 10000.0, "steps": 10,
    "lr": 3e-3, "min_lr": 3e-4, "warmup": 3, "beta1": 0.9, "beta2": 0.95,
    "adam_epsilon": 1e-8, "weight_decay": 0.1, "clip": 1.0,
}
CASES = {
    "gpt2_tied": {"family": "gpt2", "ffn": 128, "tied": True},
    "gpt2_untied": {"family": "gpt2", "ffn": 128, "tied": False},
    "llama_tied": {"family": "llama", "ffn": 48, "tied": True},
    "llama_untied_gqa": {"family": "llama", "ffn": 48, "tied": False,
                         "kv_heads": 2},
}


def shapes(c):
    """Names and shapes of all parameters in canonical order."""
    width, ffn = c["width"], c["ffn"]
    gpt2 = c["family"] == "gpt2"
    qkv = (c["heads"] + 2 * c["kv_heads"]) * (width // c["heads"])
    out = {"embedding.token": (c["vocab"], width)}
    if gpt2:
        out["embedding.position"] = (c["context"], width)

    def add(name, *shape):
        out[name + ".weight"] = shape
        if gpt2:
            out[name + ".bias"] = shape[:1]

    for i in range(c["layers"]):
        block = f"block.{i}."
        add(block + "norm1", width)
        add(block + "qkv", qkv, width)
        add(block + "attention_out", width, width)
        add(block + "norm2", width)
        if gpt2:
            add(block + "up", ffn, width)
        else:
            add(block + "gate_up", 2 * ffn, width)
        add(block + "down", width, ffn)
    add("head.norm", width)
    if not c["tied"]:
        out["head.weight"] = (c["vocab"], width)
    return out


def initial(c, generator):
    """Large weights, so that gradients are well above rounding.

    Sized so that the gradient norm starts above the clip limit and falls
    below it: both sides of clipping are seen.
    """
    weights = {}
    middle = 1.0 if c["family"] == "gpt2" else 0.78
    for name, shape in shapes(c).items():
        w = torch.randn(shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            w = middle + 0.1 * w
        else:
            w = 0.1 * w
        weights[name] = w.requires_grad_()
    return weights


def norm(c, w, name, x):
    if c["family"] == "gpt2":
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).square().mean(-1, keepdim=True)
        y = (x - mean) * torch.rsqrt(variance + c["epsilon"])
        return y * w[name + ".weight"] + w[name + ".bias"]
    scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + c["epsilon"])
    return x * scale * w[name + ".weight"]


def turn(c, x):
    """Rotates the two halves of each head by the position's angle."""
    half = x.shape[-1] // 2
    frequency = c["theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
    position = torch.arange(x.shape[-2], dtype=torch.float64)
    angle = position[:, None] * frequency
    cos, sin = angle.cos().float(), angle.sin().float()
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attention(c, packed):
    samples, sequence, _ = packed.shape
    heads, kv, size = c["heads"], c["kv_heads"], c["width"] // c["heads"]
    packed = packed.view(samples, sequence, heads + 2 * kv, size).transpose(1, 2)
    q, k, v = packed.split([heads, kv, kv], dim=1)
    if c["family"] == "llama":
        q, k = turn(c, q), turn(c, k)
    k = k.repeat_interleave(heads // kv, dim=1)
    v = v.repeat_interleave(heads // kv, dim=1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    future = torch.ones(sequence, sequence, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, -math.inf).softmax(-1) @ v
    return mixed.transpose(1, 2).reshape(samples, sequence, c["width"])


def loss_of(c, w, inputs, targets):
    def linear(name, x):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    x = w["embedding.token"][inputs]
    if c["family"] == "gpt2":
        x = x + w["embedding.position"][: inputs.shape[1]]
    for i in range(c["layers"]):
        block = f"block.{i}."
        packed = linear(block + "qkv", norm(c, w, block + "norm1", x))
        x = x + linear(block + "attention_out", attention(c, packed))
        y = norm(c, w, block + "norm2", x)
        if c["family"] == "gpt2":
            y = F.gelu(linear(block + "up", y), approximate="tanh")
        else:
            gate, up = linear(block + "gate_up", y).chunk(2, dim=-1)
            y = F.silu(gate) * up
        x = x + linear(block + "down", y)
    table = w["embedding.token" if c["tied"] else "head.weight"]
    logits = norm(c, w, "head.norm", x) @ table.T
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def rate(c, step):
    if step < c["warmup"]:
        return c["lr"] * (step + 1) / c["warmup"]
    done = (step - c["warmup"]) / max(1, c["steps"] - 1 - c["warmup"])
    swing = 0.5 * (1 + math.cos(math.pi * done))
    return c["min_lr"] + (c["lr"] - c["min_lr"]) * swing


def train(c, seed):
    generator = torch.Generator().manual_seed(seed)
    w = initial(c, generator)
    tokens = torch.randint(
        0, c["vocab"], (c["steps"], c["global_batch"], c["sequence"] + 1),
        generator=generator)
    tensors = [(n, "initial", p.detach().clone()) for n, p in w.items()]
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in w.values() if p.dim() >= 2],
          "weight_decay": c["weight_decay"]},
         {"params": [p for p in w.values() if p.dim() < 2],
          "weight_decay": 0.0}],
        lr=c["lr"], betas=(c["beta1"], c["beta2"]), eps=c["adam_epsilon"],
        foreach=False)
    parts = c["global_batch"] // c["micro_batch"]
    losses, norms = [], []
    for step in range(c["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = rate(c, step)
        optimizer.zero_grad()
        total = 0.0
        for micro in tokens[step].split(c["micro_batch"]):
            loss = loss_of(c, w, micro[:, :-1], micro[:, 1:])
            (loss / parts).backward()
            total += loss.item() / parts
        if step == 0:
            tensors += [(n, "gradient", p.grad.clone()) for n, p in w.items()]
        square = sum(p.grad.double().square().sum().item() for p in w.values())
        size = math.sqrt(square)
        if size > c["clip"]:
            for p in w.values():
                p.grad *= c["clip"] / size
        optimizer.step()
        losses.append(total)
        norms.append(size)
    tensors += [(n, "final", p.detach().clone()) for n, p in w.items()]
    return tensors, tokens, losses, norms


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = pathlib.Path(__file__).resolve().parent
    for seed, (name, case) in enumerate(CASES.items(), start=1):
        c = BASE | case
        tensors, tokens, losses, norms = train(c, seed)
        table, data, offset = [], b"", 0
        for tensor, kind, value in tensors:
            table.append({"name": tensor, "kind": kind,
                          "shape": list(value.shape), "offset": offset})
            data += value.numpy().astype("<f4").tobytes()
            offset += value.numel()
        data += tokens.numpy().astype("<i4").tobytes()
        (folder / f"{name}.bin").write_bytes(data)
        rows = ",\n  ".join(json.dumps(row) for row in table)
        (folder / f"{name}.json").write_text(
            '{"config": ' + json.dumps(c) +
            ',\n "losses": ' + json.dumps(losses) +
            ',\n "norms": ' + json.dumps(norms) +
            ',\n "rates": ' + json.dumps([rate(c, s) for s in range(c["steps"])]) +
            ',\n "tokens": ' + json.dumps({"shape": list(tokens.shape),
                                           "offset": offset}) +
            ',\n "tensors": [\n  ' + rows + "]}\n")
        print(name, len(data), "losses", [round(x, 4) for x in losses],
              "norms", [round(x, 3) for x in norms])


if __name__ == "__main__":
    main()
