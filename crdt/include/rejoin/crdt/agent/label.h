// Labels: the short names that the views keep, of turns, steps, workers, versions and people.
#pragma once

#include <cstddef>

namespace rejoin::agent {

inline constexpr std::size_t label_bytes_max = 256;

}  // namespace rejoin::agent
