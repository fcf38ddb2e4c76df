"""Runs on one GPU that are measured by the scripts beside this one."""
import array
import dataclasses
import json
import random

# name: family, layers, heads, kv_heads, width, ffn, vocab
MODELS = {
    "gpt2-124m": ("gpt2", 12, 12, 12, 768, 3072, 50304),
    "gpt2-1.5b": ("gpt2", 48, 25, 25, 1600, 6400, 50304),
    "llama-1b": ("llama", 16, 32, 8, 2048, 8192, 128256),
    "llama-3b": ("llama", 28, 24, 8, 3072, 8192, 128256),
}


@dataclasses.dataclass
class Case:
    """A model (family, layers, heads, kv_heads, width, ffn, vocab) and how one
    step of it is made."""
    model: tuple
    samples: int
    sequence: int
    policy: str = "keep"
    precision: str = "bf16"
    tied: bool = True


# Steps that are compared with PyTorch's, and how near they are to their floor.
FLOORS = {
    "124m": Case(MODELS["gpt2-124m"], 64, 1024),
    "124m-small": Case(MODELS["gpt2-124m"], 4, 1024),
    "1.5b": Case(MODELS["gpt2-1.5b"], 16, 1024),
    "1b": Case(MODELS["llama-1b"], 4, 8192),
    "124m-boundary": Case(MODELS["gpt2-124m"], 64, 1024, "boundary"),
    "124m-attention": Case(MODELS["gpt2-124m"], 64, 1024, "attention"),
    "1.5b-boundary": Case(MODELS["gpt2-1.5b"], 16, 1024, "boundary"),
    "1.5b-attention": Case(MODELS["gpt2-1.5b"], 16, 1024, "attention"),
    "1b-boundary": Case(MODELS["llama-1b"], 4, 8192, "boundary"),
    "1b-attention": Case(MODELS["llama-1b"], 4, 8192, "attention"),
    "3b-boundary": Case(MODELS["llama-3b"], 4, 4096, "boundary"),
    "3b-attention": Case(MODELS["llama-3b"], 4, 4096, "attention"),
}

# Sequences from 512 to 32k, one sample, odd numbers of heads, heads of 80, and
# widths that are no multiple of 128.
ODD_FLOORS = {
    "heads-of-80": Case(("gpt2", 16, 15, 15, 1200, 4800, 50257), 16, 512),
    "13-heads": Case(("llama", 12, 13, 13, 1664, 4440, 50304), 4, 2048),
    "one-sample": Case(MODELS["gpt2-1.5b"], 1, 1024),
    "32k": Case(MODELS["llama-1b"], 1, 32768, "boundary"),
}

# Steps that are predicted from costs measured for another.
CALIBRATED = Case(MODELS["gpt2-124m"], 16, 1024)
PREDICTED = {
    "gpt2 124m 4 x 1024": Case(MODELS["gpt2-124m"], 4, 1024),
    "gpt2 124m 64 x 1024": Case(MODELS["gpt2-124m"], 64, 1024, "boundary"),
    "gpt2 1.5b 8 x 1024": Case(MODELS["gpt2-1.5b"], 8, 1024),
    "llama 1b 2 x 4096": Case(MODELS["llama-1b"], 2, 4096, tied=False),
    "llama 1b 4 x 8192": Case(MODELS["llama-1b"], 4, 8192),
    "llama 3b 2 x 2048": Case(MODELS["llama-3b"], 2, 2048, tied=False),
    "gpt2 124m 8 x 1024 f32": Case(MODELS["gpt2-124m"], 8, 1024,
                                   precision="fp32"),
}


def write_shard(path, count=1 << 22):
    """Random tokens in the llm.c form: 256 int32 of header, then uint16."""
    header = array.array("i", [20240520, 1, count] + [0] * 253)
    draw = random.Random(1)
    tokens = array.array("H", draw.choices(range(50000), k=count))
    path.write_bytes(header.tobytes() + tokens.tobytes())


def toml(case, shard, folder, deterministic, steps=10):
    family, layers, heads, kv_heads, width, ffn, vocab = case.model
    return f"""[model]
family = "{family}"
layers = {layers}
width = {width}
heads = {heads}
kv_heads = {kv_heads}
ffn = {ffn}
vocab = {vocab}
context = {case.sequence}
dropout = 0.0
tied = {json.dumps(case.tied)}
[data]
train = {json.dumps(str(shard))}
sequence = {case.sequence}
[train]
steps = {steps}
global_batch = {case.samples}
micro_batch = {case.samples}
seed = 1
device = "cuda"
precision = "{case.precision}"
deterministic = {json.dumps(deterministic)}
eval_every = 0
[optimizer]
lr = 3e-4
warmup = 0
clip = 1.0
[memory]
activations = "{case.policy}"
[run]
directory = {json.dumps(str(folder))}
"""
