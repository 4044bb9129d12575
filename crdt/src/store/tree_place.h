// Where a node of a tree stands: the value of its cell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rejoin {

struct TreePlace {
  std::string_view parent;    // a name; empty: at the top
  std::string_view previous;  // where the node was before, should the move not count
  // Among the siblings: by bytes, then by name.
  std::string_view position;
};

// A name or position longer than this comes from no honest writer.
inline constexpr std::size_t tree_position_bytes_max = 4096;

std::string encode_tree_place(const TreePlace& place);
// Nothing when the bytes are no place. What is decoded points into them.
std::optional<TreePlace> decode_tree_place(std::string_view bytes);

// A position after `left` and before `right`; no value is the beginning, the end. The `salt`, which
// no other position should have, keeps positions made concurrently apart. Where the two leave no
// room (equal ones do not), it is just after `left`.
std::string tree_position_between(std::optional<std::string_view> left,
                                  std::optional<std::string_view> right, std::uint32_t salt);

// Of a node whose place was removed; it differs from that of every other.
std::string tree_position_without_place(std::string_view name);

}  // namespace rejoin
