"""Compares `cairn train` with CPU PyTorch: tokens/s and peak memory.

Both run as processes on the same cores, taking turns for several rounds.
"""
import argparse
import array
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

# name: layers, heads, width, vocab, context, batch, sequence
MODELS = {
    "gpt2-124m": (12, 12, 768, 50257, 1024, 4, 256),
    "small": (6, 6, 384, 65, 256, 16, 256),
}
WARMUP = 2


def write_shard(path, vocab, count=1 << 20):
    """Random tokens in the llm.c form: 256 int32 of header, then uint16."""
    header = array.array("i", [20240520, 1, count] + [0] * 253)
    draw = random.Random(1)
    tokens = array.array("H", (draw.randrange(vocab) for _ in range(count)))
    if sys.byteorder == "big":
        header.byteswap()
        tokens.byteswap()
    path.write_bytes(header.tobytes() + tokens.tobytes())


def config(model, shard, folder, args, activations):
    layers, heads, width, vocab, context, batch, sequence = MODELS[model]
    return f"""[model]
family = "gpt2"
layers = {layers}
width = {width}
heads = {heads}
vocab = {vocab}
context = {context}
dropout = 0.0
tied = true
[data]
train = {json.dumps(str(shard))}
sequence = {sequence}
[train]
steps = {args.steps + WARMUP}
global_batch = {batch}
micro_batch = {batch}
seed = 1
device = "cpu"
threads = {args.threads}
eval_every = 0
[optimizer]
lr = 3e-4
warmup = 0
clip = 1.0
[memory]
activations = "{activations}"
[run]
directory = {json.dumps(str(folder))}
"""


def execute(command, cores):
    """Runs a command; returns its output and its peak resident bytes."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(len(cores)))
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            command, stdout=out, env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode != 0:
        sys.exit(f"exit {process.returncode}: {' '.join(command)}\n{text}")
    return text, usage.ru_maxrss * 1024


def run_cairn(model, args, cores, activations):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_shard(folder / "tokens.bin", MODELS[model][3])
        file = folder / "config.toml"
        file.write_text(config(model, folder / "tokens.bin", folder / "run",
                               args, activations))
        _, peak = execute([args.cairn, "train", str(file)], cores)
        text = (folder / "run" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    steps = [x for x in lines if "step_ms" in x][WARMUP:]
    median = statistics.median(x["step_ms"] for x in steps)
    tokens = MODELS[model][5] * MODELS[model][6]
    return {"speed": tokens * 1e3 / median, "peak": peak}


def run_torch(model, args, cores, *options):
    script = pathlib.Path(__file__).resolve().parent / "torch_cpu.py"
    text, _ = execute([args.python, str(script), "--model", model,
                       "--threads", str(args.threads),
                       "--steps", str(args.steps), *options], cores)
    line = json.loads(text.strip().splitlines()[-1])
    return {"speed": line["tokens_per_s"], "peak": line["peak_rss_bytes"]}


def compare(model, args, cores):
    runs = {
        "cairn keep": lambda: run_cairn(model, args, cores, "keep"),
        "torch eager": lambda: run_torch(model, args, cores),
        "torch compiled": lambda: run_torch(model, args, cores, "--compile"),
        "cairn boundary": lambda: run_cairn(model, args, cores, "boundary"),
        "torch eager checkpoint":
            lambda: run_torch(model, args, cores, "--checkpoint"),
        "torch compiled checkpoint":
            lambda: run_torch(model, args, cores, "--compile", "--checkpoint"),
    }
    seen = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            seen[name].append(run())
    speed = {n: statistics.median(x["speed"] for x in r)
             for n, r in seen.items()}
    peak = {n: statistics.median(x["peak"] for x in r)
            for n, r in seen.items()}
    print(f"\n{model}, {args.threads} threads, {args.rounds} rounds")
    print(f"  {'':26} {'tokens/s':>10} {'peak MiB':>10}")
    for name in runs:
        print(f"  {name:26} {speed[name]:10.1f} {peak[name] / 2**20:10.1f}")
    best = max(speed["torch eager"], speed["torch compiled"])
    least = min(peak["torch eager checkpoint"],
                peak["torch compiled checkpoint"])
    print(f"  speed, cairn / best torch:       {speed['cairn keep'] / best:.3f}")
    print(f"  memory, boundary / least torch:  "
          f"{peak['cairn boundary'] / least:.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--python", required=True, help="one that has torch")
    parser.add_argument("--models", nargs="+", choices=MODELS,
                        default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[: args.threads])
    if len(cores) < args.threads:
        sys.exit(f"{args.threads} threads asked for, {len(cores)} cores here")
    for model in args.models:
        compare(model, args, cores)


if __name__ == "__main__":
    main()
