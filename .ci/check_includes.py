"""Fails where a file includes what it may not.

An include goes down the list of folders or stays in its own; a header in a
subfolder is private to its folder, except in the faces below; a vendor's
header appears behind its one door; preprocessor conditions appear where
backends and instruction sets are chosen, nowhere else; the top of the
repository holds what it is meant to hold.
"""
import re

import tree

MAY_USE = {
    "runtime": set(),
    "parallel": {"runtime"},
    "offload": {"runtime"},
    "sharding": {"parallel", "runtime"},
    "checkpoint": {"offload", "sharding", "parallel", "runtime"},
    "launcher": {"checkpoint", "offload", "sharding", "parallel", "runtime"},
    "examples": set(tree.FOLDERS),
    "bench": set(tree.FOLDERS),
    "tests": set(tree.FOLDERS),
}
FACES = ("checkpoint/activations/", "checkpoint/snapshots/", "runtime/data/")
SEES_INSIDES = {"tests"}

# The folders that may include a vendor's headers. Tests may include any.
DOORS = [
    (r"oneapi/dnnl|dnnl|omp\.h", ("runtime/cpu/",)),
    (r"cuda|cublas|cudnn|nvml|nvtx", ("runtime/cuda/",)),
    (r"nccl", ("parallel/nccl/",)),
    (r"mpi\.h", ("parallel/mpi/",)),
    (r"liburing", ("offload/",)),
    (r"grpc|google/protobuf|prometheus", ("launcher/",)),
    (r"toml\+\+|CLI/", ("launcher/",)),
    (r"nlohmann/", ("runtime/data/", "checkpoint/", "launcher/")),
    (r"pcre2", ("runtime/data/",)),
    (r"xxh", ("runtime/", "offload/", "checkpoint/", "launcher/")),
]
CONDITIONS_IN = ("runtime/backend.cc", "runtime/cpu/variants/")
TOP = {
    "CMakeLists.txt", "runtime", "parallel", "sharding", "offload",
    "checkpoint", "launcher", "examples", "tests", "README.md", "docs",
    "bench", "cmake", "scripts", "LICENSE", "NOTICE",
}

OURS = re.compile(r'\s*#\s*include\s*"([^"]+)"')
VENDOR = re.compile(r"\s*#\s*include\s*<([^>]+)>")
CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif)\b")


def fault_of_ours(folder, header):
    target, _, rest = header.partition("/")
    if target == folder or (folder in SEES_INSIDES and not rest):
        return None  # a test may name a helper that lies beside it
    if not rest or target not in MAY_USE:
        return f'"{header}" is not a path from the top of the repository'
    if target not in MAY_USE[folder]:
        return f"{folder}/ may not use {target}/ ({header})"
    if folder in SEES_INSIDES or "/" not in rest:
        return None
    if header.startswith(FACES) and header.count("/") == 2:
        return None
    return f"{header} is private to {target}/"


def fault_of_vendor(folder, name, header):
    if folder == "tests":
        return None
    for pattern, doors in DOORS:
        if re.match(pattern, header) and not name.startswith(doors):
            return f"<{header}> belongs behind {' or '.join(doors)}"
    return None


def fault_of_line(folder, name, line):
    if match := OURS.match(line):
        return fault_of_ours(folder, match[1])
    if match := VENDOR.match(line):
        return fault_of_vendor(folder, name, match[1])
    if CONDITION.match(line) and not name.startswith(CONDITIONS_IN):
        return f"a preprocessor condition outside {', '.join(CONDITIONS_IN)}"
    return None


def main():
    root = tree.root_from_arguments()
    faults = []
    for top in sorted({p.relative_to(root).parts[0] for p in tree.files(root)}):
        if not top.startswith(".") and top not in TOP:
            faults.append(f"{top}: does not belong at the top")
    count = 0
    for folder, path in tree.sources(root, MAY_USE):
        count += 1
        name = str(path.relative_to(root))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if fault := fault_of_line(folder, name, line):
                faults.append(f"{name}:{number}: {fault}")
    if count == 0:
        faults.append(f"{root}: no sources to check")
    tree.report(faults, f"{count} files: includes point down")


if __name__ == "__main__":
    main()
