#!/usr/bin/env python3
"""How near steps on one GPU come to their floor, by `cairn bench step`.

The floor is the sum of a step's products, bare and by the best algorithm that
was found, of its attention as it is, and of all other bytes at the card's copy
rate; kernels and steps are measured in the same call.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

from cuda_cases import FLOORS, ODD_FLOORS, toml, write_shard


def bench(case, shard, folder, args):
    file = folder / "config.toml"
    file.write_text(toml(case, shard, folder / "run", args.deterministic))
    done = subprocess.run([args.cairn, "bench", "step", str(file), "--json"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[-600:]}"
    return json.loads(done.stdout)


def lost(kernel):
    return kernel["calls"] * (kernel["seconds"] - kernel["floor_seconds"])


def by_verb(report):
    """Seconds of a step beyond the floor by verb, the most first."""
    sums = {}
    for kernel in report["kernels"]:
        verb = kernel["key"].split(" ")[0]
        sums[verb] = sums.get(verb, 0.0) + lost(kernel)
    return sorted(sums.items(), key=lambda item: -item[1])


def tell(name, report, args):
    if isinstance(report, str):
        print(f"{name:15} {report}", flush=True)
        return
    step, floor = report["step"], report["floor_seconds"]
    kernels = report["kernel_seconds"]
    power = step["power_w"] or 0
    clock = step["sm_clock_mhz"] or 0
    print(f"{name:15} floor {1e3 * floor:8.2f} ms  kernels "
          f"{1e3 * kernels:8.2f}  step {1e3 * step['seconds']:8.2f} "
          f"({100 * (step['seconds'] / floor - 1):+5.1f} %)  predicted "
          f"{1e3 * step['predicted_seconds']:8.2f}  {power:4.0f} W "
          f"{clock:5.0f} MHz", flush=True)
    rest = [(verb, seconds) for verb, seconds in by_verb(report)
            if seconds > 0.001 * floor]
    rest.append(("beside kernels", step["seconds"] - kernels))
    print("    lost, % of the floor: " + ", ".join(
        f"{verb} {100 * seconds / floor:.1f}" for verb, seconds in rest),
        flush=True)
    if args.json:
        with open(args.json, "a") as out:
            out.write(json.dumps({"case": name, **report}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--cases", nargs="+",
                        choices=[*FLOORS, *ODD_FLOORS], default=list(FLOORS))
    parser.add_argument("--odd", action="store_true",
                        help="the cases of odd shapes instead")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--json", help="a file to append full results to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shard = folder / "tokens.bin"
        write_shard(shard)
        for case in ODD_FLOORS if args.odd else args.cases:
            every = {**FLOORS, **ODD_FLOORS}
            tell(case, bench(every[case], shard, folder, args), args)


if __name__ == "__main__":
    main()
