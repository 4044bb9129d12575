#include "demo/cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

namespace rejoin::demo {
namespace {

using std::chrono::steady_clock;
constexpr auto answer_within = std::chrono::seconds(20);
constexpr auto stop_within = std::chrono::seconds(10);
constexpr auto poll_interval = std::chrono::milliseconds(10);
constexpr int attempts_at_ports = 3;

std::string name_of(Region region) { return std::string(region_names[region]); }

Error system_error(const std::string& what) {
  return make_error(ErrorCode::io, what + ": " + std::strerror(errno));
}

// A port that is free now; held open until all are chosen, so that they differ.
struct PortProbe {
  int descriptor = -1;
  int port = 0;
  PortProbe() = default;
  PortProbe(const PortProbe&) = delete;
  PortProbe& operator=(const PortProbe&) = delete;
  ~PortProbe() {
    if (descriptor >= 0) close(descriptor);
  }

  bool open() {
    descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (descriptor < 0 || bind(descriptor, generic, sizeof address) != 0 ||
        getsockname(descriptor, generic, &length) != 0) {
      return false;
    }
    port = ntohs(address.sin_port);
    return true;
  }
};

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();  // a JSON string is a TOML basic string
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_node(const char* config, const char* log, pid_t parent) {
  setpgid(0, 0);                     // a Ctrl-C is for the demo, which then ends its nodes
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // when the thread that started us ends
  if (getppid() != parent) _exit(127);
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (in < 0 || out < 0) _exit(127);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  const char* arguments[] = {"rejoin", "node", "--config", config, nullptr};
  execv("/proc/self/exe", const_cast<char* const*>(arguments));
  _exit(127);
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::start(const std::string& directory) {
  Status outcome;
  for (int attempt = 0; attempt < attempts_at_ports; ++attempt) {
    std::unique_ptr<Cluster> cluster(new Cluster());
    outcome = cluster->write_configurations(directory);
    for (std::size_t i = 0; i < region_count && outcome; ++i) {
      outcome = cluster->launch(static_cast<Region>(i));
    }
    for (std::size_t i = 0; i < region_count && outcome; ++i) {
      outcome = cluster->await_answer(static_cast<Region>(i));
    }
    if (outcome) return cluster;
    // Somebody else may have taken a port between our choosing and the node's binding it.
    if (outcome.error().code != ErrorCode::address_in_use) break;
  }
  return outcome.error();
}

Cluster::~Cluster() {
  for (std::size_t i = 0; i < region_count; ++i) kill(static_cast<Region>(i));
}

Status Cluster::write_configurations(const std::string& directory) {
  std::array<PortProbe, region_count> probes;
  for (std::size_t i = 0; i < region_count; ++i) {
    if (!probes[i].open()) return system_error("no free port on 127.0.0.1");
    nodes_[i].port = probes[i].port;
    nodes_[i].directory = (std::filesystem::path(directory) / region_names[i]).string();
  }
  for (std::size_t i = 0; i < region_count; ++i) {
    NodeProcess& node = nodes_[i];
    std::error_code problem;
    std::filesystem::create_directories(node.directory, problem);
    if (node.directory.size() + std::strlen("/admin.sock") >= sizeof(sockaddr_un::sun_path)) {
      return make_error(ErrorCode::invalid_argument,
                        "the path is too long for a Unix socket; choose a shorter folder",
                        node.directory);
    }
    std::ofstream config(node.directory + "/node.toml", std::ios::trunc);
    config << "name = " << quoted(name_of(static_cast<Region>(i))) << "\n"
           << "cluster = \"demo\"\n"
           << "listen = \"tcp://127.0.0.1:" << node.port << "\"\n"
           << "directory = " << quoted(stores()[i]) << "\n"
           << "admin_socket = " << quoted(node.directory + "/admin.sock") << "\n\n"
           << "[peers]\n";
    for (std::size_t peer = 0; peer < region_count; ++peer) {
      if (peer == i) continue;
      config << region_names[peer] << " = \"tcp://127.0.0.1:" << nodes_[peer].port << "\"\n";
    }
    config << "\n[[spaces]]\nname = " << quoted(space_name) << "\nhistory = \"full\"\n";
    config.close();
    if (problem || !config) {
      return make_error(ErrorCode::io, "cannot be written to; choose another folder with --keep",
                        node.directory);
    }
  }
  return {};
}

Status Cluster::launch(Region region) {
  NodeProcess& node = nodes_[region];
  const std::string config = node.directory + "/node.toml";
  const std::string log = node.directory + "/node.log";
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return system_error("cannot start " + name_of(region));
  if (pid == 0) become_node(config.c_str(), log.c_str(), parent);
  node.pid = pid;
  return {};
}

// Until the node says which spaces it holds, or its process has ended.
Status Cluster::await_answer(Region region) {
  const auto deadline = steady_clock::now() + answer_within;
  while (steady_clock::now() < deadline) {
    int status = 0;
    if (waitpid(nodes_[region].pid, &status, WNOHANG) == nodes_[region].pid) {
      nodes_[region].pid = -1;
      const std::string words = last_words(region);
      const bool port_taken = words.find("address_in_use") != std::string::npos;
      return make_error(port_taken ? ErrorCode::address_in_use : ErrorCode::io,
                        "the node ended at once: " + words, name_of(region));
    }
    if (auto client = connect(region)) {
      const auto answer =
          client->call({{"command", "token"}, {"space", space_name}}, std::chrono::seconds(5));
      if (answer) return {};
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return make_error(ErrorCode::timeout,
                    "the node does not answer; its last words: " + last_words(region),
                    name_of(region));
}

std::string Cluster::last_words(Region region) const {
  std::ifstream log(nodes_[region].directory + "/node.log");
  std::string last;
  for (std::string line; std::getline(log, line);) {
    if (!line.empty()) last = line;
  }
  return last.empty() ? "(nothing in its log)" : last;
}

std::array<std::string, region_count> Cluster::stores() const {
  std::array<std::string, region_count> stores;
  for (std::size_t i = 0; i < region_count; ++i) stores[i] = nodes_[i].directory + "/store";
  return stores;
}

Result<node::AdminClient> Cluster::connect(Region region) const {
  return node::AdminClient::connect(nodes_[region].directory + "/admin.sock");
}

void Cluster::kill(Region region) {
  pid_t& pid = nodes_[region].pid;
  if (pid < 0) return;
  ::kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  pid = -1;
}

Status Cluster::restart(Region region) {
  if (auto ok = launch(region); !ok) return ok;
  return await_answer(region);
}

Status Cluster::set_links(Region region, bool up) {
  auto client = connect(region);
  if (!client) return client.error();
  for (std::size_t peer = 0; peer < region_count; ++peer) {
    if (peer == region) continue;
    const auto answer =
        client->call({{"command", "link"}, {"peer", region_names[peer]}, {"up", up}});
    if (!answer) return answer.error();
  }
  return {};
}

Status Cluster::stop() {
  Status outcome;
  for (NodeProcess& node : nodes_) {
    if (node.pid >= 0) ::kill(node.pid, SIGTERM);
  }
  const auto deadline = steady_clock::now() + stop_within;
  for (std::size_t i = 0; i < region_count; ++i) {
    pid_t& pid = nodes_[i].pid;
    int status = 0;
    pid_t ended = 0;
    while (pid >= 0 && (ended = waitpid(pid, &status, WNOHANG)) == 0 &&
           steady_clock::now() < deadline) {
      std::this_thread::sleep_for(poll_interval);
    }
    if (pid < 0) continue;
    if (ended == pid) {
      pid = -1;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    }
    kill(static_cast<Region>(i));
    outcome = make_error(
        ErrorCode::io,
        "the node did not end well; its last words: " + last_words(static_cast<Region>(i)),
        std::string(region_names[i]));
  }
  return outcome;
}

}  // namespace rejoin::demo
