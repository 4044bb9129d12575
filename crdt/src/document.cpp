#include "rejoin/crdt/document.h"

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/transaction.h"
#include "store/store.h"

namespace rejoin {

Document::Document(ReplicaId self) : store_(std::make_unique<Store>(self)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

const ReplicaId& Document::self() const { return store_->self(); }
void Document::become(ReplicaId self) { store_->become(self); }
MapView Document::root() const { return {store_.get(), store_->ref(Store::root)}; }
const Clock& Document::clock() const { return store_->clock(); }
StateHash Document::hash() const {
  store_->settle();
  return store_->hash();
}
std::size_t Document::cell_count() const { return store_->cell_count(); }
std::size_t Document::touch_count() const { return store_->touch_count(); }
bool Document::remembers_removals() const { return store_->remembers_removals(); }
bool Document::remembers_elements() const { return store_->remembers_elements(); }
std::size_t Document::memory_bytes() const { return store_->memory_bytes(); }
bool Document::exists(const Path& path) const {
  store_->settle();
  return View(store_.get(), store_->ref(store_->find(path))).exists();
}
std::string Document::canonical_state() const {
  store_->settle();
  return store_->canonical_state();
}

Transaction Document::begin(TransactionOptions options) {
  REJOIN_ASSERT(options.author.size() <= limits::author_bytes_max && is_valid_utf8(options.author));
  REJOIN_ASSERT(options.note.size() <= limits::note_bytes_max && is_valid_utf8(options.note));
  store_->begin(std::move(options));
  return Transaction(*store_);
}

Result<Applied> Document::apply(const Event& event) { return store_->apply(event); }
bool Document::tells_since(const Clock& base) const { return store_->tells_since(base); }
Delta Document::delta_since(const Clock& base) const { return store_->delta_since(base); }
std::size_t Document::delta_bytes_estimate(const Clock& base) const {
  return store_->delta_bytes_estimate(base);
}
std::vector<Document::CellHash> Document::cell_hashes(std::uint64_t seed) const {
  store_->settle();
  return store_->cell_hashes(seed);
}
std::optional<Delta> Document::delta_of(const std::vector<std::uint64_t>& places,
                                        std::uint64_t comparison, const Clock& compared,
                                        bool with_retired) const {
  store_->settle();
  return store_->delta_of(places, comparison, compared, with_retired);
}
Result<Applied> Document::join(const Delta& delta) { return store_->join(delta); }
Result<Applied> Document::join(const Document& other) {
  const auto seen = other.seen_there(clock(), retired_hash());
  if (seen && !seen->lacks_retired) {
    const Result<Applied> joined = join(other.delta_since(seen->clock));
    if (!joined.ok() || *joined != Applied::missing) return joined;
  }
  return join(other.whole());
}
Delta Document::whole() const {
  store_->settle();
  return store_->whole(true);
}
std::size_t Document::whole_bytes_estimate() const { return store_->whole_bytes_estimate(); }
bool Document::retire(const ReplicaId& id) { return store_->retire(id); }
bool Document::is_depended_on(const ReplicaId& id) const { return store_->is_depended_on(id); }
void Document::restore(const ReplicaId& id) { store_->restore(id); }
const Clock& Document::retired() const { return store_->retired(); }
Clock Document::clock_with_retired() const {
  Clock clock = store_->clock();
  clock.join(store_->retired());
  return clock;
}
StateHash Document::retired_hash() const { return store_->retired_hash(); }
StateHash Document::fingerprint() const {
  StateHash sum = clock().fingerprint();
  return sum += retired_hash();
}
Sequence Document::seen(const ReplicaId& id) const { return store_->seen(id); }
bool Document::includes(const Clock& clock) const { return store_->includes(clock); }
std::optional<Document::Seen> Document::seen_there(const Clock& clock,
                                                   const StateHash& retired) const {
  return store_->seen_there(clock, retired);
}
std::size_t Document::prune(const Clock& stable, const Clock& early, const Clock& elements) {
  return store_->prune(stable, early, elements);
}
std::uint64_t Document::forget_elements(const Clock& stable) {
  return store_->forget_elements(stable);
}
std::vector<Origin> Document::origins(const Path& path) const {
  store_->settle();
  return store_->origins(store_->find(path));
}
void Document::replay(const Event& event, const Path& place) { store_->replay(event, place); }
void Document::track_changes(bool enabled) { store_->track_changes(enabled); }
std::vector<Path> Document::take_changes() { return store_->take_changes(); }
void Document::take_dirty(const std::function<void(StoredCell)>& sink) { store_->take_dirty(sink); }
std::size_t Document::dirty_count() const { return store_->dirty_count(); }
std::string Document::header() const { return store_->header(); }
Status Document::load_header(std::string_view bytes) { return store_->load_header(bytes); }
Status Document::load_cell(std::string_view key, std::string_view bytes) {
  return store_->load_cell(key, bytes);
}
Status Document::finish_load() { return store_->finish_load(); }
Status Document::check_invariants() const {
  store_->settle();
  return store_->check_invariants();
}

std::string Delta::encoded() const {
  std::string bytes;
  Writer out(bytes);
  const bool retires = retired_hash != StateHash{};
  out.u8(retires ? delta_format : delta_format_without_retired);
  out.u8(static_cast<std::uint8_t>(scope));
  base.encode(out);
  clock.encode(out);
  if (retires) {
    out.fixed64(retired_hash.low);
    out.fixed64(retired_hash.high);
    retired.encode(out);
  }
  if (scope == Scope::cells) {
    out.fixed64(comparison);
    out.varint(judged.size());
    for (const std::uint64_t place : judged) out.fixed64(place);
  }
  out.varint(cells);
  out.raw(body);
  return bytes;
}

Result<Delta> Delta::decode(std::string_view bytes) {
  if (bytes.size() > limits::delta_bytes_max) {
    return make_error(ErrorCode::limit_exceeded, "delta is too large");
  }
  Reader in(bytes);
  const std::uint8_t format = in.u8();
  if (in.ok() && format != delta_format && format != delta_format_without_retired) {
    return make_error(ErrorCode::unsupported_version, "delta format " + std::to_string(format) +
                                                          ", this build reads up to " +
                                                          std::to_string(delta_format));
  }
  Delta delta;
  delta.scope = static_cast<Scope>(in.varint_at_most(2));
  Result<Clock> base = Clock::decode(in);
  if (!base.ok()) return std::move(base).error();
  Result<Clock> clock = Clock::decode(in);
  if (!clock.ok()) return std::move(clock).error();
  delta.base = std::move(*base);
  delta.clock = std::move(*clock);
  if (format == delta_format) {
    delta.retired_hash.low = in.fixed64();
    delta.retired_hash.high = in.fixed64();
    Result<Clock> retired = Clock::decode(in);
    if (!retired.ok()) return std::move(retired).error();
    delta.retired = std::move(*retired);
    if (!delta.retired.empty() && delta.retired.fingerprint() != delta.retired_hash) {
      return make_error(ErrorCode::malformed, "delta: its retired ids are not those of its hash");
    }
  }
  if (delta.scope == Scope::cells) {
    delta.comparison = in.fixed64();
    std::uint64_t n = in.varint_at_most(in.remaining() / 8);
    for (; n > 0 && in.ok(); --n) delta.judged.push_back(in.fixed64());
  }
  delta.cells = static_cast<std::size_t>(in.varint());
  if (!in.ok() || !delta.clock.includes(delta.base) ||
      (delta.scope != Scope::since && !delta.base.empty())) {
    return make_error(ErrorCode::malformed, "delta: bad header");
  }
  delta.body = in.raw(in.remaining());
  return delta;
}

}  // namespace rejoin
