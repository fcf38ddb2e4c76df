"""Runs clang-tidy over our own sources: tidy.py BUILD [PATH_PART...].

BUILD holds compile_commands.json. With further arguments, only files whose
path contains one of them. Each file but device code is looked at once, as
many at a time as there are processors.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys

import tree


def sources_of(build, root, parts):
    commands = json.loads((build / "compile_commands.json").read_text())
    found = set()
    for command in commands:
        path = pathlib.Path(command["directory"], command["file"]).resolve()
        if not path.is_relative_to(root) or path.suffix == ".cu":
            continue  # clang-tidy 14 does not know this CUDA
        name = str(path.relative_to(root))
        if name.split("/")[0] not in tree.FOLDERS:
            continue
        if not parts or any(part in name for part in parts):
            found.add(path)
    return sorted(found)


def look_at(tool, build, path):
    run = subprocess.run(
        [tool, "--quiet", "-p", str(build),
         "--extra-arg=-Wno-unknown-warning-option",
         "--extra-arg=-Wno-unused-command-line-argument", str(path)],
        capture_output=True, text=True, check=False)
    return path, run.returncode, run.stdout + run.stderr


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parent.parent
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if tool is None:
        tree.report(["clang-tidy is not installed"], "")
    paths = sources_of(build, root, sys.argv[2:])
    faults = [] if paths else [f"{build}: no sources to look at"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, code, text in pool.map(
                lambda path: look_at(tool, build, path), paths):
            if code != 0:
                faults.append(f"{path.relative_to(root)}:\n{text.strip()}")
    tree.report(faults, f"{len(paths)} files are tidy")


if __name__ == "__main__":
    main()
