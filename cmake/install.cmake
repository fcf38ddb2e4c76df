# install_components()
#
# Makes `cmake --install` give what find_package(Cairn) needs: the components'
# static libraries, their face headers under include/cairn, the command, and a
# package file that finds the libraries that the components link.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

function(install_components)
  get_property(components GLOBAL PROPERTY CAIRN_COMPONENTS)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Cairn)
  install(TARGETS ${components} EXPORT CairnTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn)
  if(TARGET cairn)
    install(TARGETS cairn RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  install(EXPORT CairnTargets NAMESPACE cairn:: DESTINATION ${package_dir})
  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/CairnConfig.cmake.in
    ${PROJECT_BINARY_DIR}/CairnConfig.cmake INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/CairnConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/CairnConfig.cmake
    ${PROJECT_BINARY_DIR}/CairnConfigVersion.cmake DESTINATION ${package_dir})
endfunction()
