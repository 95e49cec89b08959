#!/usr/bin/env bash
# run_pytest.sh NAME ARGUMENT...: what pytest's arguments name, its report where tests/run.sh looks for it. The Python is that of
# TORCHFERRY_TEST_PYTHON, or of the variable that TORCHFERRY_PYTEST_PYTHON names. The tests count as skipped where that names none.
set -euo pipefail
python=${TORCHFERRY_TEST_PYTHON:-python3}
if [ -n "${TORCHFERRY_PYTEST_PYTHON:-}" ]; then
  python=${!TORCHFERRY_PYTEST_PYTHON:-}
  if [ -z "$python" ]; then
    printf '%s\n' "$TORCHFERRY_PYTEST_PYTHON names no Python; tests/run.sh does, where it finds one"
    exit 5
  fi
fi
report=()
if [ -n "${TORCHFERRY_JUNIT_DIR:-}" ]; then report=(--junit-xml "$TORCHFERRY_JUNIT_DIR/$1.xml"); fi
exec "$python" -m pytest -p no:cacheprovider -q -rs "${report[@]}" "${@:2}"
