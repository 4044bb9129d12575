#include "rejoin/crdt/types/log.h"

#include "types/elements.h"

namespace rejoin {

namespace {

void append_entries(const Store& store, const ListSequence::Piece& piece,
                    std::vector<LogEntry>& out) {
  for (std::size_t i = 0; i < piece.content.size(); ++i) {
    const ElementId id = piece.id.plus(i);
    out.push_back({piece.content[i], {store.replica_id(id.replica), id.sequence}});
  }
}

}  // namespace

std::size_t LogView::size() const { return sequence_size(); }

Result<LogEntry> LogView::at(std::size_t at) const {
  Result<std::vector<LogEntry>> one = entries(at, 1);
  if (!one.ok()) return std::move(one).error();
  return std::move(one->front());
}

Result<std::vector<LogEntry>> LogView::entries(std::size_t first, std::size_t count) const {
  const std::size_t all = size();
  if (first > all || count > all - first) {
    const std::size_t wrong = first > all ? first : all;
    return index_beyond(wrong, "a log of " + std::to_string(all), *store_, index());
  }
  std::vector<LogEntry> out;
  if (count == 0) return out;
  out.reserve(count);
  elements_of(store_, index())->for_each_live(first, count, [&](const ListSequence::Piece& piece) {
    append_entries(*store_, piece, out);
  });
  return out;
}

std::vector<LogEntry> LogView::entries() const { return *entries(0, size()); }

std::vector<Value> LogView::values() const { return values_of(elements_of(store_, index())); }

std::vector<LogEntry> LogView::entries_since(const Clock& clock) const {
  std::vector<LogEntry> out;
  const ListSequence* elements = elements_of(store_, index());
  if (elements == nullptr) return out;
  elements->for_each_piece_since(store_->dense(clock), [&](const ListSequence::Piece& piece) {
    if (piece.live) append_entries(*store_, piece, out);
  });
  return out;
}

Status LogRef::append(const Value& value) { return append(std::vector<Value>{value}); }

Status LogRef::append(const std::vector<Value>& values) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  if (Status valid = check_values(values, *store_, *i); !valid.ok()) return valid;
  if (!values.empty()) store_->list_insert(*i, store_->sequence_size(*i), values);
  return {};
}

}  // namespace rejoin
