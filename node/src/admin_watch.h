// The admin command `watch`: see docs/admin.md.
#pragma once

#include <memory>
#include <string>

#include "named_path.h"
#include "rejoin/crdt/result.h"
#include "unix_socket.h"

namespace rejoin::node {

class Runtime;

// What changes at or below a path, as lines. One thread at a time.
class AdminWatch {
 public:
  // From when this returns nothing is missed. The runtime must outlive it.
  static Result<std::unique_ptr<AdminWatch>> begin(Runtime& runtime, const std::string& space,
                                                   NamedPath path, bool values);
  ~AdminWatch();
  AdminWatch(const AdminWatch&) = delete;
  AdminWatch& operator=(const AdminWatch&) = delete;

  // Can be read when take_lines() has something to say.
  int event() const { return event_.get(); }
  // A line, with its end, for each thing that changed since the last call: as all of them are now.
  // May be empty.
  std::string take_lines();

 private:
  struct Changes;
  AdminWatch(Runtime& runtime, std::string space, NamedPath path, bool values, Descriptor event);

  Runtime& runtime_;
  const std::string space_;
  const NamedPath path_;
  const bool values_;
  const Descriptor event_;
  std::unique_ptr<Changes> changes_;  // filled on the notification thread
  std::uint64_t id_ = 0;              // of the watcher
};

}  // namespace rejoin::node
