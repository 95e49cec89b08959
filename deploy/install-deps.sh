#!/usr/bin/env bash
# Installs what torchferry is built from: Debian packages (as root), and LibTorch from pinned PyPI wheels, unpacked
# once a machine. Running it again is quick and changes nothing.
#
#   deploy/install-deps.sh [--tests] [--gate] [--package] [--runtime | --wheel | --image] [--cuda] [--libtorch VERSION]
#     --tests            also what only the tests need (curl, procps, promtool)
#     --gate             also what tests/gate.sh needs (clang and its tools, shellcheck)
#     --package          also what deploy/package.sh needs (patchelf)
#     --runtime          only what a built server needs to run, without compilers and headers
#     --wheel            only Python, for deploy/quickstart.sh --from-wheel; no LibTorch
#     --image            only what tests/image.sh needs (buildah, debootstrap, Python); no LibTorch
#     --cuda             also the CUDA libraries that LibTorch's GPU half needs, about 2.5 GB
#     --libtorch VERSION 2.11.0 (the default) or 2.15.0
#     --print-libtorch   installs nothing; prints the folder that holds LibTorch
#
# Environment:
#   TORCHFERRY_LIBTORCH   a LibTorch that is there already: a pip site-packages, its torch/, or an unpacked libtorch
#                         zip. It is checked and used; nothing is fetched.
#   TORCHFERRY_DEPS_DIR   where LibTorch is unpacked: /opt/torchferry for root, else ~/.local/share/torchferry.
#   PIP_*                 pip's own settings (an index, a proxy, a folder of wheels).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_packages=(g++ cmake ninja-build pkg-config git ccache ca-certificates
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler libabsl-dev libspdlog-dev
  prometheus-cpp-dev libgtest-dev libgmock-dev libbenchmark-dev libcli11-dev zlib1g-dev
  nlohmann-json3-dev libboost1.81-dev libssl-dev python3 python3-pip python3-venv)
test_packages=(curl procps libb64-0d)  # the last for perf_analyzer
gate_packages=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev shellcheck)
runtime_packages=(ca-certificates libgrpc++1.51 libprotobuf32 libabsl20220623 libspdlog1.10 libfmt9
  libprometheus-cpp-core1.0 zlib1g libssl3 libgomp1 libstdc++6)
wheel_packages=(python3 python3-pip python3-venv)
image_packages=(buildah debootstrap golang-github-containers-common)
package_packages=(patchelf binutils xz-utils)  # deploy/bundle.sh

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# The packages of the arguments that are not installed, one a line.
missing_packages() {
  local installed package
  # dpkg-query fails when it knows one of them not at all; what it prints is right all the same.
  installed=$({ dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true; } |
    sed -n 's/^\([^ :]*\)[^ ]* installed$/\1/p')
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
  done
}

