"""What the checks know of the repository: its folders, files and lines."""
import pathlib
import re
import subprocess
import sys

FOLDERS = ["runtime", "parallel", "offload", "sharding", "checkpoint",
           "launcher"]
SOURCES = {".h", ".cc", ".cu", ".cuh"}


def root_from_arguments():
    """The tree to look at: the first argument, or the one this file is in."""
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1]).resolve()
    return pathlib.Path(__file__).resolve().parent.parent


def files(root):
    """What is or would be committed; without git, all but what is built."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files",
         "-co", "--exclude-standard", "--", "."],
        capture_output=True, text=True, check=False)
    if listing.returncode == 0 and (root / ".git").exists():
        return sorted(root / name for name in listing.stdout.splitlines()
                      if (root / name).is_file())
    made = re.compile(r"build|runs$")
    return sorted(path for path in root.rglob("*") if path.is_file()
                  and not made.match(path.relative_to(root).parts[0]))


def sources(root, folders):
    """(folder, path) of every C++ file in these top-level folders."""
    for path in files(root):
        folder = path.relative_to(root).parts[0]
        if folder in folders and path.suffix in SOURCES:
            yield folder, path


def blank_comments(text):
    """`text` with comments, strings and directives blanked, lines kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/'
        r'|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
        r'|^[ \t]*#(?:[^\n\\]|\\\n|\\.)*',
        re.DOTALL | re.MULTILINE)

    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])

    return pattern.sub(blank, text)


def report(faults, praise):
    """Ends the program: prints the faults, or what holds."""
    print("\n".join(faults) or praise)
    sys.exit(1 if faults else 0)
