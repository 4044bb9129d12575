# The program in the README is the one that the tests run.
file(READ ${source}/README.md readme)
file(READ ${source}/examples/first_program.cpp program)
string(FIND "${program}" "#include" begin)
string(SUBSTRING "${program}" ${begin} -1 program)
string(FIND "${readme}" "```cpp\n${program}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "README.md does not show examples/first_program.cpp as it is")
endif()
