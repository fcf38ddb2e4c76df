"""Fails where clang-format 14 would write a line differently."""
import shutil
import subprocess
import sys

import tree

SKIPPED = 77


def main():
    root = tree.root_from_arguments()
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        print("clang-format is not installed")
        sys.exit(SKIPPED)
    folders = tree.FOLDERS + ["examples", "bench", "tests"]
    paths = [str(path) for _, path in tree.sources(root, folders)]
    if not paths:
        tree.report([f"{root}: no sources to check"], "")
    run = subprocess.run([tool, "--dry-run", "--Werror", *paths],
                         capture_output=True, text=True, check=False)
    faults = [line for line in run.stderr.splitlines() if ": error:" in line]
    if run.returncode != 0 and not faults:
        faults = [run.stderr.strip() or "clang-format ended with an error"]
    tree.report(faults, f"{len(paths)} files are formatted")


if __name__ == "__main__":
    main()
