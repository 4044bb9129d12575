#include "rejoin/crdt/agent/participants.h"

#include "agent/fields.h"

namespace rejoin::agent {

std::vector<Participant> ParticipantsView::all() const {
  std::vector<Participant> all;
  for (Child& child : map_.children()) {
    if (child.type != Type::max_register) continue;
    const auto until = integer_at(map_, child.name, Type::max_register);
    if (until) all.push_back({std::move(child.name), *until});
  }
  return all;
}

std::vector<Participant> ParticipantsView::present(std::int64_t now_ms) const {
  std::vector<Participant> there = all();
  std::erase_if(there, [now_ms](const Participant& one) { return one.until_ms <= now_ms; });
  return there;
}

Status ParticipantsRef::enter(std::string_view name, std::int64_t until_ms) {
  if (auto ok = check_name("a participant's name", name); !ok) return ok;
  return map_.reg(name, Type::max_register).set(until_ms);
}

Status ParticipantsRef::leave(std::string_view name) {
  return map_.remove(name, Type::max_register);
}

Status ParticipantsRef::remove_expired(std::int64_t now_ms) {
  for (const Participant& one : all()) {
    if (one.until_ms > now_ms) continue;
    if (auto ok = leave(one.name); !ok) return ok;
  }
  return {};
}

}  // namespace rejoin::agent
