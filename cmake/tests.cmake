# What ctest runs: the C tests of tests/c under valgrind against the released library, the installed packages, the ABI.
# (tests/c_api.rs runs the same C tests as C11 and as C++17 against the development build.)
set(valgrind valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect
  --errors-for-leak-kinds=definite,indirect --fair-sched=try)
set(test_env "LD_LIBRARY_PATH=${voip_lib_dir}" "VOIP_BUILD_DIR=${CMAKE_CURRENT_BINARY_DIR}")

function(voip_test_program name source standard language)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE voip::voip m pthread)
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/tests/c")
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -D_POSIX_C_SOURCE=200809L -g -O1)
  set_target_properties(${name} PROPERTIES ${language}_STANDARD ${standard} ${language}_STANDARD_REQUIRED ON
    ${language}_EXTENSIONS OFF LINKER_LANGUAGE ${language}
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
  add_dependencies(${name} voip-build)
endfunction()

function(voip_test name)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${test_env}" TIMEOUT 240
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
endfunction()

file(GLOB c_tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/c/*.c")
foreach(source IN LISTS c_tests)
  get_filename_component(noun "${source}" NAME_WE)
  voip_test_program(c11_${noun} "${source}" 11 C)
  voip_test(c11.${noun}.valgrind ${valgrind} $<TARGET_FILE:c11_${noun}>)
endforeach()

file(GLOB cpp_tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/c/*.cpp")
foreach(source IN LISTS cpp_tests)
  get_filename_component(noun "${source}" NAME_WE)
  voip_test_program(hpp_${noun} "${source}" 17 CXX)
  voip_test(hpp.${noun}.valgrind ${valgrind} $<TARGET_FILE:hpp_${noun}>)
endforeach()

# The vectors through the exported functions; each says how many cases it ran (ctest -V, or the log of make test).
file(GLOB vector_tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/vectors/*.c")
foreach(source IN LISTS vector_tests)
  get_filename_component(family "${source}" NAME_WE)
  voip_test_program(vectors_${family} "${source}" 11 C)
  target_compile_options(vectors_${family} PRIVATE -Wno-unused-function)
  voip_test(vectors.${family} $<TARGET_FILE:vectors_${family}>)
endforeach()

# Against Debian's libsrtp2 (libsrtp2-dev).
find_library(srtp2 srtp2)
if(srtp2)
  voip_test_program(interop_srtp "${CMAKE_CURRENT_SOURCE_DIR}/tests/interop/srtp_libsrtp2.c" 11 C)
  target_link_libraries(interop_srtp PRIVATE ${srtp2})
  voip_test(interop.srtp $<TARGET_FILE:interop_srtp>)
else()
  message(WARNING "libsrtp2-dev is not installed: SRTP is not tested against it")
endif()

voip_test(consumer ${CMAKE_CURRENT_SOURCE_DIR}/tests/consumer/run)
voip_test(abi python3 ${CMAKE_CURRENT_SOURCE_DIR}/tests/abi/check)
