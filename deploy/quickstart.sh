#!/usr/bin/env bash
# From a fresh clone to an answered request: installs, builds, fetches the sample models, starts the server, asks it for
# the pitch of a 440 Hz tone, and leaves it running until Ctrl-C.
#   deploy/quickstart.sh [--once] [--from-wheel FILE]
#     --once              stops the server after the answer
#     --from-wheel FILE   builds nothing: installs this wheel (deploy/package.sh) into build/venv-wheel, with the torch that
#                         deploy/locks pins
# Environment: TORCHFERRY_GRPC_ADDRESS (127.0.0.1:8001), TORCHFERRY_METRICS_ADDRESS (127.0.0.1:8002), and those of
# deploy/install-deps.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

once=false wheel=''
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=true ;;
    --from-wheel) wheel=$(realpath "${2:?"--from-wheel needs a file"}"); shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done
[ -z "$wheel" ] || [ -f "$wheel" ] || die "there is no $wheel; deploy/package.sh makes a wheel in dist/"

grpc_address=${TORCHFERRY_GRPC_ADDRESS:-127.0.0.1:8001}
metrics_address=${TORCHFERRY_METRICS_ADDRESS:-127.0.0.1:8002}
ready_limit_seconds=120 stop_limit_seconds=45
bin=$(build_dir release)/bin
[ -z "$wheel" ] || bin=$(build_dir release)/venv-wheel/bin
log=$(build_dir release)/quickstart-server.log
tone=$(build_dir release)/tone-440hz.npy
server=''

# Where a client on this machine reaches a server that listens at $1.
client_address() {
  case $1 in
    0.0.0.0:* | '[::]:'* | '*:'*) printf '127.0.0.1:%s\n' "${1##*:}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

refuse_taken_port() { # ADDRESS VARIABLE
  local address host
  address=$(client_address "$1")
  host=${address%:*}
  host=${host#[}
  host=${host%]}
  if (exec 3<>"/dev/tcp/$host/${address##*:}") 2>/dev/null; then
    die "$1 is taken by another process; stop it, or choose another address: $2=127.0.0.1:PORT $0"
  fi
}

# One row of 1024 samples at 16 kHz, as NumPy would save it.
write_tone() {
  local python
  python=$(find_python -c 'import struct')
  "$python" - "$1" <<'PYTHON'
import math, struct, sys

header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1024), }"
header += " " * (63 - (10 + len(header)) % 64) + "\n"
samples = [0.5 * math.sin(2 * math.pi * 440 * i / 16000) for i in range(1024)]
with open(sys.argv[1], "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<1024f", *samples))
PYTHON
}

running() { [ -n "$server" ] && kill -0 "$server" 2>/dev/null; }

show_log() {
  printf '%s\n' "--- the last lines of $log" >&2
  tail -n 30 "$log" >&2
}

fail() {
  printf '%s\n' "error: $*" >&2
  show_log
  exit 1
}

# A clean stop, with a limit; the server's own exit status is the answer.
stop_server() {
  local status=0 waited=0
  running || return 0
  kill -TERM "$server" 2>/dev/null || true
  while running && [ "$waited" -lt $((stop_limit_seconds * 10)) ]; do
    sleep 0.1
    waited=$((waited + 1))
  done
  if running; then
    printf '%s\n' "error: the server did not stop within $stop_limit_seconds s; killing it" >&2
    kill -KILL "$server" 2>/dev/null || true
  fi
  wait "$server" || status=$?
  server=''
  return "$status"
}

wait_until_ready() {
  local deadline=$((SECONDS + ready_limit_seconds))
  until timeout 10 "$bin/torchferry" health >/dev/null 2>&1; do
    running || fail "the server stopped while it was starting"
    [ "$SECONDS" -lt "$deadline" ] || fail "the server was not ready after $ready_limit_seconds s"
    sleep 0.2
  done
}

interrupted=false
trap 'interrupted=true' INT TERM HUP
trap 'stop_server || true' EXIT
unless_interrupted() { if $interrupted; then exit 130; fi; }

