"""A CPU PyTorch training step to compare with: GPT-2 form, fp32.

Prints one JSON line: tokens/s of the median step, peak resident bytes, loss.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# name: layers, heads, width, vocab, context, batch, sequence
MODELS = {
    "gpt2-124m": (12, 12, 768, 50257, 1024, 4, 256),
    "small": (6, 6, 384, 65, 256, 16, 256),
}


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        samples, sequence, width = x.shape
        packed = self.qkv(self.norm1(x))
        packed = packed.view(samples, sequence, 3, self.heads, width // self.heads)
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(samples, sequence, width)
        x = x + self.attention_out(mixed)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, layers, heads, width, vocab, context, recompute):
        super().__init__()
        self.recompute = recompute
        self.token = nn.Embedding(vocab, width)
        self.position = nn.Embedding(context, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for p in self.parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, inputs, targets):
        x = self.token(inputs) + self.position.weight[: inputs.shape[1]]
        for layer in self.layers:
            if self.recompute:
                x = checkpoint(layer, x, use_reentrant=False)
            else:
                x = layer(x)
        logits = F.linear(self.norm(x), self.token.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpoint", action="store_true",
                        help="recompute each layer in the backward pass")
    parser.add_argument("--optimizer", choices=["fused", "foreach", "default"],
                        default="fused")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    layers, heads, width, vocab, context, batch, sequence = MODELS[args.model]
    model = Model(layers, heads, width, vocab, context, args.checkpoint)
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    variant = {} if args.optimizer == "default" else {args.optimizer: True}
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1},
         {"params": others, "weight_decay": 0.0}],
        lr=3e-4, betas=(0.9, 0.95), **variant)
    run = torch.compile(model) if args.compile else model

    parts = {"model": [], "optimizer": []}
    loss = None
    warmup = 2
    for step in range(warmup + args.steps):
        tokens = torch.randint(0, vocab, (batch, sequence + 1))
        inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = run(inputs, targets)
        loss.backward()
        middle = time.perf_counter()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss = loss.item()
        end = time.perf_counter()
        if step >= warmup:
            parts["model"].append(middle - start)
            parts["optimizer"].append(end - middle)
    seconds = statistics.median(map(sum, zip(*parts.values())))
    print(json.dumps({
        "model": args.model, "compile": args.compile,
        "checkpoint": args.checkpoint, "optimizer": args.optimizer,
        "threads": args.threads, "steps": args.steps,
        "tokens_per_s": batch * sequence / seconds,
        "step_ms": seconds * 1e3,
        "optimizer_ms": statistics.median(parts["optimizer"]) * 1e3,
        "peak_rss_bytes":
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "loss": loss,
    }))


if __name__ == "__main__":
    main()
