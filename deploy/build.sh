#!/usr/bin/env bash
# Configures and builds torchferry, incrementally. Dependencies: deploy/install-deps.sh.
#   deploy/build.sh [--preset release|dev|asan-ubsan|tsan] [--libtorch VERSION] [--dir DIR] [--target NAME]...
#                   [CMAKE_OPTION...]
# Binaries of the release preset are in build/bin, of the others in build-PRESET/bin; --dir chooses another folder.
# Everything is built, the tests included, unless --target names what is wanted: torchferry-server, torchferry, ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=release version=$TORCHFERRY_DEFAULT_LIBTORCH_VERSION dir='' targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?"--preset needs a name"}; shift 2 ;;
    --libtorch) version=${2:?"--libtorch needs a version"}; shift 2 ;;
    --dir) dir=$(realpath -m "${2:?"--dir needs a folder"}"); shift 2 ;;
    --target) targets+=(--target "${2:?"--target needs a name"}"); shift 2 ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;;
    -D*) break ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
done

libtorch=$("$TORCHFERRY_ROOT/deploy/install-deps.sh" --libtorch "$version" --print-libtorch)
build "$preset" "${dir:-$(build_dir "$preset" "$version")}" "$libtorch" "${targets[@]}" "$@"
