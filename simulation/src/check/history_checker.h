// What clients were told, held against what a causally consistent store may tell them.
//
// In the way of Jepsen: it knows nothing of clocks, cells and messages, only what clients did and
// saw. A history is a sequence of reads and writes of registers, of receipts, and of the processes
// and disks that ended. No two writes give a register the same value, so that what is read says who
// wrote it, and all that its writer had seen belongs to it. (Bouajjani et al., "On verifying causal
// consistency", 2017: with such values a few patterns are all that can be wrong.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/simulation/cluster.h"

namespace rejoin::simulation {

// What it demands of each read:
//   read your writes, monotonic reads: what the client's causal token stands for is shown wherever
//     the client goes. So is what it saw at this node, as long as the process there runs, token or
//     not;
//   writes follow reads: whoever sees a write sees what its writer had seen;
//   transactions whole: whoever sees one write of a transaction sees the others, or what replaced
//     them;
//   receipts: what was said to be durable at a node is shown there after a crash, too. That holds
//     until the node's disk loses what it said that it keeps. At the end all nodes show what is
//     durable at any of them.
// And what it lets pass: of concurrent writes any may be read; a write that is concurrent with a
// removal survives it; nothing may be read wherever something was removed since; what no receipt
// was given for may be gone after a crash; a client without a token may read less at another node
// than it did before. Which of concurrent writes should win is not asked here.
class HistoryChecker {
 public:
  using Session = std::size_t;
  using Place = std::size_t;        // a register
  using WriteNumber = std::size_t;  // of a transaction
  using Value = std::int64_t;
  struct Cell {
    Place place = 0;
    Value value = 0;  // 0: nothing is there, or what was there is removed
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  struct Operation {
    Session session = 0;
    NodeIndex node = 0;
    Duration at{0};
    std::vector<Cell> cells;  // of one moment, or of one transaction
  };
  struct Violation {
    Promise promise;
    std::string what;
  };

  explicit HistoryChecker(std::vector<std::string> nodes);

  Place place(std::string name);
  // A client begins anew, without a token.
  Session begin_session(std::string client);
  // Somebody without token and memory, who writes nothing.
  Session onlooker() const { return 0; }

  // ---- What happened, in the order in which it did ----
  // O(cells * (sessions + later writes of the same place)).
  std::optional<Violation> read(const Operation& read);
  // The session's token stands from now on for all that it saw at this node.
  void carry(Session session);
  // The token stands for what is written, and for what the session saw there.
  WriteNumber write(Operation write);
  // Node `by` said that this transaction is durable at `keeper`, which may be itself.
  void receipt(WriteNumber write, NodeIndex by, NodeIndex keeper, Duration at);
  void process_ended(NodeIndex node);
  // The disk has less than it said, or nothing.
  void disk_lost(NodeIndex node, Duration at);
  // From now on all nodes are expected to show what is durable at any of them.
  void all_agree();

  // One of those who began, by any number.
  Session session(std::uint64_t number) const { return 1 + number % (sessions_.size() - 1); }
  // Who wrote what was last read as this value.
  std::optional<Session> writer(const Cell& cell) const;

 private:
  using Seen = std::vector<std::uint32_t>;  // of each session, how many of its transactions
  struct Transaction {
    Operation operation;
    std::uint32_t number;  // within its session, from 1
    Seen seen;             // by its client before it, and itself
  };
  struct SessionState {
    std::string client;
    std::uint32_t written = 0;
    Seen token;
    // At one node, in one life of its process.
    Seen here;
    NodeIndex node = 0;
    std::uint64_t life = 0;
  };
  struct PlaceState {
    std::string name;
    std::vector<std::pair<Value, WriteNumber>> writes;
  };
  struct Receipt {
    WriteNumber write;
    NodeIndex by;
    Duration at;
  };
  struct NodeState {
    std::string name;
    std::uint64_t life = 1;
    std::optional<Duration> disk_lost_at;
    Seen durable;
    std::vector<Receipt> receipts;  // that its disk is still to be held to
  };
  static constexpr WriteNumber nobody = ~WriteNumber{0};

  WriteNumber find(const Cell& cell) const;
  bool includes(const Seen& seen, WriteNumber write) const;
  void go_to(SessionState& session, NodeIndex node);
  std::optional<Violation> check_cell(const Operation& read, std::size_t cell);
  bool may_be_removed(const Operation& read, std::size_t cell, WriteNumber write) const;
  bool has(WriteNumber write, const Cell& cell) const;
  std::optional<Violation> check_halves(const Operation& read) const;
  Violation explain(const Operation& read, std::size_t cell, WriteNumber missing) const;
  std::string reads(const Operation& read, std::size_t cell) const;
  std::string wrote(WriteNumber write, Place place) const;

  std::vector<NodeState> nodes_;
  std::vector<PlaceState> places_;
  std::vector<SessionState> sessions_;
  std::vector<Transaction> transactions_;
  bool all_agree_ = false;
  Seen durable_somewhere_;
  std::vector<WriteNumber> shown_;  // by each cell of the read under way
  Seen owed_;                       // what it must show
};

}  // namespace rejoin::simulation
