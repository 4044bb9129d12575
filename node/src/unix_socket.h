// Unix domain stream sockets, as the admin server and its clients need them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "rejoin/crdt/result.h"

namespace rejoin::node {

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

// `not_found` when nobody listens at `path`, `invalid_argument` when the path is too long for a
// socket, `io` otherwise.
Result<Descriptor> connect_unix(const std::string& path);
// Listens at `path`, for this user only (mode 0600). A file whose process is gone is replaced;
// `address_in_use` when somebody listens there.
Result<Descriptor> listen_unix(const std::string& path);
// Writes all of it. False when the other side went away or did not take it in time.
bool write_all(int descriptor, std::string_view bytes);

}  // namespace rejoin::node
