#include "store/mark_codec.h"

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "store/cursor_codec.h"

namespace rejoin {

std::string encode_mark_key(const MarkKey& key) {
  std::string bytes;
  Writer out(bytes);
  encode_position(key.begin, out);
  encode_position(key.end, out);
  out.raw(key.name);
  return bytes;
}

std::optional<MarkKey> decode_mark_key(std::string_view bytes) {
  Reader in(bytes);
  MarkKey key;
  key.begin = decode_position(in);
  key.end = decode_position(in);
  key.name = in.raw(in.remaining());
  const bool begins_at_end = key.begin.element.sequence == 0 && key.begin.sticks == Sticks::right;
  const bool ends_at_beginning = key.end.element.sequence == 0 && key.end.sticks == Sticks::left;
  if (!in.ok() || begins_at_end || ends_at_beginning || key.name.empty() ||
      key.name.size() > limits::mark_name_bytes_max || !is_valid_utf8(key.name)) {
    return std::nullopt;
  }
  return key;
}

std::string encode_mark(const MarkContent& mark) {
  std::string bytes;
  Writer out(bytes);
  out.varint(mark.time.value);
  mark.value.encode(out);
  return bytes;
}

std::optional<MarkContent> decode_mark(std::string_view bytes) {
  Reader in(bytes);
  MarkContent mark;
  mark.time.value = in.varint();
  Result<Value> value = Value::decode(in);
  if (!value.ok() || !in.ok() || !in.at_end() ||
      value->contents().size() > limits::mark_value_bytes_max) {
    return std::nullopt;
  }
  mark.value = *std::move(value);
  return mark;
}

}  // namespace rejoin
