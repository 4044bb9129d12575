// What goes wrong and when, until everything is healed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"
#include "world/event_queue.h"
#include "world/host.h"
#include "world/luck.h"
#include "world/network.h"
#include "world/priority_schedule.h"
#include "world/trace.h"

namespace rejoin::simulation {

// What faults do to hosts; the run also tells its workload.
class FaultTargets {
 public:
  virtual ~FaultTargets() = default;
  virtual void crash(NodeIndex node, bool keep_disk) = 0;  // a node that is up
  virtual void restart(NodeIndex node) = 0;                // a node that is down
};

class Faults {
 public:
  Faults(const Scenario& scenario, Random random, EventQueue& queue, Network& network,
         PrioritySchedule& schedule, Trace& trace, std::vector<std::unique_ptr<Host>>& hosts,
         FaultTargets& targets);

  void start();
  // Ends every fault: all nodes up, all links open, all disks writable. Wrong clocks stay wrong.
  void heal();
  // After that: keeps a node from those that are healed, until end_absences().
  void keep_away(NodeIndex node, Absence absence, const std::vector<NodeIndex>& healed);
  void end_absences() { end_active(); }
  const std::array<std::uint64_t, fault_kinds>& counts() const { return counts_; }
  // Every fault so far, as a scenario would state it.
  const std::vector<PlannedFault>& struck() const { return struck_; }

 private:
  // A random fault of this run: how often, on average, and a generator of its own.
  struct Recurring {
    RandomFault fault;
    Duration every;
    Random random;
  };
  void schedule(Recurring& recurring);
  void strike(Recurring& recurring);
  // Counts the fault and notes it.
  void note(PlannedFault fault);
  // Notes the fault and calls `end` after a while, or when all is healed.
  void begin(PlannedFault fault, std::function<void()> end);
  // The same with its beginning, and with both told to the trace (as `text`) and to the recorder.
  void hold(PlannedFault fault, Recording::SpanKind span, const std::vector<NodeIndex>& nodes,
            const std::string& text, const std::function<void()>& start, std::function<void()> end);
  void partition(std::vector<bool> side, Duration lasts);
  void one_way(NodeIndex from, NodeIndex to, Duration lasts);
  void cut_link(NodeIndex a, NodeIndex b, Duration lasts);
  void flap(NodeIndex a, NodeIndex b, Duration lasts);
  void drip(NodeIndex a, NodeIndex b, Duration lasts);
  void change_version(NodeIndex node, Duration lasts);
  void slow_down(NodeIndex node, Duration lasts);
  void prioritize(const std::vector<NodeIndex>& nodes, Duration lasts);
  // Calls turn(true), turn(false) and so on at times of their own, until `*on` is false.
  void alternate(std::shared_ptr<bool> on, bool begins, std::function<void(bool)> turn,
                 Duration average);
  void end_active();
  void block_both(NodeIndex a, NodeIndex b, bool block);
  void stop_process(NodeIndex node, bool keep_disk, Duration lasts);
  void pause(NodeIndex node, Duration lasts);
  void jump(NodeIndex node, Duration by);
  void spoil_disk(NodeIndex node, FaultKind kind, Duration lasts);
  void flip_bit(NodeIndex node);
  void trace(const std::string& text);
  void record(bool begins, Recording::SpanKind kind, const std::vector<NodeIndex>& nodes);
  NodeIndex index_of(const std::string& name) const;

  const Scenario& scenario_;
  Random random_;
  Luck luck_;  // of what goes on within a fault
  EventQueue& queue_;
  Network& network_;
  PrioritySchedule& schedule_;
  Trace& trace_;
  std::vector<std::unique_ptr<Host>>& hosts_;
  FaultTargets& targets_;
  std::vector<Recurring> recurring_;
  std::map<std::uint64_t, std::function<void()>> active_;
  std::uint64_t next_id_ = 0;
  bool healed_ = false;
  std::array<std::uint64_t, fault_kinds> counts_{};
  std::vector<PlannedFault> struck_;
};

}  // namespace rejoin::simulation
