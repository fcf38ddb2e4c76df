"""Compares `cairn train` on one GPU with compiled PyTorch, in one run.

For each case: tokens/s of the median step, peak bytes of the device's memory
that either side's tensors took, and seconds from the start of the process to
the end of the first step. bf16, fp32 master weights, one optimizer step a
micro-batch. Cairn runs with train.deterministic = false, as PyTorch does.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from cuda_cases import MODELS, Case, toml, write_shard

# name: model, batch, sequence, policies of Cairn, whether PyTorch checkpoints
CASES = {
    "124m": ("gpt2-124m", 64, 1024, ["keep"], False),
    "124m-recompute": ("gpt2-124m", 64, 1024, ["boundary", "attention"], True),
    "124m-small": ("gpt2-124m", 4, 1024, ["keep"], False),
    "1.5b": ("gpt2-1.5b", 16, 1024, ["keep"], False),
    "1.5b-recompute": ("gpt2-1.5b", 16, 1024, ["boundary", "attention"], True),
    "1b": ("llama-1b", 4, 8192, ["keep"], False),
    "1b-recompute": ("llama-1b", 4, 8192, ["boundary", "attention"], True),
    "3b-recompute": ("llama-3b", 4, 4096, ["boundary", "attention"], True),
}
WARMUP = 3


def config(case, policy, shard, folder, args):
    model, batch, sequence, _, _ = CASES[case]
    return toml(Case(MODELS[model], batch, sequence, policy), shard, folder,
                args.deterministic, args.steps + WARMUP)


def step_lines(file):
    if not file.exists():
        return []
    lines = []
    for line in file.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:  # half written
            break
    return [line for line in lines if "step_ms" in line]


def run_cairn(case, policy, shard, args):
    _, batch, sequence, _, _ = CASES[case]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "config.toml"
        file.write_text(config(case, policy, shard, folder / "run", args))
        log = folder / "log"
        began = time.perf_counter()
        with open(log, "w") as out:
            process = subprocess.Popen([args.cairn, "train", str(file)],
                                       stdout=out, stderr=subprocess.STDOUT)
            first = None
            while process.poll() is None:
                if first is None and step_lines(
                        folder / "run" / "metrics.jsonl"):
                    first = time.perf_counter() - began
                time.sleep(0.02)
        steps = step_lines(folder / "run" / "metrics.jsonl")
        if process.returncode != 0 or len(steps) <= WARMUP:
            return f"exit {process.returncode}: {log.read_text()[-600:]}"
    median = statistics.median(s["step_ms"] for s in steps[WARMUP:])
    return {"tokens_per_s": 1e3 * batch * sequence / median,
            "peak_bytes": steps[-1]["device_peak_bytes"],
            "first_step_s": first or 0.0, "mfu": steps[-1].get("mfu"),
            "ms": steps[-1]["ms"]}


def run_torch(case, args):
    model, batch, sequence, _, recompute = CASES[case]
    script = pathlib.Path(__file__).resolve().parent / "torch_cuda.py"
    command = [args.python, str(args.peer or script), "--model", model,
               "--batch", str(batch), "--steps", str(args.steps)]
    if args.peer:
        command += ["--seq", str(sequence), "--ac",
                    "full" if recompute else "none"]
    else:
        command += ["--sequence", str(sequence)]
        command += ["--checkpoint"] if recompute else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[-600:]}"
    line = json.loads(done.stdout.strip().splitlines()[-1])
    if args.peer:
        return {"tokens_per_s": line["tok_s"],
                "peak_bytes": line["peak_gib"] * 2**30,
                "first_step_s": line["warm_s"]}
    return line


def compare(case, shard, args):
    torch = run_torch(case, args) if not args.no_torch else None
    rows = [("torch", torch)] if torch else []
    rows += [(p, run_cairn(case, p, shard, args)) for p in CASES[case][3]]
    for name, row in rows:
        if isinstance(row, str):
            print(f"{case:15} {name:10} {row}", flush=True)
            continue
        text = (f"{case:15} {name:10} {row['tokens_per_s']:10.0f} tokens/s "
                f"{row['peak_bytes'] / 2**30:7.2f} GiB "
                f"{row['first_step_s']:6.1f} s to the first step")
        if name != "torch" and isinstance(torch, dict):
            ratio = row["tokens_per_s"] / torch["tokens_per_s"]
            memory = row["peak_bytes"] / torch["peak_bytes"]
            text += f"  speed {ratio:5.3f}  memory {memory:5.3f}"
        print(text, flush=True)
        if args.json:
            with open(args.json, "a") as out:
                out.write(json.dumps({"case": case, "side": name, **row})
                          + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--python", default=sys.executable,
                        help="one that has torch")
    parser.add_argument("--peer", help="another program to compare with, which "
                        "takes --model --batch --seq --ac --steps and prints "
                        "tok_s, peak_gib and warm_s as JSON")
    parser.add_argument("--cases", nargs="+", choices=CASES,
                        default=list(CASES))
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--json", help="a file to append full results to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shard = pathlib.Path(folder) / "tokens.bin"
        write_shard(shard)
        for case in args.cases:
            compare(case, shard, args)


if __name__ == "__main__":
    main()
