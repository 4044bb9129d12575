// What the views share in reading fields and in checking what is written to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

// What a register holds, if it is of that kind.
std::optional<std::int64_t> integer_at(const MapView& map, std::string_view name,
                                       Type type = Type::reg);
std::optional<std::string> string_at(const MapView& map, std::string_view name);

// `what` begins the error's sentence: "the turn's author". `invalid_argument` for text that is not
// UTF-8; of a label also `limit_exceeded` beyond label_bytes_max; of a name also `invalid_argument`
// where it is empty.
Status check_text(std::string_view what, std::string_view text);
Status check_label(std::string_view what, std::string_view text);
Status check_name(std::string_view what, std::string_view text);

}  // namespace rejoin::agent
