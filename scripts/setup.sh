#!/bin/sh
# Makes sure that the Debian packages which Cairn needs are there and, beside a
# CUDA compiler, the headers of cuDNN's frontend.
#
#   scripts/setup.sh          what building needs
#   scripts/setup.sh test     what testing needs as well
#
# Says what is missing and what it will install, and installs it when run as
# root. Without root it prints the command and ends with 2. When nothing is
# missing it changes nothing and needs neither root nor a network. The headers
# come from the wheel of that name and go to ~/.cache/cairn; without them all is
# built but attention by cuDNN.
set -eu

# Debian's CMake package of oneDNN asks for OpenCL and does not depend on it.
to_build="g++ cmake ninja-build ccache pkg-config libdnnl-dev ocl-icd-opencl-dev
  libtomlplusplus-dev libcli11-dev nlohmann-json3-dev libxxhash-dev
  libpcre2-dev libopenmpi-dev openmpi-bin"
to_test="libgtest-dev libgmock-dev clang clang-format clang-tidy
  libclang-rt-14-dev libomp-dev python3 procps"

case "${1:-build}" in
  build) wanted=$to_build ;;
  test) wanted="$to_build $to_test" ;;
  *) echo "usage: scripts/setup.sh [build|test]" >&2; exit 2 ;;
esac

# Version 1.18 is the last that needs nothing but cuDNN beside it.
frontend=1.18.0
fetch_frontend() {
  command -v nvcc > /dev/null || [ -x /usr/local/cuda/bin/nvcc ] || return 0
  to=${XDG_CACHE_HOME:-$HOME/.cache}/cairn/cudnn-frontend-$frontend
  [ ! -e "$to/include/cudnn_frontend.h" ] || return 0
  echo "headers: fetching nvidia-cudnn-frontend $frontend by pip"
  from=$(mktemp -d)
  if python3 -m pip download --quiet --no-deps --only-binary :all: \
      --python-version 3.12 --platform manylinux_2_28_x86_64 --dest "$from" \
      "nvidia-cudnn-frontend==$frontend" &&
      python3 -m zipfile -e "$from"/*.whl "$from/wheel"; then
    mkdir -p "$to"
    cp -R "$from/wheel/include" "$from"/wheel/*.dist-info "$to"
  else
    echo "headers: not fetched; attention on CUDA will run on Cairn's own" \
      "kernels, which are slower"
  fi
  rm -r "$from"
}

is_installed() {
  dpkg-query -W -f='${db:Status-Status}\n' "$1" 2> /dev/null |
    grep -qx installed
}

install_packages() {
  if ! command -v dpkg-query > /dev/null; then
    echo "This is not a Debian system; going on as if these were here:" $wanted
    return
  fi
  missing=""
  for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
  done
  if [ -z "$missing" ]; then
    echo "packages: nothing is missing"
    return
  fi

  echo "packages: missing:$missing"
  install="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" -ne 0 ]; then
    echo "Installing them takes root. Run this, then start again:"
    echo "  sudo apt-get update && sudo $install"
    exit 2
  fi

  export DEBIAN_FRONTEND=noninteractive
  # The package lists are fetched only if the ones here do not do.
  if ! $install --simulate > /dev/null 2>&1; then
    echo "packages: running: apt-get update"
    apt-get update -qq
  fi
  echo "packages: running: $install"
  $install -qq
}

install_packages
fetch_frontend
