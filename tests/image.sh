#!/usr/bin/env bash
# Builds the image of the Dockerfile with buildah, without a Docker engine and a registry, and serves from its tree: as
# the image's user, without privileges, on a read-only root. Prints the size by part. As root, on Debian 12.
#   tests/image.sh [--target cpu|cuda] [--package DIR] [--output DIR]
#     --target NAME   the stage that is built: cpu without it
#     --package DIR   the tree of `deploy/package.sh --stage DIR`: the stages that compile it are left out
#     --output DIR    leaves the image's tree there
# The base image is made by debootstrap, with this machine's package sources, and kept with the layers in build-image/.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/lib.sh"

target=cpu package='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    --target) target=${2:?"--target needs a name"}; shift ;;
    --package) package=$(realpath "${2:?"--package needs a folder"}"); shift ;;
    --output) output=$(realpath -m "${2:?"--output needs a folder"}"); shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || die "needs root: it mounts and changes roots"
[ -z "$output" ] || [ ! -e "$output" ] || die "$output is there already"

work=$TORCHFERRY_ROOT/build-image
base_image=localhost/torchferry-debian:bookworm-slim
image=localhost/torchferry-test:$target
container=torchferry-test-$target

buildah_here() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver "$driver" "$@"; }

# Layers that share files need overlayfs; where that cannot be had each layer is a copy.
choose_driver() {
  driver=overlay
  buildah_here images >/dev/null 2>&1 || driver=vfs
}

# What a Debian image for containers leaves out.
make_slim() { # ROOT
  find "$1/usr/share/doc" -mindepth 2 ! -name copyright ! -type d -delete
  find "$1/usr/share/doc" -mindepth 1 -type d -empty -delete
  rm -rf "$1"/usr/share/{man,info,locale,groff,lintian}/* "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin \
    "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/debconf/*-old "$1"/var/log/*.log "$1"/var/log/apt/*
}

# Where this machine's apt and pip look, and whom they trust. They are in the base alone, so no stage knows of them.
add_package_sources() { # ROOT
  local authorities=/usr/local/share/build-machine-authorities.crt index
  cp -L /etc/ssl/certs/ca-certificates.crt "$1$authorities"
  rm -rf "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d"
  cp -r /etc/apt/sources.list* "$1/etc/apt/"
  cp -n /usr/share/keyrings/debian-archive-* "$1/usr/share/keyrings/"
  {
    apt-config dump --format '%F "%v";%n' Acquire::Check-Valid-Until Acquire::Check-Date
    apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https
    printf 'Acquire::https::CAInfo "%s";\n' "$authorities"
  } >"$1/etc/apt/apt.conf.d/90build-machine"
  index=${PIP_INDEX_URL:-$("$(find_python -m pip --version)" -m pip config get global.index-url 2>/dev/null || true)}
  printf '[global]\ncert = %s\n%s\n' "$authorities" "${index:+index-url = $index}" >"$1/etc/pip.conf"
}

# A stand-in for debian:bookworm-slim.
make_base() {
  local root mirror
  if buildah_here inspect --type image "$base_image" >/dev/null 2>&1; then
    say "the base image: there"
    return
  fi
  # shellcheck disable=SC2016  # fields of apt's
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" {print $1; exit}')
  root=$(mktemp -d "$work/base.XXXXXX")
  debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 5 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
  make_slim "$root"
  add_package_sources "$root"
  buildah_here from --name torchferry-base scratch >/dev/null
  buildah_here add --quiet torchferry-base "$root" / >/dev/null
  buildah_here config --cmd bash torchferry-base
  buildah_here commit --quiet --rm torchferry-base "$base_image" >/dev/null
  rm -rf "$root"
}

build_image() {
  local arguments=()
  [ -z "$package" ] || arguments+=(--build-context "package=$package")
  buildah_here build --isolation chroot --format docker --layers --pull-never --target "$target" --tag "$image" \
    --build-arg "DEBIAN=$base_image" --build-arg "VERSION=$(project_version)" \
    --build-arg "REVISION=$(git -C "$TORCHFERRY_ROOT" rev-parse HEAD)" "${arguments[@]}" "$TORCHFERRY_ROOT" >&2 ||
    die "the image could not be built"
}

project_version() { sed -n 's/^project(torchferry VERSION \([0-9.]*\).*/\1/p' "$TORCHFERRY_ROOT/CMakeLists.txt"; }

remove_container() { buildah_here rm "$container" >/dev/null 2>&1 || true; }

"$TORCHFERRY_ROOT/deploy/install-deps.sh" --image
mkdir -p "$work"
choose_driver
step "the base image"
make_base
step "building the stage $target"
build_image
step "serving from it"
remove_container
trap remove_container EXIT
buildah_here from --pull-never --name "$container" "$image" >/dev/null
tree=$(buildah_here mount "$container")
buildah_here inspect --type image "$image" >"$work/$target.json"
python=$(install_python venv-tests python-tests.txt "grpc, numpy, pytest")
"$python" -B "$TORCHFERRY_ROOT/tests/image/serve_image.py" --target "$target" "$work/$target.json" "$tree"
if [ -n "$output" ]; then
  cp -a "$tree" "$output"
  say "the tree is in $output"
fi
