# The rules that hold the house together, and what shows that they can fail.
set(ci ${PROJECT_SOURCE_DIR}/.ci)
foreach(check includes sizes format docs)
  add_test(NAME check.${check}
    COMMAND Python3::Interpreter ${ci}/check_${check}.py ${PROJECT_SOURCE_DIR})
  set_tests_properties(check.${check} PROPERTIES
    LABELS check SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME check.checks
  COMMAND Python3::Interpreter ${ci}/check_checks.py)
set_tests_properties(check.checks PROPERTIES LABELS check)

# Whatever the layout, the command gives the numbers of one rank. As threads;
# under mpirun: mpi.cmake.
if(TARGET cairn AND NOT CAIRN_SANITIZE)
  add_test(NAME layouts.cover
    COMMAND Python3::Interpreter -B ${PROJECT_SOURCE_DIR}/scripts/layouts.py
      --cairn $<TARGET_FILE:cairn>)
  set_tests_properties(layouts.cover PROPERTIES LABELS layouts TIMEOUT 600)
endif()

# An embedder's view: install, build the example against it, run it. A
# sanitized library would ask the same flags of the embedder.
set(example ${PROJECT_SOURCE_DIR}/examples/custom_block)
if(NOT CAIRN_SANITIZE AND NOT CAIRN_FUZZ AND EXISTS ${example}/main.cc)
  add_test(NAME install.custom_block
    COMMAND ${CMAKE_COMMAND}
      -DBUILD=${PROJECT_BINARY_DIR} -DEXAMPLE=${example}
      -DWORK=${PROJECT_BINARY_DIR}/install_test
      -DCOMPILER=${CMAKE_CXX_COMPILER} -DGENERATOR=${CMAKE_GENERATOR}
      -P ${CMAKE_CURRENT_LIST_DIR}/install_test.cmake)
  set_tests_properties(install.custom_block PROPERTIES
    LABELS install TIMEOUT 600)
endif()

# A node's view: the bundle, moved, without the libraries that it carries.
if(NOT CAIRN_SANITIZE AND NOT CAIRN_FUZZ)
  add_test(NAME bundle.make
    COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target bundle)
  set_tests_properties(bundle.make PROPERTIES
    LABELS install TIMEOUT 600 FIXTURES_SETUP bundle)
  set(libraries /usr/local/cuda/lib64)
  if(CAIRN_HAS_CUDA)
    set(libraries ${CUDAToolkit_LIBRARY_DIR})
  endif()
  add_test(NAME bundle.runs_elsewhere
    COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_LIST_DIR}/bundle_test.py
      ${PROJECT_BINARY_DIR} --cuda ${libraries})
  set_tests_properties(bundle.runs_elsewhere PROPERTIES
    LABELS install TIMEOUT 300 FIXTURES_REQUIRED bundle SKIP_RETURN_CODE 77)
endif()
