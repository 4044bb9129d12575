#include "world/faults.h"

#include <numeric>
#include <utility>

#include "rejoin/crdt/assert.h"

namespace rejoin::simulation {

std::string_view to_string(Absence absence) {
  switch (absence) {
    case Absence::down:
      return "down";
    case Absence::cut:
      return "cut";
    case Absence::slow:
      return "slow";
  }
  return "unknown";
}

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::partition:
      return "partition";
    case FaultKind::one_way:
      return "one_way";
    case FaultKind::crash:
      return "crash";
    case FaultKind::disk_loss:
      return "disk_loss";
    case FaultKind::pause:
      return "pause";
    case FaultKind::clock_jump:
      return "clock_jump";
    case FaultKind::disk_failure:
      return "disk_failure";
    case FaultKind::link_cut:
      return "link_cut";
    case FaultKind::flapping:
      return "flapping";
    case FaultKind::slow:
      return "slow";
    case FaultKind::bit_flip:
      return "bit_flip";
    case FaultKind::read_error:
      return "read_error";
    case FaultKind::slow_sync:
      return "slow_sync";
    case FaultKind::lying_sync:
      return "lying_sync";
    case FaultKind::slow_drip:
      return "slow_drip";
    case FaultKind::other_version:
      return "other_version";
    case FaultKind::priority_schedule:
      return "priority_schedule";
  }
  return "unknown";
}

namespace {

constexpr Duration until_ended = Duration::max();

// What is wrong with a disk for a while.
bool is_of_a_disk(FaultKind kind) {
  return kind == FaultKind::disk_failure || kind == FaultKind::read_error ||
         kind == FaultKind::slow_sync || kind == FaultKind::lying_sync;
}

}  // namespace

Faults::Faults(const Scenario& scenario, Random random, EventQueue& queue, Network& network,
               PrioritySchedule& schedule, Trace& trace, std::vector<std::unique_ptr<Host>>& hosts,
               FaultTargets& targets)
    : scenario_(scenario),
      random_(random),
      luck_(random.fork(~std::uint64_t{0})),
      queue_(queue),
      network_(network),
      schedule_(schedule),
      trace_(trace),
      hosts_(hosts),
      targets_(targets) {}

void Faults::trace(const std::string& text) {
  if (trace_.enabled()) trace_.line(queue_.now(), text);
}

void Faults::record(bool begins, Recording::SpanKind kind, const std::vector<NodeIndex>& nodes) {
  Recorder* const recorder = trace_.recorder();
  if (recorder == nullptr) return;
  begins ? recorder->begin(kind, nodes) : recorder->end(kind, nodes);
}

NodeIndex Faults::index_of(const std::string& name) const {
  for (NodeIndex i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i]->name() == name) return i;
  }
  REJOIN_ASSERT(!"scenarios are checked for unknown nodes before they run");
  return 0;
}

void Faults::start() {
  for (const auto& fault : scenario_.planned) {
    queue_.at(fault.at, [this, &fault] {
      switch (fault.kind) {
        case FaultKind::partition: {
          std::vector<bool> side(hosts_.size());
          for (const auto& name : fault.nodes) side[index_of(name)] = true;
          partition(std::move(side), fault.lasts);
          break;
        }
        case FaultKind::one_way:
          one_way(index_of(fault.nodes[0]), index_of(fault.nodes[1]), fault.lasts);
          break;
        case FaultKind::link_cut:
          cut_link(index_of(fault.nodes[0]), index_of(fault.nodes[1]), fault.lasts);
          break;
        case FaultKind::flapping:
          flap(index_of(fault.nodes[0]), index_of(fault.nodes[1]), fault.lasts);
          break;
        case FaultKind::slow_drip:
          drip(index_of(fault.nodes[0]), index_of(fault.nodes[1]), fault.lasts);
          break;
        case FaultKind::priority_schedule: {
          std::vector<NodeIndex> nodes;
          for (const auto& name : fault.nodes) nodes.push_back(index_of(name));
          prioritize(nodes, fault.lasts);
          break;
        }
        default:
          for (const auto& name : fault.nodes) {
            const NodeIndex node = index_of(name);
            if (fault.kind == FaultKind::crash) stop_process(node, true, fault.lasts);
            if (fault.kind == FaultKind::disk_loss) stop_process(node, false, fault.lasts);
            if (fault.kind == FaultKind::pause) pause(node, fault.lasts);
            if (fault.kind == FaultKind::slow) slow_down(node, fault.lasts);
            if (fault.kind == FaultKind::other_version) change_version(node, fault.lasts);
            if (fault.kind == FaultKind::clock_jump) jump(node, fault.jump);
            if (fault.kind == FaultKind::bit_flip) flip_bit(node);
            if (is_of_a_disk(fault.kind)) spoil_disk(node, fault.kind, fault.lasts);
          }
      }
    });
  }
  for (std::size_t i = 0; i < scenario_.random.size(); ++i) {
    Random random = random_.fork(i);
    if (scenario_.swarm && random.coin()) continue;
    const Duration every = random.draw(scenario_.random[i].every);
    recurring_.push_back({scenario_.random[i], every, random});
  }
  for (Recurring& recurring : recurring_) schedule(recurring);
}

