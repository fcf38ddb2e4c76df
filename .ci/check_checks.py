"""Shows that each check can fail: gives it a good tree, then bad ones.

A check that passes whatever it is given is worse than none. Each case below
is one fault planted into a small tree that is otherwise in order; the check
named beside it must then fail and name the file.
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

GOOD = {
    "CMakeLists.txt": "project(small)\n",
    "README.md": "Start with [the pages](docs/design.md).\n\n"
                 "```sh\nscripts/go.sh\ncairn train run.toml\n```\n\n"
                 "```toml\n[model]\nlayers = 2\n```\n",
    "docs/design.md": "# Design\n",
    "scripts/go.sh": "true\n",
    "runtime/kernels.h": "#pragma once\n\nint f();\n",
    "runtime/block.h": "#pragma once\n",
    "tests/runtime/kernel_lab.h": "#pragma once\n",
    "runtime/cpu/body.h": "#pragma once\n",
    "runtime/cpu/body.cc": "#include <oneapi/dnnl/dnnl.hpp>\n",
    "runtime/cpu/variants/wide.cc": "#ifdef __AVX512F__\n#endif\n",
    "runtime/f.cc": '#include "runtime/kernels.h"\n\n'
                    "int f() { return 1; }\n",
    "parallel/g.cc": '#include "runtime/kernels.h"\n',
    "checkpoint/activations/store.h": "#pragma once\n",
    "launcher/config/schema.cc": 'Key k[] = {{"model", "layers"}};\n',
    "launcher/cli.cc": '#include "checkpoint/activations/store.h"\n'
                       'auto* t = app.add_subcommand("train", "Train");\n',
}


def function(name, lines):
    return f"int {name}() {{\n" + "  f();\n" * (lines - 2) + "}\n"


# Check, file, what it holds instead.
BAD = [
    ("includes", "runtime/f.cc", '#include "parallel/g.h"\n'),
    ("includes", "parallel/g.cc", '#include "launcher/cli.h"\n'),
    ("includes", "parallel/g.cc", '#include "runtime/cpu/body.h"\n'),
    ("includes", "parallel/g.cc", '#include "body.h"\n'),
    ("includes", "examples/e.cc", '#include "runtime/cpu/body.h"\n'),
    ("includes", "runtime/f.cc", "#include <oneapi/dnnl/dnnl.hpp>\n"),
    ("includes", "parallel/g.cc", "#include <cuda_runtime.h>\n"),
    ("includes", "parallel/g.cc", "#include <mpi.h>\n"),
    ("includes", "parallel/g.cc", "#include <nlohmann/json.hpp>\n"),
    ("includes", "checkpoint/c.cc", "#include <toml++/toml.h>\n"),
    ("includes", "runtime/cpu/body.cc", "#include <pcre2.h>\n"),
    ("includes", "launcher/cli.cc", "#include <liburing.h>\n"),
    ("includes", "runtime/f.cc", "#ifdef CUDA\n#endif\n"),
    ("includes", "runtime/f.h", "#ifndef F_H\n#endif\n"),
    ("includes", "utils/u.h", "#pragma once\n"),
    ("sizes", "runtime/f.cc", function("f", 61)),
    ("sizes", "runtime/f.cc",
     "namespace a {\nclass B {\n " + function("b", 61) + "};\n}\n"),
    ("sizes", "runtime/f.cc",
     "C::C(int a) : a_{a}, b_(\"{\") {\n" + "  f();\n" * 60 + "}\n"),
    ("sizes", "runtime/f.cc",
     "struct S {\n int g() const override {\n" + "  f();\n" * 60 + "}\n};\n"),
    ("sizes", "tests/f_test.cc",
     "TEST(F, G) {\n" + "  f();\n" * 60 + "}\n"),
    ("sizes", "runtime/f.cc", "int a;\n" * 501 + function("f", 3)),
    ("sizes", "runtime/f.h", "int a;\n" * 151),
    ("sizes", "runtime/f.cc", "int a;" + " " * 75 + "\n"),
    ("format", "runtime/f.cc", "int   f( ){return 1;}\n"),
    ("docs", "README.md", "[a page](docs/none.md)\n"),
    ("docs", "README.md", "```sh\nscripts/none.sh\n```\n"),
    ("docs", "README.md", "```sh\ncairn fly\n```\n"),
    ("docs", "docs/design.md", "```toml\n[model]\nlayrs = 1\n```\n"),
    ("docs", "docs/design.md", "```sh\ncairn train a --set model.x=1\n```\n"),
    ("docs", "examples/a.toml", "[model]\nlayrs = 1\n"),
    ("docs", "runtime/f.cc", "// TO" "DO: later\n"),
]


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(check, files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        plant(root, files)
        (root / ".clang-format").write_text("BasedOnStyle: Google\n")
        result = subprocess.run(
            [sys.executable, str(HERE / f"check_{check}.py"), folder],
            capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr


def main():
    faults = []
    for check in sorted({check for check, _, _ in BAD}):
        code, text = run(check, GOOD)
        if code != 0:
            faults.append(f"{check}: ends with {code} on a good tree:\n{text}")
        code, text = run(check, {"README.md": "Nothing else.\n"})
        if check != "docs" and code == 0:
            faults.append(f"{check}: passes where there is nothing to check")
    for check, name, text in BAD:
        code, output = run(check, GOOD | {name: text})
        if code == 77:
            continue
        if code != 1 or name.split("/")[0] not in output:
            faults.append(f"{check}: passes {name} with {text[:60]!r}:\n"
                          f"{output}")
    print("\n".join(faults) or f"{len(BAD)} planted faults were found")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
