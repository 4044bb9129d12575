// What is to be sent, and the gate that keeps it back.
#pragma once

#include <map>
#include <vector>

#include "core/persist_queue.h"
#include "rejoin/node/core.h"

namespace rejoin::node {

// THE GATE. Nothing leaves that reveals a write of this node which a crash could still take back:
// after a restart the same dot would name another write, and whoever saw the first would never
// accept the second. So each message that says anything about a space's state carries the position
// of this node's last own write in it at the moment when the message was made, and leaves when
// everything up to there is durable. There is no other way to send.
//
// Writes of others may be passed on before they are durable here: they are durable at their writer.
class Outbox {
 public:
  explicit Outbox(std::size_t gated_bytes_max) : gated_bytes_max_(gated_bytes_max) {}

  // `gate` 0: reveals nothing of our own. False when it would have to wait and there is no room;
  // all that is sent this way is repeated by later exchanges.
  bool add(Send message, Position gate, Position durable);
  // Everything up to `durable` has become durable.
  void release(Position durable);
  std::vector<Send> take();
  std::size_t gated_bytes() const { return gated_bytes_; }

 private:
  std::size_t gated_bytes_max_;
  std::size_t gated_bytes_ = 0;
  std::multimap<Position, Send> gated_;  // equal positions stay in the order of insertion
  std::vector<Send> ready_;
};

}  // namespace rejoin::node
