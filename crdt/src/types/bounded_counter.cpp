#include "rejoin/crdt/types/bounded_counter.h"

#include <algorithm>
#include <limits>
#include <string>

#include "rejoin/crdt/mutant.h"
#include "store/store.h"
#include "types/counter_sum.h"

namespace rejoin {
namespace {

Value key_of(const ReplicaId& id) {
  return Value::bytes({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
}

ReplicaId id_of(std::string_view bytes) {
  ReplicaId id;
  std::copy_n(bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

// Below none after a removal of rights that were used meanwhile.
std::int64_t rights_in(const Node& node) {
  return std::max<std::int64_t>(sum_of(std::get<CounterEntries>(node.cell)), 0);
}

// What a request's register holds: the id of the asked, the amount.
constexpr std::size_t request_bytes = sizeof(ReplicaId) + sizeof(std::int64_t);

Value encoded_request(const ReplicaId& asked, std::int64_t amount) {
  std::string bytes(key_of(asked).as_bytes());
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(amount) >> shift & 0xFF);
  }
  return Value::bytes(bytes);
}

std::optional<RightsRequest> request_in(const Node& node) {
  const Entries& entries = std::get<Entries>(node.cell);
  if (entries.size() != 1) return std::nullopt;  // its asker alone writes it, so others are forged
  const Entry& entry = entries.front();
  if (!entry.value.is_bytes() || entry.value.as_bytes().size() != request_bytes) {
    return std::nullopt;
  }
  const std::string_view bytes = entry.value.as_bytes();
  std::uint64_t amount = 0;
  for (const char c : bytes.substr(sizeof(ReplicaId))) {
    amount = amount << 8 | static_cast<std::uint8_t>(c);
  }
  RightsRequest request{id_of(node.key.as_bytes()), id_of(bytes), static_cast<std::int64_t>(amount),
                        entry.time};
  if (request.amount <= 0 || request.asker == request.asked) return std::nullopt;
  return request;
}

Error error_at(const Store& store, NodeIndex at, ErrorCode code, std::string message) {
  return make_error(code, std::move(message), store.path_of(at).to_string());
}

}  // namespace

std::uint32_t BoundedCounterView::child(Type type, const ReplicaId& replica) const {
  const NodeIndex i = index();
  return i == no_node ? no_node : store_->find_child(i, type, key_of(replica));
}

std::int64_t BoundedCounterView::bound() const {
  const NodeIndex i = index();
  if (i == no_node) return 0;
  const Entries& entries = std::get<Entries>(store_->node(i).cell);
  if (entries.empty()) return 0;
  std::int64_t greatest = std::numeric_limits<std::int64_t>::min();
  for (const Entry& e : entries) greatest = std::max(greatest, e.value.as_integer());
  return greatest;
}

std::int64_t BoundedCounterView::value() const {
  const NodeIndex i = index();
  if (i == no_node) return 0;
  WideSum sum = bound();
  store_->for_each_child(i, [&](NodeIndex c) {
    if (store_->node(c).type == Type::counter) sum += rights_in(store_->node(c));
  });
  return saturate(sum);
}

std::int64_t BoundedCounterView::rights(const ReplicaId& replica) const {
  const NodeIndex c = child(Type::counter, replica);
  return c == no_node ? 0 : rights_in(store_->node(c));
}

std::int64_t BoundedCounterView::rights_here() const {
  return store_ == nullptr ? 0 : rights(store_->self());
}

std::vector<RightsHolder> BoundedCounterView::holders() const {
  std::vector<RightsHolder> all;
  const NodeIndex i = index();
  if (i == no_node) return all;
  store_->for_each_child(i, [&](NodeIndex c) {
    const Node& n = store_->node(c);
    if (n.type != Type::counter) return;
    if (const std::int64_t held = rights_in(n); held > 0) {
      all.push_back({id_of(n.key.as_bytes()), held});
    }
  });
  std::sort(all.begin(), all.end(), [](const RightsHolder& a, const RightsHolder& b) {
    return a.rights != b.rights ? a.rights > b.rights : a.replica < b.replica;
  });
  return all;
}

std::vector<RightsRequest> BoundedCounterView::all_requests() const {
  std::vector<RightsRequest> all;
  const NodeIndex i = index();
  if (i == no_node) return all;
  store_->for_each_child(i, [&](NodeIndex c) {
    if (store_->node(c).type != Type::reg) return;
    if (auto request = request_in(store_->node(c))) all.push_back(*request);
  });
  std::sort(all.begin(), all.end(), [](const RightsRequest& a, const RightsRequest& b) {
    return a.time != b.time ? a.time < b.time : a.asker < b.asker;
  });
  return all;
}

std::vector<RightsRequest> BoundedCounterView::requests() const {
  std::vector<RightsRequest> all = all_requests();
  std::erase_if(all, [&](const RightsRequest& r) { return r.asked != store_->self(); });
  return all;
}

std::optional<RightsRequest> BoundedCounterView::own_request() const {
  if (store_ == nullptr) return std::nullopt;
  const NodeIndex c = child(Type::reg, store_->self());
  return c == no_node ? std::nullopt : request_in(store_->node(c));
}

Status BoundedCounterRef::check_amount(std::int64_t amount, std::uint32_t at) const {
  if (amount >= 0) return {};
  return error_at(*store_, at, ErrorCode::invalid_argument,
                  "an amount of " + std::to_string(amount) + " is negative");
}

Status BoundedCounterRef::check_asked_for(std::int64_t amount, std::uint32_t at) const {
  if (amount > 0) return {};
  return error_at(*store_, at, ErrorCode::invalid_argument,
                  "rights are asked for in a positive number, not " + std::to_string(amount));
}

Status BoundedCounterRef::check_rights(std::int64_t amount, std::uint32_t at) const {
  const std::int64_t here =
      REJOIN_MUTANT(rights_of_others_are_spent, rights_here(), value() - bound());
  if (here >= amount) return {};
  std::string message = "only " + std::to_string(here) + (here == 1 ? " right" : " rights") +
                        " above the bound " + std::to_string(bound()) +
                        (here == 1 ? " is" : " are") + " here, not " + std::to_string(amount);
  constexpr std::size_t named_max = 3;
  std::size_t named = 0;
  for (const RightsHolder& holder : holders()) {
    if (holder.replica == store_->self()) continue;
    message += (named == 0 ? "; " : ", ") + holder.replica.short_name() + " holds " +
               std::to_string(holder.rights);
    if (++named == named_max) break;
  }
  if (named == 0) message += "; nobody else is known to hold any";
  return error_at(*store_, at, ErrorCode::out_of_range, std::move(message));
}

Status BoundedCounterRef::create(std::int64_t bound) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (exists() && this->bound() != bound) {
    return error_at(*store_, *i, ErrorCode::invalid_argument,
                    "the counter has the bound " + std::to_string(this->bound()) +
                        " already; remove it before it is created with " + std::to_string(bound));
  }
  if (std::get<Entries>(store_->node(*i).cell).empty()) store_->put(*i, Value(bound));
  return {};
}

Status BoundedCounterRef::increment(std::int64_t amount) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (Status valid = check_amount(amount, *i); !valid.ok() || amount == 0) return valid;
  const NodeIndex own = store_->find_or_create_child(*i, Type::counter, key_of(store_->self()));
  if (Status fits = store_->check_writable(own); !fits.ok()) return fits;
  std::int64_t sum = 0;
  if (__builtin_add_overflow(value(), amount, &sum) ||
      store_->counter_would_overflow(own, amount)) {
    return error_at(*store_, *i, ErrorCode::out_of_range,
                    "adding " + std::to_string(amount) + " to " + std::to_string(value()) +
                        " would take the counter beyond 64 bits");
  }
  store_->counter_add(own, amount);
  return {};
}

Status BoundedCounterRef::decrement(std::int64_t amount) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (Status valid = check_amount(amount, *i); !valid.ok() || amount == 0) return valid;
  if (Status enough = check_rights(amount, *i); !enough.ok()) return enough;
  const NodeIndex own = store_->find_or_create_child(*i, Type::counter, key_of(store_->self()));
  if (store_->counter_would_overflow(own, -amount)) {
    return error_at(*store_, *i, ErrorCode::out_of_range,
                    "this replica's part of its account would pass 64 bits");
  }
  store_->counter_add(own, -amount);
  return {};
}

