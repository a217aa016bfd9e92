# What `make install` puts in place. Every installed file finds its siblings by relative paths, so that a tree
# installed with DESTDIR or moved afterwards still works.
file(RELATIVE_PATH VOIP_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file(cmake/voip.pc.in "${CMAKE_CURRENT_BINARY_DIR}/voip.pc" @ONLY)
configure_package_config_file(cmake/voipConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/voipConfig.cmake"
  INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/voip"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/voipConfigVersion.cmake"
  VERSION ${VOIP_VERSION} COMPATIBILITY SameMinorVersion)

install(PROGRAMS "${voip_so}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${voip_a}" "${voip_lib_dir}/libvoip.so.${VOIP_SOVERSION}" "${voip_lib_dir}/libvoip.so"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/voip.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/voipConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/voipConfigVersion.cmake"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/voip")
install(FILES LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
