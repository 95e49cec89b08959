#!/usr/bin/env bash
# Texts keep to the rules of English, reference pages agree with the code, each example says how it runs, the pictures are as
# they are drawn; and each check finds planted faults. The flags of --help are held where the programs are built (tests/CMakeLists.txt).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(find_python -c 'import argparse')
"$python" -B tests/prose/check_prose.py
"$python" -B tests/prose/check_prose.py --self-test
"$python" -B tests/pages/check_pages.py
"$python" -B tests/pages/check_pages.py --self-test
"$python" -B tests/pages/examples.py
"$python" -B server/docs/pictures/draw.py --check
