# How every target of the project is made, so that a folder's CMakeLists.txt says only what is its own.

add_library(torchferry_flags INTERFACE)
target_compile_options(torchferry_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
# At -O3 GCC 12 sees overlaps, overflows and members without a value that are none inside std::string (GCC bug 105651).
foreach(warning restrict stringop-overflow array-bounds maybe-uninitialized)
  target_compile_options(torchferry_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-${warning}>)
endforeach()
# Layers that no request passes: in a release they are compiled for size. A package has a server for each LibTorch, and
# this takes a quarter off each.
set(TORCHFERRY_COLD_LAYERS app checkpoint client client_rpc config plan torch_graph torch_load torch_program)
if(TORCHFERRY_UNITY)
  # A .cc file in a group is included, so GCC takes its classes for those of a header; and a local name may be that of
  # another file's constant. Builds without groups warn of both.
  target_compile_options(torchferry_flags INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
# What FERRY_GUARDED_BY and its like say (server/base/mutex.h).
target_compile_options(torchferry_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
# Other compilers, and later ones, may warn of what these do not.
if(TORCHFERRY_WERROR AND "${CMAKE_CXX_COMPILER_ID}-${CMAKE_CXX_COMPILER_VERSION}" MATCHES "^(GNU-12|Clang-14)\\.")
  target_compile_options(torchferry_flags INTERFACE -Werror)
endif()
if(TORCHFERRY_SANITIZE)
  # For the whole build: what one target allocates another frees.
  add_compile_options(-fsanitize=${TORCHFERRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TORCHFERRY_SANITIZE})
endif()

# torchferry_headers(TARGET PATH SCOPE): makes the headers of the folder PATH visible to whoever links TARGET, as "PATH/x.h".
# Each folder has an include root of its own, a link in the build folder. So a target sees the folders that it links
# and no others: the compiler does not find the header of a forbidden arrow.
function(torchferry_headers target path scope)
  set(root ${CMAKE_BINARY_DIR}/layers/${target})
  get_filename_component(parent ${root}/${path} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${path} ${root}/${path} SYMBOLIC)
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${root}>)
endfunction()

# torchferry_unity(TARGET SOURCES file... [APART file...]): the sources are compiled in groups of up to eight. A group has the
# files of one target alone, so it includes no header of another layer.
# APART: files that define names of unnamed namespaces that other files of the target define, too. They are one group.
function(torchferry_unity target)
  cmake_parse_arguments(ARG "" "" "SOURCES;APART" ${ARGN})
  list(TRANSFORM ARG_APART PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set(count 0)
  foreach(source IN LISTS ARG_SOURCES)
    set(group apart)
    if(NOT source IN_LIST ARG_APART)
      math(EXPR number "${count} / 8")
      math(EXPR count "${count} + 1")
      set(group group_${number})
    endif()
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

# torchferry_library(NAME [PUBLIC target...] [PRIVATE target...] [FOLDERS folder...] [TEST_DEPS target...]
#                    [EXCLUDE file...] [APART file...]):
# the layer NAME from this folder's *.cc and those of FOLDERS in it; its tests, NAME_test, from the *_test.cc.
# PUBLIC: what its headers include. PRIVATE: what only its sources include. Layers are "torchferry::NAME".
# The tests of server/torch/* are one program, torch_test (server/torch/CMakeLists.txt).
# EXCLUDE names sources of other targets (main.cc always is one). APART: see torchferry_unity.
function(torchferry_library name)
  cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE;FOLDERS;TEST_DEPS;EXCLUDE;APART" ${ARGN})
  set(patterns *.cc)
  foreach(folder IN LISTS ARG_FOLDERS)
    list(APPEND patterns ${folder}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ARG_EXCLUDE PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(REMOVE_ITEM sources ${tests} ${ARG_EXCLUDE} ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE path)
  add_library(torchferry_${name} STATIC ${sources})
  target_link_libraries(torchferry_${name} PUBLIC ${ARG_PUBLIC} PRIVATE $<BUILD_INTERFACE:torchferry_flags> ${ARG_PRIVATE})
  torchferry_headers(torchferry_${name} ${path} PUBLIC)
  add_library(torchferry::${name} ALIAS torchferry_${name})
  if(name IN_LIST TORCHFERRY_COLD_LAYERS)
    target_compile_options(torchferry_${name} PRIVATE $<$<CONFIG:Release>:-Os>)
  endif()
  if(TORCHFERRY_UNITY)
    torchferry_unity(torchferry_${name} SOURCES ${sources} APART ${ARG_APART})
  endif()
  if(TORCHFERRY_BUILD_TESTS AND tests AND NOT name MATCHES "^torch_")
    torchferry_test(${name}_test SOURCES ${tests} DEPS torchferry::${name} ${ARG_PRIVATE} ${ARG_TEST_DEPS} LABEL unit)
  endif()
endfunction()

# torchferry_test(NAME SOURCES file... DEPS target... LABEL label): a GoogleTest binary, each case a CTest test.
function(torchferry_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE torchferry_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "TORCHFERRY_SOURCE_DIR=${CMAKE_SOURCE_DIR};TORCHFERRY_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()
