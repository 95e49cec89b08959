#!/usr/bin/env bash
# Holds the rules of the tree. Each part is a script in tests/gate/, which fails when its rule is broken.
#   tests/gate.sh format|shellcheck|ruff|hadolint|tidy [FILE...]   those files, or all of the tree
#   tests/gate.sh layers             the layer table of server/README.md
#   tests/gate.sh prose              the rules of English, and reference pages against the code
#   tests/gate.sh site               the site of the pages, where mkdocs can be installed
#   tests/gate.sh asan-ubsan         unit tests of the layers that read bytes from outside
#   tests/gate.sh tsan               unit tests of the layers that have threads
#   tests/gate.sh tsan-all           unit tests of all layers without LibTorch and gRPC
#   tests/gate.sh tidy-newest        tidy for 15 minutes, from the sources that were committed last
#   tests/gate.sh libtorch           torch_test with the newest LibTorch
#   tests/gate.sh suite              tests/run.sh: every test, of what is shipped
#   tests/gate.sh image              tests/image.sh: the image is built without a Docker engine, and serves
#   tests/gate.sh quick              format, layers, shellcheck, ruff, hadolint and prose: seconds
#   tests/gate.sh ci                 quick, its self-test, site, asan-ubsan, tsan, tidy-newest, suite: 90 minutes at most
#                                    When a quick part fails, the others are skipped
#   tests/gate.sh full               ci, and what only a release waits for: hours
#   tests/gate.sh self-test          plants faults in a copy of the tree and expects each part to find its own
# The last line is "N passed, N failed, N skipped"; the exit status is 0 when something ran and nothing failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/lib.sh"

quick=(format layers shellcheck ruff hadolint prose)
slow=(quick-self-test site asan-ubsan tsan tidy-newest suite)
release=(tidy libtorch self-test tidy-tests fuzz tsan-all everything-asan-ubsan everything-libtorch image)
newest_libtorch=2.15.0
# Layers that only compute, in the thread of their caller.
threadless=(checkpoint config plan tensor)
# Layers that get nothing from outside but through others.
shielded=(base batching host metrics model registry serving)

passed=0 failed=0 skipped=0 results=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# layer_tests FOLDER...: the unit tests of the layers in server/ except those.
layer_tests() {
  local folder layer
  for folder in "$TORCHFERRY_ROOT"/server/*/CMakeLists.txt; do
    layer=$(basename "$(dirname "$folder")")
    [[ " $* " == *" $layer "* ]] || printf '%s_test\n' "$layer"
  done
}

# The command of part $1, into `command`.
part_command() {
  local gate=$TORCHFERRY_ROOT/tests/gate layers
  case $1 in
    quick-self-test) command=("$gate/self_test.sh" quick) ;;
    install) command=("$TORCHFERRY_ROOT/deploy/install-deps.sh" --tests --gate) ;;
    asan-ubsan) mapfile -t layers < <(layer_tests torch app "${shielded[@]}"; printf "%s\n" client_test client_rpc_test) ;;&
    # Debian's gRPC is not built for ThreadSanitizer.
    tsan) mapfile -t layers < <(layer_tests torch app rpc "${threadless[@]}") ;;&
    tsan-all) mapfile -t layers < <(layer_tests torch app rpc) ;;&
    asan-ubsan | tsan | tsan-all) command=("$gate/units.sh" --preset "${1%-all}" "${layers[@]}") ;;
    libtorch) command=("$gate/units.sh" --libtorch "$newest_libtorch" torch_test) ;;
    image) command=("$TORCHFERRY_ROOT/tests/image.sh") ;;
    suite) command=("$TORCHFERRY_ROOT/tests/run.sh") ;;
    tidy-newest) command=("$gate/tidy.sh" --minutes 15) ;;
    tidy-tests) command=("$gate/tidy.sh" --tests) ;;
    everything-asan-ubsan) command=("$TORCHFERRY_ROOT/tests/run.sh" --preset asan-ubsan -L 'unit|integration') ;;
    everything-libtorch) command=("$TORCHFERRY_ROOT/tests/run.sh" --libtorch "$newest_libtorch") ;;
    *)
      command=("$gate/${1//-/_}.sh")
      [ -x "${command[0]}" ] || die "unknown part '$1' (see --help)"
      ;;
  esac
}

# A part whose last line has counts adds those; any other counts as one test.
count() { # STATUS
  local counts='^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$'
  if [[ $(tail -n 1 "$log") =~ $counts ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
    # A part may fail without a failed test: a crash at its end.
    [ "$1" = 0 ] || [ "${BASH_REMATCH[2]}" != 0 ] || failed=$((failed + 1))
  elif [ "$1" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
}

run_part() { # NAME [FILE...]
  local name=$1 began=$SECONDS status=0 outcome=passed command
  shift
  part_command "$name"
  step "gate: $name"
  "${command[@]}" "$@" 2>&1 | tee "$log" || status=$?
  count "$status"
  [ "$status" = 0 ] || outcome=FAILED
  results+=("$(printf '%s %s, %d s' "$outcome" "$name" $((SECONDS - began)))")
}

run_parts() { for part in "$@"; do run_part "$part"; done; }

skip_parts() {
  skipped=$((skipped + $#))
  results+=("skipped as a quick part failed: $*")
}

case ${1:-} in
  quick) run_parts "${quick[@]}" ;;
  ci | full)
    run_parts install "${quick[@]}"
    [ "$1" = ci ] || slow+=("${release[@]}")
    if [ "$failed" = 0 ]; then run_parts "${slow[@]}"; else skip_parts "${slow[@]}"; fi
    ;;
  '' | -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
  *) run_part "$@" ;;
esac

step "gate: ended"
printf '%s\n' "${results[@]}" "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
