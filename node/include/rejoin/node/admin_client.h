// Talks to the admin socket of a running node: see docs/admin.md for the commands.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "rejoin/crdt/result.h"

namespace rejoin::node {

// One connection. One thread at a time; requests are answered in order.
class AdminClient {
 public:
  // `not_found` when no node listens there, with what to do about it; `io` for anything else.
  static Result<AdminClient> connect(const std::string& socket_path);
  AdminClient(AdminClient&& other) noexcept;
  AdminClient& operator=(AdminClient&& other) noexcept;
  ~AdminClient();

  // Sends one request ({"command": ...}) and waits for its answer, which is returned whole. An
  // answer with "ok": false comes back as the Error it names. `timeout` when no answer came (the
  // connection is then of no more use), `closed` when the node went away. A request that waits at
  // the node needs a longer `timeout` here than there.
  Result<nlohmann::json> call(const nlohmann::json& request,
                              std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // The next line of a connection that watches (the command `watch`). Waits for as long as it
  // takes; `closed` when the node went away.
  Result<nlohmann::json> next();

 private:
  explicit AdminClient(int descriptor) : descriptor_(descriptor) {}
  Result<std::string> read_line(std::chrono::steady_clock::time_point deadline);

  int descriptor_ = -1;
  std::string received_;  // beyond the last answer
};

}  // namespace rejoin::node
