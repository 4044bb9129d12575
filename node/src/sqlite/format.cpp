#include "sqlite/format.h"

#include <xxhash.h>

#include <array>

namespace rejoin::node::sqlite {
namespace {

std::array<char, 8> little_endian(std::uint64_t value) {
  std::array<char, 8> out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(value >> (8 * i));
  return out;
}

// A chain of XXH3-64: each column is hashed with what came before as the seed. The first link is
// the table, so that a row that wandered to another table does not pass there.
class RowHasher {
 public:
  explicit RowHasher(std::uint64_t table) : state_(table) {}

  RowHasher& integer(std::uint64_t value) {
    const auto bytes = little_endian(value);
    return blob({bytes.data(), bytes.size()});
  }
  RowHasher& integer(std::int64_t value) { return integer(static_cast<std::uint64_t>(value)); }
  RowHasher& blob(std::string_view bytes) {
    state_ = XXH3_64bits_withSeed(bytes.data(), bytes.size(), state_);
    return *this;
  }
  std::int64_t finish() const { return static_cast<std::int64_t>(state_); }

 private:
  std::uint64_t state_;
};

constexpr std::uint64_t root_table = 1;
constexpr std::uint64_t spaces_table = 2;
constexpr std::uint64_t log_table = 3;
constexpr std::uint64_t cells_table = 4;

}  // namespace

std::int64_t RootRow::checksum() const {
  return RowHasher(root_table)
      .integer(commits)
      .integer(last_lsn)
      .integer(log.rows)
      .integer(log.sum)
      .integer(spaces.rows)
      .integer(spaces.sum)
      .finish();
}

std::int64_t SpaceRow::checksum() const {
  return RowHasher(spaces_table)
      .integer(id)
      .blob(name)
      .blob({reinterpret_cast<const char*>(replica.bytes.data()), replica.bytes.size()})
      .integer(last_time.value)
      .integer(cells.rows)
      .integer(cells.sum)
      .blob(state_hash ? encode_hash(*state_hash) : std::string())
      .blob(header)
      .finish();
}

std::int64_t log_checksum(std::int64_t lsn, std::int64_t space, bool more,
                          std::string_view records) {
  return RowHasher(log_table)
      .integer(lsn)
      .integer(space)
      .integer(std::uint64_t{more})
      .blob(records)
      .finish();
}

std::int64_t cell_checksum(std::int64_t space, std::string_view key, std::string_view bytes) {
  return RowHasher(cells_table).integer(space).blob(key).blob(bytes).finish();
}

std::string encode_hash(const StateHash& hash) {
  const auto low = little_endian(hash.low);
  const auto high = little_endian(hash.high);
  std::string out(low.data(), low.size());
  out.append(high.data(), high.size());
  return out;
}

std::optional<StateHash> decode_hash(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  StateHash hash;
  for (int i = 7; i >= 0; --i) {
    hash.low = hash.low << 8 | static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i)]);
    hash.high = hash.high << 8 | static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i) + 8]);
  }
  return hash;
}

}  // namespace rejoin::node::sqlite
