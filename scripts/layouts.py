#!/usr/bin/env python3
"""Trains one tiny model in many layouts and compares every number.

    scripts/layouts.py             a cover: each pair of settings meets once
    scripts/layouts.py --all       every layout
    scripts/layouts.py --mpi       each as threads, then as processes by mpirun
    scripts/layouts.py --device cuda   on CUDA devices, which ranks may share
    scripts/layouts.py --device cuda --mpi --ranks 2   on two devices, by NCCL

Pipeline depth, schedule, ZeRO stage, activations and launcher must not change
the numbers at a given data degree D. The measure is a run on one rank that sums
its micro-batches in D groups. Losses, gradient norms and the hash of the
weights are compared to the bit; the first difference ends the script with 1.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_S = 300
SKIPPED = 77

CHOICES = {
    "pipeline": (1, 2, 4),
    "data": (1, 2),
    "schedule": ("1f1b", "gpipe", "interleaved", "zb-h1"),
    "stage": (0, 1, 2, 3),
    "activations": ("keep", "cheap", "attention", "boundary"),
    "precision": ("fp32", "bf16"),
    "tied": ("true", "false"),
}
Layout = collections.namedtuple("Layout", CHOICES)
Result = collections.namedtuple("Result", "numbers seconds")

# Eight layers, so that four ranks can have two chunks each, and as many
# micro-batches a replica as the deepest pipeline has ranks, or more.
CONFIG = """[model]
family = "gpt2"
layers = 8
width = 32
heads = 2
dropout = 0.1
[data]
train = {train}
valid = {valid}
sequence = 24
[train]
steps = 4
global_batch = 16
micro_batch = 2
seed = 7
device = {device}
threads = 1
eval_every = 2
eval_batches = 2
[optimizer]
lr = 3e-3
min_lr = 3e-4
warmup = 2
clip = 1.0
"""


class Failure(Exception):
    """What ends the script with 1."""


class NoDevice(Exception):
    """What ends the script with 77."""


class Seats:
    """So many ranks run at a time; a run of more than that runs alone."""

    def __init__(self, number):
        self.number = number
        self.free = number
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, ranks):
        ranks = min(ranks, self.number)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= ranks)
            self.free -= ranks
        try:
            yield
        finally:
            with self.changed:
                self.free += ranks
                self.changed.notify_all()


def every_layout(ranks):
    every = map(Layout._make, itertools.product(*CHOICES.values()))
    return [layout for layout in every
            if layout.pipeline * layout.data <= ranks]


def pairs(layout):
    return set(itertools.combinations(zip(layout._fields, layout), 2))


def cover(layouts):
    """Few of the layouts, so that each pair of settings is in one of them.

    Where several would do, one of more ranks is taken.
    """
    missing = set().union(*map(pairs, layouts))
    chosen = []
    while missing:
        best = max(layouts, key=lambda layout: (
            len(pairs(layout) & missing), layout.pipeline * layout.data))
        missing -= pairs(best)
        chosen.append(best)
    return chosen


def settings(layout):
    chunks = 2 if layout.schedule == "interleaved" else 1
    return [f"parallel.pipeline={layout.pipeline}",
            f"parallel.data={layout.data}",
            f"parallel.schedule={layout.schedule}",
            f"parallel.chunks={chunks}",
            f"sharding.stage={layout.stage}",
            f"memory.activations={layout.activations}",
            f"train.precision={layout.precision}",
            f"model.tied={layout.tied}"]


def measure_of(layout):
    """What a layout shares with the run on one rank that it is compared to."""
    return layout.data, layout.precision, layout.tied


def measure_settings(data, precision, tied):
    """One rank that adds up what `data` ranks would, in their order."""
    return [f"parallel.gradient_groups={data}", "memory.activations=keep",
            f"train.precision={precision}", f"model.tied={tied}"]


def mpirun(ranks):
    line = [shutil.which("mpirun"), "-n", str(ranks), "--oversubscribe",
            "--bind-to", "none"]
    return line + (["--allow-run-as-root"] if os.geteuid() == 0 else [])


def call(command):
    """Runs a command; a run that hangs is a failure like another."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"no end after {TIMEOUT_S} s: {' '.join(command)}"
                      ) from late
    if run.returncode == 2 and "no CUDA device was found" in run.stdout:
        raise NoDevice("no CUDA device was found")
    if run.returncode != 0:
        raise Failure(f"exit {run.returncode}: {' '.join(command)}\n"
                      f"{run.stdout[-4000:]}")


