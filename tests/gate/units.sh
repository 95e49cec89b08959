#!/usr/bin/env bash
# Builds some unit tests and runs them, each program as a whole, and nothing else.
#   units.sh [--preset NAME] [--libtorch VERSION] TEST_PROGRAM...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=release version=$TORCHFERRY_DEFAULT_LIBTORCH_VERSION
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?"--preset needs a name"}; shift 2 ;;
    --libtorch) version=${2:?"--libtorch needs a version"}; shift 2 ;;
    *) break ;;
  esac
done

deploy/install-deps.sh --tests --gate --libtorch "$version"
libtorch=$(deploy/install-deps.sh --libtorch "$version" --print-libtorch)
dir=$(build_dir "$preset" "$version")
step "building $* ($preset, LibTorch $version)"
targets=()
for program in "$@"; do targets+=(--target "$program"); done
build "$preset" "$dir" "$libtorch" "${targets[@]}"

step "testing"
failures=()
for program in "$@"; do
  TORCHFERRY_SOURCE_DIR=$TORCHFERRY_ROOT TORCHFERRY_BINARY_DIR=$dir "$dir/bin/$program" --gtest_brief=1 ||
    failures+=("$program")
done
[ "${#failures[@]}" = 0 ] || die "failed ($preset, LibTorch $version): ${failures[*]}"
