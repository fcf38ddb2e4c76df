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
else()
  add_test(NAME cuda.suite
    COMMAND sh -c "echo 'Cairn was built without CUDA'; exit 77")
endif()
set_tests_properties(cuda.suite PROPERTIES
  LABELS cuda TIMEOUT 900 SKIP_RETURN_CODE 77)
