// One simulated machine: a process with the protocol core in it, a disk, and clocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/node/core.h"
#include "rejoin/node/rights.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/workload.h"
#include "world/disk.h"
#include "world/event_queue.h"
#include "world/luck.h"
#include "world/network.h"
#include "world/priority_schedule.h"
#include "world/trace.h"

namespace rejoin::simulation {

class Host;

// Who hears what happens on a host.
class HostObserver {
 public:
  virtual ~HostObserver() = default;
  // The space's clock is another than when this was called last (or than at the start).
  virtual void clock_moved(Host& host, const std::string& space) = 0;
  // The process writes under this id in this space from now on.
  virtual void writes_as(Host& host, const std::string& space, const ReplicaId& replica) = 0;
  virtual void sending(Host& from, NodeIndex to, const node::Send& send) = 0;
  virtual void answered(Host& host, const node::RightsAnswers::Answer& answer) = 0;
  virtual void notice(Host& host, const node::Notice& notice) = 0;
  // The store turned out to be damaged while the process uses it: whoever runs it restarts it.
  virtual void store_damaged(Host& host) = 0;
  virtual void broken(Promise promise, const std::string& what) = 0;  // the run has failed
  virtual void count(const std::string& what, std::uint64_t by) = 0;  // for the summary
};

// What is the same for all hosts of a run.
struct HostServices {
  EventQueue& queue;
  PrioritySchedule& schedule;
  Network& network;
  Trace& trace;
  HostObserver& observer;
  std::vector<Workload::Space> spaces;
  std::map<std::string, NodeIndex> index_of;  // by name
};

struct HostOptions {
  node::CoreOptions core;
  DiskOptions disk;
  Duration wall_skew{0};
  std::int64_t drift_ppm = 0;
};

// Drives a Core as the runtime does: each input is followed by sending what it wants to send,
// writing what it wants to keep, and setting its next deadline.
class Host {
 public:
  // What the run knows of one space here, beside what the core says.
  struct SpaceView {
    Clock clock;         // as last reported to the observer
    Clock on_disk;       // what a restart would show now, if the disk does not lie
    Clock ever_on_disk;  // the same, over all disks that this host ever had
    ReplicaId writer;
    // After this write under this id the disk had acknowledged others that it lost, and the store
    // cannot tell: who went on under the id would use dots twice. Nil when there is none.
    Dot forgotten_after;
    const Document* document = nullptr;  // of the process that runs
  };

  Host(NodeIndex index, HostOptions options, HostServices& services, Random random);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  NodeIndex index() const { return index_; }
  const std::string& name() const { return options_.core.name; }
  bool up() const { return core_ != nullptr; }
  bool paused() const { return paused_; }
  node::Core& core() { return *core_; }
  const node::Core& core() const { return *core_; }
  const node::CoreOptions& core_options() const { return options_.core; }
  // With whom it talks of its own accord; while it is down, with whom it would begin.
  std::vector<std::string> neighbours() const {
    return up() ? core_->neighbours() : options_.core.peers;
  }
  const std::map<std::string, SpaceView>& spaces() const { return spaces_; }
  const SpaceView& space(const std::string& name) const { return spaces_.at(name); }
  node::Now local_now() const;
  // Of all processes that ran here and have ended.
  const node::CoreCounters& past_counters() const { return past_counters_; }

  // False when the disk cannot be read: the process has ended again.
  bool start();
  // The process is gone. `keep_disk` false: the store with it.
  void crash(bool keep_disk);
  // `recorded`: as a fault of its own.
  void pause(bool recorded = true);
  void resume();
  Status answer_requests(const std::string& space, const node::AnswerRule& rule);
  void jump_wall_clock(Duration by) {
    latest_wall_millis_ = std::max(latest_wall_millis_, local_now().wall_millis);
    wall_skew_ += by;
  }
  Disk& disk() { return *disk_; }
  // The disk of the crashed process holds a batch that was not acknowledged. Nobody has seen it,
  // and if damage takes it nobody need notice: so it is not to be damaged.
  bool keeps_unacknowledged() const { return keeps_unacknowledged_; }
  // How often the disk gave back less than it had acknowledged, because it lied or was damaged.
  std::uint64_t disk_betrayals() const { return disk_betrayals_; }
  // False while the node goes on under a replica id of which its disk lost acknowledged writes. It
  // will learn from its peers that it must not; clients keep away until then.
  bool may_write() const;

  // From the members of an overlay; false when it is none.
  bool take_out(const std::string& member);
  // From now on also talks to this peer.
  void meet(const std::string& peer);
  // Processes that start here speak a version of the protocol that the others do not know.
  bool other_version() const { return other_version_; }
  void set_other_version(bool other) { other_version_ = other; }

  // False when the process is down or its queue is full.
  bool receive(const std::string& from, std::string bytes);
  // What the commit wants sent and written follows as an action of its own, at the same time: the
  // caller can first take note of what it wrote.
  Result<node::Committed> transact(const std::string& space, const std::string& author,
                                   const std::function<Status(Transaction&)>& write);

 private:
  struct Writing {
    std::shared_ptr<const node::PersistBatch> batch;
    std::map<std::string, Clock> clocks;  // of each durable space when the batch was handed out
    HybridTime last_time;                 // of what was written in them until then
  };
  struct Waiting {
    std::string from;
    std::string bytes;
  };

  void pump();
  void pump_once();
  bool answer_requests();
  void begin_writing(std::shared_ptr<const node::PersistBatch> batch);
  void finish_writing();
  void note_durable(const Writing& writing);
  // Holds what a restart shows or would show against what the disk had acknowledged. `lied`: the
  // disk did, until now. True: the store is damaged and was set aside.
  bool judge(Result<std::vector<node::StoredSpace>>& stored, bool lied);
  void look_for_changes();
  void check_time(const std::string& space, const Event& event);
  void set_timer();
  Duration virtual_time_of(Duration monotonic) const;
  void trace(const std::string& text);
  void mark(Recording::MarkKind kind, const std::string& text);

  NodeIndex index_;
  HostOptions options_;
  HostServices& services_;
  Random random_;
  Luck disk_luck_;
  std::unique_ptr<Disk> disk_;
  Duration sync_median_{0};

  std::unique_ptr<node::Core> core_;
  node::RightsAnswers answers_;
  std::uint64_t life_ = 0;  // of this process: what is scheduled for an earlier one means nothing
  std::map<std::string, SpaceView> spaces_;
  std::optional<Writing> writing_;
  std::optional<Writing> unacknowledged_;  // the last batch, until it is durable
  Duration timer_at_ = Duration::max();
  bool keeps_unacknowledged_ = false;
  bool other_version_ = false;
  bool paused_ = false;
  bool pause_recorded_ = false;
  bool write_done_while_paused_ = false;
  std::deque<Waiting> held_;  // while paused
  Duration wall_skew_{0};
  std::uint64_t latest_wall_millis_ = 0;  // that the wall clock showed before it jumped
  HybridTime last_time_;                  // of an own write in a durable space
  HybridTime last_time_on_disk_;
  Duration boot_{0};
  std::uint64_t disk_betrayals_ = 0;
  node::CoreCounters past_counters_;
};

void add(node::CoreCounters& to, const node::CoreCounters& from);

}  // namespace rejoin::simulation
