#!/usr/bin/env bash
# Makes what users install: one tree of binaries with the libraries that they need, as a tarball and as a wheel.
#   deploy/package.sh [--libtorch VERSION]... [--build-dir DIR]... [--stage DIR] [--output DIR]
#     --libtorch VERSION  builds a server for it; several may be given. Without one: each that deploy/locks pins.
#     --build-dir DIR     takes what is built there instead; several may be given, each with another LibTorch
#     --stage DIR         makes the tree there, and nothing else
#     --output DIR        for the tarball and the wheel; dist/ when it is not given
# The tree: bin/torchferry, bin/torchferry-server, libexec/torchferry/torchferry-server-process-MINOR for each LibTorch,
# lib/ with the Debian libraries that these need, share/torchferry with licences and an SBOM. It has no LibTorch:
# bin/torchferry-server finds that on the host (server/docs/operations/packages.md).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/bundle.sh"

versions=() build_dirs=() stage='' output=$TORCHFERRY_ROOT/dist
while [ $# -gt 0 ]; do
  case $1 in
    --libtorch) versions+=("${2:?"--libtorch needs a version"}"); shift ;;
    --build-dir) build_dirs+=("${2:?"--build-dir needs a folder"}"); shift ;;
    --stage) stage=${2:?"--stage needs a folder"}; shift ;;
    --output) output=${2:?"--output needs a folder"}; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done
targets=(--target torchferry-server --target torchferry --target torchferry_python_api)

pinned_versions() {
  local lock
  for lock in "$TORCHFERRY_ROOT"/deploy/locks/libtorch-*.txt; do basename "$lock" .txt | sed 's/^libtorch-//'; done
}

# The version of the project: CMakeLists.txt is its one place.
project_version() { sed -n 's/^project(torchferry VERSION \([0-9.]*\).*/\1/p' "$TORCHFERRY_ROOT/CMakeLists.txt"; }

# Builds for VERSION; prints the folder.
build_for() {
  local dir libtorch
  dir=$TORCHFERRY_ROOT/build-package-$1
  "$TORCHFERRY_ROOT/deploy/install-deps.sh" --package --libtorch "$1" >&2
  libtorch=$("$TORCHFERRY_ROOT/deploy/install-deps.sh" --libtorch "$1" --print-libtorch)
  build release "$dir" "$libtorch" "${targets[@]}" -DTORCHFERRY_BUILD_TESTS=OFF -DTORCHFERRY_UNITY=ON
  printf '%s\n' "$dir"
}

# "2.11", of the LibTorch that DIR was built with.
minor_of_build() {
  local libtorch file minor
  libtorch=$(sed -n 's/^TORCHFERRY_LIBTORCH:PATH=//p' "$1/CMakeCache.txt")
  for file in "$libtorch"/torch/version.py "$libtorch"/version.py "$libtorch"/build-version "$libtorch"/libtorch/build-version; do
    [ -e "$file" ] || continue
    minor=$(sed -n "s/^__version__ = '\([0-9]*\.[0-9]*\).*/\1/p; s/^\([0-9]*\.[0-9]*\)\..*/\1/p" "$file")
    printf '%s\n' "$minor"
    return
  done
  die "$1: its LibTorch, $libtorch, does not say its version"
}

# make_stage DIR BUILD_DIR...
make_stage() {
  local into=$1 dir minor server servers=()
  shift
  rm -rf "$into"
  for dir in "$@"; do
    minor=$(minor_of_build "$dir")
    server=$dir/libexec/torchferry/torchferry-server-process
    [ -e "$server" ] || die "$dir has no server; build torchferry-server and torchferry there"
    servers+=("$server")
    bundle_binary "$server" "$into/libexec/torchferry/torchferry-server-process-$minor" "\$ORIGIN/../../lib"
  done
  bundle_binary "$1/bin/torchferry" "$into/bin/torchferry" "\$ORIGIN/../lib"
  install -D -m 755 "$1/bin/torchferry-server" "$into/bin/torchferry-server"
  strip "$into/bin/torchferry-server"
  bundle_libraries "$into/lib" "$1/bin/torchferry" "${servers[@]}"
  install -D -m 644 "$TORCHFERRY_ROOT/LICENSE" "$into/share/torchferry/LICENSE"
  "$(find_python -c 'import json')" -B "$TORCHFERRY_ROOT/deploy/describe_package.py" "$into" "$(project_version)"
}

