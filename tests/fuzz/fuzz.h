// What each fuzz target (x_fuzz.cpp) consists of. libFuzzer calls the one function with what it
// makes up; replay.cpp calls it with the target's seeds and mutations of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Aborts when something does not hold; always returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace rejoin::fuzz {

// Inputs to begin with, the same in every process: of every kind that the decoder knows.
std::vector<std::string> seeds();

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace rejoin::fuzz
