# Functions shared by the scripts in deploy/ and tests/run.sh. Source it; it runs nothing.
# shellcheck shell=bash

TORCHFERRY_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TORCHFERRY_DEFAULT_LIBTORCH_VERSION=2.11.0

say() { printf '%s\n' "==> $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

# Seconds since the script began, before a step's name.
step() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# Runs a command up to 4 times, waiting 2, 6 and 18 s between: registries and mirrors have hiccups.
retry() {
  local wait=2
  until "$@"; do
    [ "$wait" -le 18 ] || { printf '%s\n' "error: gave up after 4 tries: $*" >&2; return 1; }
    printf '%s\n' "    failed; again in $wait s" >&2
    sleep "$wait"
    wait=$((wait * 3))
  done
}

# Where unpacked dependencies are kept: once a machine for root, once a user otherwise.
deps_dir() {
  if [ -n "${TORCHFERRY_DEPS_DIR:-}" ]; then
    printf '%s\n' "$TORCHFERRY_DEPS_DIR"
  elif [ "$(id -u)" = 0 ]; then
    printf '%s\n' /opt/torchferry
  else
    printf '%s\n' "${XDG_DATA_HOME:-$HOME/.local/share}/torchferry"
  fi
}

# The first Python that can do what is asked of it ("-m pip", "-m venv --help"): Debian's, else the one on PATH.
find_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" "$@" >/dev/null 2>&1; then
      printf '%s\n' "$python"
      return
    fi
  done
  die "no python3 that can run '$*'; deploy/install-deps.sh installs python3, python3-pip and python3-venv"
}

# pip_download LOCK DIR [VERSION]: the wheels that LOCK names for that Python (3.11), hashes checked, into DIR. Platform
# and Python are spelled out, so that the answer does not depend on the Python that runs pip.
pip_download() {
  local lock=$1 dir=$2 version=${3:-3.11} python minor platforms=(--platform manylinux2014_x86_64)
  [ "$(uname -m)" = x86_64 ] || die "the pinned wheels are for x86_64, this machine is $(uname -m); set TORCHFERRY_LIBTORCH"
  python=$(find_python -m pip --version)
  for minor in {17..28}; do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
  retry "$python" -m pip --disable-pip-version-check --no-cache-dir --quiet download --progress-bar off \
    --require-hashes --no-deps --only-binary :all: "${platforms[@]}" \
    --python-version "$version" --implementation cp --abi "cp${version/./}" --abi abi3 --abi none \
    --dest "$dir" --requirement "$lock"
}

# unzip_wheels DIR INTO [PREFIX...]: the entries below the prefixes (all without one) of each wheel in DIR.
unzip_wheels() {
  local python
  python=$(find_python -c 'import zipfile')
  "$python" - "$@" <<'PYTHON'
import pathlib, sys, zipfile

wheels, into, prefixes = pathlib.Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:])
for wheel in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not prefixes or n.startswith(prefixes) or ".dist-info/" in n]
        archive.extractall(into, names)
PYTHON
}

has_sha256() { # FILE HASH
  [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null
}

# find_python_of FIRST LAST: the first CPython 3.FIRST to 3.LAST, counted up or down, that can make a virtual environment: on
# PATH, or of pyenv. Prints nothing where there is none.
find_python_of() {
  local minor python
  for minor in $(seq "$1" "$([ "$1" -le "$2" ] && echo 1 || echo -1)" "$2"); do
    for python in "/usr/bin/python3.$minor" "$(command -v "python3.$minor" || true)" \
      "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python; do
      # pyenv's own python3.N on PATH may stand for one that is not installed.
      if [ -x "$python" ] && "$python" -m ensurepip --version >/dev/null 2>&1; then
        printf '%s\n' "$python"
        return
      fi
    done
  done
}

# install_python NAME LOCK IMPORTS [PYTHON]: a virtual environment of that Python, made anew when its lock file changed. Prints
# its Python.
install_python() {
  local lock=$TORCHFERRY_ROOT/deploy/locks/$2 venv python
  venv=$(deps_dir)/$1
  if cmp -s "$lock" "$venv/.complete" && "$venv/bin/python" -c "import $3" 2>/dev/null; then
    say "$1: there, in $venv"
  else
    say "$1: installing into $venv"
    python=${4:-$(find_python -m ensurepip --version)}
    rm -rf "$venv"
    "$python" -m venv "$venv"
    retry "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --progress-bar off \
      --require-hashes --no-deps --only-binary :all: --requirement "$lock" >&2
    cp "$lock" "$venv/.complete"
  fi
  printf '%s\n' "$venv/bin/python"
}

# build_dir PRESET [LIBTORCH_VERSION]: where a preset builds; another LibTorch than the default has a folder of its own.
build_dir() {
  local name=build
  [ "$1" = release ] || name=build-$1
  [ "${2:-$TORCHFERRY_DEFAULT_LIBTORCH_VERSION}" = "$TORCHFERRY_DEFAULT_LIBTORCH_VERSION" ] || name=$name-libtorch-$2
  printf '%s\n' "$TORCHFERRY_ROOT/$name"
}

# How many compilers may run at once. A file that includes LibTorch's headers takes up to 2 GiB to compile.
compile_jobs() {
  local jobs memory_jobs
  jobs=$(nproc)
  memory_jobs=$(awk '/^MemAvailable:/ {print int($2 / 2097152)}' /proc/meminfo)
  [ "$memory_jobs" -ge "$jobs" ] || jobs=$((memory_jobs > 0 ? memory_jobs : 1))
  printf '%s\n' "$jobs"
}

# build PRESET DIR LIBTORCH_DIR [--target NAME]... [CMAKE_OPTION...]: configures and builds in DIR, incrementally.
# Everything is built, unless targets are named.
build() {
  local preset=$1 dir=$2 libtorch=$3 targets=() log
  shift 3
  while [ "${1:-}" = --target ]; do
    targets+=("$1" "$2")
    shift 2
  done
  mkdir -p "$dir"
  log=$dir/configure.log
  (cd "$TORCHFERRY_ROOT" && cmake --preset "$preset" -B "$dir" -DTORCHFERRY_LIBTORCH="$libtorch" "$@") >"$log" 2>&1 ||
    { cat "$log" >&2; die "CMake could not configure $dir"; }
  cmake --build "$dir" --parallel "$(compile_jobs)" "${targets[@]}" >&2 || die "the build in $dir failed"
}
