#!/usr/bin/env bash
# The includes keep to the layer table, and the check finds what does not.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(find_python -c 'import argparse')
"$python" -B tests/layer_check.py
"$python" -B tests/layer_check.py --self-test