install_packages() {
  local missing=()
  command -v dpkg-query >/dev/null || die "needs Debian 12 (or a system with its packages): $*"
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" = 0 ]; then
    say "Debian packages: all $# there"
    return
  fi
  [ "$(id -u)" = 0 ] || die "as root: apt-get install --no-install-recommends ${missing[*]}"
  say "Debian packages: installing ${#missing[@]} of $#: ${missing[*]}"
  retry apt_get update
  retry apt_get install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

# promtool alone: Debian's package would also start a Prometheus server on this machine.
install_promtool() {
  local bin temporary
  bin=$(deps_dir)/bin
  if command -v promtool >/dev/null || [ -x "$bin/promtool" ]; then
    say "promtool: there"
    return
  fi
  say "promtool: taking it out of Debian's prometheus package"
  temporary=$(mktemp -d)
  (
    trap 'rm -rf "$temporary"' EXIT
    chmod 755 "$temporary"
    cd "$temporary"
    retry apt_get update
    retry apt_get download prometheus 2>/dev/null
    dpkg-deb --extract prometheus_*.deb .
    mkdir -p "$bin"
    install usr/bin/promtool "$bin/promtool.new"
    mv "$bin/promtool.new" "$bin/promtool"
  )
}

# The folder of DIR that holds lib/libtorch_cpu.so; empty when there is none.
libtorch_root() {
  local root
  for root in "$1/torch" "$1" "$1/libtorch"; do
    if [ -e "$root/lib/libtorch_cpu.so" ]; then
      printf '%s\n' "$root"
      return
    fi
  done
}

# Says what is wrong with the LibTorch in DIR, a line each; says nothing when it is complete.
libtorch_faults() {
  local root file library files=(lib/libc10.so)
  root=$(libtorch_root "$1")
  if [ -z "$root" ]; then
    printf '%s\n' "no lib/libtorch_cpu.so in it, in its torch/ or in its libtorch/"
    return
  fi
  $runtime || files+=(include/torch/script.h)
  for file in "${files[@]}"; do
    [ -e "$root/$file" ] || printf '%s\n' "no $file beside lib/libtorch_cpu.so"
  done
  missing_libraries "$root/lib/libtorch_cpu.so" | while read -r library; do
    printf '%s\n' "libtorch_cpu.so is linked to $library, which is not found$(library_hint "$library")"
  done
}

missing_libraries() {
  { ldd "$1" 2>/dev/null || true; } | awk '/not found/ && !seen[$1]++ {print $1}'
}

library_hint() {
  case $1 in
    libcupti.so.*) printf '%s' " (PyPI: nvidia-cuda-cupti)" ;;
    libcudart.so.*) printf '%s' " (PyPI: nvidia-cuda-runtime)" ;;
    *) ;;
  esac
}

# What to pass on as the LibTorch folder: the one holding torch/ for a pip layout, the one holding lib/ for a zip.
libtorch_folder() {
  local root
  root=$(cd "$(libtorch_root "$1")" && pwd)
  case $root in
    */torch) dirname "$root" ;;
    *) printf '%s\n' "$root" ;;
  esac
}

use_given_libtorch() {
  local faults
  [ -d "$TORCHFERRY_LIBTORCH" ] || die "TORCHFERRY_LIBTORCH=$TORCHFERRY_LIBTORCH is not a folder"
  faults=$(libtorch_faults "$TORCHFERRY_LIBTORCH")
  [ -z "$faults" ] || die "TORCHFERRY_LIBTORCH=$TORCHFERRY_LIBTORCH cannot be used: $faults"
}

# Where VERSION is, or will be: this user's folder, or root's when that is complete and this user has none.
libtorch_home() {
  local own machine=/opt/torchferry/libtorch-$version
  own=$(deps_dir)/libtorch-$version
  if [ ! -d "$own" ] && [ -z "${TORCHFERRY_DEPS_DIR:-}" ] && [ -e "$machine/torch/lib/libtorch_cpu.so" ]; then
    own=$machine
  fi
  printf '%s\n' "$own"
}

# Complete when its stamp says so; without one (unpacked by hand) when nothing is missing.
libtorch_complete() {
  [ -d "$1" ] && { [ -e "$1/.complete" ] || [ -z "$(libtorch_faults "$1")" ]; }
}

install_libtorch() {
  local home=$1 temporary faults
  if libtorch_complete "$home"; then
    say "LibTorch $version: there, in $home"
    return
  fi
  [ ! -e "$home" ] || die "$home is there but incomplete ($(libtorch_faults "$home")); remove it and run this again"
  mkdir -p "$(dirname "$home")"
  temporary=$(mktemp -d "$home.XXXXXX")
  (
    trap 'rm -rf "$temporary"' EXIT
    chmod 755 "$temporary"
    say "LibTorch $version: fetching the wheels (about 550 MB)"
    pip_download "$locks/libtorch-$version.txt" "$temporary/wheels"
    say "LibTorch $version: unpacking into $home"
    # The C++ half of the torch wheel: the Python package stays behind.
    unzip_wheels "$temporary/wheels" "$temporary/tree" torch/lib/ torch/include/ torch/share/ torch/version.py nvidia/
    faults=$(libtorch_faults "$temporary/tree")
    [ -z "$faults" ] || die "what the wheels unpack to cannot be used: $faults"
    cp "$locks/libtorch-$version.txt" "$temporary/tree/.complete"
    # -T: two installers at once must not nest; the one that comes second finds the first one's.
    mv -T "$temporary/tree" "$home" 2>/dev/null || libtorch_complete "$home" || die "could not move LibTorch to $home"
  )
}

