#!/usr/bin/env bash
# Builds a static site of the pages, searched in the browser without a server: build/site/index.html. A dead link fails.
#   deploy/site.sh [DIR]     DIR takes the place of build/site
# mkdocs-material comes from PyPI, as deploy/locks/python-site.txt pins it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
  -*) die "unknown option '$1' (see --help)" ;;
  *) ;;
esac
site=$(realpath -m "${1:-$(build_dir release)/site}")
python=$(install_python venv-site python-site.txt "mkdocs, material")
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
"$python" -B "$TORCHFERRY_ROOT/deploy/site_sources.py" "$sources"
mkdir -p "$(dirname "$site")"
NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --strict --clean --config-file "$sources/mkdocs.yml" --site-dir "$site"
"$python" -B "$TORCHFERRY_ROOT/deploy/site_sources.py" --finish "$site"
say "site: $site/index.html"
