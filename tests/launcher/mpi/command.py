"""`cairn train` under mpirun, where no rank is lost: command.py CASE CAIRN
MPIRUN...

What is told is told once, one rank writes, and a wish to stop reaches all.
"""
import re
import sys

import mpirun

PIPELINE = ["parallel.pipeline=3"]
# Seconds from a SIGTERM to mpirun to the ranks' own, then again until it kills
# them.
GRACE = ["--mca", "odls_base_sigkill_timeout", "5"]


def told(run):
    """What the ranks said themselves."""
    return [line for line in run.stderr().split("\n")
            if re.match(r"cairn:|rank \d", line)]


# Once one rank has ended, mpirun may kill the shells of others that have, too.
def expect_codes(run, code):
    codes = run.exit_codes()
    mpirun.expect(set(codes.values()) == {code},
                  f"the ranks ended with {codes}, not {code}")


def expect_refusal(cairn, launch, ranks, settings, code, parts):
    with mpirun.Run(cairn, launch) as run:
        run.start(ranks, settings, shell=True)
        run.end()
        lines = told(run)
        print("\n".join(lines))
        mpirun.expect(len(lines) == 1, f"{len(lines)} lines tell of it")
        for part in parts:
            mpirun.expect(part in lines[0], f"{part} is not told")
        expect_codes(run, code)
        mpirun.expect(not run.directory.exists(), "a run was begun")


def refusals(cairn, launch):
    expect_refusal(cairn, launch, 3, ["parallel.pipeline=2"], 2,
                   ["is 2 ranks, and mpirun started 3", "mpirun -n 2",
                    "parallel.pipeline = 3"])
    expect_refusal(cairn, launch, 3, ["parallel.pipline=3"], 2,
                   ["parallel.pipline", "parallel.pipeline"])
    expect_refusal(cairn, launch, 3, [*PIPELINE, "parallel.cuts=1,2,4"], 2,
                   ["1 + 2 + 4 = 7", "6 together"])
    expect_refusal(cairn, launch, 3, [*PIPELINE, "memory.device_budget=9KiB"],
                   3, ["9216"])


# A mistake that only rank 0 meets, and one that all meet during the run.
def failures(cairn, launch):
    with mpirun.Run(cairn, launch) as run:
        run.directory = run.config / "run"
        run.start(3, PIPELINE)
        run.end()
        print(lines := told(run))
        mpirun.expect(len(lines) == 1 and
                      lines[0].startswith("rank 0 gave up: ") and
                      str(run.directory) in lines[0], "rank 0 does not tell")
    with mpirun.Run(cairn, launch) as run:
        run.start(3, [*PIPELINE, "optimizer.lr=1000", "optimizer.min_lr=1000",
                      "optimizer.weight_decay=1", "optimizer.warmup=0",
                      "optimizer.clip=0"], shell=True)
        run.end()
        print(lines := told(run))
        mpirun.expect(len(lines) == 1 and "that is not finite" in lines[0],
                      "the divergence is not told once")
        expect_codes(run, 4)


def expect_stop(run, mpirun_code):
    code, _ = run.end()
    print(run.stderr())
    mpirun.expect(code == mpirun_code, f"mpirun ended with {code}")
    mpirun.expect(not told(run), "something else is told")
    last = run.metrics()[-1]
    steps = [line["step"] for line in run.metrics()[:-1]]
    mpirun.expect(last.get("event") == "end", "metrics have no last line")
    mpirun.expect(steps == list(range(1, last["steps"] + 1)),
                  f"metrics of {last['steps']} steps have {steps}")


# mpirun that is told to end, by whichever signal, sends SIGTERM to the ranks and
# says 1 itself, whatever they say.
def stop(cairn, launch):
    with mpirun.Run(cairn, [*launch, *GRACE]) as run:
        run.start(3, PIPELINE, shell=True)
        run.wait_for_step(2)
        mpirun.send(run.process.pid, "SIGTERM")
        expect_stop(run, 1)
        expect_codes(run, 75)
    with mpirun.Run(cairn, launch) as run:
        run.start(3, PIPELINE, shell=True)
        pids = run.processes(3)
        run.wait_for_step(2)
        mpirun.send(pids[1], "SIGINT")
        expect_stop(run, 75)
        expect_codes(run, 75)


def one_writes(cairn, launch):
    with mpirun.Run(cairn, launch) as run:
        run.start(2, ["parallel.data=2", "train.steps=3"])
        code, _ = run.end()
        print(run.stdout())
        mpirun.expect(code == 0, f"it ended with {code}")
        names = sorted(file.name for file in run.folder.glob("run*"))
        mpirun.expect(names == ["run"], f"there are {names}")
        mpirun.expect(run.stdout().count("weights_hash ") == 1,
                      "more than one rank prints")
        mpirun.expect(run.metrics()[-1]["steps"] == 3, "it made other steps")


CASES = {each.__name__: each for each in (refusals, failures, stop, one_writes)}

if __name__ == "__main__":
    try:
        CASES[sys.argv[1]](sys.argv[2], sys.argv[3:])
    except mpirun.Failure as failure:
        print(failure)
        sys.exit(1)