# make_tarball STAGE FILE: the same bytes for the same tree.
make_tarball() {
  local name epoch
  name=$(basename "$2" .tar.xz)
  epoch=$(git -C "$TORCHFERRY_ROOT" log -1 --format=%ct 2>/dev/null || date +%s)
  tar -C "$1" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --transform "s|^\.|$name|" -cf - . |
    xz -T0 -6 >"$2"
}

# make_wheel STAGE DIR BUILD_DIR
make_wheel() {
  local python source newest temporary
  python=$(install_python venv-package python-package.txt "build, scikit_build_core, auditwheel")
  temporary=$(mktemp -d)
  (
    trap 'rm -rf "$temporary"' EXIT
    source=$temporary/source
    cp -r "$TORCHFERRY_ROOT/client/python" "$source"
    project_version >"$source/VERSION"
    cp "$TORCHFERRY_ROOT/LICENSE" "$source/"
    rm -rf "$source/tests"
    cp "$3/python/torchferry/api.binpb" "$source/torchferry/" || die "$3 has no python/; build torchferry_python_api there"
    # A torch that no server in the wheel is built for is not installed with it.
    newest=$(find "$1/libexec" -name 'torchferry-server-process-*' | sed 's/.*-//' | sort -V | tail -n 1)
    sed -i "s/\"torch>=2.11\"/\"torch>=2.11,<${newest%.*}.$((${newest#*.} + 1))\"/" "$source/pyproject.toml"
    "$python" -m build --wheel --no-isolation --outdir "$temporary/plain" -Ccmake.define.TORCHFERRY_STAGE="$(realpath "$1")" \
      "$source" >"$temporary/log" 2>&1 || { cat "$temporary/log" >&2; die "the wheel could not be built"; }
    # It grafts nothing: all that may be bundled is. It checks that, and the oldest glibc that is enough.
    PATH=$(dirname "$python"):$PATH "$python" -m auditwheel repair --plat manylinux_2_36_x86_64 --only-plat \
      --exclude 'libtorch*' --exclude 'libc10*' --wheel-dir "$2" "$temporary"/plain/*.whl >"$temporary/log" 2>&1 ||
      { cat "$temporary/log" >&2; die "auditwheel refuses the wheel"; }
  )
}

if [ "${#build_dirs[@]}" = 0 ]; then
  if [ "${#versions[@]}" = 0 ]; then mapfile -t versions < <(pinned_versions); fi
  for version in "${versions[@]}"; do
    step "building for LibTorch $version"
    build_dirs+=("$(build_for "$version")")
  done
fi
if [ -n "$stage" ]; then
  make_stage "$stage" "${build_dirs[@]}"
  say "$stage: $(du -sm "$stage" | cut -f 1) MiB"
  exit
fi
mkdir -p "$output"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
step "staging"
make_stage "$tree/stage" "${build_dirs[@]}"
name=torchferry-$(project_version)-linux-x86_64
step "packing $name.tar.xz"
make_tarball "$tree/stage" "$output/$name.tar.xz"
step "packing the wheel"
rm -f "$output"/torchferry-*.whl
make_wheel "$tree/stage" "$output" "${build_dirs[0]}"
(cd "$output" && sha256sum torchferry-*.tar.xz torchferry-*.whl >SHA256SUMS && ls -l --block-size=K torchferry-*) >&2