void Faults::schedule(Recurring& recurring) {
  queue_.after(recurring.random.exponential(recurring.every), [this, &recurring] {
    if (healed_) return;
    strike(recurring);
    schedule(recurring);
  });
}

void Faults::strike(Recurring& recurring) {
  const RandomFault& fault = recurring.fault;
  Random& random = recurring.random;
  const Duration lasts = random.draw(fault.lasts);
  const NodeIndex node = random.below(hosts_.size());
  const auto another = [&] { return (node + 1 + random.below(hosts_.size() - 1)) % hosts_.size(); };
  switch (fault.kind) {
    case FaultKind::partition: {
      std::vector<bool> side(hosts_.size());
      for (NodeIndex i = 0; i < hosts_.size(); ++i) side[i] = random.coin();
      side[node] = true;
      side[(node + 1) % hosts_.size()] = false;
      partition(std::move(side), lasts);
      break;
    }
    case FaultKind::one_way:
      one_way(node, another(), lasts);
      break;
    case FaultKind::link_cut:
      cut_link(node, another(), lasts);
      break;
    case FaultKind::flapping:
      flap(node, another(), lasts);
      break;
    case FaultKind::slow_drip:
      drip(node, another(), lasts);
      break;
    case FaultKind::other_version:
      change_version(node, lasts);
      break;
    case FaultKind::priority_schedule: {
      std::vector<NodeIndex> all(hosts_.size());
      std::iota(all.begin(), all.end(), NodeIndex{0});
      prioritize(all, lasts);
      break;
    }
    case FaultKind::slow:
      slow_down(node, lasts);
      break;
    case FaultKind::crash:
      stop_process(node, true, lasts);
      break;
    case FaultKind::disk_loss:
      stop_process(node, false, lasts);
      break;
    case FaultKind::pause:
      pause(node, lasts);
      break;
    case FaultKind::clock_jump:
      jump(node, random.draw(fault.jump));
      break;
    case FaultKind::disk_failure:
    case FaultKind::read_error:
    case FaultKind::slow_sync:
    case FaultKind::lying_sync:
      spoil_disk(node, fault.kind, lasts);
      break;
    case FaultKind::bit_flip:
      flip_bit(node);
      break;
  }
}

void Faults::note(PlannedFault fault) {
  if (healed_) return;  // an absence
  ++counts_[static_cast<std::size_t>(fault.kind)];
  fault.at = queue_.now();
  struck_.push_back(std::move(fault));
}

void Faults::begin(PlannedFault fault, std::function<void()> end) {
  const Duration lasts = fault.lasts;
  note(std::move(fault));
  const std::uint64_t id = next_id_++;
  active_.emplace(id, std::move(end));
  if (lasts == until_ended) return;
  queue_.after(lasts, [this, id] {
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    const auto ending = std::move(found->second);
    active_.erase(found);
    ending();
  });
}

void Faults::hold(PlannedFault fault, Recording::SpanKind span, const std::vector<NodeIndex>& nodes,
                  const std::string& text, const std::function<void()>& start,
                  std::function<void()> end) {
  trace(text);
  record(true, span, nodes);
  start();
  begin(std::move(fault), [this, span, nodes, text, end = std::move(end)] {
    trace("end " + text);
    record(false, span, nodes);
    end();
  });
}

void Faults::heal() {
  healed_ = true;
  trace("heal");
  if (trace_.recorder() != nullptr) trace_.recorder()->moment("all faults end");
  network_.calm();
  end_active();
}

void Faults::end_active() {
  auto active = std::move(active_);
  active_.clear();
  for (auto& [id, end] : active) end();
}

void Faults::keep_away(NodeIndex node, Absence absence, const std::vector<NodeIndex>& healed) {
  switch (absence) {
    case Absence::down:
      stop_process(node, true, until_ended);
      break;
    case Absence::cut: {
      const auto cut = [this, node, healed](bool block) {
        for (const NodeIndex other : healed) block_both(node, other, block);
      };
      hold(
          {FaultKind::partition, {}, until_ended, {hosts_[node]->name()}, {}},
          Recording::SpanKind::partition, {node}, "absent " + hosts_[node]->name(),
          [&] { cut(true); }, [cut] { cut(false); });
      break;
    }
    case Absence::slow:
      slow_down(node, until_ended);
      break;
  }
}

