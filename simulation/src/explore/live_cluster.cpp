#include "explore/live_cluster.h"

#include <algorithm>
#include <utility>

namespace rejoin::simulation {

namespace {

// Far more than any small scope needs to come to rest.
constexpr std::size_t inputs_max = 100'000;

}  // namespace

LiveCluster::LiveCluster(std::vector<std::unique_ptr<Process>> processes,
                         const MessageTable& messages, Observer observer)
    : processes_(std::move(processes)), messages_(messages), observer_(std::move(observer)) {
  for (const auto& process : processes_) clocks_.push_back(process->now());
}

void LiveCluster::give(NodeIndex node, NodeInput input) {
  input.at = clocks_[node];
  Process::Outcome outcome = processes_[node]->apply(input);
  if (observer_) observer_(node, input, outcome);
  if (outcome.broken && !broken_) broken_ = outcome.broken;
  under_way_.insert(under_way_.end(), outcome.sent.begin(), outcome.sent.end());
}

void LiveCluster::drain() {
  std::size_t given = 0;
  bool any = true;
  while (any && !broken_) {
    any = false;
    for (NodeIndex node = 0; node < processes_.size(); ++node) {
      if (!processes_[node]->writing()) continue;
      give(node, {.kind = NodeInput::Kind::write_done});
      any = true;
    }
    if (!under_way_.empty()) {
      const MessageId message = under_way_.front();
      under_way_.pop_front();
      any = true;
      if (processes_[messages_[message].to]->up()) {
        give(messages_[message].to, {.kind = NodeInput::Kind::receive, .message = message});
      }
    }
    if (++given > inputs_max && !broken_) {
      broken_ = Broken{Promise::rest, "the nodes send each other messages without end"};
    }
  }
}

void LiveCluster::advance(Duration limit) {
  Duration step = limit;
  for (NodeIndex node = 0; node < processes_.size(); ++node) {
    if (!processes_[node]->up()) continue;
    step = std::min(step, processes_[node]->deadline() - clocks_[node]);
  }
  step = std::max(step, Duration(1));
  passed_ += step;
  for (NodeIndex node = 0; node < processes_.size(); ++node) {
    clocks_[node] += step;
    if (!processes_[node]->up() || processes_[node]->deadline() > clocks_[node]) continue;
    give(node, {.kind = NodeInput::Kind::tick});
  }
}

std::string LiveCluster::unsettled() const {
  const Process* first = nullptr;
  const bool all_up = std::ranges::all_of(processes_, [](const auto& one) { return one->up(); });
  for (const auto& process : processes_) {
    if (!process->up()) continue;
    const Document& document = process->document();
    if (first == nullptr) first = process.get();
    if (document.clock_with_retired() != first->document().clock_with_retired()) {
      return process->name() + " has " + document.clock_with_retired().to_string() + " and " +
             first->name() + " has " + first->document().clock_with_retired().to_string();
    }
    if (process->on_disk() != document.clock_with_retired()) {
      return "not everything is durable at " + process->name();
    }
    if (all_up && document.remembers_removals()) {
      return "removals are still remembered, although every member has seen them, at " +
             process->name();
    }
    if (process->core().status(explored_space, process->local_now()).waiting_events != 0) {
      return "events still wait at " + process->name();
    }
  }
  return {};
}

bool LiveCluster::settle(Duration limit) {
  const Duration end = passed_ + limit;
  for (;;) {
    drain();
    if (broken_) return false;
    why_ = unsettled();
    if (why_.empty()) return true;
    if (passed_ >= end) return false;
    advance(end - passed_);
  }
}

void LiveCluster::pass(Duration time) {
  const Duration end = passed_ + time;
  for (drain(); passed_ < end && !broken_; drain()) advance(end - passed_);
}

}  // namespace rejoin::simulation
