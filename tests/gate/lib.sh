# Shared by the parts of tests/gate.sh. Source it; it leaves the caller in the root of the tree.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"
cd "$TORCHFERRY_ROOT" || exit

needs() { # COMMAND
  command -v "$1" >/dev/null || die "there is no $1; deploy/install-deps.sh --gate installs it"
}

# tree_files PATTERN...: the files that git tracks or would add, one a line.
tree_files() {
  git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
    if [ -f "$file" ]; then printf '%s\n' "$file"; fi
  done
}
