# Fills BUNDLE from PROGRAM:
#
#   bin/cairn      starts libexec/cairn; finds what the node has elsewhere
#   libexec/cairn  the program; looks in ../lib first
#   lib/           the shared libraries that a plain node lacks
#   lib/mpi/       an MPI for nodes without any: enough to start, one process
#
# Never carried: glibc, the compiler's run-time libraries, the driver's.
# Carried when CARRIES_CUDA is on: CUDA's, from CUDA_FOLDER and CUDNN_FOLDER.
set(system "^(ld-linux.*|lib(c|m|dl|rt|pthread|stdc\\+\\+|gcc_s|cuda))\\.so")
set(cuda "^lib(cudart|cublas|cublasLt|cudnn[a-z_]*|nccl|nvrtc[a-z-]*)\\.so")
set(mpi "^lib(mpi|open-rte|open-pal|event_.*|hwloc|udev|cap|z)[-.]")

set(left_out ${system})
if(NOT CARRIES_CUDA)
  list(APPEND left_out ${cuda})
endif()
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM}
  DIRECTORIES ${CUDA_FOLDER} ${CUDNN_FOLDER} PRE_EXCLUDE_REGEXES ${left_out}
  RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing)
if(missing)
  message(FATAL_ERROR "the bundle needs ${missing}, and they are in no usual "
    "folder of this machine; install them, or set LD_LIBRARY_PATH")
endif()

# cuDNN opens its parts, and they nvrtc, by name when they are first used.
if(CARRIES_CUDA AND found MATCHES "libcudnn\\.so")
  file(GLOB parts ${CUDNN_FOLDER}/libcudnn_*.so.9
    ${CUDA_FOLDER}/libnvrtc.so.1? ${CUDA_FOLDER}/libnvrtc-builtins.so.1?.*)
  list(APPEND found ${parts})
endif()

file(REMOVE_RECURSE ${BUNDLE})
foreach(library ${found})
  get_filename_component(name ${library} NAME)
  set(to ${BUNDLE}/lib)
  if(name MATCHES ${mpi})
    set(to ${BUNDLE}/lib/mpi)
  endif()
  file(COPY ${library} DESTINATION ${to} FOLLOW_SYMLINK_CHAIN)
endforeach()
file(MAKE_DIRECTORY ${BUNDLE}/libexec)
file(COPY_FILE ${PROGRAM} ${BUNDLE}/libexec/cairn)
file(COPY ${SOURCE}/LICENSE DESTINATION ${BUNDLE})
file(MAKE_DIRECTORY ${BUNDLE}/bin)
configure_file(${SOURCE}/cmake/bundle_start.sh ${BUNDLE}/bin/cairn COPYONLY)
