# Finds the CUDA toolkit, without which all else is built, and cuDNN, without
# which attention on CUDA is slower: in the usual places, and where Python's
# nvidia-* wheels lie. Code is made for Hopper unless CMAKE_CUDA_ARCHITECTURES
# says otherwise.
include(CheckLanguage)
set(CAIRN_HAS_CUDA OFF)
set(CAIRN_HAS_CUDNN OFF)

# Where wheels are unpacked.
function(find_wheels result)
  find_program(CAIRN_PYTHON NAMES python3 python)
  mark_as_advanced(CAIRN_PYTHON)
  set(folders "")
  if(CAIRN_PYTHON)
    execute_process(COMMAND ${CAIRN_PYTHON} -c
      "import site; print(*site.getsitepackages(), site.getusersitepackages(), sep=';', end='')"
      OUTPUT_VARIABLE folders ERROR_QUIET)
  endif()
  set(${result} "${folders}" PARENT_SCOPE)
endfunction()

# Libraries in wheels end in their version, and lie in lib/, where FindCUDAToolkit
# does not look.
function(find_cuda_in_wheels wheels)
  list(APPEND CMAKE_FIND_LIBRARY_SUFFIXES .so.13)
  foreach(wheel ${wheels})
    set(root ${wheel}/nvidia/cu13)
    if(NOT EXISTS ${root}/bin/nvcc)
      continue()
    endif()
    set(CUDAToolkit_ROOT ${root} CACHE PATH "Where the CUDA toolkit lies" FORCE)
    unset(CUDA_CUDART CACHE)
    find_library(CUDA_CUDART NAMES cudart PATHS ${root}/lib NO_DEFAULT_PATH)
    foreach(library cudart cublasLt)
      unset(CUDA_${library}_LIBRARY CACHE)
      find_library(CUDA_${library}_LIBRARY NAMES ${library}
        PATHS ${root}/lib NO_DEFAULT_PATH)
    endforeach()
    return()
  endforeach()
endfunction()

# Sets CAIRN_CUDNN_MISSING to what is missing, as words.
function(find_cudnn wheels)
  set(missing "")
  list(APPEND CMAKE_FIND_LIBRARY_SUFFIXES .so.9)
  list(TRANSFORM wheels APPEND /nvidia/cudnn OUTPUT_VARIABLE wheels_of_cudnn)
  find_path(CUDNN_INCLUDE cudnn_graph.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} ${wheels_of_cudnn}
    PATH_SUFFIXES include)
  find_library(CUDNN_LIBRARY NAMES cudnn
    HINTS ${CUDAToolkit_LIBRARY_DIR} ${wheels_of_cudnn} PATH_SUFFIXES lib)
  if(NOT CUDNN_INCLUDE OR NOT CUDNN_LIBRARY)
    list(APPEND missing "cuDNN 9 (NVIDIA's package cudnn9-cuda-13 or the wheel \
nvidia-cudnn-cu13)")
  endif()
  # Later versions need more of CUDA's libraries.
  set(fetched $ENV{XDG_CACHE_HOME})
  if(NOT fetched)
    set(fetched $ENV{HOME}/.cache)
  endif()
  find_path(CUDNN_FRONTEND_INCLUDE cudnn_frontend.h
    HINTS ${fetched}/cairn/cudnn-frontend-1.18.0 ${wheels}
    PATH_SUFFIXES include)
  set(fetch "scripts/setup.sh fetches them")
  if(NOT CUDNN_FRONTEND_INCLUDE)
    list(APPEND missing "the headers of its frontend (${fetch})")
  else()
    file(STRINGS ${CUDNN_FRONTEND_INCLUDE}/cudnn_frontend_version.h version
      REGEX "define CUDNN_FRONTEND_(MAJOR|MINOR)_VERSION")
    string(REGEX REPLACE "[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2"
      version "${version}")
    if(version VERSION_LESS 1.13 OR version VERSION_GREATER 1.18)
      list(APPEND missing "the headers of its frontend in a version from 1.13 \
to 1.18 (${fetch}; version ${version} was found)")
    endif()
  endif()
  list(JOIN missing " and " missing)
  set(CAIRN_CUDNN_MISSING "${missing}" PARENT_SCOPE)
endfunction()

if(NOT CAIRN_SANITIZE AND NOT CAIRN_FUZZ)
  find_wheels(wheels)
  find_package(CUDAToolkit 12.4 QUIET)
  if(NOT CUDAToolkit_FOUND)
    find_cuda_in_wheels("${wheels}")
    find_package(CUDAToolkit 12.4 QUIET)
  endif()
  if(CUDAToolkit_FOUND AND CUDAToolkit_ROOT MATCHES "/nvidia/cu13$")
    # What nvcc links by itself lies there too.
    string(APPEND CMAKE_EXE_LINKER_FLAGS " -L${CUDAToolkit_ROOT}/lib")
  endif()
  if(CUDAToolkit_FOUND AND NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  if(NOT CMAKE_CUDA_HOST_COMPILER)
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90)
  endif()
  if(CUDAToolkit_FOUND)
    check_language(CUDA)
  endif()
  if(CUDAToolkit_FOUND AND CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(CAIRN_HAS_CUDA ON)
    find_cudnn("${wheels}")
  endif()
endif()
if(NOT CAIRN_HAS_CUDA)
  message(STATUS "CUDA is not built in: only CPUs will compute. For GPUs "
    "install NVIDIA's cuda-toolkit (nvcc and cuBLAS), or the wheels "
    "nvidia-cuda-nvcc, nvidia-cuda-runtime, nvidia-cuda-cccl and nvidia-cublas "
    "of version 13, and configure again; builds under sanitizers leave it out.")
elseif(CAIRN_CUDNN_MISSING)
  message(STATUS "cuDNN is not built in: attention in bf16 will run on Cairn's "
    "own kernels, which are slower. Missing: ${CAIRN_CUDNN_MISSING}.")
else()
  set(CAIRN_HAS_CUDNN ON)
endif()
