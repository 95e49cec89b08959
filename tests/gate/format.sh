#!/usr/bin/env bash
# C++ is as clang-format 14 writes it by .clang-format; other versions write it otherwise.
#   format.sh [FILE...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

needs clang-format-14
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(tree_files '*.cc' '*.h')
clang-format-14 --dry-run -Werror "${files[@]}" ||
  die "clang-format-14 -i FILE writes it as it should be"
say "format: ${#files[@]} files"
