"""Fails where a function, file, header or line is longer than it should be."""
import re

import tree

FUNCTION_LINES = 60
FUNCTION_AIM = 25
FILE_LINES = 500
HEADER_LINES = 150
COLUMNS = 80

# Headers that may be longer, and why.
LONG_HEADERS = {
    "runtime/kernels.h": "a vocabulary: about 25 operations, a few lines each",
    "tests/runtime/kernel_lab.h": "the bench on which all kernel tests work",
    "runtime/block.h": "the contract of blocks and stores, and what both share",
}

FOLDERS = tree.FOLDERS + ["examples", "bench", "tests"]
NAMES_A_SCOPE = re.compile(
    r"\b(namespace|class|struct|union|enum)\b[^()=]*$|\bextern\s*$")
ENDS_A_SIGNATURE = re.compile(
    r"\)\s*((const|noexcept|override|final|mutable|try|&{1,2}|"
    r"->\s*[\w:<>,*&\s]+|requires\b.*)\s*)*$", re.DOTALL)
INITIALIZES_MEMBERS = re.compile(r"\)\s*(noexcept\s*)?:(?!:)", re.DOTALL)


def is_body(head):
    """Whether the brace that follows `head` opens a function's body."""
    if head.count("(") != head.count(")") or "(" not in head:
        return False
    if re.search(r"\b(class|struct|union|enum)\b[^()]*$", head):
        return False
    if INITIALIZES_MEMBERS.search(head):
        return head.rstrip().endswith((")", "}"))
    before = head.split("(")[0]
    if "=" in before and "operator" not in before:
        return False
    return bool(ENDS_A_SIGNATURE.search(head))


def matching(text, start):
    """The position after the brace that closes the one at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return len(text)


def functions(text):
    """(first line, lines) of every function; a lambda counts with its owner."""
    text = tree.blank_comments(text)
    found = []
    at = head_start = 0
    while at < len(text):
        symbol = text[at]
        head = text[head_start:at]
        if symbol == "{" and is_body(head):
            end = matching(text, at)
            begin = head_start + len(head) - len(head.lstrip())
            first = text.count("\n", 0, begin) + 1
            found.append((first, text.count("\n", begin, end) + 1))
            at = head_start = end
        elif symbol == "{" and not NAMES_A_SCOPE.search(head):
            at = matching(text, at)  # an initializer
        elif symbol in "{};":
            at += 1
            head_start = at if head.count("(") == head.count(")") else head_start
        else:
            at += 1
    return found


def faults_of(name, text):
    lines = text.splitlines()
    limit = FILE_LINES
    if name.endswith(".h") and name not in LONG_HEADERS:
        limit = HEADER_LINES
    if len(lines) > limit:
        yield f"{name}: {len(lines)} lines, more than {limit}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS and not line.startswith("#include"):
            yield f"{name}:{number}: {len(line)} columns, more than {COLUMNS}"
    for number, length in functions(text):
        if length > FUNCTION_LINES:
            yield (f"{name}:{number}: a function of {length} lines, more than "
                   f"{FUNCTION_LINES}")


def main():
    root = tree.root_from_arguments()
    faults = []
    lengths = []
    for _, path in tree.sources(root, FOLDERS):
        name = str(path.relative_to(root))
        text = path.read_text()
        faults.extend(faults_of(name, text))
        lengths.extend(length for _, length in functions(text))
    for name in LONG_HEADERS:
        if not (root / name).is_file():
            faults.append(f"{name}: may be long, but does not exist")
    if not lengths:
        faults.append(f"{root}: no functions to check")
    lengths.sort()
    short = sum(length <= FUNCTION_AIM for length in lengths)
    if lengths:
        print(f"{len(lengths)} functions: median {lengths[len(lengths) // 2]} "
              f"lines, longest {lengths[-1]}, "
              f"{100 * short / len(lengths):.1f} % at most {FUNCTION_AIM}")
    tree.report(faults, "sizes are within their limits")


if __name__ == "__main__":
    main()