Status BoundedCounterRef::transfer(std::int64_t amount, const ReplicaId& to) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (to == store_->self() || to.is_nil()) {
    return error_at(*store_, *i, ErrorCode::invalid_argument,
                    "rights are transferred to another replica");
  }
  if (Status valid = check_amount(amount, *i); !valid.ok() || amount == 0) return valid;
  if (Status enough = check_rights(amount, *i); !enough.ok()) return enough;
  const NodeIndex own = store_->find_or_create_child(*i, Type::counter, key_of(store_->self()));
  const NodeIndex other = store_->find_or_create_child(*i, Type::counter, key_of(to));
  if (store_->counter_would_overflow(own, -amount) ||
      store_->counter_would_overflow(other, amount)) {
    return error_at(*store_, *i, ErrorCode::out_of_range,
                    "this replica's part of an account would pass 64 bits");
  }
  store_->counter_add(own, -amount);
  store_->counter_add(other, amount);
  return {};
}

Result<ReplicaId> BoundedCounterRef::ask(std::int64_t amount) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (Status valid = check_asked_for(amount, *i); !valid.ok()) return valid.error();
  const std::optional<RightsRequest> open = own_request();
  std::vector<RightsHolder> others = holders();
  std::erase_if(others, [&](const RightsHolder& h) { return h.replica == store_->self(); });
  if (others.empty()) {
    return error_at(*store_, *i, ErrorCode::not_found, "no other replica is known to hold rights");
  }
  const bool asked_first = open && open->asked == others.front().replica;
  const ReplicaId holder = others[asked_first && others.size() > 1 ? 1 : 0].replica;
  if (Status asked = ask(amount, holder); !asked.ok()) return asked.error();
  return holder;
}

