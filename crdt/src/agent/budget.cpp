#include "rejoin/crdt/agent/budget.h"

#include <algorithm>
#include <utility>

#include "agent/fields.h"

namespace rejoin::agent {
namespace {

constexpr std::string_view grants_map = "grants";

// The grantor, from the id of a grant.
std::optional<ReplicaId> grantor_of(std::string_view id) {
  constexpr std::size_t digits = 2 * sizeof(ReplicaId);
  if (id.size() < digits + 2 || id[digits] != '-') return std::nullopt;
  const Result<ReplicaId> grantor = ReplicaId::parse(id.substr(0, digits));
  return grantor.ok() ? std::optional(*grantor) : std::nullopt;
}

std::optional<GrantKind> parse_kind(std::string_view name) {
  if (name == to_string(GrantKind::capacity)) return GrantKind::capacity;
  if (name == to_string(GrantKind::consumable)) return GrantKind::consumable;
  return std::nullopt;
}

// Times are at most this far from the epoch, so that adding a clock error cannot overflow.
constexpr std::int64_t time_max = std::int64_t{1} << 61;
bool is_time(std::int64_t ms) { return ms >= -time_max && ms <= time_max; }

std::optional<Grant> read_grant(const MapView& map, std::string_view id) {
  Grant grant;
  grant.id = id;
  const std::optional<ReplicaId> grantor = grantor_of(id);
  const std::optional<std::string> holder_text = string_at(map, "holder");
  const std::optional<std::string> kind_text = string_at(map, "kind");
  const std::optional<std::int64_t> amount = integer_at(map, "amount");
  const std::optional<std::int64_t> expires = integer_at(map, "expires_ms");
  const std::optional<std::int64_t> clock_error = integer_at(map, "clock_error_ms");
  if (!grantor || !holder_text || !kind_text || !amount || !expires || !clock_error) {
    return std::nullopt;
  }
  const Result<ReplicaId> holder = ReplicaId::parse(*holder_text);
  const std::optional<GrantKind> kind = parse_kind(*kind_text);
  if (!holder.ok() || !kind || *amount <= 0 || !is_time(*expires) || *clock_error < 0 ||
      !is_time(*clock_error)) {
    return std::nullopt;
  }
  grant.grantor = *grantor;
  grant.holder = *holder;
  grant.kind = *kind;
  grant.amount = *amount;
  grant.expires_ms = *expires;
  grant.clock_error_ms = *clock_error;
  grant.purpose = string_at(map, "purpose").value_or("");
  grant.spent = std::max<std::int64_t>(map.counter("spent").value(), 0);
  grant.closed = map.flag("closed").get();
  return grant;
}

std::string path_of(const MapView& map, std::string_view id) {
  const Path grants = map.path().map(grants_map);
  return (id.empty() ? grants : grants.map(id)).to_string();
}

}  // namespace

std::string_view to_string(GrantKind kind) {
  return kind == GrantKind::capacity ? "capacity" : "consumable";
}

bool Grant::is_usable(std::int64_t now_ms) const {
  const std::int64_t margin = kind == GrantKind::capacity ? clock_error_ms : 0;
  return !closed && now_ms < expires_ms - margin;
}

bool Grant::is_reclaimable(std::int64_t now_ms) const {
  return closed || (kind == GrantKind::capacity && now_ms > expires_ms + clock_error_ms);
}

std::vector<Grant> BudgetView::grants() const {
  std::vector<Grant> all;
  const MapView grants = map_.map(grants_map);
  for (const Child& child : grants.children()) {
    if (child.type != Type::map) continue;
    if (auto grant = read_grant(grants.map(child.name), child.name)) {
      all.push_back(*std::move(grant));
    }
  }
  return all;
}

std::optional<Grant> BudgetView::grant(std::string_view id) const {
  return read_grant(map_.map(grants_map).map(id), id);
}

std::int64_t BudgetView::usable_capacity(std::string_view id, std::int64_t now_ms) const {
  const std::optional<Grant> found = grant(id);
  const bool usable = found && found->kind == GrantKind::capacity && found->holder == map_.self() &&
                      found->is_usable(now_ms);
  return usable ? found->amount : 0;
}

namespace {

Error refusal(const MapView& map, std::string_view id, ErrorCode code, std::string message) {
  return make_error(code, std::move(message), path_of(map, id));
}

Error no_such_grant(const MapView& map, std::string_view id) {
  return refusal(map, id, ErrorCode::not_found, "there is no such grant here, or no longer");
}

Error belongs_to_another(const MapView& map, std::string_view id, const char* whose,
                         const ReplicaId& other) {
  return refusal(map, id, ErrorCode::invalid_argument,
                 std::string("only the grant's ") + whose + ", " + other.short_name() +
                     ", may do this, and this is " + map.self().short_name());
}

}  // namespace

Result<std::string> BudgetRef::grant(const GrantTerms& terms) {
  const auto invalid = [&](std::string message) {
    return refusal(map_, {}, ErrorCode::invalid_argument, std::move(message));
  };
  if (terms.amount <= 0) {
    return invalid("a grant of " + std::to_string(terms.amount) + " is not positive");
  }
  if (terms.holder.is_nil()) return invalid("a grant needs a holder");
  if (terms.clock_error_ms < 0 || !is_time(terms.clock_error_ms) || !is_time(terms.expires_ms)) {
    return invalid("a grant that expires at " + std::to_string(terms.expires_ms) +
                   " ms by clocks that err by " + std::to_string(terms.clock_error_ms) +
                   " ms makes no sense");
  }
  if (!is_valid_utf8(terms.purpose)) return invalid("a grant's purpose is not valid UTF-8");
  const Dot dot = map_.next_dot();
  const std::string id = dot.replica.to_string() + "-" + std::to_string(dot.sequence);
  // What may well be refused comes before the first write.
  if (available_here() < terms.amount) return pool().decrement(terms.amount).error();
  MapRef map = map_.map(grants_map).map(id);
  const std::pair<std::string_view, Value> fields[] = {
      {"holder", Value(terms.holder.to_string())},
      {"kind", Value(to_string(terms.kind))},
      {"amount", Value(terms.amount)},
      {"expires_ms", Value(terms.expires_ms)},
      {"clock_error_ms", Value(terms.clock_error_ms)},
      {"purpose", Value(terms.purpose)},
  };
  for (const auto& [name, value] : fields) {
    if (name == "purpose" && terms.purpose.empty()) continue;
    if (Status written = map.reg(name).set(value); !written.ok()) return written.error();
  }
  if (Status taken = pool().decrement(terms.amount); !taken.ok()) return taken.error();
  return id;
}

Status BudgetRef::extend(std::string_view id, std::int64_t expires_ms) {
  const std::optional<Grant> found = grant(id);
  if (!found) return no_such_grant(map_, id);
  if (found->grantor != map_.self()) {
    return belongs_to_another(map_, id, "grantor", found->grantor);
  }
  if (expires_ms < found->expires_ms || !is_time(expires_ms)) {
    return refusal(map_, id, ErrorCode::invalid_argument,
                   "a grant that expires at " + std::to_string(found->expires_ms) +
                       " ms cannot be extended until " + std::to_string(expires_ms) + " ms");
  }
  if (expires_ms == found->expires_ms) return {};
  return map_.map(grants_map).map(id).reg("expires_ms").set(expires_ms);
}

Status BudgetRef::spend(std::string_view id, std::int64_t amount, std::int64_t now_ms) {
  const std::optional<Grant> found = grant(id);
  if (!found) return no_such_grant(map_, id);
  const auto refused = [&](ErrorCode code, std::string message) {
    return refusal(map_, id, code, std::move(message));
  };
  if (amount < 0) {
    return refused(ErrorCode::invalid_argument,
                   "an amount of " + std::to_string(amount) + " is negative");
  }
  if (found->holder != map_.self()) return belongs_to_another(map_, id, "holder", found->holder);
  if (found->kind != GrantKind::consumable) {
    return refused(ErrorCode::wrong_type, "capacity is used, not spent");
  }
  if (found->closed) return refused(ErrorCode::closed, "the grant is closed");
  if (!found->is_usable(now_ms)) {
    return refused(ErrorCode::timeout, "the grant expired at " + std::to_string(found->expires_ms) +
                                           " ms, and it is " + std::to_string(now_ms) + " ms now");
  }
  if (amount > found->left()) {
    return refused(ErrorCode::out_of_range, std::to_string(found->left()) + " of the grant's " +
                                                std::to_string(found->amount) + " are left, not " +
                                                std::to_string(amount));
  }
  if (amount == 0) return {};
  // The total first: it alone may pass 64 bits.
  if (Status added = map_.counter("spent").add(amount); !added.ok()) return added;
  return map_.map(grants_map).map(id).counter("spent").add(amount);
}

Status BudgetRef::close(std::string_view id) {
  const std::optional<Grant> found = grant(id);
  if (!found) return no_such_grant(map_, id);
  if (found->holder != map_.self()) return belongs_to_another(map_, id, "holder", found->holder);
  if (found->closed) return {};
  return map_.map(grants_map).map(id).flag("closed").set(true);
}

Status BudgetRef::close_expired(std::int64_t now_ms) {
  for (const Grant& grant : grants()) {
    if (grant.holder != map_.self() || now_ms < grant.expires_ms) continue;
    if (Status closed = close(grant.id); !closed.ok()) return closed;
  }
  return {};
}

Result<std::int64_t> BudgetRef::reclaim(std::int64_t now_ms) {
  std::int64_t returned = 0;
  MapRef grants = map_.map(grants_map);
  for (const Child& child : grants.children()) {
    if (child.type != Type::map || grantor_of(child.name) != map_.self()) continue;
    const std::optional<Grant> found = read_grant(grants.map(child.name), child.name);
    // A grant without its terms was reclaimed before its holder's last word of it came.
    if (found && !found->is_reclaimable(now_ms)) continue;
    if (found) {
      const std::int64_t amount =
          found->kind == GrantKind::capacity ? found->amount : found->left();
      if (Status back = pool().increment(amount); !back.ok()) return back.error();
      returned += amount;
    }
    if (Status gone = grants.remove(child.name, Type::map); !gone.ok()) return gone.error();
  }
  return returned;
}

}  // namespace rejoin::agent
