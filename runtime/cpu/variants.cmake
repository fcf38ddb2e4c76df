# The inner loops, compiled once for each instruction set; loops.cc chooses.
file(GLOB variant_sources CONFIGURE_DEPENDS
  ${CMAKE_CURRENT_LIST_DIR}/variants/*.cc)
set(variant_flags_v2 -march=x86-64-v2)
set(variant_flags_v3 -march=x86-64-v3)
set(variant_flags_v4 -march=x86-64-v4 -mprefer-vector-width=512)
foreach(isa v2 v3 v4)
  add_library(cairn_loops_${isa} OBJECT ${variant_sources})
  target_include_directories(cairn_loops_${isa} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_features(cairn_loops_${isa} PRIVATE cxx_std_20)
  target_compile_definitions(cairn_loops_${isa} PRIVATE CAIRN_ISA=${isa})
  target_compile_options(cairn_loops_${isa} PRIVATE ${variant_flags_${isa}}
    -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math -Wno-psabi)
  target_link_libraries(cairn_loops_${isa} PRIVATE cairn_warnings)
  set_target_properties(cairn_loops_${isa} PROPERTIES
    POSITION_INDEPENDENT_CODE ON)
  target_sources(cairn_runtime PRIVATE $<TARGET_OBJECTS:cairn_loops_${isa}>)
endforeach()
