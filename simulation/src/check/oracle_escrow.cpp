// The oracle's bounded counters: rights are ordinary sums, one for each holder.
#include <algorithm>
#include <set>
#include <tuple>

#include "check/oracle.h"

namespace rejoin::simulation {

Oracle::Escrow Oracle::escrow(const Refs& ops) const {
  Escrow escrow;
  Refs removals, bounds;
  std::map<ReplicaId, Refs> requests;  // by asker: its asking, and what ends that
  std::optional<std::int64_t> bound;
  for (const OpRef& ref : ops) {
    const Op& what = op(ref);
    const bool removed = seen_by_any(ref, removals);
    switch (what.kind) {
      case Op::Kind::write:
        if (!removed && !seen_by_any(ref, bounds)) {
          bound = std::max(bound.value_or(what.value.as_integer()), what.value.as_integer());
        }
        push_latest(bounds, ref);
        break;
      case Op::Kind::rights:
        if (!removed) escrow.accounts[what.replica] += what.amount;
        break;
      case Op::Kind::ask:
        if (!removed && !seen_by_any(ref, requests[what.replica])) {
          escrow.requests.push_back(
              {what.replica, what.holder, what.amount, commits_[ref.commit].time});
        }
        push_latest(requests[what.replica], ref);
        break;
      case Op::Kind::end_request:
        push_latest(requests[what.replica], ref);
        break;
      default:
        push_latest(removals, ref);
    }
  }
  escrow.bound = bound.value_or(0);
  std::sort(escrow.requests.begin(), escrow.requests.end(),
            [](const RightsRequest& a, const RightsRequest& b) {
              return std::tie(a.time, a.asker) < std::tie(b.time, b.asker);
            });
  return escrow;
}

std::vector<Op> Oracle::answers(LeafIndex leaf, const Clock& clock, const ReplicaId& self,
                                std::int64_t keep) const {
  const Escrow before = escrow(visible(by_leaf_[leaf], dense(clock)));
  const auto account = before.accounts.find(self);
  std::int64_t left = account == before.accounts.end() ? 0 : account->second;
  std::vector<Op> ops;
  for (const RightsRequest& request : before.requests) {
    if (request.asked != self) continue;
    const std::int64_t amount = std::min(request.amount, left - keep);
    if (amount <= 0) break;
    left -= amount;
    Op op{Op::Kind::rights, leaf, -amount, {}, {}, 0, 0};
    op.replica = self;
    ops.push_back(op);
    op.amount = amount;
    op.replica = request.asker;
    ops.push_back(op);
    op.kind = Op::Kind::end_request;
    ops.push_back(op);
  }
  return ops;
}

std::string Oracle::compare_bounded_counter(const BoundedCounterView& shown,
                                            const Refs& ops) const {
  const Escrow expected = escrow(ops);
  if (shown.bound() != expected.bound) {
    return "has the bound " + std::to_string(shown.bound()) + " instead of " +
           std::to_string(expected.bound);
  }
  std::int64_t value = expected.bound;
  std::size_t holders = 0;
  for (const auto& [replica, rights] : expected.accounts) {
    const std::int64_t held = std::max<std::int64_t>(rights, 0);
    if (shown.rights(replica) != held) {
      return "shows " + std::to_string(shown.rights(replica)) + " rights of " +
             replica.short_name() + " instead of " + std::to_string(held);
    }
    value += held;
    holders += held > 0 ? 1 : 0;
  }
  if (shown.value() != value) {
    return "shows " + std::to_string(shown.value()) + " instead of " + std::to_string(value);
  }
  if (shown.holders().size() != holders) {
    return "names " + std::to_string(shown.holders().size()) + " holders of rights instead of " +
           std::to_string(holders);
  }
  if (shown.all_requests() != expected.requests) {
    return "shows " + std::to_string(shown.all_requests().size()) +
           " open requests, which are not the " + std::to_string(expected.requests.size()) +
           " that there should be";
  }
  return {};
}

}  // namespace rejoin::simulation
