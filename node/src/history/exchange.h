// What members tell each other of the past, on a thread of its own: answers those who miss events,
// and asks for those that are missing here (docs/protocol.md, "History").
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "history/backfill.h"
#include "log.h"

namespace rejoin::node::history {

class Exchange {
 public:
  // Called on its thread.
  struct Node {
    std::function<std::vector<std::string>(const std::string& space)> peers;  // that are heard
    std::function<void(HistoryMessage)> send;
    std::function<void(const LogEntry&)> log;
  };
  // The archive must outlive it.
  Exchange(Archive& archive, Node node);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Thread-safe, and quick. What is too much at once is dropped: it will be asked for again.
  void receive(std::vector<HistoryMessage> messages);
  // Events may be missing now in some space.
  void look_again();

 private:
  using Micros = Backfill::Micros;

  void run();
  void answer(const std::string& peer, const transport::WantHistory& want);
  void take(const std::string& peer, const transport::History& history);
  // When to go on.
  Micros work();
  void say(const char* event, const std::string& space, const std::string& peer,
           const Error& error);

  Archive& archive_;
  const Node node_;
  std::map<std::string, Backfill> spaces_;  // its thread

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::deque<HistoryMessage> inbox_;
  bool look_again_ = true;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace rejoin::node::history
