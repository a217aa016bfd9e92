# The library itself. Cargo decides what is stale; CMake gives the shared object its versioned names.
if(DEFINED ENV{CARGO_TARGET_DIR})
  set(cargo_out "$ENV{CARGO_TARGET_DIR}/release")
else()
  set(cargo_out "${CMAKE_CURRENT_SOURCE_DIR}/target/release")
endif()
set(voip_lib_dir "${CMAKE_CURRENT_BINARY_DIR}/lib")
set(voip_so "${voip_lib_dir}/libvoip.so.${VOIP_VERSION}")
set(voip_a "${voip_lib_dir}/libvoip.a")
file(MAKE_DIRECTORY "${voip_lib_dir}")

add_custom_target(voip-build ALL
  COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/tools/build-lib"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${cargo_out}/libvoip.so" "${voip_so}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${cargo_out}/libvoip.a" "${voip_a}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "libvoip.so.${VOIP_VERSION}" "${voip_lib_dir}/libvoip.so.${VOIP_SOVERSION}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "libvoip.so.${VOIP_SOVERSION}" "${voip_lib_dir}/libvoip.so"
  BYPRODUCTS "${voip_so}" "${voip_a}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
  COMMENT "Building libvoip with cargo"
  USES_TERMINAL)

add_library(voip SHARED IMPORTED GLOBAL)
set_target_properties(voip PROPERTIES
  IMPORTED_LOCATION "${voip_so}"
  IMPORTED_SONAME "libvoip.so.${VOIP_SOVERSION}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
add_dependencies(voip voip-build)
add_library(voip::voip ALIAS voip)

add_library(voip_static STATIC IMPORTED GLOBAL)
set_target_properties(voip_static PROPERTIES
  IMPORTED_LOCATION "${voip_a}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include"
  INTERFACE_LINK_LIBRARIES "pthread;dl;m;gcc_s")
add_dependencies(voip_static voip-build)
add_library(voip::static ALIAS voip_static)
