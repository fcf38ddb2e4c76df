add_library(cairn_warnings INTERFACE)
set(flags -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers)
string(REPLACE ";" "," host_flags "${flags}")
target_compile_options(cairn_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${flags}>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_flags};-Werror=all-warnings>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION
    VERSION_LESS 13)
  # g++ 12 sees an overlap in `"text" + string` that is not there (PR 105651).
  target_compile_options(cairn_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wno-restrict>)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # `omp simd` is a licence here, not a demand: instrumented builds and clang
  # leave some loops scalar.
  target_compile_options(cairn_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-pass-failed>)
endif()

set(CAIRN_SANITIZE "" CACHE STRING "address,undefined or thread")
if(CAIRN_SANITIZE)
  add_compile_options(-fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CAIRN_SANITIZE})
endif()
if(CAIRN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "CAIRN_FUZZ needs clang++, not "
      "${CMAKE_CXX_COMPILER}: configure with -DCMAKE_CXX_COMPILER=clang++")
  endif()
  # Coverage in the code under test; the fuzzer's main only in the targets.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()
