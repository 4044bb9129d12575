#include "admin.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "admin_commands.h"
#include "admin_watch.h"
#include "unix_socket.h"

namespace rejoin::node {
namespace {

constexpr std::size_t connections_max = 64;
constexpr int send_timeout_seconds = 10;
constexpr int accept_pause_ms = 100;  // after a failure that would otherwise repeat at once

// The first of the descriptors that can be read; nothing when the server ends.
std::optional<int> wait_readable(std::initializer_list<int> descriptors, int stop_event) {
  std::vector<pollfd> waits{{stop_event, POLLIN, 0}};
  for (const int descriptor : descriptors) waits.push_back({descriptor, POLLIN, 0});
  for (;;) {
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return std::nullopt;
    }
    const auto ready =
        std::ranges::find_if(waits, [](const pollfd& wait) { return wait.revents != 0; });
    if (ready == waits.end()) continue;
    if (ready == waits.begin()) return std::nullopt;
    return ready->fd;
  }
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::open(const std::string& path, Runtime& runtime) {
  auto listener = listen_unix(path);
  if (!listener) return listener.error();
  Descriptor stop_event(::eventfd(0, EFD_CLOEXEC));
  if (stop_event.get() < 0) return make_error(ErrorCode::io, "cannot make an eventfd", path);
  return std::unique_ptr<AdminServer>(
      new AdminServer(path, std::move(*listener), std::move(stop_event), runtime));
}

AdminServer::AdminServer(std::string path, Descriptor listener, Descriptor stop_event,
                         Runtime& runtime)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      stop_event_(std::move(stop_event)),
      runtime_(runtime),
      thread_([this] { accept_all(); }) {}

AdminServer::~AdminServer() {
  const std::uint64_t one = 1;
  // Cannot fail: the counter is 0 and the descriptor is ours.
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof one);
  thread_.join();
  join_ended(true);
  ::unlink(path_.c_str());
}

void AdminServer::accept_all() {
  while (wait_readable({listener_.get()}, stop_event_.get())) {
    Descriptor accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (accepted.get() < 0) {
      pollfd pause{stop_event_.get(), POLLIN, 0};
      if (errno != EINTR) ::poll(&pause, 1, accept_pause_ms);
      continue;
    }
    timeval limit{send_timeout_seconds, 0};
    ::setsockopt(accepted.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    join_ended(false);
    if (connections_.size() >= connections_max) {
      write_all(accepted.get(),
                admin_refusal("busy", "too many admin connections; close one") + "\n");
      continue;
    }
    Connection& connection = connections_.emplace_back();
    connection.thread = std::thread(
        [this, &connection, socket = std::move(accepted)] { serve(socket.get(), connection); });
  }
}

void AdminServer::join_ended(bool all) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (!all && !it->ended.load()) {
      ++it;
      continue;
    }
    it->thread.join();
    it = connections_.erase(it);
  }
}

// Until the other side says anything, goes away, or does not take its lines.
void AdminServer::stream(int descriptor, AdminWatch& watch) {
  while (wait_readable({descriptor, watch.event()}, stop_event_.get()) == watch.event()) {
    if (!write_all(descriptor, watch.take_lines())) return;
  }
}

void AdminServer::serve(int descriptor, Connection& self) {
  std::string received;
  std::size_t searched = 0;  // no end of a line before here
  char buffer[64 << 10];
  std::unique_ptr<AdminWatch> watch;
  while (!watch && wait_readable({descriptor}, stop_event_.get())) {
    const ssize_t count = ::recv(descriptor, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    received.append(buffer, static_cast<std::size_t>(count));

    bool alive = true;
    std::size_t begin = 0;
    for (std::size_t end;
         alive && !watch && (end = received.find('\n', searched)) != std::string::npos;) {
      const std::string_view line(received.data() + begin, end - begin);
      alive = write_all(descriptor, answer_admin_request(runtime_, line, watch) + "\n");
      begin = searched = end + 1;
    }
    if (!alive) break;
    received.erase(0, begin);
    searched = received.size();
    if (received.size() > admin_request_bytes_max) {
      write_all(descriptor, admin_refusal("limit_exceeded", "the request is too long") + "\n");
      break;
    }
  }
  if (watch && received.empty()) stream(descriptor, *watch);
  watch.reset();
  self.ended.store(true);
}

}  // namespace rejoin::node
