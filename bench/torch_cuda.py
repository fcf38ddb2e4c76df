"""A PyTorch training step on one GPU to compare with: GPT-2 or Llama form.

bf16 by autocast over fp32 weights, fused AdamW, torch.compile, attention by
scaled_dot_product_attention, one optimizer step a micro-batch, gradients
clipped by their global norm. Prints one JSON line: tokens/s of the median
step, peak bytes of tensors on the device, seconds until the first step ended.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# name: family, layers, heads, kv_heads, width, ffn, vocab
MODELS = {
    "gpt2-124m": ("gpt2", 12, 12, 12, 768, 3072, 50304),
    "gpt2-1.5b": ("gpt2", 48, 25, 25, 1600, 6400, 50304),
    "llama-1b": ("llama", 16, 32, 8, 2048, 8192, 128256),
    "llama-3b": ("llama", 28, 24, 8, 3072, 8192, 128256),
}


class Layer(nn.Module):
    def __init__(self, llama, heads, kv_heads, width, ffn):
        super().__init__()
        self.llama, self.heads, self.kv_heads = llama, heads, kv_heads
        self.size = width // heads
        packed = (heads + 2 * kv_heads) * self.size
        norm = nn.RMSNorm if llama else nn.LayerNorm
        self.norm1, self.norm2 = norm(width, eps=1e-5), norm(width, eps=1e-5)
        self.qkv = nn.Linear(width, packed, bias=not llama)
        self.attention_out = nn.Linear(width, width, bias=not llama)
        self.up = nn.Linear(width, 2 * ffn if llama else ffn, bias=not llama)
        self.down = nn.Linear(ffn, width, bias=not llama)

    def attend(self, x, cosine, sine):
        samples, sequence, width = x.shape
        heads = self.qkv(x).view(samples, sequence, -1, self.size)
        q, k, v = heads.transpose(1, 2).split(
            [self.heads, self.kv_heads, self.kv_heads], 1)
        if self.llama:
            q, k = turned(q, cosine, sine), turned(k, cosine, sine)
        mixed = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        return self.attention_out(
            mixed.transpose(1, 2).reshape(samples, sequence, width))

    def forward(self, x, cosine, sine):
        x = x + self.attend(self.norm1(x), cosine, sine)
        hidden = self.up(self.norm2(x))
        if self.llama:
            gate, hidden = hidden.chunk(2, -1)
            return x + self.down(F.silu(gate) * hidden)
        return x + self.down(F.gelu(hidden, approximate="tanh"))


def turned(x, cosine, sine):
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine,
                      second * cosine + first * sine), -1)


class Model(nn.Module):
    def __init__(self, name, sequence, recompute):
        super().__init__()
        family, layers, heads, kv_heads, width, ffn, vocab = MODELS[name]
        llama = family == "llama"
        self.recompute = recompute
        self.token = nn.Embedding(vocab, width)
        self.position = None if llama else nn.Embedding(sequence, width)
        self.layers = nn.ModuleList(
            Layer(llama, heads, kv_heads, width, ffn) for _ in range(layers))
        self.norm = (nn.RMSNorm if llama else nn.LayerNorm)(width, eps=1e-5)
        size = width // heads
        angle = torch.arange(sequence)[:, None] / 500000.0 ** (
            torch.arange(0, size, 2) / size)
        self.register_buffer("cosine", angle.cos().bfloat16())
        self.register_buffer("sine", angle.sin().bfloat16())
        for p in self.parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, inputs, targets):
        x = self.token(inputs)
        if self.position is not None:
            x = x + self.position.weight[: inputs.shape[1]]
        x = x.bfloat16()
        for layer in self.layers:
            if self.recompute:
                x = checkpoint(layer, x, self.cosine, self.sine,
                               use_reentrant=False)
            else:
                x = layer(x, self.cosine, self.sine)
        logits = F.linear(self.norm(x), self.token.weight)
        return F.cross_entropy(logits.float().flatten(0, 1),
                               targets.flatten())


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="gpt2-124m")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--sequence", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--checkpoint", action="store_true",
                        help="recompute each layer in the backward pass")
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    with torch.device("cuda"):
        model = Model(args.model, args.sequence, args.checkpoint)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4,
                                  betas=(0.9, 0.95), weight_decay=0.1,
                                  fused=True)
    run = torch.compile(model)
    seconds = []
    warmup = 3
    for step in range(warmup + args.steps):
        if step == warmup:
            torch.cuda.reset_peak_memory_stats()
        tokens = torch.randint(0, 50000, (args.batch, args.sequence + 1),
                               device="cuda")
        torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = run(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        end = time.perf_counter()
        seconds.append(end - start)
        if step == 0:
            first = end - began
    median = statistics.median(seconds[warmup:])
    print(json.dumps({
        "tokens_per_s": args.batch * args.sequence / median,
        "peak_bytes": torch.cuda.max_memory_allocated(),
        "first_step_s": first,
    }))


if __name__ == "__main__":
    main()
