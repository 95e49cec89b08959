# Functions that make a tree of binaries run on any x86-64 Linux with glibc 2.36 or newer. Source it after lib.sh.
# shellcheck shell=bash

# What a host has itself, or what comes with LibTorch: it is not copied.
bundle_left_out='^(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libutil|libresolv|libstdc\+\+|libgcc_s)\.so'
bundle_left_out+='|^(libtorch.*|libc10.*|libgomp.*|libcud.*|libcupti.*|libnv.*|libcu(blas|fft|rand|solver|sparse).*|libnccl.*)\.so'

# bundle_libraries LIB_DIR BINARY...: copies what the binaries need into LIB_DIR, stripped. Each copy finds the others
# beside it.
bundle_libraries() {
  local into=$1 name path
  shift
  mkdir -p "$into"
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ "^/" && !seen[$1]++ {print $1, $3}' | while read -r name path; do
    ! [[ $name =~ $bundle_left_out ]] || continue
    [ -e "$into/$name" ] || install -m 644 "$path" "$into/$name"
  done
  for path in "$into"/*.so*; do
    strip --strip-unneeded "$path"
    patchelf --force-rpath --set-rpath "\$ORIGIN" "$path"
  done
}

# bundle_binary BINARY TO RPATH: a stripped copy, which looks for libraries in RPATH first (DT_RPATH, so that what
# LibTorch's own libraries need is found there, too).
bundle_binary() {
  install -D -m 755 "$1" "$2"
  strip "$2"
  patchelf --force-rpath --set-rpath "$3" "$2"
}
