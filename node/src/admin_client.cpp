#include "rejoin/node/admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "unix_socket.h"

namespace rejoin::node {
namespace {

ErrorCode code_named(std::string_view name) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::busy); ++number) {
    const auto code = static_cast<ErrorCode>(number);
    if (to_string(code) == name) return code;
  }
  return ErrorCode::io;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Result<AdminClient> AdminClient::connect(const std::string& socket_path) {
  auto socket = connect_unix(socket_path);
  if (!socket) return socket.error();
  return AdminClient(socket->release());
}

AdminClient::AdminClient(AdminClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), received_(std::move(other.received_)) {}

AdminClient& AdminClient::operator=(AdminClient&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(received_, other.received_);
  return *this;
}

AdminClient::~AdminClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<nlohmann::json> AdminClient::call(const nlohmann::json& request,
                                         std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::string line =
      request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (!write_all(descriptor_, line)) {
    return make_error(ErrorCode::closed, "the node closed the admin connection");
  }
  auto answer_line = read_line(deadline);
  if (!answer_line) return answer_line.error();
  nlohmann::json answer = nlohmann::json::parse(*answer_line, nullptr, false);
  const auto ok = answer.is_object() ? answer.find("ok") : answer.end();
  if (!answer.is_object() || ok == answer.end() || !ok->is_boolean()) {
    return make_error(ErrorCode::malformed, "the node's answer is not understood");
  }
  if (ok->get<bool>()) return answer;
  const nlohmann::json error = answer.value("error", nlohmann::json::object());
  return make_error(code_named(text_of(error, "code")), text_of(error, "message"),
                    text_of(error, "where"));
}

Result<nlohmann::json> AdminClient::next() {
  auto line = read_line(std::chrono::steady_clock::time_point::max());
  if (!line) return line.error();
  nlohmann::json json = nlohmann::json::parse(*line, nullptr, false);
  if (!json.is_object()) {
    return make_error(ErrorCode::malformed, "what the node says is not understood");
  }
  return json;
}

Result<std::string> AdminClient::read_line(std::chrono::steady_clock::time_point deadline) {
  std::size_t searched = 0;
  char buffer[64 << 10];
  for (;;) {
    const std::size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();

    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd readable{descriptor_, POLLIN, 0};
    const int ready = ::poll(
        &readable, 1,
        static_cast<int>(std::max<std::int64_t>(0, std::min<std::int64_t>(left.count(), 1 << 30))));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && std::chrono::steady_clock::now() < deadline) continue;
    if (ready == 0) return make_error(ErrorCode::timeout, "the node did not answer in time");
    const ssize_t count = ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != ECONNRESET) {
      return make_error(ErrorCode::io, std::strerror(errno));
    }
    if (count <= 0) return make_error(ErrorCode::closed, "the node closed the admin connection");
    received_.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace rejoin::node
