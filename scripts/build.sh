#!/bin/sh
# Configures and builds:  scripts/build.sh FOLDER TARGET [CMAKE OPTIONS...]
# JOBS limits how much is compiled at once; the default is every processor.
set -eu
cd "$(dirname "$0")/.."
folder=$1
target=$2
shift 2

if [ ! -e "$folder/CMakeCache.txt" ] && command -v ninja > /dev/null; then
  export CMAKE_GENERATOR=Ninja
fi
mkdir -p "$folder"
cmake -S . -B "$folder" "$@" > "$folder/configure.log" 2>&1 || {
  cat "$folder/configure.log" >&2
  exit 1
}
cmake --build "$folder" --target "$target" --parallel "${JOBS:-$(nproc)}"
