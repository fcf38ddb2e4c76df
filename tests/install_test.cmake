# Installs BUILD under WORK, builds EXAMPLE against what was installed, and
# trains the example's model for a few steps on its own source as text.
file(REMOVE_RECURSE ${WORK})
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT
    COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${EXAMPLE} -B ${WORK}/build -G ${GENERATOR}
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${COMPILER}
  -DCMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/prefix/bin/cairn data prepare --tokenizer byte
  --input ${EXAMPLE}/main.cc --output ${WORK}/train.bin)
run(${WORK}/build/mixer train ${EXAMPLE}/mixer.toml
  --set data.train=${WORK}/train.bin --set run.directory=${WORK}/run)
