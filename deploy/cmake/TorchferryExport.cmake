# What a C++ project links: `cmake --install BUILD --component devel --prefix DIR`, then find_package(torchferry) there.
# Targets: torchferry::proto (messages), torchferry::grpc (services) and torchferry::client (calls, TLS and tokens).
# The component is not part of a plain `cmake --install`, which a package is made of.
include(CMakePackageConfigHelpers)

set(include ${CMAKE_INSTALL_INCLUDEDIR}/torchferry)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/torchferry)

# Each is found in the package by its name without the prefix.
set(exported proto grpc base tls client_rpc)
foreach(name IN LISTS exported)
  set_target_properties(torchferry_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(torchferry_${name} SYSTEM INTERFACE $<INSTALL_INTERFACE:${include}>)
endforeach()
set_target_properties(torchferry_client_rpc PROPERTIES EXPORT_NAME client)

list(TRANSFORM exported PREPEND torchferry_ OUTPUT_VARIABLE targets)
install(TARGETS ${targets} EXPORT torchferry
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel EXCLUDE_FROM_ALL)
install(EXPORT torchferry NAMESPACE torchferry:: FILE torchferryTargets.cmake DESTINATION ${package}
  COMPONENT devel EXCLUDE_FROM_ALL)

install(DIRECTORY ${CMAKE_BINARY_DIR}/proto/gen/ DESTINATION ${include}
  COMPONENT devel EXCLUDE_FROM_ALL FILES_MATCHING PATTERN *.pb.h)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/proto/ DESTINATION ${CMAKE_INSTALL_DATADIR}/torchferry/proto
  COMPONENT devel EXCLUDE_FROM_ALL FILES_MATCHING PATTERN *.proto)
# The client's own headers, and those that they include.
install(FILES client/rpc/connection.h client/rpc/credentials.h client/rpc/errors.h client/rpc/token.h
  DESTINATION ${include}/client/rpc COMPONENT devel EXCLUDE_FROM_ALL)
install(FILES server/tls/client_credentials.h server/tls/validity.h
  DESTINATION ${include}/server/tls COMPONENT devel EXCLUDE_FROM_ALL)

configure_package_config_file(deploy/cmake/torchferryConfig.cmake.in
  ${CMAKE_BINARY_DIR}/package/torchferryConfig.cmake INSTALL_DESTINATION ${package})
# Minor releases of 0.x may change a name (server/docs/operations/promises.md).
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/torchferryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/torchferryConfig.cmake ${CMAKE_BINARY_DIR}/package/torchferryConfigVersion.cmake
  DESTINATION ${package} COMPONENT devel EXCLUDE_FROM_ALL)
