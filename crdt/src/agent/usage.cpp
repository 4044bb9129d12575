#include "rejoin/crdt/agent/usage.h"

namespace rejoin::agent {
namespace {

struct Field {
  std::string_view name;
  std::int64_t Usage::*amount;
};
constexpr Field fields[] = {
    {"tokens_in", &Usage::tokens_in}, {"tokens_out", &Usage::tokens_out}, {"calls", &Usage::calls}};

}  // namespace

Usage UsageView::get() const {
  Usage used;
  for (const Field& field : fields) used.*field.amount = map_.counter(field.name).value();
  return used;
}

Status UsageRef::add(const Usage& used) {
  for (const Field& field : fields) {
    if (used.*field.amount < 0) {
      return make_error(ErrorCode::invalid_argument,
                        "cannot add " + std::to_string(used.*field.amount) + " to " +
                            std::string(field.name) + "; use never shrinks");
    }
  }
  for (const Field& field : fields) {
    if (used.*field.amount == 0) continue;
    if (auto ok = map_.counter(field.name).add(used.*field.amount); !ok) return ok;
  }
  return {};
}

}  // namespace rejoin::agent