class Bench:
    """The text, the config and the command that all runs share."""

    def __init__(self, cairn, device, folder):
        self.cairn = cairn
        self.folder = folder
        train, valid = folder / "train.bin", folder / "valid.bin"
        text = ROOT / "examples" / "data" / "tinyshakespeare.txt"
        (folder / "text.txt").write_text(text.read_text()[:40000])
        call([cairn, "data", "prepare", "--tokenizer", "char",
              "--input", str(folder / "text.txt"), "--output", str(train),
              "--valid", str(valid), "--valid-fraction", "0.2"])
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.format(train=json.dumps(str(train)),
                                             valid=json.dumps(str(valid)),
                                             device=json.dumps(device)))

    def run(self, name, options, launch=()):
        directory = self.folder / name
        command = [*launch, self.cairn, "train", str(self.config)]
        for option in [*options, f"run.directory={directory}"]:
            command += ["--set", option]
        start = time.monotonic()
        call(command)
        seconds = time.monotonic() - start
        return Result(numbers(directory / "metrics.jsonl"), seconds)


def numbers(file):
    """(step, key, number) of all that must be the same, in order.

    Numbers stay the text that the run printed, which stands for their bits.
    """
    found = []
    for text in file.read_text().splitlines():
        line = json.loads(text, parse_float=str, parse_int=str)
        step = line.get("step", "the end")
        for key in ("loss", "grad_norm", "valid_loss", "weights_hash"):
            if key in line:
                found.append((step, key, line[key]))
    if not found or found[-1][1] != "weights_hash":
        raise Failure(f"{file} has no last line with weights_hash")
    return found


def first_difference(measure, seen):
    for expected, found in itertools.zip_longest(measure, seen):
        if expected != found:
            return expected, found
    return None


def described(number):
    if number is None:
        return "nothing"
    step, key, value = number
    return f"{key} {value} at " + (step if step == "the end"
                                   else f"step {step}")


def compare(name, measure, result):
    difference = first_difference(measure.numbers, result.numbers)
    if difference:
        expected, found = map(described, difference)
        raise Failure(f"{name} differs first here:\n"
                      f"  one rank:    {expected}\n  this layout: {found}")


def row(cells):
    widths = [len(field) + 2 for field in Layout._fields]
    widths[Layout._fields.index("schedule")] = 13
    return ("".join(f"{str(cell):{width}}"
                    for cell, width in zip(cells, widths))
            + "".join(f"{str(cell):10}" for cell in cells[len(widths):]))


def jobs_of(layouts, with_mpi):
    for layout in layouts:
        ranks = layout.pipeline * layout.data
        yield layout, "threads", []
        if with_mpi:
            yield layout, "mpi", mpirun(ranks)


def run_all(bench, layouts, args):
    keys = sorted(set(map(measure_of, layouts)))
    seats = Seats(args.jobs)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        measures = dict(zip(keys, pool.map(
            lambda key: bench.run("-".join(map(str, ("one-rank", *key))),
                                  measure_settings(*key)), keys)))

        def work(job):
            layout, launcher, launch = job
            name = "-".join(map(str, layout)) + "-" + launcher
            with seats.taken(layout.pipeline * layout.data):
                return bench.run(name, settings(layout), launch)

        jobs = list(jobs_of(layouts, args.mpi))
        print(row([*Layout._fields, "launcher", "seconds", "weights"]))
        try:
            for job, result in zip(jobs, pool.map(work, jobs)):
                layout, launcher, _ = job
                weights = result.numbers[-1][2][:8]
                print(row([*layout, launcher, f"{result.seconds:.2f}",
                           weights]), flush=True)
                compare(f"{' '.join(settings(layout))} as {launcher}",
                        measures[measure_of(layout)], result)
        except (Failure, NoDevice):
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return len(jobs), len(keys)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    table = parser.add_mutually_exclusive_group()
    table.add_argument("--cover", action="store_true",
                       help="a pairwise cover (the default)")
    table.add_argument("--all", action="store_true", help="every layout")
    parser.add_argument("--mpi", action="store_true",
                        help="each layout under mpirun as well")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--ranks", type=int, default=8,
                        help="only layouts of at most so many ranks")
    parser.add_argument("--cairn", default=ROOT / "build/launcher/cairn")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(),
                        help="ranks that run at a time")
    args = parser.parse_args()
    args.cairn = str(pathlib.Path(args.cairn).resolve())
    if not os.access(args.cairn, os.X_OK):
        parser.error(f"no program {args.cairn}; build it with "
                     "scripts/build.sh build cairn, or name it by --cairn")
    if args.mpi and shutil.which("mpirun") is None:
        parser.error("--mpi needs mpirun, which is not installed")
    return args


def main():
    args = arguments()
    layouts = every_layout(args.ranks)
    if not args.all:
        layouts = cover(layouts)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cairn-layouts-"))
    start = time.monotonic()
    try:
        runs, measures = run_all(
            Bench(args.cairn, args.device, folder), layouts, args)
    except Failure as failure:
        print(f"\n{failure}\n\nthe runs are in {folder}")
        sys.exit(1)
    except NoDevice as absence:
        shutil.rmtree(folder)
        print(absence)
        sys.exit(SKIPPED)
    shutil.rmtree(folder)
    print(f"\n{runs} runs of {len(layouts)} layouts, each the same to the bit "
          f"as its one of {measures} runs on one rank "
          f"({time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    main()
