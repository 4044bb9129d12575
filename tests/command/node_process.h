// A node in a process of its own, and its admin socket.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../node/temp_directory.h"
#include "process.h"
#include "rejoin/node/admin_client.h"

namespace rejoin {

// A node's folder and config file, and the process that runs it.
class NodeProcess {
 public:
  NodeProcess(std::string name, std::string more_config = "") : name_(std::move(name)) {
    std::ofstream(config()) << "name = \"" << name_ << "\"\ndirectory = \""
                            << directory_.file("store")
                            << "\"\nexchange_interval_ms = 50\npeer_timeout_ms = 500\n"
                            << more_config << "\n[[spaces]]\nname = \"s\"\n";
  }

  std::string config() const { return directory_.file("node.toml"); }
  std::string socket() const { return directory_.file("store") + "/admin.sock"; }
  std::string directory() const { return directory_.file("store"); }
  const std::string& name() const { return name_; }
  Process& process() { return *process_; }

  void start(const std::vector<std::string>& environment = {}) {
    process_.reset();
    process_.emplace(std::vector<std::string>{"node", "--config", config()}, environment);
    const auto line = process_->line();
    if (!line) {
      process_->wait();
      throw std::runtime_error("not ready: " + process_->err());
    }
    ready_line_ = *line;
    auto client = node::AdminClient::connect(socket());
    if (!client) throw std::runtime_error(client.error().to_string());
    client_.emplace(*std::move(client));
  }
  const std::string& ready_line() const { return ready_line_; }

  Result<nlohmann::json> try_call(const nlohmann::json& request) {
    return client_->call(request, Process::patience);
  }
  nlohmann::json call(const nlohmann::json& request) {
    auto answer = try_call(request);
    if (!answer) throw std::runtime_error(request.dump() + ": " + answer.error().to_string());
    return *answer;
  }
  nlohmann::json set(const std::string& path, const nlohmann::json& value) {
    return call({{"command", "apply"},
                 {"space", "s"},
                 {"author", "test"},
                 {"ops", {{{"op", "set"}, {"path", path}, {"value", value}}}},
                 {"wait", {{"durable", true}}}});
  }
  nlohmann::json exported() { return call({{"command", "export"}, {"space", "s"}})["json"]; }
  nlohmann::json space() { return call({{"command", "status"}})["spaces"][0]; }
  void connect(NodeProcess& peer) {
    call({{"command", "connect"},
          {"peer", peer.name()},
          {"endpoint", peer.call({{"command", "status"}})["listen"]}});
  }
  void wait_token(const nlohmann::json& token) {
    call({{"command", "wait_token"}, {"token", token}, {"timeout_ms", 50'000}});
  }

 private:
  TempDirectory directory_;
  std::string name_;
  std::string ready_line_;
  std::optional<Process> process_;
  std::optional<node::AdminClient> client_;
};

inline std::size_t lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace rejoin