Status BoundedCounterRef::ask(std::int64_t amount, const ReplicaId& holder) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (Status valid = check_asked_for(amount, *i); !valid.ok()) return valid;
  if (holder == store_->self() || holder.is_nil()) {
    return error_at(*store_, *i, ErrorCode::invalid_argument,
                    "rights are asked of another replica");
  }
  const std::optional<RightsRequest> open = own_request();
  if (open && open->asked == holder && open->amount == amount) return {};
  const NodeIndex request = store_->find_or_create_child(*i, Type::reg, key_of(store_->self()));
  if (Status fits = store_->check_writable(request); !fits.ok()) return fits;
  store_->put(request, encoded_request(holder, amount));
  return {};
}

Status BoundedCounterRef::withdraw() {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  const NodeIndex request = child(Type::reg, store_->self());
  if (request != no_node && store_->node(request).live > 0) store_->remove_entries(request);
  return {};
}

Result<std::int64_t> BoundedCounterRef::answer(std::int64_t keep) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (Status valid = check_amount(keep, *i); !valid.ok()) return valid.error();
  std::int64_t given = 0;
  for (const RightsRequest& request : requests()) {
    const std::int64_t amount = std::min(request.amount, rights_here() - keep);
    if (amount <= 0) break;
    if (Status done = transfer(amount, request.asker); !done.ok()) return done.error();
    if (!REJOIN_MUTATED(answered_request_stays)) {
      store_->remove_entries(child(Type::reg, request.asker));
    }
    given += amount;
  }
  return given;
}

}  // namespace rejoin
