#!/usr/bin/env bash
# Checks torchferry on this host's first GPU: right answers, failover, streams, speed. Ends with a table and a JSON file.
#
#   ./gpu-check.sh [--rehearse] [--minutes 8] [--output DIR] [--only PART,...] [--list]
#     --rehearse   the same on the simulated accelerator, on any host
#     --minutes N  for all parts together
#     --output DIR logs and gpu-check.json; default gpu-check-report
#     --only PART,...  these parts alone; --list names them
#
# Environment:
#   TORCHFERRY_CHECK_PYTHON  the Python that has torch; default the first of python3, python3.12, python3.11 that does
#   TORCHFERRY_LIBTORCH      a folder with torch/lib or lib of LibTorch; default the torch of that Python
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() { printf '%s\n' "error: $*" >&2; exit 2; }

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
  exit
fi

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# The folder of a Python's torch, which is found and not imported.
torch_of() {
  "$1" -c '
import importlib.util, pathlib
spec = importlib.util.find_spec("torch")
print(pathlib.Path(spec.origin).parent if spec and spec.origin else "")' 2>/dev/null
}

# The first of the arguments for which the bundle has packages, and which has torch where that must come from it.
find_check_python() {
  local python
  for python in "$@"; do
    [ -d "$here/python/$(version_of "$python" || echo none)" ] || continue
    if [ -n "${TORCHFERRY_LIBTORCH:-}" ] || [ -n "$(torch_of "$python")" ]; then
      printf '%s\n' "$python"
      return
    fi
  done
}

built_for=$(cat "$here/LIBTORCH")
supported=$(cd "$here/python" && echo *)
if [ -n "${TORCHFERRY_CHECK_PYTHON:-}" ]; then
  python=$(find_check_python "$TORCHFERRY_CHECK_PYTHON")
else
  python=$(find_check_python python3 python3.12 python3.11)
fi
[ -n "$python" ] || die "no Python of $supported that has torch==$built_for; TORCHFERRY_CHECK_PYTHON names one"

libtorch=${TORCHFERRY_LIBTORCH:-$(torch_of "$python")}
[ -e "$libtorch/lib/libtorch_cpu.so" ] || libtorch=$libtorch/torch
[ -e "$libtorch/lib/libtorch_cpu.so" ] || die "no lib/libtorch_cpu.so in $(dirname "$libtorch")"
found=$(sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$libtorch/version.py" 2>/dev/null || cat "$libtorch/build-version")
[ "${found%%+*}" = "$built_for" ] || die "$libtorch is LibTorch $found; this bundle was built for $built_for"

unset PYTEST_ADDOPTS PYTHONHOME
version=$(version_of "$python")
export PYTHONPATH=$here/python/$version:$here/tests/gpu:$here/tests/bench:$here/tests/e2e
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export LD_LIBRARY_PATH=$libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export TORCHFERRY_BINARY_DIR=$here/build TORCHFERRY_CHECK_LIBTORCH=$libtorch
exec "$python" "$here/tests/gpu/check.py" "$@"
