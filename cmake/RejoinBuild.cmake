# What all targets share: language level, warnings, sanitizers, and the functions that declare them.
option(REJOIN_BUILD_TESTS "Build the tests" ON)
option(REJOIN_BUILD_BENCH "Build the benchmarks" OFF)
option(REJOIN_BUILD_FUZZERS "Build the tests' fuzz targets for libFuzzer too, and all so that it sees them (clang)" OFF)
option(REJOIN_MUTANTS "Build the bugs of simulation/mutants.toml in, for scripts/mutants alone" OFF)
set(REJOIN_SANITIZE "" CACHE STRING "Sanitizers to build with: address;undefined, or thread")
# Seconds after which a test counts as hanging.
set(REJOIN_TEST_DEADLINE 600)
if(REJOIN_SANITIZE)
  set(REJOIN_TEST_DEADLINE 2400)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# Paths relative to the build folder let two checkouts share what ccache holds.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
                                  CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

# Compiles our own code with warnings as errors, and under the sanitizers that were asked for.
function(rejoin_compile_options target)
  # Fused multiply-add would round differently on some machines: the same seed must give the same
  # run everywhere.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                           -Werror -ffp-contract=off)
  # GCC 12 sees overlapping copies in "literal" + std::string() where there are none (its bug 105651).
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  target_compile_definitions(${target} PRIVATE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
  if(REJOIN_MUTANTS)
    target_compile_definitions(${target} PRIVATE REJOIN_MUTANTS)
  endif()
  if(REJOIN_SANITIZE)
    list(JOIN REJOIN_SANITIZE "," kinds)
    target_compile_options(${target} PRIVATE -fsanitize=${kinds} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${kinds})
  endif()
  # libFuzzer is to see the code under test, and what the tests do beside it as little as possible.
  get_target_property(folder ${target} SOURCE_DIR)
  if(REJOIN_BUILD_FUZZERS AND NOT folder MATCHES "^${CMAKE_SOURCE_DIR}/tests")
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# rejoin_library(crdt): the library of one component, from its src folder, as rejoin::crdt.
function(rejoin_library component)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp)
  if(NOT sources)  # a library needs one source; a component may consist of headers for a while
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/no_sources_yet.cpp)
    file(CONFIGURE OUTPUT ${sources} CONTENT "")
  endif()
  add_library(rejoin_${component} STATIC ${sources})
  add_library(rejoin::${component} ALIAS rejoin_${component})
  target_include_directories(
    rejoin_${component} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_features(rejoin_${component} PUBLIC cxx_std_20)
  rejoin_compile_options(rejoin_${component})
  rejoin_install_library(${component})
endfunction()

# rejoin_test(crdt/clock_test.cpp rejoin::crdt ...): one test program from one file, registered with
# ctest case by case. It may include what is private to its component. It runs in the root of the
# repository, with the path of the command line in REJOIN_PROGRAM.
function(rejoin_test source)
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(folder ${source} DIRECTORY)
  string(REPLACE "/" "_" target "${folder}_${name}")
  add_executable(${target} ${source})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/${folder}/src)
  target_link_libraries(${target} PRIVATE ${ARGN} GTest::gtest_main GTest::gmock rapidcheck
                                          rapidcheck_gtest)
  rejoin_compile_options(${target})
  # RapidCheck's templates take long to optimise, and what is tested is optimised all the same.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(folder MATCHES "^(command|kafka)$")
    add_dependencies(${target} rejoin_cli)
  endif()
  set(program ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/rejoin)
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${folder}."
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${REJOIN_TEST_DEADLINE} LABELS ${target} ENVIRONMENT REJOIN_PROGRAM=${program})
endfunction()
