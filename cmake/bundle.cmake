# add_bundle()
#
# The target `bundle`: a folder, and an archive of it, that runs where Cairn's
# libraries are not installed and wherever it is put. What it holds is told in
# bundle_files.cmake. CUDA's libraries (1.4 GB) are the node's own, unless
# CAIRN_BUNDLE_CUDA is on.
option(CAIRN_BUNDLE_CUDA "Carry CUDA's libraries in the bundle" OFF)

function(add_bundle)
  set(folder ${PROJECT_BINARY_DIR}/cairn-bundle)
  # DT_RPATH, not DT_RUNPATH: it also serves what the libraries need in turn.
  add_executable(cairn_bundled EXCLUDE_FROM_ALL
    ${PROJECT_SOURCE_DIR}/launcher/main.cc)
  target_link_libraries(cairn_bundled PRIVATE cairn::launcher cairn_warnings)
  target_link_options(cairn_bundled PRIVATE -s LINKER:--disable-new-dtags)
  set_target_properties(cairn_bundled PROPERTIES
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\$ORIGIN/../lib")

  set(cuda_folder "")
  set(cudnn_folder "")
  if(CAIRN_HAS_CUDA)
    set(cuda_folder ${CUDAToolkit_LIBRARY_DIR})
  endif()
  if(CAIRN_HAS_CUDNN)
    get_filename_component(cudnn_folder ${CUDNN_LIBRARY} DIRECTORY)
  endif()
  set(sources ${PROJECT_SOURCE_DIR}/cmake/bundle_files.cmake
    ${PROJECT_SOURCE_DIR}/cmake/bundle_start.sh)
  add_custom_command(OUTPUT ${folder}.tar.xz
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:cairn_bundled>
      -DBUNDLE=${folder} -DSOURCE=${PROJECT_SOURCE_DIR} -DCUDA_FOLDER=${cuda_folder}
      -DCUDNN_FOLDER=${cudnn_folder}
      -DCARRIES_CUDA=${CAIRN_BUNDLE_CUDA}
      -P ${PROJECT_SOURCE_DIR}/cmake/bundle_files.cmake
    COMMAND ${CMAKE_COMMAND} -E chdir ${PROJECT_BINARY_DIR}
      ${CMAKE_COMMAND} -E tar cJf cairn-bundle.tar.xz cairn-bundle
    DEPENDS cairn_bundled ${sources} VERBATIM
    COMMENT "Making ${folder} and its archive")
  add_custom_target(bundle DEPENDS ${folder}.tar.xz)
endfunction()
