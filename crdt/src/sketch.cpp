#include "rejoin/crdt/sketch.h"

#include <algorithm>
#include <cmath>

#include "rejoin/crdt/codec.h"

namespace rejoin {

namespace {

// A mixer of 64 bits whose every output bit depends on every input bit (Steele, Lea, Flood:
// "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 16).
std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint32_t check_of(std::uint64_t item) {
  return static_cast<std::uint32_t>(mixed(item ^ 0x9E3779B97F4A7C15));
}

void add_item(SketchSymbol& symbol, std::uint64_t item, std::int64_t sign) {
  symbol.items ^= item;
  symbol.checks ^= check_of(item);
  // Counts from the wire may be anything.
  symbol.count = static_cast<std::int64_t>(static_cast<std::uint64_t>(symbol.count) +
                                           static_cast<std::uint64_t>(sign));
}

// How many of `items` the symbol sums up on average.
std::uint64_t expected_count(std::uint64_t items, std::size_t symbol) {
  return items * 2 / (symbol + 2);
}

}  // namespace

// ---- Encoding ----

auto SketchEncoder::coded(std::uint64_t item) -> Coded { return {item, mixed(item), 0}; }

// Which symbol comes after the present one, so that the i-th is met with the probability
// 1 / (1 + i/2) (section 4.2 of the paper).
void SketchEncoder::advance(Coded& coded) {
  coded.state += 0x9E3779B97F4A7C15;
  const double uniform =
      (static_cast<double>(mixed(coded.state) >> 32) + 1) / 4294967296.0;  // in (0, 1]
  const double gap =
      std::ceil((static_cast<double>(coded.next) + 1.5) * (1 / std::sqrt(uniform) - 1));
  coded.next += std::max<std::uint64_t>(1, static_cast<std::uint64_t>(gap));
}

SketchEncoder::SketchEncoder(const std::vector<std::uint64_t>& items) {
  items_.reserve(items.size());
  for (const std::uint64_t item : items) items_.push_back(coded(item));
}

const std::vector<SketchSymbol>& SketchEncoder::symbols(std::size_t count) {
  if (count <= symbols_.size()) return symbols_;
  symbols_.resize(count);
  for (Coded& coded : items_) {
    for (; coded.next < count; advance(coded)) {
      add_item(symbols_[static_cast<std::size_t>(coded.next)], coded.item, 1);
    }
  }
  return symbols_;
}

std::string encode_symbols(const std::vector<SketchSymbol>& symbols, std::size_t from,
                           std::size_t to, std::uint64_t items) {
  std::string bytes;
  Writer out(bytes);
  for (std::size_t i = from; i < to; ++i) {
    out.fixed64(symbols[i].items);
    for (int shift = 0; shift < 32; shift += 8) {
      out.u8(static_cast<std::uint8_t>(symbols[i].checks >> shift));
    }
    out.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(symbols[i].count) -
                                         expected_count(items, i)));
  }
  return bytes;
}

Result<std::vector<SketchSymbol>> decode_symbols(std::string_view bytes, std::size_t from,
                                                 std::uint64_t items) {
  std::vector<SketchSymbol> symbols;
  Reader in(bytes);
  while (in.ok() && !in.at_end()) {
    SketchSymbol& symbol = symbols.emplace_back();
    symbol.items = in.fixed64();
    for (int shift = 0; shift < 32; shift += 8) {
      symbol.checks |= static_cast<std::uint32_t>(in.u8()) << shift;
    }
    symbol.count = static_cast<std::int64_t>(static_cast<std::uint64_t>(in.zigzag()) +
                                             expected_count(items, from + symbols.size() - 1));
  }
  if (!in.ok()) return make_error(ErrorCode::malformed, "symbols of a sketch do not parse");
  return symbols;
}

// ---- Decoding ----

SketchDecoder::SketchDecoder(const std::vector<std::uint64_t>& ours) : ours_(ours) {}

void SketchDecoder::add(const std::vector<SketchSymbol>& theirs) {
  const std::size_t begin = symbols_.size();
  const std::size_t end = begin + theirs.size();
  const std::vector<SketchSymbol>& ours = ours_.symbols(end);
  for (std::size_t i = begin; i < end; ++i) {
    SketchSymbol symbol = theirs[i - begin];
    symbol.items ^= ours[i].items;
    symbol.checks ^= ours[i].checks;
    symbol.count = static_cast<std::int64_t>(static_cast<std::uint64_t>(symbol.count) -
                                             static_cast<std::uint64_t>(ours[i].count));
    symbols_.push_back(symbol);
  }
  for (std::size_t f = 0; f < found_.size(); ++f) {
    for (; found_[f].next < end; SketchEncoder::advance(found_[f])) {
      add_item(symbols_[static_cast<std::size_t>(found_[f].next)], found_[f].item, -found_sign_[f]);
    }
  }
  for (std::size_t i = begin; i < end; ++i) to_look_at_.push_back(i);
  while (!to_look_at_.empty()) {
    const std::size_t i = to_look_at_.back();
    to_look_at_.pop_back();
    find(i);
  }
}

// Where a symbol sums up one item alone, that is a difference, and goes from all other symbols.
void SketchDecoder::find(std::size_t at) {
  const SketchSymbol symbol = symbols_[at];
  if (symbol.count != 1 && symbol.count != -1) return;
  if (symbol.checks != check_of(symbol.items)) return;
  // More than there are symbols: they come from nobody honest.
  if (found_.size() >= symbols_.size()) return;
  SketchEncoder::Coded coded = SketchEncoder::coded(symbol.items);
  for (; coded.next < symbols_.size(); SketchEncoder::advance(coded)) {
    const auto i = static_cast<std::size_t>(coded.next);
    add_item(symbols_[i], symbol.items, -symbol.count);
    to_look_at_.push_back(i);
  }
  found_.push_back(coded);
  found_sign_.push_back(symbol.count);
  (symbol.count > 0 ? only_theirs_ : only_ours_).push_back(symbol.items);
}

bool SketchDecoder::done() const { return !symbols_.empty() && symbols_[0] == SketchSymbol{}; }

}  // namespace rejoin
