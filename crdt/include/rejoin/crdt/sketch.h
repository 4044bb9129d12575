// Finding out in what two sets differ, in bytes proportional to the difference, however large they
// are and however little is known of it beforehand.
//
// Rateless invertible Bloom lookup tables (Yang, Gilad, Alizadeh: "Practical Rateless Set
// Reconciliation", SIGCOMM 2024, section 4). Each side turns its set into the same endless stream
// of coded symbols: the first sums up all items, the i-th each item with a probability of
// 1 / (1 + i/2). The difference of two such streams is the stream of the symmetric difference, and
// about 1.35 to 1.7 symbols an item of that are enough to take it apart.
//
// Not thread-safe; no input makes it fail, allocate beyond what came, or run for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/result.h"

namespace rejoin {

// Sums over the items of one symbol.
struct SketchSymbol {
  std::uint64_t items = 0;   // exclusive or
  std::uint32_t checks = 0;  // of their hashes
  std::int64_t count = 0;
  friend bool operator==(const SketchSymbol&, const SketchSymbol&) = default;
};

// The symbols of one set, in order. Items should be hashes: evenly spread, each there once.
class SketchEncoder {
 public:
  explicit SketchEncoder(const std::vector<std::uint64_t>& items);
  // All symbols up to `count`. O(items + their places among the new symbols); 24 bytes an item are
  // held, 24 a symbol.
  const std::vector<SketchSymbol>& symbols(std::size_t count);
  std::size_t item_count() const { return items_.size(); }

 private:
  friend class SketchDecoder;
  // An item, and the next symbol that sums it up.
  struct Coded {
    std::uint64_t item;
    std::uint64_t state;
    std::uint64_t next = 0;
  };
  static Coded coded(std::uint64_t item);
  static void advance(Coded& coded);

  std::vector<Coded> items_;
  std::vector<SketchSymbol> symbols_;
};

// The stream [from, to) of a set of `items` items as bytes: 12 a symbol and one or two for the
// count, which is told as its distance from what is to be expected.
std::string encode_symbols(const std::vector<SketchSymbol>& symbols, std::size_t from,
                           std::size_t to, std::uint64_t items);
// `malformed` when the bytes are not a whole number of symbols.
Result<std::vector<SketchSymbol>> decode_symbols(std::string_view bytes, std::size_t from,
                                                 std::uint64_t items);

// Takes another's symbols and tells in what its set differs from ours.
class SketchDecoder {
 public:
  explicit SketchDecoder(const std::vector<std::uint64_t>& ours);
  // The next symbols of the other side. O(symbols and differences found, by the logarithm of the
  // symbols).
  void add(const std::vector<SketchSymbol>& theirs);
  std::size_t symbol_count() const { return symbols_.size(); }
  // Whether all differences are found.
  bool done() const;
  const std::vector<std::uint64_t>& only_ours() const { return only_ours_; }
  const std::vector<std::uint64_t>& only_theirs() const { return only_theirs_; }

 private:
  void find(std::size_t symbol);

  SketchEncoder ours_;
  std::vector<SketchSymbol> symbols_;  // theirs less ours less what was found
  std::vector<SketchEncoder::Coded> found_;
  std::vector<std::int64_t> found_sign_;
  std::vector<std::uint64_t> only_ours_;
  std::vector<std::uint64_t> only_theirs_;
  std::vector<std::size_t> to_look_at_;
};

}  // namespace rejoin
