# Finds NCCL beside the CUDA toolkit, without which all else is built: then the
# ranks of several GPUs exchange through host memory.
set(CAIRN_HAS_NCCL OFF)
if(CAIRN_HAS_CUDA)
  find_path(CAIRN_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CAIRN_NCCL_LIBRARY NAMES nccl libnccl.so.2
    HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib)
  if(CAIRN_NCCL_INCLUDE AND CAIRN_NCCL_LIBRARY)
    set(CAIRN_HAS_NCCL ON)
  else()
    message(STATUS "NCCL was not found: ranks on several GPUs exchange through "
      "host memory. For NCCL install libnccl-dev and configure again.")
  endif()
endif()
