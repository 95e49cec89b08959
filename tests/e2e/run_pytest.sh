#!/usr/bin/env bash
# run_pytest.sh NAME FILE: one end-to-end file with the tests' Python, its report where tests/run.sh looks for it.
set -euo pipefail
python=${TORCHFERRY_TEST_PYTHON:-python3}
report=()
if [ -n "${TORCHFERRY_JUNIT_DIR:-}" ]; then report=(--junit-xml "$TORCHFERRY_JUNIT_DIR/$1.xml"); fi
exec "$python" -m pytest -p no:cacheprovider -q -rs "${report[@]}" "$2"
