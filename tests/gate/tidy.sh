#!/usr/bin/env bash
# clang-tidy by .clang-tidy: of the sources given, or of all that ship (--tests: of the tests). Findings are errors, and so are
# clang's warnings. Among these is -Wthread-safety: no layer touches what FERRY_GUARDED_BY names without its lock.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

deploy/install-deps.sh --gate
dir=$(build_dir tidy)
libtorch=$(deploy/install-deps.sh --print-libtorch)
build tidy "$dir" "$libtorch" --target torchferry_generated
"$(find_python -c 'import json')" -B tests/gate/tidy.py --build "$dir" --jobs "$(compile_jobs)" "$@"
