#!/bin/sh
# Starts the cairn of this bundle. Libraries that the system's loader does not
# find are looked for where CUDA and its Python wheels are usually installed;
# an MPI of the node comes before the bundle's own, which cannot serve mpirun.
here=$(dirname "$(readlink -f "$0")")/..
program=$here/libexec/cairn

missing() {
  LD_TRACE_LOADED_OBJECTS=1 "$program" 2>&1 |
    sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' | sort -u
}

# Adds the first of the folders that has $1.
look_for() {
  name=$1
  shift
  for folder in "$@"; do
    if [ -e "$folder/$name" ]; then
      LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
      export LD_LIBRARY_PATH
      return
    fi
  done
}

lacking=$(missing)
for library in $lacking; do
  look_for "$library" "$here/lib/mpi" \
    "${CUDA_HOME:-/usr/local/cuda}"/lib64 /usr/local/cuda*/lib64 \
    "${VIRTUAL_ENV:-/none}"/lib/python3*/site-packages/nvidia/*/lib \
    "${HOME:-/none}"/.local/lib/python3*/site-packages/nvidia/*/lib \
    /usr/local/lib/python3*/*-packages/nvidia/*/lib \
    /usr/lib/python3*/*-packages/nvidia/*/lib
done
[ -z "$lacking" ] || lacking=$(missing | tr '\n' ' ')
if [ -n "$lacking" ]; then
  echo "cairn: this machine lacks ${lacking% }; for CUDA's libraries install" \
    "the CUDA toolkit, cuDNN 9 and NCCL 2, or NVIDIA's Python wheels of them," \
    "or put the folders that have them into LD_LIBRARY_PATH, or make the" \
    "bundle with -DCAIRN_BUNDLE_CUDA=ON" >&2
  exit 4
fi
exec "$program" "$@"
