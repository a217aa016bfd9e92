# Each program in c-examples is one file, built against the public header only.
file(GLOB voip_examples CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/c-examples/*.c")
foreach(source IN LISTS voip_examples)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE voip::voip m pthread)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Werror)
  set_target_properties(${name} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/examples")
  add_dependencies(${name} voip-build)
endforeach()
