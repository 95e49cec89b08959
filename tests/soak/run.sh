#!/usr/bin/env bash
# A bounded soak of a real server: good clients, bad ones, versions that are swapped and devices that fail, all at once. It ends in
# a table, soak.json and an exit code: 0 when every verdict holds. The server must be built: build/, or TORCHFERRY_BINARY_DIR.
#   tests/soak/run.sh [--minutes N] [--seed N] [--output DIR]   default: 30 minutes, a seed of its own, soak-report
#   tests/soak/run.sh --self-test [--minutes N]                 plants leaks and wrong answers; 0 when all are found
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
  *) ;;
esac
python=${TORCHFERRY_TEST_PYTHON:-}
[ -n "$python" ] || python=$(install_python venv-tests python-tests.txt "grpc, numpy, pytest")
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$TORCHFERRY_ROOT/tests/soak/soak.py" "$@"
