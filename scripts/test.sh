#!/bin/sh
# Builds and tests.
#
#   scripts/test.sh          the tests and the checks
#   scripts/test.sh --all    also under sanitizers, with fuzzing and clang-tidy
#                            (so too when CI=true)
#
# Every stage has a heading and its time; the first that fails ends the script.
set -eu
cd "$(dirname "$0")/.."

all=no
[ "${CI:-}" = true ] && all=yes
case "${1:-}" in
  "") ;;
  --all) all=yes ;;
  *) echo "usage: scripts/test.sh [--all]" >&2; exit 2 ;;
esac
jobs=${JOBS:-$(nproc)}
began=$(date +%s)

stage() {
  heading=$1
  shift
  printf '\n== %s\n' "$heading"
  start=$(date +%s)
  if "$@"; then
    printf '== %s: %d s\n' "$heading" $(($(date +%s) - start))
  else
    code=$?
    printf '== %s: ended with %d after %d s\n' \
      "$heading" "$code" $(($(date +%s) - start)) >&2
    exit "$code"
  fi
}

# Faults end a test at once; what is still reachable at the end is no fault.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

run_tests() {
  folder=$1
  shift
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" \
    "$@"
}

# What many threads work on, for ThreadSanitizer: of the launcher, whole runs of
# ranks.
threaded='^(runtime|parallel|sharding|checkpoint)[.]|^launcher[.].*Layouts[.]'
# Long loops over code that shorter tests run as well: without sanitizers only.
long='Rehears|Differentiate/1x[36]00'

build_sanitized() {
  scripts/build.sh "$1" all -DCAIRN_SANITIZE="$2" \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="-O1 -g1"
}

build_fuzzers() {
  scripts/build.sh build-fuzz all -DCAIRN_FUZZ=ON -DCAIRN_TESTS=OFF \
    -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_CXX_FLAGS="-O1 -g1"
}

# Each for 20 seconds, from the inputs in tests/fuzz/NAME/ if there are any.
fuzz() {
  for source in tests/fuzz/*_fuzz.cc; do
    [ -e "$source" ] || { echo "no fuzz targets"; return 1; }
    target=$(basename "$source" .cc)
    mkdir -p "build-fuzz/corpus/$target"
    seeds=
    [ -d "tests/fuzz/$target" ] && seeds=tests/fuzz/$target
    echo "$target: ${FUZZ_SECONDS:-20} s"
    "build-fuzz/fuzz/$target" -max_total_time="${FUZZ_SECONDS:-20}" \
      -rss_limit_mb=4096 -timeout=10 -verbosity=0 -print_final_stats=1 \
      -artifact_prefix="build-fuzz/$target-" \
      "build-fuzz/corpus/$target" $seeds || return 1
  done
}

stage "packages" scripts/setup.sh test
stage "build" scripts/build.sh build all -DCMAKE_BUILD_TYPE=Release
stage "headers stand alone" \
  scripts/build.sh build all_verify_interface_header_sets
stage "tests and checks" run_tests build
if [ "$all" = yes ]; then
  stage "every layout" python3 scripts/layouts.py --all --jobs $((4 * jobs))
  stage "clang-tidy" python3 .ci/tidy.py build
  stage "build for AddressSanitizer and UBSan" \
    build_sanitized build-asan address,undefined
  stage "tests under AddressSanitizer and UBSan" run_tests build-asan -L cpu \
    -E "$long"
  stage "build for ThreadSanitizer" build_sanitized build-tsan thread
  stage "tests under ThreadSanitizer" run_tests build-tsan -R "$threaded" \
    -E "$long"
  stage "build for fuzzing" build_fuzzers
  stage "fuzzing" fuzz
fi
printf '\nall stages passed in %d s\n' $(($(date +%s) - began))
