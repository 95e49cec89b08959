#!/usr/bin/env bash
# Fuzzes each target of tests/fuzz for TORCHFERRY_FUZZ_MINUTES (5), from the committed corpus. What a target fails on stays in
# build-fuzz/found: a mended one belongs into tests/fuzz/corpus.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

minutes=${TORCHFERRY_FUZZ_MINUTES:-5}
targets=()
for source in tests/fuzz/*_fuzz.cc; do targets+=(--target "$(basename "$source" .cc)"); done
deploy/install-deps.sh --gate
libtorch=$(deploy/install-deps.sh --print-libtorch)
dir=$(build_dir fuzz)
build fuzz "$dir" "$libtorch" "${targets[@]}"

failures=()
for source in tests/fuzz/*_fuzz.cc; do
  target=$(basename "$source" .cc)
  step "$target: $minutes min"
  corpus=$dir/corpus/$target
  mkdir -p "$corpus" "$dir/found"
  "$dir/bin/$target" -max_total_time=$((minutes * 60)) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$dir/found/$target-" "$corpus" "tests/fuzz/corpus/${target%_fuzz}" || failures+=("$target")
done
[ "${#failures[@]}" = 0 ] || die "failed: ${failures[*]}; what they failed on is in $dir/found"
