#!/usr/bin/env bash
# Shell scripts, by .shellcheckrc: those given, or all.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# By their first line or their name: what is sourced has no first line of that kind.
scripts() {
  { git grep --untracked -lIE '^#!.*[/ ](ba)?sh$'; tree_files '*.sh'; } | sort -u
}

needs shellcheck
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(scripts)
shellcheck "${files[@]}"
say "shellcheck: ${#files[@]} files"
