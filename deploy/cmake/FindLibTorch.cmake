# LibTorch::LibTorch: libtorch_cpu and libc10 alone. CUDA is opened at run time (server/torch/device/runtime.h), so that one
# binary starts on any host. PyTorch's own package files insist on a CUDA toolkit, hence this module.
#
# Looks in TORCHFERRY_LIBTORCH (variable or environment): a folder that holds torch/ (a pip site-packages, or what
# deploy/install-deps.sh unpacks), that torch/ itself, or an unpacked libtorch zip; otherwise where install-deps.sh
# puts it.
set(_hints ${TORCHFERRY_LIBTORCH} $ENV{TORCHFERRY_LIBTORCH})
if(NOT _hints)
  if(DEFINED ENV{TORCHFERRY_DEPS_DIR})
    list(APPEND _hints $ENV{TORCHFERRY_DEPS_DIR}/libtorch-2.11.0)
  endif()
  list(APPEND _hints /opt/torchferry/libtorch-2.11.0 $ENV{HOME}/.local/share/torchferry/libtorch-2.11.0)
endif()

set(LibTorch_ROOT_DIR "LibTorch_ROOT_DIR-NOTFOUND")
foreach(_hint IN LISTS _hints)
  foreach(_dir ${_hint}/torch ${_hint} ${_hint}/libtorch)
    if(EXISTS ${_dir}/lib/libtorch_cpu.so AND NOT LibTorch_ROOT_DIR)
      get_filename_component(LibTorch_ROOT_DIR ${_dir} REALPATH)
    endif()
  endforeach()
endforeach()

if(LibTorch_ROOT_DIR AND EXISTS ${LibTorch_ROOT_DIR}/include/torch/headeronly/version.h)
  set(_version_header ${LibTorch_ROOT_DIR}/include/torch/headeronly/version.h)
elseif(LibTorch_ROOT_DIR)
  set(_version_header ${LibTorch_ROOT_DIR}/include/torch/csrc/api/include/torch/version.h)
endif()
if(LibTorch_ROOT_DIR)
  file(STRINGS ${_version_header} _version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9]+" "." _version "${_version_lines}")
  string(REGEX REPLACE "^\\.|\\.$" "" LibTorch_VERSION "${_version}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_ROOT_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run deploy/install-deps.sh, or set TORCHFERRY_LIBTORCH to a folder that holds torch/lib/libtorch_cpu.so")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LibTorch_ROOT_DIR}/lib/libc10.so)
  add_library(LibTorch::LibTorch SHARED IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    IMPORTED_LOCATION ${LibTorch_ROOT_DIR}/lib/libtorch_cpu.so
    INTERFACE_LINK_LIBRARIES LibTorch::c10
    # -idirafter: the wheel carries fmt and protobuf headers that would shadow Debian's.
    INTERFACE_COMPILE_OPTIONS
      "SHELL:-idirafter ${LibTorch_ROOT_DIR}/include;SHELL:-idirafter ${LibTorch_ROOT_DIR}/include/torch/csrc/api/include"
    # libtorch_cpu names CUDA libraries of its own that a CPU host lacks.
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined;-Wl,--disable-new-dtags")
endif()
