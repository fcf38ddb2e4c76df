# Tests under a real mpirun. Their names begin with "mpi.", so that runs under
# sanitizers, which MPI libraries do not satisfy, leave them out.
if(CAIRN_SANITIZE)
  return()
endif()
if(NOT MPI_CXX_FOUND OR NOT MPIEXEC_EXECUTABLE)
  add_test(NAME mpi.suite
    COMMAND sh -c "echo 'no libopenmpi-dev and openmpi-bin'; exit 77")
  set_tests_properties(mpi.suite PROPERTIES LABELS mpi SKIP_RETURN_CODE 77)
  return()
endif()
set(folder ${CMAKE_CURRENT_SOURCE_DIR}/parallel)
set(mpirun ${MPIEXEC_EXECUTABLE} --allow-run-as-root --oversubscribe)

# The suite that threads pass too; every rank runs every case.
add_executable(cairn_parallel_mpi_tests
  ${folder}/communicator_suite.cc ${folder}/communicator_failures.cc
  ${folder}/mpi/communicator_mpi_test.cc)
target_link_libraries(cairn_parallel_mpi_tests PRIVATE
  cairn_test_support cairn_test_options MPI::MPI_CXX)
foreach(ranks 2 3 4)
  add_test(NAME mpi.suite_on_${ranks}_ranks
    COMMAND ${mpirun} -n ${ranks} $<TARGET_FILE:cairn_parallel_mpi_tests>)
endforeach()

# What is told of a rank that is killed or stopped, and how soon all end.
add_executable(cairn_lost_rank ${folder}/mpi/lost_rank.cc)
target_link_libraries(cairn_lost_rank PRIVATE cairn_test_options)
foreach(signal KILL STOP)
  foreach(phase gather reduce channel compute)
    add_test(NAME mpi.tells_of_SIG${signal}_in_${phase}
      COMMAND ${CMAKE_COMMAND}
        "-DMPIRUN=${mpirun}" -DPROGRAM=$<TARGET_FILE:cairn_lost_rank>
        -DSIGNAL=${signal} -DPHASE=${phase}
        -P ${folder}/mpi/lost_rank.cmake)
  endforeach()
endforeach()

# The same of the command, in the phases of a run, and what else it owes to a
# user with many ranks.
if(TARGET cairn)
  set(launcher ${CMAKE_CURRENT_SOURCE_DIR}/launcher/mpi)
  set(python Python3::Interpreter -B)
  set(command $<TARGET_FILE:cairn> ${mpirun})
  foreach(signal KILL STOP)
    foreach(phase start build compute channel reduction rank_0 evaluation hash)
      add_test(NAME mpi.train_tells_of_SIG${signal}_in_${phase}
        COMMAND ${python} ${launcher}/lost_rank.py ${phase} SIG${signal}
          ${command})
    endforeach()
  endforeach()
  foreach(case refusals failures stop one_writes)
    add_test(NAME mpi.train_${case}
      COMMAND ${python} ${launcher}/command.py ${case} ${command})
  endforeach()
  add_test(NAME mpi.layouts
    COMMAND ${python} ${PROJECT_SOURCE_DIR}/scripts/layouts.py --mpi
      --cairn $<TARGET_FILE:cairn>)
endif()
get_property(tests DIRECTORY PROPERTY TESTS)
list(FILTER tests INCLUDE REGEX "^mpi\\.")
set_tests_properties(${tests} PROPERTIES
  LABELS mpi TIMEOUT 300 SKIP_RETURN_CODE 77 RUN_SERIAL ON)
