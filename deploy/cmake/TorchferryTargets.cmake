# How every target of the project is made, so that a folder's CMakeLists.txt says only what is its own.

add_library(torchferry_flags INTERFACE)
target_compile_options(torchferry_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
# At -O3 GCC 12 sees overlaps and overflows that are none inside std::string (GCC bug 105651).
target_compile_options(torchferry_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                                                  $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
if(TORCHFERRY_WERROR)
  target_compile_options(torchferry_flags INTERFACE -Werror)
endif()
target_include_directories(torchferry_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(TORCHFERRY_SANITIZE)
  # For the whole build: what one target allocates another frees.
  add_compile_options(-fsanitize=${TORCHFERRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TORCHFERRY_SANITIZE})
endif()

# torchferry_library(NAME DEPS target...): the layer `NAME` from the folder's *.cc, its tests from *_test.cc.
# EXCLUDE names sources of other targets (main.cc always is one). DEPS are layers (named without the prefix) and imported targets.
function(torchferry_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  list(TRANSFORM ARG_EXCLUDE PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(REMOVE_ITEM sources ${tests} ${ARG_EXCLUDE} ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)
  if(sources)
    add_library(torchferry_${name} STATIC ${sources})
    target_link_libraries(torchferry_${name} PRIVATE torchferry_flags PUBLIC ${ARG_DEPS})
    target_include_directories(torchferry_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  else()
    # Headers alone.
    add_library(torchferry_${name} INTERFACE)
    target_link_libraries(torchferry_${name} INTERFACE ${ARG_DEPS})
    target_include_directories(torchferry_${name} INTERFACE ${CMAKE_SOURCE_DIR})
  endif()
  add_library(torchferry::${name} ALIAS torchferry_${name})
  if(TORCHFERRY_BUILD_TESTS AND tests)
    torchferry_test(${name}_test SOURCES ${tests} DEPS torchferry::${name} ${ARG_TEST_DEPS} LABEL unit)
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
