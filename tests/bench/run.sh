#!/usr/bin/env bash
# Installs what is needed, builds, and measures the server against gRPC alone and LibTorch alone, on this machine, in one run.
#   tests/bench/run.sh [--only SECTION,…] [--repeats 5] [--seconds 4] [--output DIR]     see run.py
# Writes DIR/report.md, DIR/report.json and DIR/report.png. Nothing else should run meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"

case " $* " in
  *" -h "* | *" --help "*) exec "$(find_python -c 'import argparse')" "$TORCHFERRY_ROOT/tests/bench/run.py" --help ;;
esac

output=bench-report
for ((i = 1; i < $#; ++i)); do
  next=$((i + 1))
  [ "${!i}" != --output ] || output=${!next}
done

step "installing dependencies"
"$TORCHFERRY_ROOT/deploy/install-deps.sh" --tests
libtorch=$("$TORCHFERRY_ROOT/deploy/install-deps.sh" --print-libtorch)
python=$(install_python venv-tests python-tests.txt "grpc, numpy, pytest")
tritonclient=$(install_python venv-tritonclient python-tritonclient.txt tritonclient.grpc) # has perf_analyzer
plotter=$(install_python venv-bench python-bench.txt matplotlib)

step "building (release)"
dir=$(build_dir release)
build release "$dir" "$libtorch"

step "measuring"
TORCHFERRY_BINARY_DIR=$dir TORCHFERRY_TRITONCLIENT_PYTHON=$tritonclient "$python" -B "$TORCHFERRY_ROOT/tests/bench/run.py" "$@"
"$plotter" "$TORCHFERRY_ROOT/tests/bench/plot.py" "$output/report.json" "$output/report.png"
say "$output: report.md, report.json, report.png"
