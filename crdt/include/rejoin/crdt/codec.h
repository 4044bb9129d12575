// Bounded binary reading and writing: the bytes of events, deltas and stored cells.
//
// Integers are LEB128 varints (at most 10 bytes, shortest form required, so that every value has
// one encoding and encoded bytes can be hashed and compared); signed ones zigzag.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "rejoin/crdt/id.h"

namespace rejoin {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void varint(std::uint64_t v) {
    if (v < 0x80) {
      out_.push_back(static_cast<char>(v));
      return;
    }
    char buffer[10];
    std::size_t n = 0;
    while (v >= 0x80) {
      buffer[n++] = static_cast<char>(v | 0x80);
      v >>= 7;
    }
    buffer[n++] = static_cast<char>(v);
    out_.append(buffer, n);
  }
  void zigzag(std::int64_t v) {
    varint((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63));
  }
  void fixed64(std::uint64_t v);  // little-endian
  void raw(std::string_view bytes) { out_.append(bytes); }
  void bytes(std::string_view bytes) {  // length, then contents
    varint(bytes.size());
    out_.append(bytes);
  }
  void replica(const ReplicaId& id) {
    out_.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  }
  std::size_t size() const { return out_.size(); }

 private:
  std::string& out_;
};

// Reads what Writer wrote from memory that it does not own. The first failure sticks: every later
// read returns zero or empty, so a decoder may read a record whole and check ok() once.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  std::uint8_t u8() {
    if (!ok_ || position_ == in_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::uint8_t>(in_[position_++]);
  }
  std::uint64_t varint() {
    if (!ok_) return 0;
    if (position_ < in_.size() && static_cast<std::uint8_t>(in_[position_]) < 0x80) {
      return static_cast<std::uint8_t>(in_[position_++]);
    }
    return long_varint();
  }
  // A varint that must not exceed `max`; more is a failure.
  std::uint64_t varint_at_most(std::uint64_t max) {
    const std::uint64_t v = varint();
    if (v <= max) return v;
    ok_ = false;
    return 0;
  }
  std::int64_t zigzag() {
    const std::uint64_t v = varint();
    return static_cast<std::int64_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  std::uint64_t fixed64();
  std::string_view raw(std::size_t n) {
    if (!ok_ || n > remaining()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = in_.substr(position_, n);
    position_ += n;
    return bytes;
  }
  // Length (at most max), then contents.
  std::string_view bytes(std::size_t max) {
    return raw(static_cast<std::size_t>(varint_at_most(max)));
  }
  ReplicaId replica() {
    ReplicaId id;
    const std::string_view bytes = raw(id.bytes.size());
    if (ok_) std::memcpy(id.bytes.data(), bytes.data(), id.bytes.size());
    return id;
  }

  bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  bool at_end() const { return position_ == in_.size(); }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return in_.size() - position_; }

 private:
  std::uint64_t long_varint();

  std::string_view in_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace rejoin
