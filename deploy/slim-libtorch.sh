#!/usr/bin/env bash
# Copies what a server needs of LibTorch at run time, without symbols, and prints what it leaves out.
#   deploy/slim-libtorch.sh [--cuda] FROM TO
#     FROM    what deploy/install-deps.sh has unpacked: torch/ and nvidia/
#     TO      a new folder, which gets torch/ and nvidia/ with their licences
#     --cuda  also LibTorch's GPU half and the CUDA libraries (deploy/install-deps.sh --cuda)
# It needs strip, of binutils.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cuda=false
while [ $# -gt 0 ]; do
  case $1 in
    --cuda) cuda=true; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    -*) die "unknown option '$1' (see --help)" ;;
    *) break ;;
  esac
done
[ $# = 2 ] || die "FROM and TO are needed (see --help)"
from=$(realpath "$1") to=$(realpath -m "$2")
[ -e "$from/torch/lib/libtorch_cpu.so" ] || die "no torch/lib/libtorch_cpu.so in $from"
[ ! -e "$to" ] || die "$to is there already"

# Only Python loads these, or what is compiled against LibTorch.
python_half='^torch/lib/(libtorch_python|libshm|libtorch_global_deps|libtorch)(\.so|_windows/|/)'
# For tools that look at kernels while they run; libcupti.so opens them when it is asked to.
profilers='/lib/(libnvperf_[a-z]*|libcheckpoint|libpcsamplingutil)\.so'

# Files of FROM, relative to it. For the CPU: libtorch_cpu.so and what that is linked to.
libraries_of_cpu() {
  printf '%s\n' torch/lib/libtorch_cpu.so
  { ldd "$from/torch/lib/libtorch_cpu.so" 2>/dev/null || true; } | awk '$2 == "=>" && $3 ~ "^/" {print $3}' |
    while read -r library; do realpath --relative-to="$from" "$(dirname "$library")/$(basename "$library")" -s; done |
    { grep -v '^\.\./' || true; }
}

# libtorch_cuda.so and cuDNN open others by name at run time, so all of them are taken.
libraries_of_cuda() {
  (cd "$from" && find torch/lib nvidia -name '*.so*') | { grep -vE "$python_half|$profilers" || true; }
}

# A line for each kind of file that is in FROM and not in TO.
report_left_out() {
  comm -23 <(cd "$from" && find torch nvidia -type f | sort) <(cd "$to" && find torch nvidia -type f | sort) |
    (cd "$from" && xargs -d '\n' stat --format '%s %n') |
    awk -v python_half="$python_half" -v profilers="$profilers" '
      function kind(name) {
        if (name ~ /\/include\//) return "headers"
        if (name ~ /\.a$/) return "static libraries"
        if (name ~ profilers) return "profilers"
        if (name ~ python_half) return "libraries for Python"
        if (name ~ /^torch\/share\//) return "CMake files"
        if (name ~ /^torch\/lib\//) return "GPU half of LibTorch"
        return "other files of " substr(name, 1, index(name, "/") - 1)
      }
      { size[kind(substr($0, index($0, " ") + 1))] += $1 }
      END { for (k in size) printf "    left out: %6.1f MB  %s\n", size[k] / 1e6, k }' | sort >&2
}

bytes() { du --summarize --block-size=1 --apparent-size "$1" | cut -f 1; }

if $cuda; then
  [ -e "$from/.cuda-complete" ] || die "$from lacks CUDA's libraries; deploy/install-deps.sh --cuda fetches them"
  mapfile -t libraries < <(libraries_of_cuda)
else
  mapfile -t libraries < <(libraries_of_cpu)
fi
mkdir -p "$to"
(
  cd "$from"
  # The launcher reads LibTorch's version there.
  cp --parents --no-dereference "${libraries[@]}" torch/version.py "$to"
  find . -path './*.dist-info/licenses/*' -type f -exec cp --parents {} "$to" \;
)
report_left_out

# PyTorch's libraries alone: NVIDIA's licence wants its libraries as they are.
before=$(bytes "$to/torch/lib")
find "$to/torch/lib" -type f -name '*.so*' -exec strip --strip-unneeded {} +
printf '    left out: %6d MB  symbols\n' $(((before - $(bytes "$to/torch/lib")) / 1000000)) >&2
missing=$({ ldd "$to/torch/lib/libtorch_cpu.so" 2>&1 || true; } | { grep -E 'not found|not a dynamic' || true; })
[ -z "$missing" ] || die "libtorch_cpu.so in $to: $missing"
printf '    kept:     %6d MB  in %s\n' $(($(bytes "$to") / 1000000)) "$to" >&2
