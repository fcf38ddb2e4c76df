# Tests of the CUDA backend and of ranks on its devices: one program that needs
# a device, and is skipped (exit 77) where there is none.
if(CAIRN_SANITIZE)
  return()
endif()
if(CAIRN_HAS_CUDA)
  file(GLOB sources CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_SOURCE_DIR}/runtime/cuda/*.cc
    ${CMAKE_CURRENT_SOURCE_DIR}/parallel/cuda/*.cc
    ${CMAKE_CURRENT_SOURCE_DIR}/launcher/cuda/*.cc)
  add_executable(cairn_cuda_tests ${sources}
    parallel/communicator_suite.cc parallel/communicator_failures.cc
    launcher/rank_threads.cc)
  target_include_directories(cairn_cuda_tests PRIVATE
    runtime/cuda ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(cairn_cuda_tests PRIVATE
    cairn_test_support cairn_test_options)
  add_test(NAME cuda.suite COMMAND cairn_cuda_tests)

  # Every kernel of ours in every form, under NVIDIA's checks of memory and of
  # barriers; those that share memory between threads under that of races. Beside
  # unchecked products in bf16 the last fails by itself.
  find_program(CAIRN_COMPUTE_SANITIZER compute-sanitizer
    HINTS ${CUDAToolkit_BIN_DIR})
  if(CAIRN_COMPUTE_SANITIZER)
    set(small "*AtSmallSizes*:*CudaF32Kernels*:*SumInTheOrder*")
    foreach(tool memcheck racecheck synccheck)
      set(left_out "")
      if(tool STREQUAL "racecheck")
        set(left_out "-*CudaProducts*bf16")
      endif()
      add_test(NAME cuda.${tool}
        COMMAND ${CAIRN_COMPUTE_SANITIZER} --tool ${tool} --error-exitcode 1
          --kernel-name kns=cairn $<TARGET_FILE:cairn_cuda_tests>
          "--gtest_filter=${small}${left_out}")
    endforeach()
  endif()

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
  if(TARGET cairn AND MPI_CXX_FOUND)
    add_test(NAME cuda.layouts
      COMMAND Python3::Interpreter -B ${PROJECT_SOURCE_DIR}/scripts/layouts.py
        --mpi --device cuda --jobs 8 --cairn $<TARGET_FILE:cairn>)
    foreach(phase build compute channel reduction rank_0)
      add_test(NAME cuda.train_tells_of_SIGKILL_in_nccl_${phase}
        COMMAND Python3::Interpreter -B
          ${CMAKE_CURRENT_SOURCE_DIR}/launcher/mpi/lost_rank.py
          nccl_${phase} SIGKILL $<TARGET_FILE:cairn>
          ${MPIEXEC_EXECUTABLE} --allow-run-as-root --oversubscribe)
    endforeach()
  endif()
else()
  add_test(NAME cuda.suite
    COMMAND sh -c "echo 'Cairn was built without CUDA'; exit 77")
endif()
get_property(tests DIRECTORY PROPERTY TESTS)
list(FILTER tests INCLUDE REGEX "^cuda\\.")
set_tests_properties(${tests} PROPERTIES
  LABELS cuda TIMEOUT 900 SKIP_RETURN_CODE 77)
