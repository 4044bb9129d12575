#include "rejoin/crdt/types/text.h"

#include "rejoin/crdt/limits.h"
#include "store/store.h"
#include "types/check.h"
#include "types/cursors.h"
#include "types/text_marks.h"

namespace rejoin {

Error beyond_text(const Store& store, NodeIndex text, std::size_t index, std::size_t size) {
  return index_beyond(index, "a text of " + std::to_string(size) + " code points", store, text);
}

std::size_t TextView::size() const { return sequence_size(); }

std::size_t TextView::utf8_size() const {
  const TextSequence* text = text_of(store_, index());
  return text == nullptr ? 0 : text->extent();
}

std::size_t TextView::utf16_size() const {
  const TextSequence* text = text_of(store_, index());
  return text == nullptr ? 0 : text->utf16_count();
}

std::string TextView::to_string() const { return slice(0, size()).value(); }

Result<std::string> TextView::slice(std::size_t at, std::size_t count) const {
  const std::size_t all = size();
  if (at > all || count > all - at) return beyond_text(*store_, index(), at + count, all);
  std::string out;
  if (count == 0) return out;
  const TextSequence* text = text_of(store_, index());
  if (count == all) out.reserve(text->extent());
  text->for_each_live(at, count,
                      [&](const TextSequence::Piece& piece) { out.append(piece.content); });
  return out;
}

Result<Cursor> TextView::cursor(std::size_t at, Sticks sticks) const {
  const NodeIndex i = index();
  if (at > size()) return beyond_text(*store_, i, at, size());
  return cursor_at(store_, text_of(store_, i), at, sticks);
}

Result<std::size_t> TextView::index_of(const Cursor& cursor) const {
  const NodeIndex i = index();
  return find_cursor(store_, i, text_of(store_, i), cursor);
}

Status TextRef::insert(std::size_t at, std::string_view text) {
  const bool is_ascii = text.size() == 1 && static_cast<unsigned char>(text[0]) < 0x80;
  if (is_ascii && store_->type_on(node_, at, text[0])) return {};
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size) return beyond_text(*store_, *i, at, size);
  if (is_ascii) {
    store_->text_insert(*i, at, text, 1);
    return {};
  }
  if (text.size() > limits::value_bytes_max) {
    return make_error(ErrorCode::limit_exceeded,
                      "a text may grow by " + std::to_string(limits::value_bytes_max) +
                          " bytes at once, this has " + std::to_string(text.size()),
                      store_->path_of(*i).to_string());
  }
  if (!is_valid_utf8(text)) {
    return make_error(ErrorCode::invalid_argument, "what is inserted is not valid UTF-8",
                      store_->path_of(*i).to_string());
  }
  if (!text.empty()) store_->text_insert(*i, at, text, count_code_points(text));
  return {};
}

Status TextRef::append(std::string_view text) { return insert(size(), text); }

Status TextRef::remove(std::size_t at, std::size_t count) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size || count > size - at) return beyond_text(*store_, *i, at + count, size);
  if (count == 0) return {};
  store_->sequence_remove(*i, at, count);
  if (has_marks(*store_, *i)) drop_empty_marks(*store_, *i);
  return {};
}

}  // namespace rejoin
