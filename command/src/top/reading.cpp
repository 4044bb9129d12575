#include "reading.h"

#include <utility>

#include "running/answer_fields.h"

namespace rejoin::command::top {
namespace {

constexpr std::chrono::seconds patience{3};

}  // namespace

Result<Reading> read_node(node::AdminClient& client) {
  auto status = client.call({{"command", "status"}}, patience);
  if (!status) return status.error();
  auto health = client.call({{"command", "health"}}, patience);
  if (!health) return health.error();
  auto members = client.call({{"command", "members"}}, patience);
  if (!members) return members.error();
  return Reading{*std::move(status), texts_of(*health, "reasons"), objects_of(*members, "members"),
                 std::chrono::steady_clock::now()};
}

void Readings::take(Reading reading) {
  const bool goes_on =
      last_ && integer_of(last_->status, "pid") == integer_of(reading.status, "pid");
  before_ = goes_on ? std::move(last_) : std::nullopt;
  last_ = std::move(reading);
  trouble_.clear();
}

}  // namespace rejoin::command::top
