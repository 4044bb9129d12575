#include "authenticator.h"

#include <vector>

namespace rejoin::transport {
namespace {

// Frames of a request: version, request id, domain, address, routing id, mechanism, credentials.
constexpr std::size_t request_frames = 7;
constexpr std::size_t request_id_at = 1;
constexpr std::size_t domain_at = 2;
constexpr std::size_t mechanism_at = 5;
constexpr std::size_t credentials_at = 6;
constexpr std::size_t key_bytes = 32;

std::string z85(const zmq::message_t& key) {
  char text[41];
  return zmq_z85_encode(text, key.data<std::uint8_t>(), key_bytes) ? text : "";
}

}  // namespace

Authenticator::Authenticator(zmq::context_t& context, std::map<std::string, std::string> names)
    : names_(std::move(names)), requests_(context, zmq::socket_type::rep) {
  requests_.set(zmq::sockopt::linger, 0);
  requests_.bind("inproc://zeromq.zap.01");
  thread_ = std::thread([this] { serve(); });
}

Authenticator::~Authenticator() { thread_.join(); }

void Authenticator::serve() {
  try {
    while (true) {
      std::vector<zmq::message_t> frames;
      do {
        frames.emplace_back();
        (void)requests_.recv(frames.back());
      } while (frames.back().more());
      if (frames.size() < 2) frames.resize(2);  // cannot be answered properly: refused

      std::string name;
      const bool asks_for_key = frames.size() == request_frames &&
                                frames[domain_at].to_string_view() == domain &&
                                frames[mechanism_at].to_string_view() == "CURVE" &&
                                frames[credentials_at].size() == key_bytes;
      if (asks_for_key) {
        const auto found = names_.find(z85(frames[credentials_at]));
        if (found != names_.end()) name = found->second;
      }
      if (name.empty()) refused_.fetch_add(1, std::memory_order_relaxed);
      answer(frames[request_id_at], name);
    }
  } catch (const zmq::error_t&) {
    // The context was shut down.
  }
  requests_.close();
}

// The name becomes the "User-Id" of every message on the connection. An empty one refuses.
void Authenticator::answer(const zmq::message_t& request_id, const std::string& name) {
  const auto frame = [&](std::string_view contents, zmq::send_flags flags) {
    (void)requests_.send(zmq::buffer(contents), flags);
  };
  frame("1.0", zmq::send_flags::sndmore);
  frame(request_id.to_string_view(), zmq::send_flags::sndmore);
  frame(name.empty() ? "400" : "200", zmq::send_flags::sndmore);
  frame(name.empty() ? "unknown key" : "OK", zmq::send_flags::sndmore);
  frame(name, zmq::send_flags::sndmore);
  frame("", zmq::send_flags::none);
}

}  // namespace rejoin::transport
