# Runs PROGRAM on three ranks under MPIRUN, the last of which gets SIGNAL in
# PHASE, and looks at what the run says and when it ends.
set(named "rank 2 \\(pid [0-9]+ on [^ )]+\\)")
set(loss_KILL "${named} is gone")
set(loss_STOP "${named} is silent for [1-9][0-9]*\\.[0-9] s")
set(in_gather "waiting in all_gather of 12288 bytes on group data")
set(in_channel "waiting in receive of 4096 bytes on group data")
set(in_reduce "(computing|waiting in all_reduce of 33554432 bytes on group data)")
set(rank_0_gather "${in_gather}")
set(rank_1_gather "${in_gather}")
set(rank_0_channel "computing")
set(rank_1_channel "${in_channel}")
set(rank_0_reduce "${in_reduce}")
set(rank_1_reduce "${in_reduce}")
set(rank_0_compute "computing")
set(rank_1_compute "computing")

# Half a second before the signal, two of timeout after a SIGSTOP, five to end,
# and what a busy machine takes to start.
set(limit_KILL 12)
set(limit_STOP 16)

string(TIMESTAMP began %s)
execute_process(COMMAND ${MPIRUN} -n 3 ${PROGRAM} ${PHASE} ${SIGNAL}
  TIMEOUT 120 RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
string(TIMESTAMP ended %s)
string(REPLACE ";" "," text "${text}")  # no list
math(EXPR seconds "${ended} - ${began}")
message("${text}\nended with ${code} after ${seconds} s")

set(report "(^|\n)${loss_${SIGNAL}}, rank 0 was ${rank_0_${PHASE}}, \
rank 1 was ${rank_1_${PHASE}}\n")
string(REGEX MATCHALL "${report}" reports "${text}")
list(LENGTH reports count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "${count} lines tell of the loss, not one")
endif()
foreach(rank 0 1)
  if(NOT text MATCHES "rank ${rank} ended: [^\n]*${loss_${SIGNAL}}")
    message(FATAL_ERROR "rank ${rank} did not end with it")
  endif()
endforeach()
string(FIND "${text}" "ended: " first_end)
string(FIND "${text}" ", rank 0 was" first_report)
# After a SIGKILL mpirun reads nothing for a second, then in any order.
if(SIGNAL STREQUAL "STOP" AND first_end LESS first_report)
  message(FATAL_ERROR "the loss is told only after a rank ended")
endif()
if(code EQUAL 0)
  message(FATAL_ERROR "mpirun ended with 0")
endif()
if(seconds GREATER limit_${SIGNAL})
  message(FATAL_ERROR "it took ${seconds} s")
endif()
