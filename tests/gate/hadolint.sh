#!/usr/bin/env bash
# Dockerfiles, by hadolint's rules and shellcheck's, with the hadolint of deploy/locks/python-gate.txt.
#   hadolint.sh [FILE...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(install_python venv-gate python-gate.txt ruff)
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(tree_files Dockerfile '*/Dockerfile' '*.Dockerfile')
"$(dirname "$python")/hadolint" --no-color --failure-threshold style "${files[@]}"
say "hadolint: ${#files[@]} files"
