#!/usr/bin/env bash
# The pages make a site without dead links, and a dead link is found. Skipped by name where mkdocs cannot be installed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
if ! (install_python venv-site python-site.txt "mkdocs, material") >/dev/null; then
  say "site: skipped, as mkdocs-material cannot be installed here (deploy/locks/python-site.txt)"
  printf '%s\n' "0 passed, 0 failed, 1 skipped"
  exit
fi
deploy/site.sh "$copy/site"
[ -s "$copy/site/index.html" ] || die "the site has no index.html"
[ -s "$copy/site/search/search_index.js" ] || die "the site has no index for searching without a server"
tree_files '*.md' '*.svg' 'deploy/*' | tar --create --files-from - | tar --extract --directory "$copy"
printf '\n[a page that is gone](gone.md)\n' >>"$copy/server/docs/guide/cli.md"
if "$copy/deploy/site.sh" "$copy/broken" >"$copy/output" 2>&1; then die "a dead link was not found"; fi
grep -q 'gone.md' "$copy/output" || die "a dead link was not named: $(cat "$copy/output")"
printf '%s\n' "2 passed, 0 failed, 0 skipped"
