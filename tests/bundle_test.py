"""Runs the bundle as a node would that never saw this tree.

    bundle_test.py BUILD [--cuda FOLDER]

The bundle is moved to a folder with a space in its name. There it must look
for nothing in the build tree, run without any environment, and then again in
a root of its own that has little more than a shell and the C library (needs
root, or user namespaces; skipped with exit 77 where neither is had).
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What a node has that carries no library of ours: a shell and what start-up
# calls, and the compiler's run-time library.
COMMANDS = ("sh", "dirname", "readlink", "sed", "sort", "tr")
SYSTEM = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "librt.so.1",
          "libdl.so.2", "libpthread.so.0")
CONFIG = """
[model]
family = "gpt2"
layers = 2
width = 32
heads = 2
[data]
train = "train.bin"
sequence = 16
[train]
steps = 2
global_batch = 2
micro_batch = 2
device = "cpu"
threads = 1
[optimizer]
warmup = 1
"""


def libraries(program, environment=None):
    """The names that the loader wants, with the files it found, if any."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True,
                            env=environment or {}, check=True).stdout
    return dict(re.findall(r"^\s*(\S+) => (.+?)(?: \(0x.*)?$", listed, re.M))


def commands(cairn):
    text = cairn.replace("bin/cairn", "LICENSE")
    return [
        [cairn, "--version"],
        [cairn, "data", "prepare", "--tokenizer", "byte", "--input", text,
         "--output", "train.bin"],
        [cairn, "plan", "run.toml"],
        [cairn, "train", "run.toml"],
    ]


def check_libraries(bundle, build):
    found = libraries(bundle / "libexec" / "cairn")
    for name, file in found.items():
        assert str(build) not in file, f"{name} is taken from {file}"
    carried = {p.name for p in (bundle / "lib").iterdir()}
    for name in carried & set(found):
        assert pathlib.Path(found[name]).resolve().is_relative_to(
            bundle.resolve()), f"{name} is carried and yet {found[name]}"
    lacking = {n for n, f in found.items() if f == "not found"}
    with_mpi = {"LD_LIBRARY_PATH": str(bundle / "lib" / "mpi")}
    lacking &= {n for n, f in libraries(
        bundle / "libexec" / "cairn", with_mpi).items() if f == "not found"}
    assert all(re.match(r"lib(cu|nccl)", n) for n in lacking), lacking
    assert {"libdnnl.so.2", "libgomp.so.1"} <= carried, carried
    return sorted(n for n in found if re.match(r"lib(cu|nccl)", n)
                  and n not in carried)


def check_without_environment(bundle, work):
    folder = work / "elsewhere"
    folder.mkdir()
    (folder / "run.toml").write_text(CONFIG)
    for command in commands(str(bundle / "bin" / "cairn")):
        ran = subprocess.run(["env", "-i", *command], cwd=folder, text=True,
                             capture_output=True)
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    assert "weights_hash" in ran.stdout, ran.stdout


def put(root, file):
    """Puts a file, and what its dynamic loader needs, into `root`."""
    wanted = [file, *(f for f in libraries(file).values() if f != "not found")]
    for source in map(pathlib.Path, wanted):
        to = root / source.relative_to("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)
        to.chmod(0o755)


def make_root(root, bundle):
    for command in COMMANDS:
        put(root, os.path.realpath(shutil.which(command)))
        link = root / "bin" / command
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(os.path.realpath(shutil.which(command)))
    for name in SYSTEM:
        put(root, f"/lib/x86_64-linux-gnu/{name}"
            if os.path.exists(f"/lib/x86_64-linux-gnu/{name}")
            else f"/usr/lib/x86_64-linux-gnu/{name}")
    loader = root / "lib64" / "ld-linux-x86-64.so.2"
    loader.parent.mkdir(exist_ok=True)
    shutil.copy(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
    shutil.copytree(bundle, root / "bundle", symlinks=True)
    (root / "run.toml").write_text(CONFIG)
    (root / "proc").mkdir()


def enter(root, command):
    """Runs a command there, with /proc, which the loader asks where it is."""
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    user = [] if os.geteuid() == 0 else ["-r", "-p", "-f"]
    return subprocess.run(
        ["unshare", "-m", *user, "env", "-i", f"PATH={os.environ['PATH']}",
         "sh", "-c", script, root, *command], text=True, capture_output=True)


def check_in_bare_root(bundle, work, cuda_names, cuda_folder):
    root = work / "root"
    make_root(root, bundle)
    tried = enter(root, ["/bin/sh", "-c", ":"])
    if tried.returncode != 0:
        print("a root of its own cannot be entered:", tried.stderr)
        return False
    cairn = "/bundle/bin/cairn"
    if cuda_names:
        ran = enter(root, [cairn, "--version"])
        assert ran.returncode == 4, ran
        assert all(name in ran.stderr for name in cuda_names), ran.stderr
        assert "libmpi" not in ran.stderr, ran.stderr
        # Of a toolkit and of a wheel, in turn.
        folders = [root / "usr/local/cuda-13.0/lib64",
                   root / "usr/local/lib/python3.12/dist-packages/nvidia/cu13"
                   / "lib"]
        for folder in folders:
            folder.mkdir(parents=True)
        for number, name in enumerate(cuda_names):
            shutil.copy(pathlib.Path(cuda_folder) / name,
                        folders[number % 2] / name)
    for command in commands(cairn):
        ran = enter(root, command)
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    assert "weights_hash" in ran.stdout, ran.stdout
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--cuda", default="/usr/local/cuda/lib64")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        bundle = work / "moved here" / "cairn bundle"
        shutil.copytree(arguments.build / "cairn-bundle", bundle,
                        symlinks=True)
        cuda = check_libraries(bundle, arguments.build.resolve())
        check_without_environment(bundle, work)
        entered = check_in_bare_root(bundle, work, cuda, arguments.cuda)
    sys.exit(0 if entered else 77)


if __name__ == "__main__":
    main()
