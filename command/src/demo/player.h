// Writes the sessions to the nodes, as the clients of an agent service would.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "demo/cluster.h"
#include "demo/input.h"
#include "demo/plan.h"
#include "rejoin/crdt/id.h"

namespace rejoin::demo {

// A turn that a node has acknowledged as durable.
struct WrittenTurn {
  std::size_t session = 0;
  std::size_t index = 0;
  Region region = frankfurt;
  // The event that carries it, as the node named it; nothing for a turn that turned out to be there
  // already when it was repeated.
  std::optional<Dot> event;
};

// Plays one phase after the other with a pool of clients. A client that loses its node puts what it
// was about to write back into the queue, to be written again when the node is there: by then the
// turn may be there too, and is not to be written twice. Called from one thread.
class Player {
 public:
  // A phase is spread over at least `phase_seconds`. What is referred to must outlive the player.
  Player(const Cluster& cluster, const std::vector<InputSession>& sessions,
         const std::vector<SessionPlan>& plans, double phase_seconds);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  void begin(Phase phase);
  bool playing() const;  // some of the phase is still to be written, and nothing went wrong
  Status end();          // waits for the clients; the first thing that went wrong
  std::size_t total() const { return total_; }
  std::size_t written_count() const;
  // Writes that lost their answer and were repeated; and those of them that were there already.
  std::size_t repeated_count() const;
  std::size_t found_count() const;
  double seconds() const;                                       // since the player was made
  std::uint64_t start_millis() const { return start_millis_; }  // when that was, in Unix time

  // After end() only.
  const std::vector<WrittenTurn>& written() const { return written_; }

 private:
  using Clients = std::array<std::optional<node::AdminClient>, region_count>;
  // The rest of one stream.
  struct Task {
    std::size_t session = 0;
    const Stream* stream = nullptr;
    std::size_t next = 0;
    bool due = false;     // the next turn has waited for its time
    bool repeat = false;  // the next turn may have been written already
    std::chrono::steady_clock::time_point give_up;
  };
  // Of a session, as its clients carry it along.
  struct Carried {
    std::optional<Region> region;  // of its last turn
    std::string token;
  };
  enum class Outcome { written, unreachable, failed };

  void work();
  Outcome write_turn(Clients& clients, Task& task);
  Status record(const Task& task, const nlohmann::json& answer);
  void fail(Error error);
  bool await_pace();

  const Cluster& cluster_;
  const std::vector<InputSession>& sessions_;
  const std::vector<SessionPlan>& plans_;
  const double phase_seconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const std::uint64_t start_millis_;
  std::size_t total_ = 0;
  // Of handed sessions. Only one client plays such a session at a time.
  std::vector<Carried> carried_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  std::size_t busy_ = 0;  // clients with a task in hand
  std::optional<Error> error_;
  std::vector<WrittenTurn> written_;
  std::size_t repeated_ = 0;
  std::size_t found_ = 0;
  std::size_t phase_turns_ = 0;
  std::size_t phase_claimed_ = 0;
  std::chrono::steady_clock::time_point phase_start_;
  std::vector<std::thread> clients_;
};

}  // namespace rejoin::demo
