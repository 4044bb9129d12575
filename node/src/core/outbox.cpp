#include "core/outbox.h"

#include <utility>

#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

bool Outbox::add(Send message, Position gate, Position durable) {
  if (gate <= durable || REJOIN_MUTATED(gate_is_ignored)) {
    ready_.push_back(std::move(message));
    return true;
  }
  if (gated_bytes_ + message.bytes.size() > gated_bytes_max_) return false;
  gated_bytes_ += message.bytes.size();
  gated_.emplace(gate, std::move(message));
  return true;
}

void Outbox::release(Position durable) {
  while (!gated_.empty() && gated_.begin()->first <= durable) {
    gated_bytes_ -= gated_.begin()->second.bytes.size();
    ready_.push_back(std::move(gated_.begin()->second));
    gated_.erase(gated_.begin());
  }
}

std::vector<Send> Outbox::take() { return std::exchange(ready_, {}); }

}  // namespace rejoin::node
