# Tests of the CUDA backend: one program that needs a device, and is skipped
# (exit 77) where there is none.
if(CAIRN_SANITIZE)
  return()
endif()
if(CAIRN_HAS_CUDA)
  file(GLOB sources CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_SOURCE_DIR}/runtime/cuda/*.cc)
  add_executable(cairn_cuda_tests ${sources})
  target_include_directories(cairn_cuda_tests PRIVATE
    runtime/cuda ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(cairn_cuda_tests PRIVATE
    cairn_test_support cairn_test_options)
  add_test(NAME cuda.suite COMMAND cairn_cuda_tests)

  # What a profiler sees: a library that NVTX loads stands in for one.
  set(nvtx ${CMAKE_CURRENT_SOURCE_DIR}/runtime/cuda/nvtx)
  add_library(cairn_nvtx_injection MODULE ${nvtx}/injection.cc)
  target_include_directories(cairn_nvtx_injection SYSTEM PRIVATE
    ${CUDAToolkit_INCLUDE_DIRS})
  add_executable(cairn_nvtx_tests ${nvtx}/profiler_ranges_test.cc)
  target_compile_definitions(cairn_nvtx_tests PRIVATE
    CAIRN_NVTX_INJECTION="$<TARGET_FILE:cairn_nvtx_injection>")
  target_link_libraries(cairn_nvtx_tests PRIVATE
    cairn_test_options GTest::gtest_main)
  add_dependencies(cairn_nvtx_tests cairn_nvtx_injection)
  add_test(NAME cuda.profiler_ranges COMMAND cairn_nvtx_tests)
else()
  add_test(NAME cuda.suite
    COMMAND sh -c "echo 'Cairn was built without CUDA'; exit 77")
endif()
set_tests_properties(cuda.suite PROPERTIES
  LABELS cuda TIMEOUT 900 SKIP_RETURN_CODE 77)
