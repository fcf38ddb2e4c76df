#!/usr/bin/env python3
"""What `cairn plan` says of steps on one GPU, and what they take.

`cairn bench` measures this machine once, for another step than those that are
predicted; each case is then planned from its costs and trained, in both modes of
train.deterministic.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

from cuda_cases import CALIBRATED, PREDICTED, toml, write_shard
from cuda_versus_torch import step_lines

# Seconds of steps before those that count, and of those: until the card has the
# clock that they leave it.
SECONDS = 1.2


def run(args, *words):
    done = subprocess.run([args.cairn, *map(str, words)], capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise SystemExit(f"cairn {' '.join(map(str, words))}: exit "
                         f"{done.returncode}: {done.stderr[-600:]}")
    return done.stdout


def train(file, folder, expected, args):
    steps = max(4, round(SECONDS / expected))
    run(args, "train", file, "--set", f"train.steps={1 + 2 * steps}")
    lines = step_lines(folder / "metrics.jsonl")[1 + steps:]
    return statistics.median(line["step_ms"] for line in lines), lines[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--cases", nargs="+", choices=PREDICTED,
                        default=list(PREDICTED))
    parser.add_argument("--modes", nargs="+", choices=["steady", "fast"],
                        default=["steady", "fast"])
    parser.add_argument("--costs", help="a file of cairn bench --costs, which "
                        "is made if it is not there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shard = folder / "tokens.bin"
        write_shard(shard)
        file = folder / "config.toml"
        costs = pathlib.Path(args.costs or folder / "costs.json")
        if not costs.exists():
            file.write_text(toml(CALIBRATED, shard, folder, True))
            run(args, "bench", "all", file, "--costs", costs)
        for case in args.cases:
            for mode in args.modes:
                where = folder / f"{case} {mode}"
                file.write_text(toml(PREDICTED[case], shard, where,
                                     mode == "steady"))
                plan = json.loads(run(args, "plan", file, "--costs", costs,
                                      "--json"))["step_ms"]
                ms, last = train(file, where, 1e-3 * plan, args)
                print(f"{case:24} {mode:6} planned {plan:8.2f} ms  measured "
                      f"{ms:8.2f} ({100 * (plan / ms - 1):+5.1f} %)  "
                      f"{last['power_w'] or 0:4.0f} W", flush=True)


if __name__ == "__main__":
    main()
