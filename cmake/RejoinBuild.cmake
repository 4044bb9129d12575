# What all targets share: language level, warnings, sanitizers, and the helpers that declare them.
option(REJOIN_BUILD_TESTS "Build the tests" ON)
option(REJOIN_BUILD_BENCH "Build the benchmarks" OFF)
set(REJOIN_SANITIZE "" CACHE STRING "Sanitizers to build with: address;undefined, or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# Compiles our own code with warnings as errors, and under the sanitizers that were asked for.
function(rejoin_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                           -Werror)
  if(REJOIN_SANITIZE)
    list(JOIN REJOIN_SANITIZE "," kinds)
    target_compile_options(${target} PRIVATE -fsanitize=${kinds} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${kinds})
  endif()
endfunction()

# rejoin_library(crdt): the library of one component, from its src folder, as rejoin::crdt.
function(rejoin_library component)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp)
  add_library(rejoin_${component} STATIC ${sources})
  add_library(rejoin::${component} ALIAS rejoin_${component})
  set_target_properties(rejoin_${component} PROPERTIES EXPORT_NAME ${component})
  target_include_directories(
    rejoin_${component} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:include>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_features(rejoin_${component} PUBLIC cxx_std_20)
  rejoin_compile_options(rejoin_${component})
endfunction()

# rejoin_test(crdt/clock_test.cpp rejoin::crdt ...): one test program from one file, registered with
# ctest case by case.
function(rejoin_test source)
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(folder ${source} DIRECTORY)
  string(REPLACE "/" "_" target "${folder}_${name}")
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE ${ARGN} GTest::gtest_main GTest::gmock rapidcheck
                                          rapidcheck_gtest)
  rejoin_compile_options(${target})
  gtest_discover_tests(${target} TEST_PREFIX "${folder}." DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 600)
endfunction()
