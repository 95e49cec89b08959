#!/usr/bin/env bash
# Makes a bundle that checks torchferry on a GPU host: binaries, tests, fixtures and Python packages, without torch. Copy
# it there, unpack it, run ./gpu-check.sh in it. The host needs no compiler and no network (server/docs/operations/gpu-check.md).
#
#   deploy/gpu-check.sh --bundle FILE.tar.xz [--build-dir DIR] [--pythons "3.11 3.12"] [--quick]
#     --bundle FILE     what is written
#     --build-dir DIR   a finished build, tests included; default build
#     --pythons "V V"   Pythons of the hosts: packages for each go in
#     --quick           compress less, for a rehearsal
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TORCHFERRY_ROOT/deploy/bundle.sh"

bundle='' build_dir=$TORCHFERRY_ROOT/build pythons="3.11 3.12" level=-6
while [ $# -gt 0 ]; do
  case $1 in
    --bundle) bundle=${2:?"--bundle needs a file"}; shift 2 ;;
    --build-dir) build_dir=${2:?"--build-dir needs a folder"}; shift 2 ;;
    --pythons) pythons=${2:?"--pythons needs versions"}; shift 2 ;;
    --quick) level=-1; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
done
[ -n "$bundle" ] || die "--bundle FILE.tar.xz says what to write (see --help)"

# Below the build folder. bin/torchferry-server is static, and becomes the server in libexec/.
programs=(bin/torchferry bin/torchferry-server-sim bin/torchferry-bench-device bin/gpu_device_test
  libexec/torchferry/torchferry-server-process)
lock=$TORCHFERRY_ROOT/deploy/locks/python-tests.txt

put_programs() { # TREE
  local program up sources=()
  for program in "${programs[@]}"; do
    [ -x "$build_dir/$program" ] || die "there is no $build_dir/$program; build everything first"
    sources+=("$build_dir/$program")
    up=$(dirname "$program" | sed 's|[^/]*|..|g')
    bundle_binary "$build_dir/$program" "$1/build/$program" "\$ORIGIN/$up/lib"
  done
  install -m 755 "$build_dir/bin/torchferry-server" "$1/build/bin/torchferry-server"
  strip "$1/build/bin/torchferry-server"
  bundle_libraries "$1/build/lib" "${sources[@]}"
  built_for "$build_dir/libexec/torchferry/torchferry-server-process" >"$1/LIBTORCH"
}

# The version of the LibTorch that a binary is linked to: "2.11.0".
built_for() {
  local folder
  folder=$(ldd "$1" | awk '$1 == "libtorch_cpu.so" {print $3}')
  folder=$(dirname "$(dirname "$folder")")
  if [ -e "$folder/version.py" ]; then
    sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$folder/version.py"
  else
    sed 's/+.*//' "$folder/build-version"
  fi
}

# The tests where they are in the repository, as they look for one another.
put_tests() { # TREE
  local folder
  for folder in proto tests/e2e tests/bench tests/fixtures tests/gpu; do
    mkdir -p "$1/$folder"
    tar -C "$TORCHFERRY_ROOT/$folder" --exclude=__pycache__ --exclude='*.cc' --exclude=CMakeLists.txt -c . | tar -C "$1/$folder" -x
  done
  mv "$1/tests/gpu/gpu-check.sh" "$1/gpu-check.sh"
  printf '[pytest]\njunit_family = xunit1\n' >"$1/pytest.ini"  # no file of a folder above is taken
  git -C "$TORCHFERRY_ROOT" rev-parse HEAD >"$1/REVISION" 2>/dev/null || echo unknown >"$1/REVISION"
}

# packages_of PYTHON: prints the folder with the wheels that the lock names for it, unpacked; once a machine. The tests'
# own environment has them for its Python.
packages_of() {
  local home temporary venv
  home=$(deps_dir)/check-packages-$1
  venv=$(deps_dir)/venv-tests
  if cmp -s "$lock" "$venv/.complete" && [ -d "$venv/lib/python$1/site-packages" ]; then
    home=$venv/lib/python$1/site-packages
    say "packages for Python $1: the tests' own"
  elif cmp -s "$lock" "$home/.complete"; then
    say "packages for Python $1: there"
  else
    say "packages for Python $1: fetching"
    mkdir -p "$(dirname "$home")"
    temporary=$(mktemp -d "$home.XXXXXX")
    pip_download "$lock" "$temporary/wheels" "$1" >&2
    unzip_wheels "$temporary/wheels" "$temporary/tree"
    cp "$lock" "$temporary/tree/.complete"
    rm -rf "$home"
    mv -T "$temporary/tree" "$home"
    rm -rf "$temporary"
  fi
  printf '%s\n' "$home"
}

# Without what no test loads: tests, headers and archives of the packages.
put_packages() { # TREE
  local python first=${pythons%% *} folder
  for python in $pythons; do
    folder=$(packages_of "$python")
    mkdir -p "$1/python/$python"
    tar -C "$folder" --exclude=tests --exclude=__pycache__ --exclude='*.pyi' --exclude='*.a' --exclude='*.h' --exclude=./numpy/f2py --exclude=./pip \
      --exclude='./pip-*' -c . |
      tar -C "$1/python/$python" -x
    [ "$python" = "$first" ] || link_same "$1/python/$first" "$1/python/$python"
  done
}

# link_same FROM TO: files of TO that FROM has, too, become links to those.
link_same() {
  local file
  (cd "$2" && find . -type f) | while IFS= read -r file; do
    if cmp -s "$1/$file" "$2/$file"; then ln -f "$1/$file" "$2/$file"; fi
  done
}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
tree=$temporary/torchferry-gpu-check
mkdir "$tree"
step "binaries and their libraries"
put_programs "$tree"
step "tests and fixtures"
put_tests "$tree"
step "Python packages"
put_packages "$tree"
step "compressing $(du -sh "$tree" | cut -f 1)"
tar -C "$temporary" --sort=name --owner=0 --group=0 --numeric-owner -c torchferry-gpu-check | xz -T0 "$level" >"$bundle.partial"
mv "$bundle.partial" "$bundle"
step "$bundle: $(du -h --apparent-size "$bundle" | cut -f 1)"