void Faults::partition(std::vector<bool> side, Duration lasts) {
  std::string text = "partition";
  PlannedFault fault{FaultKind::partition, {}, lasts, {}, {}};
  std::vector<NodeIndex> members;
  for (NodeIndex i = 0; i < hosts_.size(); ++i) {
    if (!side[i]) continue;
    text += ' ' + hosts_[i]->name();
    fault.nodes.push_back(hosts_[i]->name());
    members.push_back(i);
  }
  const auto each_cut = [this, side = std::move(side)](bool block) {
    for (NodeIndex a = 0; a < hosts_.size(); ++a) {
      for (NodeIndex b = 0; b < hosts_.size(); ++b) {
        if (side[a] == side[b]) continue;
        block ? network_.block(a, b) : network_.unblock(a, b);
      }
    }
  };
  hold(
      std::move(fault), Recording::SpanKind::partition, members, text, [&] { each_cut(true); },
      [each_cut] { each_cut(false); });
}

void Faults::one_way(NodeIndex from, NodeIndex to, Duration lasts) {
  const std::string text = "one_way " + hosts_[from]->name() + '>' + hosts_[to]->name();
  trace(text);
  record(true, Recording::SpanKind::one_way, {from, to});
  network_.block(from, to);
  begin({FaultKind::one_way, {}, lasts, {hosts_[from]->name(), hosts_[to]->name()}, {}},
        [this, from, to, text] {
          trace("end " + text);
          network_.unblock(from, to);
        });
}

void Faults::block_both(NodeIndex a, NodeIndex b, bool block) {
  for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    block ? network_.block(from, to) : network_.unblock(from, to);
  }
}

void Faults::cut_link(NodeIndex a, NodeIndex b, Duration lasts) {
  hold(
      {FaultKind::link_cut, {}, lasts, {hosts_[a]->name(), hosts_[b]->name()}, {}},
      Recording::SpanKind::link_cut, {a, b},
      "link_cut " + hosts_[a]->name() + ' ' + hosts_[b]->name(), [&] { block_both(a, b, true); },
      [this, a, b] { block_both(a, b, false); });
}

void Faults::alternate(std::shared_ptr<bool> on, bool begins, std::function<void(bool)> turn,
                       Duration average) {
  if (!*on) return;
  turn(begins);
  Random random = luck_.at(queue_.now());
  queue_.after(random.exponential(average),
               [this, on, begins, turn, average] { alternate(on, !begins, turn, average); });
}

void Faults::flap(NodeIndex a, NodeIndex b, Duration lasts) {
  const auto on = std::make_shared<bool>(true);
  const auto blocked = std::make_shared<bool>(false);
  const auto turn = [this, a, b, blocked](bool off) {
    if (off == *blocked) return;
    block_both(a, b, off);
    *blocked = off;
  };
  hold(
      {FaultKind::flapping, {}, lasts, {hosts_[a]->name(), hosts_[b]->name()}, {}},
      Recording::SpanKind::flapping, {a, b},
      "flapping " + hosts_[a]->name() + ' ' + hosts_[b]->name(),
      [&] { alternate(on, true, turn, std::chrono::milliseconds(300)); },
      [on, turn] {
        *on = false;
        turn(false);
      });
}

