"""Fails where a page promises what is not there.

In README.md, docs/ and examples/: links lead to files; paths named in shell
blocks exist; `cairn` is called with words that launcher/ knows; TOML uses keys
of the schema. Nowhere do unfinished thoughts stand.
"""
import re

import tree

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD|HACK)\b")
TEXT = {".md", ".h", ".cc", ".cu", ".cuh", ".py", ".sh", ".cmake", ".toml"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
OUR_PATH = re.compile(
    r"(?<![\w./-])((?:scripts|examples|bench|tests|docs|\.ci)/[\w./-]+)")
KEY_ROW = re.compile(r'\{\s*"(\w+)",\s*"(\w+)"')
PLANNED = "planned"


def schema(root):
    """The config keys that the launcher's table lists; empty without one."""
    keys = set()
    for path in (root / "launcher").rglob("schema*.cc"):
        keys |= {f"{a}.{b}" for a, b in KEY_ROW.findall(path.read_text())}
    return keys


def commands(root):
    """The words after `cairn` that the launcher reads; empty without one."""
    words = set()
    for path in (root / "launcher").rglob("*.cc"):
        words |= set(re.findall(r'add_subcommand\(\s*"(\w+)"',
                                path.read_text()))
    return words


def faults_of_toml(text, keys):
    section = ""
    for line in text.splitlines():
        if match := re.match(r"\s*\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"\s*(\w+)\s*=", line):
            if keys and f"{section}.{match[1]}" not in keys:
                yield f"no such config key: {section}.{match[1]}"


def faults_of_shell(root, text, keys, words):
    for line in text.splitlines():
        for path in OUR_PATH.findall(line):
            if not (root / path.rstrip("/.")).exists():
                yield f"no such path: {path}"
        match = re.search(r"(?:^|[\s/])cairn +(\w+)", line)
        if match and words and match[1] not in words:
            yield f"no such command: cairn {match[1]}"
        for key in re.findall(r"--set +([\w.]+)=", line):
            if keys and key not in keys:
                yield f"no such config key: {key}"


def faults_of_page(root, path, keys, words):
    text = path.read_text()
    for target in LINK.findall(text):
        if "://" not in target and not (path.parent / target).exists():
            yield f"link to nothing: {target}"
    for language, block in BLOCK.findall(text):
        if PLANNED in block:
            continue
        if language == "toml":
            yield from faults_of_toml(block, keys)
        if language in {"sh", "bash"}:
            yield from faults_of_shell(root, block, keys, words)


def main():
    root = tree.root_from_arguments()
    keys, words = schema(root), commands(root)
    faults = []
    count = 0
    for path in tree.files(root):
        name = str(path.relative_to(root))
        found = []
        if path.suffix in TEXT and name != ".ci/check_docs.py":
            count += 1
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if match := UNFINISHED.search(line):
                    found.append(f"line {number}: {match[1]}")
        if path.suffix == ".md":
            found.extend(faults_of_page(root, path, keys, words))
        if path.suffix == ".toml" and name.startswith("examples/"):
            found.extend(faults_of_toml(path.read_text(), keys))
        faults.extend(f"{name}: {fault}" for fault in found)
    if not (root / "README.md").is_file():
        faults.append("README.md: missing")
    tree.report(faults, f"{count} files: what is promised is there")


if __name__ == "__main__":
    main()
