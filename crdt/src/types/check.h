// Checks of what callers hand to a write.
#pragma once

#include "store/store.h"

namespace rejoin {

// `limit_exceeded` beyond `bytes_max`, `invalid_argument` for strings that are not UTF-8; the error
// names the path of `at`.
Status check_value(const Value& value, std::size_t bytes_max, const Store& store, NodeIndex at);

// `out_of_range` at the path of `at`, where there is one: `index` lies beyond `whole`, such as "a
// list of 5".
Error index_beyond(std::size_t index, const std::string& whole, const Store& store, NodeIndex at);

}  // namespace rejoin
