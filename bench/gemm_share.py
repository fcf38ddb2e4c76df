"""How much of a CPU step is matrix products, and how fast they run.

Prints the share of the step that all threads spend in oneDNN's sgemm, the rate
reached there, and the rate of oneDNN alone on the same products, whole, with
as many threads, in the same run.
"""
import argparse
import ctypes
import ctypes.util
import json
import os
import pathlib
import subprocess
import tempfile
import time

from cpu_versus_torch import MODELS, config, execute, write_shard

HERE = pathlib.Path(__file__).resolve().parent


def products(model):
    """(m, n, k, transpose a, transpose b) of a step, each with its count."""
    layers, _, width, vocab, _, batch, sequence = MODELS[model]
    tokens = batch * sequence
    for outputs, inputs, count in [
            (3 * width, width, layers), (width, width, layers),
            (4 * width, width, layers), (width, 4 * width, layers),
            (vocab, width, 1)]:
        yield (tokens, outputs, inputs, b"N", b"T"), count  # forward
        yield (tokens, inputs, outputs, b"N", b"N"), count  # of the input
        yield (outputs, inputs, tokens, b"T", b"N"), count  # of the weight


def alone(model, rounds):
    """FLOP/s of the products of a step, one after the other."""
    name = ctypes.util.find_library("dnnl")
    sgemm = ctypes.CDLL(name).dnnl_sgemm
    i64, f32 = ctypes.c_int64, ctypes.c_float
    sgemm.argtypes = [ctypes.c_char, ctypes.c_char, i64, i64, i64, f32,
                      ctypes.c_void_p, i64, ctypes.c_void_p, i64, f32,
                      ctypes.c_void_p, i64]
    seconds = flops = 0.0
    for (m, n, k, ta, tb), count in products(model):
        a, b, c = ((f32 * size)() for size in (m * k, k * n, m * n))
        lda = m if ta == b"T" else k
        ldb = k if tb == b"T" else n
        best = 1e9
        for _ in range(rounds):
            begin = time.perf_counter()
            sgemm(ta, tb, m, n, k, 1.0, a, lda, b, ldb, 0.0, c, n)
            best = min(best, time.perf_counter() - begin)
        seconds += count * best
        flops += count * 2.0 * m * n * k
    return flops / seconds


def probed(model, args, library, folder):
    """(seconds in sgemm over all threads, FLOP, seconds of steps) of a run."""
    shard, file = folder / "tokens.bin", folder / "config.toml"
    write_shard(shard, MODELS[model][3])
    file.write_text(config(model, shard, folder / "run", args, "keep"))
    out = folder / "probe"
    cores = set(sorted(os.sched_getaffinity(0))[: args.threads])
    execute(["env", f"LD_PRELOAD={library}", f"GEMM_PROBE={out}",
             args.cairn, "train", str(file)], cores)
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    steps = sum(json.loads(line).get("step_ms", 0) for line in lines)
    seconds, flops = map(float, out.read_text().split())
    return seconds, flops, steps / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--models", nargs="+", choices=MODELS,
                        default=list(MODELS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    args = parser.parse_args()
    # Read by the OpenMP runtime that oneDNN brings, when it is loaded.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        library = folder / "gemm_probe.so"
        subprocess.run(["c++", "-O2", "-shared", "-fPIC", "-std=c++20",
                        str(HERE / "gemm_probe.cc"), "-o", str(library),
                        "-ldl"], check=True)
        for model in args.models:
            seconds, flops, wall = probed(model, args, library, folder)
            rate = alone(model, rounds=5)
            within = flops / seconds * args.threads
            print(f"{model}: {100 * seconds / wall / args.threads:.1f} % of "
                  f"the step in sgemm, at {within / 1e9:.1f} GFLOP/s; oneDNN "
                  f"alone {rate / 1e9:.1f}; ratio {within / rate:.3f}",
                  flush=True)


if __name__ == "__main__":
    main()
