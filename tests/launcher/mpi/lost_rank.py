"""What a `cairn train` under mpirun tells of a rank that is lost, and how soon
it ends: lost_rank.py PHASE SIGNAL CAIRN MPIRUN...

The rank is killed or stopped in a phase of the run. Every other rank must then
end within five seconds (after a SIGSTOP: of the timeout), and the first line
that names the lost rank must say what each other rank was doing.
"""
import json
import re
import subprocess
import sys
import time

import mpirun

TIMEOUT_S = 2  # of a run whose rank is stopped
LIMIT_S = 5
# MPI itself is given ten seconds more to bring the ranks together.
START_LIMIT_S = 10 + LIMIT_S

PIPELINE = (3, ["parallel.pipeline=3"])
DATA = (3, ["parallel.data=3", "sharding.stage=2"])
BOTH = (4, ["parallel.pipeline=2", "parallel.data=2", "sharding.stage=1"])
BY_NCCL = ["train.device=cuda", "parallel.transport=nccl"]
NCCL_PIPELINE = (2, ["parallel.pipeline=2", *BY_NCCL])
NCCL_DATA = (2, ["parallel.data=2", "sharding.stage=3", *BY_NCCL])

WAITS = r"was waiting in ({calls}) of \d+ bytes on group [^;]+"
ANYTHING = r"was (computing|waiting in [^;]+)"
IN_CHANNEL = WAITS.format(calls="send|receive")
IN_REDUCTION = WAITS.format(calls="all_reduce|reduce_scatter|all_gather")


class Case:
    """A layout, the rank that is lost, and what its peers may be doing."""

    def __init__(self, layout, victim, reach, doing=ANYTHING, settings=()):
        self.ranks, self.layout = layout
        self.victim = victim
        self.reach = reach
        self.doing = doing
        self.settings = settings


def nothing(_run, _pid):
    """The rank is lost as soon as its process is there."""


def building(run, _pid):
    mpirun.wait_for(run.directory.exists, "the run's directory")


def computing(run, _pid):
    run.wait_for_step(3)
    time.sleep(0.1)


def held(run, pid):
    """The others have come to where they wait for the rank."""
    run.wait_for_step(3)
    mpirun.send(pid, "SIGSTOP")
    time.sleep(1.5)


def evaluating(run, _pid):
    run.wait_for_step(2)
    time.sleep(0.3)
    mpirun.expect(not any(line.get("event") for line in run.metrics()),
                  "the evaluation is over before the rank is lost")


def hashing(run, _pid):
    """The weights' hash begins when the last step is recorded."""
    run.wait_for_step(3)
    mpirun.expect("weights_hash" not in run.stdout(),
                  "the hash is made before the rank is lost")


# Weights of 300 MB, whose way to rank 0 and hash take longer than a look.
LARGE = ["train.steps=3", "data.valid=''", "train.global_batch=3",
         "train.micro_batch=1", "data.sequence=4", "model.width=1024",
         "model.layers=6"]
EVALUATION = ["train.eval_every=2", "train.eval_batches=400"]

CASES = {
    "start": Case(PIPELINE, 2, nothing),
    "build": Case(PIPELINE, 1, building),
    "compute": Case(BOTH, 3, computing),
    "channel": Case(PIPELINE, 1, held, IN_CHANNEL),
    "reduction": Case(DATA, 2, held, IN_REDUCTION),
    "rank_0": Case(DATA, 0, held, IN_REDUCTION),
    "evaluation": Case(BOTH, 1, evaluating, settings=EVALUATION),
    "hash": Case(PIPELINE, 2, hashing, settings=LARGE),
    "nccl_build": Case(NCCL_PIPELINE, 1, building),
    "nccl_compute": Case(NCCL_DATA, 1, computing),
    "nccl_channel": Case(NCCL_PIPELINE, 1, held),
    "nccl_reduction": Case(NCCL_DATA, 1, held),
    "nccl_rank_0": Case(NCCL_DATA, 0, held),
}


def expected_report(case, pid, signal):
    loss = {"SIGKILL": "is gone",
            "SIGSTOP": r"is silent for [1-9]\d*\.\d s"}[signal]
    others = [f"rank {rank} {case.doing}" for rank in range(case.ranks)
              if rank != case.victim]
    return (rf"rank {case.victim} \(pid {pid} on [^ )]+\) {loss}; "
            + "; ".join(others))


def check_report(case, pid, signal, text):
    lines = [line for line in text.split("\n")
             if re.search(rf"\brank {case.victim}\b", line)]
    mpirun.expect(lines, "no line names the lost rank")
    mpirun.expect(re.fullmatch(expected_report(case, pid, signal), lines[0]),
                  f"the first line that names it is: {lines[0]}")
    ours = [line for line in text.split("\n")
            if re.match(r"cairn:|rank \d", line)]
    mpirun.expect(len(ours) == 1, f"{len(ours)} lines tell of it: {ours}")


# Before MPI has brought the ranks together they cannot see each other.
def check_start(signal, text):
    if signal == "SIGKILL":
        return
    pattern = (r"cairn: rank [01] waited 12 s for the other ranks to start "
               r"MPI; one is stopped or cannot be reached\n")
    mpirun.expect(re.search(pattern, text), "nobody tells of the wait")


def devices(cairn):
    told = subprocess.run([cairn, "doctor", "--json"], capture_output=True,
                          text=True, check=False).stdout
    return len(json.loads(told)["cuda"]["devices"])


def lose(phase, signal, cairn, launch):
    case = CASES[phase]
    if phase.startswith("nccl") and devices(cairn) < case.ranks:
        print(f"there are not {case.ranks} CUDA devices")
        sys.exit(77)
    timeout = TIMEOUT_S if signal == "SIGSTOP" else 60
    with mpirun.Run(cairn, launch) as run:
        run.start(case.ranks, [*case.layout, *case.settings,
                               f"parallel.timeout={timeout}"])
        pid = run.processes(case.ranks)[case.victim]
        case.reach(run, pid)
        mpirun.send(pid, signal)
        code, seconds = run.end()
        print(f"ended with {code} {seconds:.1f} s after {signal}\n"
              f"{run.stderr()}")
        # 1 is what mpirun says of ranks that end without ending MPI in order,
        # when it does not pass on what the first of them says.
        mpirun.expect(code in ((137,) if signal == "SIGKILL" else (1, 4)),
                      f"mpirun ended with {code}")
        limit = LIMIT_S
        if signal == "SIGSTOP":
            limit += timeout + (START_LIMIT_S if phase == "start" else 0)
        mpirun.expect(seconds <= limit, f"it took {seconds:.1f} s")
        if phase == "start":
            check_start(signal, run.stderr())
        else:
            check_report(case, pid, signal, run.stderr())


if __name__ == "__main__":
    try:
        lose(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
    except mpirun.Failure as failure:
        print(failure)
        sys.exit(1)
