# `cmake --install`: libraries, public headers, and the CMake package that finds them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(rejoin_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/rejoin)

# One export a component, so that who needs rejoin::crdt alone need not have the rest's dependencies.
function(rejoin_install_library component)
  set_target_properties(rejoin_${component} PROPERTIES EXPORT_NAME ${component})
  install(TARGETS rejoin_${component} EXPORT rejoin-${component} ARCHIVE COMPONENT development)
  install(
    EXPORT rejoin-${component}
    NAMESPACE rejoin::
    FILE rejoin-${component}.cmake
    DESTINATION ${rejoin_package_folder}
    COMPONENT development)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/include)
    install(
      DIRECTORY include/
      TYPE INCLUDE
      COMPONENT development)
  endif()
endfunction()

function(rejoin_install_package)
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/rejoinConfig.cmake.in
                                ${CMAKE_BINARY_DIR}/rejoinConfig.cmake
                                INSTALL_DESTINATION ${rejoin_package_folder})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/rejoinConfigVersion.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(
    FILES ${CMAKE_BINARY_DIR}/rejoinConfig.cmake ${CMAKE_BINARY_DIR}/rejoinConfigVersion.cmake
    DESTINATION ${rejoin_package_folder}
    COMPONENT development)
endfunction()
