# component(<name> [USES <names>...])
#
# One library for one top-level folder. Headers directly in the folder, and in
# the subfolders listed as FACES, are its face; headers in other subfolders are
# its own. USES names the only components whose headers it may include. A
# folder without sources yet is a library without code.
function(component name)
  cmake_parse_arguments(ARG "" "" "USES;FACES" ${ARGN})
  set(here ${CMAKE_CURRENT_SOURCE_DIR})
  file(GLOB faces CONFIGURE_DEPENDS ${here}/*.h)
  foreach(face ${ARG_FACES})
    file(GLOB more CONFIGURE_DEPENDS ${here}/${face}/*.h)
    list(APPEND faces ${more})
  endforeach()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${here}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/(cuda|nccl|mpi|variants)/|main\\.cc$")
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cc "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cc)
  endif()

  add_library(cairn_${name} STATIC ${sources})
  add_library(cairn::${name} ALIAS cairn_${name})
  target_sources(cairn_${name} PUBLIC FILE_SET HEADERS
    BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${faces})
  target_compile_features(cairn_${name} PUBLIC cxx_std_20)
  target_link_libraries(cairn_${name} PRIVATE $<BUILD_INTERFACE:cairn_warnings>)
  set_target_properties(cairn_${name} PROPERTIES
    EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(used ${ARG_USES})
    target_link_libraries(cairn_${name} PUBLIC cairn::${used})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY CAIRN_COMPONENTS cairn_${name})
endfunction()