build_programs() {
  local unity=()
  # A build that is there goes on as it was configured.
  [ -e "$(build_dir release)/CMakeCache.txt" ] || unity=(-DTORCHFERRY_UNITY=ON)
  step "installing dependencies"
  "$TORCHFERRY_ROOT/deploy/install-deps.sh"
  unless_interrupted
  step "building (the first time takes some minutes)"
  # What is run here and by fetch-samples.sh. In the folder of tests/run.sh, which builds the rest when it is wanted.
  "$TORCHFERRY_ROOT/deploy/build.sh" --target torchferry-server --target torchferry --target torchferry-export-sample \
    "${unity[@]}"
}

# torch without what only its Python half and GPUs need: that would be 3 GB. None where there is a LibTorch already.
install_wheel() {
  local venv=${bin%/bin} lock=$TORCHFERRY_ROOT/deploy/locks/libtorch-$TORCHFERRY_DEFAULT_LIBTORCH_VERSION.txt stamp python pins=()
  step "installing Python"
  "$TORCHFERRY_ROOT/deploy/install-deps.sh" --wheel
  unless_interrupted
  [ -n "${TORCHFERRY_LIBTORCH:-}" ] || mapfile -t pins < <(sed -n 's/^\([a-z0-9-]*==[^ ]*\).*/\1/p' "$lock")
  stamp=$(sha256sum "$wheel" | cut -d ' ' -f 1)
  stamp="$stamp ${pins[*]}"
  if [ "$(cat "$venv/.complete" 2>/dev/null)" = "$stamp" ]; then
    step "the wheel is installed in ${venv#"$TORCHFERRY_ROOT/"}"
    return
  fi
  step "installing $(basename "$wheel")${pins[*]:+ and ${pins[*]}}"
  python=$(find_python -m ensurepip --version)
  rm -rf "$venv"
  "$python" -m venv "$venv"
  retry "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --progress-bar off \
    --no-deps --only-binary :all: "$wheel" "${pins[@]}"
  printf '%s\n' "$stamp" >"$venv/.complete"
}

mkdir -p "$(build_dir release)"
if [ -n "$wheel" ]; then install_wheel; else build_programs; fi
unless_interrupted
step "fetching the sample models"
"$TORCHFERRY_ROOT/deploy/fetch-samples.sh"
unless_interrupted

step "starting the server: gRPC on $grpc_address, metrics on $metrics_address, log in ${log#"$TORCHFERRY_ROOT/"}"
refuse_taken_port "$grpc_address" TORCHFERRY_GRPC_ADDRESS
refuse_taken_port "$metrics_address" TORCHFERRY_METRICS_ADDRESS
TORCHFERRY_ADDRESS=$(client_address "$grpc_address")
export TORCHFERRY_ADDRESS
# In a session of its own: Ctrl-C reaches this script alone, which then asks the server to stop.
setsid "$bin/torchferry-server" --model-store "$TORCHFERRY_ROOT/model_store" --grpc-address "$grpc_address" \
  --metrics-address "$metrics_address" >"$log" 2>&1 &
server=$!
wait_until_ready

step "asking crepe_tiny for the pitch of a 440 Hz tone:"
write_tone "$tone"
printf '%s\n' "\$ torchferry predict crepe_tiny frames=@${tone#"$TORCHFERRY_ROOT/"}"
"$bin/torchferry" predict crepe_tiny frames=@"$tone" || fail "the prediction failed"
unless_interrupted

if $once; then
  step "stopping the server"
  stop_server || fail "the server did not end cleanly"
  step "done"
  exit
fi

step "the server runs until Ctrl-C; try: ${bin#"$TORCHFERRY_ROOT/"}/torchferry models"
tail --lines=0 --follow=name --pid="$server" "$log" &
while running && ! $interrupted; do wait "$server" || true; done
if $interrupted; then
  step "stopping the server"
  stop_server || fail "the server did not end cleanly"
  step "done"
else
  fail "the server stopped by itself"
fi
