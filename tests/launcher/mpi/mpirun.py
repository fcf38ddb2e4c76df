"""A `cairn train` run under mpirun, its ranks' processes, and what it prints."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

CONFIG = """[model]
family = "gpt2"
layers = 4
width = 128
heads = 4
[data]
train = {train}
valid = {valid}
sequence = 64
[train]
steps = 1000
global_batch = 48
micro_batch = 4
threads = 1
eval_batches = 2
[optimizer]
lr = 1e-3
warmup = 2
"""

# Tells how every rank ended: mpirun tells only of one. The shell outlives a
# signal to all of them, and traps are not the program's.
SHELL = """trap : TERM INT
"$@"
code=$?
echo $code > "$CODES/$OMPI_COMM_WORLD_RANK"
exit $code
"""


class Failure(Exception):
    """What ends the test with 1."""


def expect(holds, message):
    if not holds:
        raise Failure(message)


def wait_for(condition, what, limit_s=60):
    """Waits until `condition()` gives something, and returns that."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.002)
    raise Failure(f"waited {limit_s} s for {what}")


class Run:
    """One run; its files go when it is left, unless something failed."""

    def __init__(self, cairn, launch):
        self.cairn = cairn
        self.launch = launch
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cairn-ranks-"))
        self.directory = self.folder / "run"
        self.codes = self.folder / "codes"
        self.codes.mkdir()
        self.process = None
        text = self.folder / "text.txt"
        text.write_text("".join(f"line {i * i % 97} of a play\n"
                                for i in range(4000)))
        train, valid = self.folder / "train.bin", self.folder / "valid.bin"
        subprocess.run([cairn, "data", "prepare", "--tokenizer", "char",
                        "--input", text, "--output", train, "--valid", valid,
                        "--valid-fraction", "0.2"],
                       check=True, stdout=subprocess.DEVNULL)
        self.config = self.folder / "config.toml"
        self.config.write_text(CONFIG.format(train=json.dumps(str(train)),
                                             valid=json.dumps(str(valid))))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind is None:
            shutil.rmtree(self.folder)
        else:
            print(f"stderr of the run:\n{self.stderr()}\n"
                  f"its files are in {self.folder}")

    def start(self, ranks, settings, shell=False):
        command = [*self.launch, "-n", str(ranks)]
        if shell:
            command += ["-x", "CODES", "sh", "-c", SHELL, "sh"]
        command += [self.cairn, "train", str(self.config)]
        for setting in [*settings, f"run.directory={self.directory}"]:
            command += ["--set", setting]
        with open(self.folder / "stdout", "w") as out, \
                open(self.folder / "stderr", "w") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err,
                env={**os.environ, "CODES": str(self.codes)})

    def stdout(self):
        return (self.folder / "stdout").read_text()

    def stderr(self):
        file = self.folder / "stderr"
        return file.read_text() if file.exists() else ""

    def metrics(self):
        """Lines that are there; the last may be half written."""
        file = self.directory / "metrics.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in
                file.read_text().split("\n")[:-1]]

    def wait_for_step(self, step):
        wait_for(lambda: any(line.get("step", 0) >= step
                             for line in self.metrics()), f"step {step}")

    def processes(self, ranks):
        """The process of each rank, once mpirun has started all."""
        def found():
            pids = {}
            for entry in pathlib.Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                rank = rank_of(entry, str(self.config))
                if rank is not None:
                    pids[rank] = int(entry.name)
            return pids if len(pids) == ranks else None
        return wait_for(found, f"{ranks} ranks")

    def end(self, limit_s=60):
        """Waits for mpirun; returns its code and the seconds it took."""
        start = time.monotonic()
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"no end after {limit_s} s") from late
        return code, time.monotonic() - start

    def exit_codes(self):
        """By rank, of those whose shells were not killed before they told."""
        texts = {int(file.name): file.read_text()
                 for file in self.codes.iterdir()}
        return {rank: int(text) for rank, text in texts.items() if text}


def rank_of(entry, config):
    """The rank that the process is, if it is one of the run with `config`."""
    try:
        line = (entry / "cmdline").read_bytes().split(b"\0")
        if len(line) < 3 or line[1] != b"train" or line[2] != config.encode():
            return None
        environment = (entry / "environ").read_bytes()
    except OSError:
        return None
    rank = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", environment)
    return int(rank[1]) if rank else None


def send(pid, name):
    os.kill(pid, signal.Signals[name])
