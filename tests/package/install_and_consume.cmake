# Run by ctest: see CMakeLists.txt beside this file.
set(prefix ${scratch}/prefix)
set(consumer_build ${scratch}/consumer)
file(REMOVE_RECURSE ${prefix} ${consumer_build})

function(step)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

step(${CMAKE_COMMAND} --install ${build} --prefix ${prefix} --component development)
step(${CMAKE_COMMAND} -S ${consumer} -B ${consumer_build} -G ${generator}
     -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${cxx} -D CMAKE_C_COMPILER=${c}
     -D CMAKE_BUILD_TYPE=Release)
step(${CMAKE_COMMAND} --build ${consumer_build})
step(${consumer_build}/consumer)
