"""Compares `cairn train` on two ranks with PyTorch on two processes over gloo.

Every rank has one thread on a core of its own. Both sides run in turn, for
several rounds, and medians are told: of DDP, FSDP2 and a pipeline of two under
1F1B, and of what Cairn gains from the second rank.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
from concurrent import futures

from cpu_versus_torch import MODELS, WARMUP, config, execute, write_shard

RANKS = 2
PIPELINE_MICROBATCHES = 16

# Below mpirun: puts a rank on its core. $1 is the cores, the rest the command.
PIN = """cores=$1; shift
rank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}
exec taskset -c "$(echo "$cores" | cut -d, -f$((rank + 1)))" "$@"
"""

# name, samples in a micro-batch, and the settings of a run of Cairn.
Run = collections.namedtuple("Run", "name micro_batch settings")


def plan(model):
    """The runs of Cairn that are compared, by what they are for."""
    batch = MODELS[model][5]
    half = batch // RANKS
    small = max(1, batch // PIPELINE_MICROBATCHES)
    data = ["parallel.data=2"]
    return {
        "one": Run("one rank", half, []),
        "zero0": Run("data 2, ZeRO 0", half, [*data, "sharding.stage=0"]),
        "zero1": Run("data 2, ZeRO 1", half, [*data, "sharding.stage=1"]),
        "zero3": Run("data 2, ZeRO 3", half, [*data, "sharding.stage=3"]),
        "one small": Run("one rank, pipeline's micro-batches", small, []),
        "pipeline": Run("pipeline 2, 1F1B", small,
                        ["parallel.pipeline=2", "parallel.schedule=1f1b"]),
    }


def launch(cores, args):
    if args.launcher == "threads":
        return []
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "-n", str(RANKS), "--bind-to", "none", "sh", "-c",
            PIN, "pin", ",".join(map(str, cores))]


def run_cairn(model, run, cores, args):
    """Tokens/s of the median step."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_shard(folder / "tokens.bin", MODELS[model][3])
        file = folder / "config.toml"
        file.write_text(config(model, folder / "tokens.bin", folder / "run",
                               args, "keep"))
        command = launch(cores, args) if len(cores) > 1 else []
        command += [args.cairn, "train", str(file)]
        for setting in [f"train.micro_batch={run.micro_batch}", *run.settings]:
            command += ["--set", setting]
        execute(command, set(cores))
        text = (folder / "run" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    steps = [x["step_ms"] for x in lines if "step_ms" in x][WARMUP:]
    return MODELS[model][5] * MODELS[model][6] * 1e3 / statistics.median(steps)


def run_apart(model, run, cores, args):
    """Two separate runs at once: what the machine has to give, tokens/s."""
    with futures.ThreadPoolExecutor(RANKS) as pool:
        return sum(pool.map(lambda core: run_cairn(model, run, [core], args),
                            cores))


def run_torch(model, variant, cores, args, *options):
    script = pathlib.Path(__file__).resolve().parent / "torch_ranks.py"
    batch = MODELS[model][5]
    text, _ = execute(
        [args.python, str(script), "--model", model, "--variant", variant,
         "--steps", str(args.steps), "--cores", *map(str, cores),
         "--microbatches", str(min(batch, PIPELINE_MICROBATCHES)), *options],
        set(cores))
    return json.loads(text.strip().splitlines()[-1])["tokens_per_s"]


def measure(model, cores, args):
    """Medians of tokens/s by name, the sides taking turns."""
    runs = plan(model)
    ours, theirs = {}, {}
    for key, run in runs.items():
        mine = cores if run.settings else cores[:1]
        ours[f"cairn {run.name}"] = (
            lambda run=run, mine=mine: run_cairn(model, run, mine, args))
    ours["cairn two runs apart"] = (
        lambda: run_apart(model, runs["one"], cores, args))
    for variant in ("ddp", "fsdp2", "pipeline"):
        theirs[f"torch {variant}"] = (
            lambda variant=variant: run_torch(model, variant, cores, args))
        if args.compile:
            theirs[f"torch {variant} compiled"] = (
                lambda variant=variant: run_torch(model, variant, cores, args,
                                                  "--compile"))
    seen = {name: [] for name in [*ours, *theirs]}
    for _ in range(args.rounds):
        for name, run in [*ours.items(), *theirs.items()]:
            seen[name].append(run())
    return {name: statistics.median(speeds) for name, speeds in seen.items()}


def report(model, speed, args):
    names = {key: f"cairn {run.name}" for key, run in plan(model).items()}

    def torch(variant):
        return max(value for name, value in speed.items()
                   if name.startswith(f"torch {variant}"))

    batch = MODELS[model][5]
    microbatches = batch // max(1, batch // PIPELINE_MICROBATCHES)
    one = speed[names["one"]]
    bound = (RANKS * microbatches / (microbatches + RANKS - 1)
             * speed[names["one small"]])
    ratios = {
        "ZeRO 0 / torch DDP": speed[names["zero0"]] / torch("ddp"),
        "ZeRO 3 / torch FSDP2": speed[names["zero3"]] / torch("fsdp2"),
        "pipeline / torch 1F1B": speed[names["pipeline"]] / torch("pipeline"),
        "ZeRO 1 / one rank (wanted: 1.7)": speed[names["zero1"]] / one,
        "two runs apart / one rank": speed["cairn two runs apart"] / one,
        f"pipeline / bound of its bubble at {microbatches} micro-batches "
        "(wanted: 0.9)": speed[names["pipeline"]] / bound,
    }
    print(f"\n{model}, {RANKS} ranks ({args.launcher}), "
          f"{args.rounds} rounds of {args.steps} steps")
    print(f"  {'':44} {'tokens/s':>10}")
    for name, value in speed.items():
        print(f"  {name:44} {value:10.1f}")
    print()
    for name, value in ratios.items():
        print(f"  {name:66} {value:.3f}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--python", required=True, help="one that has torch")
    parser.add_argument("--models", nargs="+", choices=MODELS,
                        default=["small"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--launcher", choices=["mpi", "threads"],
                        default="mpi", help="how Cairn's two ranks run")
    parser.add_argument("--compile", action="store_true",
                        help="torch with compiled layers as well")
    parser.set_defaults(threads=1)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:RANKS]
    if len(cores) < RANKS:
        sys.exit(f"{RANKS} ranks need as many cores, {len(cores)} are here")
    for tool in ["mpirun", "taskset"] if args.launcher == "mpi" else []:
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; --launcher threads needs none")
    for model in args.models:
        report(model, measure(model, cores, args), args)


if __name__ == "__main__":
    main()