install_cuda() {
  local home=$1 temporary missing
  if [ -e "$home/.cuda-complete" ]; then
    say "CUDA libraries for LibTorch $version: there"
    return
  fi
  temporary=$(mktemp -d "$home.XXXXXX")
  (
    trap 'rm -rf "$temporary"' EXIT
    say "CUDA libraries for LibTorch $version: fetching the wheels (about 2.5 GB)"
    pip_download "$locks/cuda-$version.txt" "$temporary/wheels"
    say "CUDA libraries for LibTorch $version: unpacking into $home"
    unzip_wheels "$temporary/wheels" "$temporary/tree"
    rm -rf "$temporary/wheels"
    # Hard links on one file system: no second copy, and what is there already is left alone.
    cp -al --no-clobber "$temporary/tree/." "$home/"
    missing=$(missing_libraries "$home/torch/lib/libtorch_cuda.so" | { grep -v '^libcuda\.so' || true; } | paste -sd ' ')
    [ -z "$missing" ] || die "libtorch_cuda.so still lacks $missing"
    touch "$home/.cuda-complete"
  )
}

check_given_cuda() {
  local missing
  missing=$(missing_libraries "$(libtorch_root "$TORCHFERRY_LIBTORCH")/lib/libtorch_cuda.so" |
    { grep -v '^libcuda\.so' || true; } | paste -sd ' ')
  [ -z "$missing" ] || die "TORCHFERRY_LIBTORCH=$TORCHFERRY_LIBTORCH: libtorch_cuda.so lacks $missing"
}

version=$TORCHFERRY_DEFAULT_LIBTORCH_VERSION tests=false gate=false package=false runtime=false only=() cuda=false print=false
while [ $# -gt 0 ]; do
  case $1 in
    --tests) tests=true ;;
    --gate) gate=true ;;
    --package) package=true ;;
    --runtime) runtime=true ;;
    --wheel) only+=("${wheel_packages[@]}") ;;
    --image) only+=("${image_packages[@]}" "${wheel_packages[@]}") ;;
    --cuda) cuda=true ;;
    --libtorch) version=${2:?"--libtorch needs a version"}; shift ;;
    --print-libtorch) print=true ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done
locks=$TORCHFERRY_ROOT/deploy/locks
given=${TORCHFERRY_LIBTORCH:-}
[ -n "$given" ] || [ -e "$locks/libtorch-$version.txt" ] ||
  die "no lock file for LibTorch $version; there are: $(cd "$locks" && echo libtorch-*.txt | sed 's/libtorch-//g; s/\.txt//g')"

if $print; then
  folder=${given:-$(libtorch_home)}
  [ -n "$(libtorch_root "$folder")" ] || die "no LibTorch in $folder; run deploy/install-deps.sh --libtorch $version"
  libtorch_folder "$folder"
  exit
fi

if [ "${#only[@]}" != 0 ]; then
  install_packages "${only[@]}"
  exit
fi
if $runtime; then
  packages=("${runtime_packages[@]}")
  [ -n "$given" ] || packages+=("${wheel_packages[@]}")
else
  packages=("${build_packages[@]}")
fi
if $tests; then packages+=("${test_packages[@]}"); fi
if $gate; then packages+=("${gate_packages[@]}"); fi
if $package; then packages+=("${package_packages[@]}"); fi
install_packages "${packages[@]}"
if $tests; then install_promtool; fi

if [ -n "$given" ]; then
  use_given_libtorch
  if $cuda; then check_given_cuda; fi
  say "LibTorch: the given one, in $(libtorch_folder "$given")"
else
  home=$(libtorch_home)
  install_libtorch "$home"
  if $cuda; then install_cuda "$home"; fi
fi
