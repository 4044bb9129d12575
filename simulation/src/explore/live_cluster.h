// Processes that run as in ordinary life: messages arrive in order, writes to disk end, and where
// nothing is left to do time goes on.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "explore/process.h"

namespace rejoin::simulation {

class LiveCluster {
 public:
  // Hears of each input before it is given, and of what it led to.
  using Observer = std::function<void(NodeIndex, const NodeInput&, Process::Outcome&)>;

  LiveCluster(std::vector<std::unique_ptr<Process>> processes, const MessageTable& messages,
              Observer observer);

  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }
  void give(NodeIndex node, NodeInput input);
  // Until all nodes that are up agree, keep everything and wait for nothing; false, and why(), when
  // they do not in `limit`.
  bool settle(Duration limit);
  const std::string& why() const { return why_; }
  void pass(Duration time);
  // The first thing that went wrong.
  const std::optional<Broken>& broken() const { return broken_; }

 private:
  void drain();
  void advance(Duration limit);
  std::string unsettled() const;

  std::vector<std::unique_ptr<Process>> processes_;
  const MessageTable& messages_;
  Observer observer_;
  std::vector<Duration> clocks_;
  std::deque<MessageId> under_way_;
  Duration passed_{0};
  std::string why_;
  std::optional<Broken> broken_;
};

}  // namespace rejoin::simulation
