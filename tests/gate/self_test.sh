#!/usr/bin/env bash
# Plants a fault for each part of the gate in a copy of the tree, and expects the part to fail with the right words; without
# the fault it must pass.
#   self_test.sh [quick|asan|tsan|tidy]...     all without an argument; quick: the parts that compile nothing
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -gt 0 ] || set -- quick asan tsan tidy
passed=0 failed=0
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git init -q "$copy/tree"
tree_files . | tar --create --files-from - | tar --extract --directory "$copy/tree"
cd "$copy/tree"

result() { # ok|FAILED WHAT
  if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  step "$1: $2"
}

# passes COMMAND...: without a fault.
passes() {
  if "$@" >"$copy/output" 2>&1; then
    result ok "passes: $*"
  else
    cat "$copy/output"
    result FAILED "passes: $*"
  fi
}

# fails WORDS FILE COMMAND...: the lines on standard input, added to FILE, make COMMAND fail and say WORDS.
fails() {
  local words=$1 file=$2 outcome=FAILED
  shift 2
  cp "$file" "$copy/kept"
  cat >>"$file"
  if ! "$@" >"$copy/output" 2>&1 && grep -qF -- "$words" "$copy/output"; then outcome=ok; else cat "$copy/output"; fi
  cp "$copy/kept" "$file"
  result "$outcome" "fails with \"$words\" in $file: $*"
}

quick_faults() {
  local part
  for part in format layers shellcheck ruff hadolint prose; do passes "tests/gate/$part.sh"; done
  fails 'code should be clang-formatted' server/base/clock.cc tests/gate/format.sh <<<'int  misformatted ;'
  fails 'there is no arrow base → registry' server/base/clock.cc tests/gate/layers.sh <<<'#include "server/registry/registry.h"'
  fails 'SC2086' deploy/build.sh tests/gate/shellcheck.sh <<'CODE'
rm $dir
CODE
  fails 'F821' tests/layer_check.py tests/gate/ruff.sh <<<'print(undefined_name)'
  fails 'begins with "So"' README.md tests/gate/prose.sh <<<'So the reader has to guess what is meant here.'
  fails 'torchferry_gone has a row' server/docs/reference/metrics.md tests/gate/prose.sh <<'PAGE'

| Name | Type | Labels | Meaning |
|---|---|---|---|
| `torchferry_gone` | gauge | | a metric that the server does not have |
PAGE
  fails 'the example has no mark' server/docs/guide/cli.md tests/gate/prose.sh <<'PAGE'

```sh
torchferry models
```
PAGE
  fails 'DL3020' Dockerfile tests/gate/hadolint.sh <<<'ADD deploy/lib.sh /tmp/lib.sh'
}

# The header of a forbidden arrow is not found, as the target does not link that layer.
include_fault() {
  fails "'server/registry/registry.h' file not found" server/base/clock.cc "$@" <<<'#include "server/registry/registry.h"'
}

lock_fault() { # FILE COMMAND...
  fails 'requires holding mutex' "$@" <<'CODE'
#include "server/base/mutex.h"
struct Unguarded {
  int Get() { return value; }
  torchferry::base::Mutex mutex;
  int value FERRY_GUARDED_BY(mutex) = 0;
};
CODE
}

asan_faults() {
  local part=(tests/gate/units.sh --preset asan-ubsan base_test)
  passes "${part[@]}"
  include_fault "${part[@]}"
  lock_fault server/base/clock.cc "${part[@]}"
  fails 'LeakSanitizer: detected memory leaks' server/base/base_test.cc "${part[@]}" <<'CODE'
TEST(SelfTest, Leaks) {
  int* volatile leaked = new int(1);
  leaked = nullptr;
  EXPECT_EQ(leaked, nullptr);
}
CODE
  fails 'shift exponent 40 is too large' server/base/base_test.cc "${part[@]}" <<'CODE'
TEST(SelfTest, ShiftsTooFar) {
  volatile int bits = 40;
  EXPECT_NE(1 << bits, -1);
}
CODE
}

tsan_faults() {
  local part=(tests/gate/units.sh --preset tsan base_test)
  passes "${part[@]}"
  fails 'ThreadSanitizer: data race' server/base/base_test.cc "${part[@]}" <<'CODE'
#include <thread>
TEST(SelfTest, Races) {
  int count = 0;
  std::thread other([&] { ++count; });
  ++count;
  other.join();
  EXPECT_GT(count, 0);
}
CODE
}

# One file of each kind of layer: of its own, with LibTorch, with gRPC.
tidy_faults() {
  local file
  for file in server/base/clock.cc server/torch/device/convert.cc server/rpc/transport/status_map.cc; do
    passes tests/gate/tidy.sh "$file"
    lock_fault "$file" tests/gate/tidy.sh "$file"
  done
  fails 'bugprone-use-after-move' server/base/clock.cc tests/gate/tidy.sh server/base/clock.cc <<'CODE'
#include <string>
#include <utility>
size_t UsesAfterMove(std::string text) {
  const std::string taken = std::move(text);
  return taken.size() + text.size();
}
CODE
  fails "comparison of integers of different signs" server/base/clock.cc tests/gate/tidy.sh server/base/clock.cc \
    <<<'bool Warns(int a, unsigned b) { return a < b; }'
}

for group in "$@"; do "${group}_faults"; done
printf '%s\n' "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