void Faults::drip(NodeIndex a, NodeIndex b, Duration lasts) {
  Random random = luck_.at(queue_.now());
  const std::uint64_t rate = random.draw(Range<std::uint64_t>{10, 2'000});
  hold(
      {FaultKind::slow_drip, {}, lasts, {hosts_[a]->name(), hosts_[b]->name()}, {}},
      Recording::SpanKind::slow_drip, {a, b},
      "slow_drip " + hosts_[a]->name() + ' ' + hosts_[b]->name() + ' ' + std::to_string(rate),
      [&] {
        network_.begin_drip(a, b, rate);
        network_.begin_drip(b, a, rate);
      },
      [this, a, b] {
        network_.end_drip(a, b);
        network_.end_drip(b, a);
      });
}

void Faults::change_version(NodeIndex node, Duration lasts) {
  Host& host = *hosts_[node];
  if (!host.up() || host.other_version()) return;
  const auto restart_as = [this, node](bool other) {
    if (hosts_[node]->up()) targets_.crash(node, true);
    hosts_[node]->set_other_version(other);
    targets_.restart(node);
  };
  hold(
      {FaultKind::other_version, {}, lasts, {host.name()}, {}}, Recording::SpanKind::other_version,
      {node}, "other_version " + host.name(), [&] { restart_as(true); },
      [this, node, restart_as] {
        // Who is down comes back with the right one.
        if (hosts_[node]->up()) return restart_as(false);
        hosts_[node]->set_other_version(false);
      });
}

// Whoever is slow handles what came meanwhile in one go, and stands still again.
void Faults::slow_down(NodeIndex node, Duration lasts) {
  if (!hosts_[node]->up() || hosts_[node]->paused()) return;
  const auto on = std::make_shared<bool>(true);
  const auto held = std::make_shared<bool>(false);
  const auto turn = [this, node, held](bool still) {
    Host& host = *hosts_[node];
    if (still && host.up() && !host.paused()) {
      host.pause(false);
      *held = true;
    } else if (!still && std::exchange(*held, false) && host.up() && host.paused()) {
      host.resume();
    }
  };
  Random random = luck_.at(queue_.now());
  const auto average =
      random.draw(Range<Duration>{std::chrono::milliseconds(5), std::chrono::milliseconds(500)});
  const auto work_for_a_moment = [turn](bool) {
    turn(false);
    turn(true);
  };
  hold(
      {FaultKind::slow, {}, lasts, {hosts_[node]->name()}, {}}, Recording::SpanKind::slow, {node},
      "slow " + hosts_[node]->name(), [&] { alternate(on, true, work_for_a_moment, average); },
      [on, turn] {
        *on = false;
        turn(false);
      });
}

void Faults::prioritize(const std::vector<NodeIndex>& nodes, Duration lasts) {
  Random random = luck_.at(queue_.now());
  PrioritySchedule::Options options;
  options.gap = random.draw(Range<Duration>{Duration(100), std::chrono::milliseconds(20)});
  options.round = random.draw(Range<std::uint64_t>{8, 256});
  options.changes = random.below(4);
  PlannedFault fault{FaultKind::priority_schedule, {}, lasts, {}, {}};
  std::string text = "priority_schedule";
  for (const NodeIndex node : nodes) {
    fault.nodes.push_back(hosts_[node]->name());
    text += ' ' + hosts_[node]->name();
  }
  hold(
      std::move(fault), Recording::SpanKind::priority_schedule, nodes, text,
      [&] { schedule_.begin(nodes, options, random); }, [this, nodes] { schedule_.end(nodes); });
}

void Faults::stop_process(NodeIndex node, bool keep_disk, Duration lasts) {
  if (!hosts_[node]->up()) return;
  targets_.crash(node, keep_disk);
  begin(
      {keep_disk ? FaultKind::crash : FaultKind::disk_loss, {}, lasts, {hosts_[node]->name()}, {}},
      [this, node] {
        if (!hosts_[node]->up()) targets_.restart(node);
      });
}

void Faults::pause(NodeIndex node, Duration lasts) {
  if (!hosts_[node]->up() || hosts_[node]->paused()) return;
  hosts_[node]->pause();
  begin({FaultKind::pause, {}, lasts, {hosts_[node]->name()}, {}}, [this, node] {
    if (hosts_[node]->up() && hosts_[node]->paused()) hosts_[node]->resume();
  });
}

void Faults::jump(NodeIndex node, Duration by) {
  note({FaultKind::clock_jump, {}, {}, {hosts_[node]->name()}, by});
  trace("clock_jump " + hosts_[node]->name() + ' ' + std::to_string(by.count()) + "us");
  hosts_[node]->jump_wall_clock(by);
  if (trace_.recorder() != nullptr) {
    trace_.recorder()->mark(
        Recording::MarkKind::clock_jump, node,
        "the wall clock jumps by " + std::to_string(by.count() / 1'000) + " ms");
  }
}

void Faults::spoil_disk(NodeIndex node, FaultKind kind, Duration lasts) {
  const auto [fault, span] = [&]() -> std::pair<DiskFault, Recording::SpanKind> {
    switch (kind) {
      case FaultKind::read_error:
        return {DiskFault::unreadable, Recording::SpanKind::read_error};
      case FaultKind::slow_sync:
        return {DiskFault::slow, Recording::SpanKind::slow_sync};
      case FaultKind::lying_sync:
        return {DiskFault::lies, Recording::SpanKind::lying_sync};
      default:
        return {DiskFault::refuses_writes, Recording::SpanKind::disk_failure};
    }
  }();
  Disk& disk = hosts_[node]->disk();
  hold(
      {kind, {}, lasts, {hosts_[node]->name()}, {}}, span, {node},
      std::string(to_string(kind)) + ' ' + hosts_[node]->name(),
      [&, fault = fault] { disk.begin(fault); }, [&disk, fault = fault] { disk.end(fault); });
}

void Faults::flip_bit(NodeIndex node) {
  if (hosts_[node]->keeps_unacknowledged()) return;
  note({FaultKind::bit_flip, {}, {}, {hosts_[node]->name()}, {}});
  trace("bit_flip " + hosts_[node]->name());
  hosts_[node]->disk().flip_bit();
  if (trace_.recorder() != nullptr) {
    trace_.recorder()->mark(Recording::MarkKind::disk, node, "a bit on the disk turns");
  }
}

}  // namespace rejoin::simulation
