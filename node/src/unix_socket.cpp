#include "unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace rejoin::node {
namespace {

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Error too_long(const std::string& path) {
  return make_error(ErrorCode::invalid_argument,
                    "a socket's path must have 1 to " +
                        std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                        " bytes; choose a shorter admin_socket",
                    path);
}

Error system_error(const std::string& what, const std::string& path) {
  return make_error(ErrorCode::io, what + ": " + std::strerror(errno), path);
}

Descriptor new_socket() { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<Descriptor> connect_unix(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return too_long(path);
  Descriptor socket = new_socket();
  if (socket.get() < 0) return system_error("cannot make a socket", path);
  int outcome;
  do {
    outcome =
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  } while (outcome != 0 && errno == EINTR);
  if (outcome == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return make_error(ErrorCode::not_found, "no node listens there; is it running?", path);
  }
  return system_error("cannot connect", path);
}

Result<Descriptor> listen_unix(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return too_long(path);
  if (connect_unix(path)) {
    return make_error(ErrorCode::address_in_use,
                      "a running node has this admin socket; stop it, or set another admin_socket",
                      path);
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) {
      return make_error(ErrorCode::address_in_use,
                        "there is a file of that name; remove it, or set another admin_socket",
                        path);
    }
    ::unlink(path.c_str());  // left behind by a process that was killed
  }

  Descriptor socket = new_socket();
  if (socket.get() < 0) return system_error("cannot make a socket", path);
  // The mode before bind() is what the file is created with: never open to others, not even
  // briefly.
  ::fchmod(socket.get(), S_IRUSR | S_IWUSR);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return system_error("cannot make the admin socket", path);
  }
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket.get(), 64) != 0) {
    return system_error("cannot make the admin socket", path);
  }
  return socket;
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace rejoin::node
