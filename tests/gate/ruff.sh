#!/usr/bin/env bash
# Python, by .ruff.toml, with the ruff of deploy/locks/python-gate.txt.
#   ruff.sh [FILE...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(install_python venv-gate python-gate.txt ruff)
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(tree_files '*.py')
"$python" -m ruff check --quiet --no-cache "${files[@]}"
say "ruff: ${#files[@]} files"
