// The admin socket's server: see docs/admin.md.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "rejoin/crdt/result.h"
#include "unix_socket.h"

namespace rejoin::node {

class AdminWatch;
class Runtime;

// A Unix domain socket and a thread for each connection to it. What the lines mean is decided in
// admin_commands.h.
class AdminServer {
 public:
  // `address_in_use` when another process listens there; a file that a killed one left is replaced.
  static Result<std::unique_ptr<AdminServer>> open(const std::string& path, Runtime& runtime);
  // Ends all connections. Requests that wait must have been ended before.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

 private:
  struct Connection {
    std::thread thread;
    std::atomic<bool> ended{false};
  };

  AdminServer(std::string path, Descriptor listener, Descriptor stop_event, Runtime& runtime);
  void accept_all();
  void serve(int descriptor, Connection& self);
  void stream(int descriptor, AdminWatch& watch);
  void join_ended(bool all);

  std::string path_;
  Descriptor listener_;
  Descriptor stop_event_;  // readable once the server ends
  Runtime& runtime_;
  std::list<Connection> connections_;  // of the accepting thread, and of the destructor after it
  std::thread thread_;
};

}  // namespace rejoin::node
