#!/usr/bin/env bash
# run_pytest.sh NAME ARGUMENT...: one end-to-end file, or what pytest's arguments name, with the tests' Python, or that of the
# variable that TORCHFERRY_PYTEST_PYTHON names; its report where tests/run.sh looks for it.
set -euo pipefail
variable=${TORCHFERRY_PYTEST_PYTHON:-TORCHFERRY_TEST_PYTHON}
python=${!variable:-${TORCHFERRY_TEST_PYTHON:-python3}}
report=()
if [ -n "${TORCHFERRY_JUNIT_DIR:-}" ]; then report=(--junit-xml "$TORCHFERRY_JUNIT_DIR/$1.xml"); fi
exec "$python" -m pytest -p no:cacheprovider -q -rs "${report[@]}" "${@:2}"
