#include "explore/process.h"

#include <algorithm>
#include <utility>

#include "explore/steps.h"
#include "rejoin/crdt/assert.h"
#include "scenario/knobs.h"

namespace rejoin::simulation {

namespace {

constexpr std::uint64_t epoch_millis = 1'750'000'000'000;

}  // namespace

MessageId MessageTable::intern(ExploredMessage message) {
  const std::uint64_t hash = hash_bytes(message.bytes, message.from * 64 + message.to).low;
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const ExploredMessage& known = messages_[it->second];
    if (known.from == message.from && known.to == message.to && known.bytes == message.bytes) {
      return it->second;
    }
  }
  const auto id = static_cast<MessageId>(messages_.size());
  messages_.push_back(std::move(message));
  by_hash_.emplace(hash, id);
  return id;
}

Process::Process(const Scope& scope, const KeySpace& keys, MessageTable& messages, NodeIndex index)
    : keys_(keys), messages_(messages), index_(index), nodes_(scope.nodes) {
  options_.name = scope.nodes[index];
  if (scope.name_members) options_.members = scope.nodes;
  Scenario named;
  named.buggify.clear();
  named.core = scope.core;
  draw_core_options(named, Random(0), options_);
  for (NodeIndex i = 0; i < scope.nodes.size(); ++i) {
    index_of_[scope.nodes[i]] = i;
    if (i != index) options_.peers.push_back(scope.nodes[i]);
  }
}

node::Now Process::local_now() const {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now_).count();
  return {now_, epoch_millis + static_cast<std::uint64_t>(millis)};
}

void Process::broken(Outcome& outcome, Promise promise, const std::string& what) const {
  if (!outcome.broken) outcome.broken = Broken{promise, name() + ' ' + what};
}

Process::Outcome Process::apply(const NodeInput& input) {
  using Kind = NodeInput::Kind;
  Outcome outcome;
  now_ = input.at;
  switch (input.kind) {
    case Kind::start:
      start(outcome);
      if (outcome.broken) core_.reset();
      break;
    case Kind::receive: {
      const ExploredMessage& message = messages_[input.message];
      core_->receive(nodes_[message.from], message.bytes, local_now());
      break;
    }
    case Kind::write_done: {
      const std::uint64_t ticket = batch_->ticket;
      keep_batch(outcome);
      core_->persisted(ticket, {}, local_now());
      break;
    }
    case Kind::tick:
      core_->tick(local_now());
      break;
    case Kind::step:
      take_step(input, outcome);
      break;
    case Kind::crash_kept:
      keep_batch(outcome);
      [[fallthrough]];
    case Kind::crash:
      batch_.reset();
      core_.reset();
      clock_ = on_disk_;
      last_time_ = last_time_on_disk_;
      std::erase_if(own_, [&](const Dot& dot) { return !on_disk_.includes(dot); });
      break;
  }
  if (outcome.broken || !up()) return outcome;
  pump(outcome);
  if (!outcome.broken) check(outcome);
  return outcome;
}

void Process::start(Outcome& outcome) {
  ++life_;
  auto stored = disk_.load();
  if (!stored.ok()) {
    return broken(outcome, Promise::durability,
                  "cannot load what its own disk kept: " + stored.error().to_string());
  }
  node::CoreOptions options = options_;
  Random ids = Random(hash_bytes(options.name).low).fork(life_);
  for (auto& word : options.random_seed) word = ids.next();
  core_ = std::make_unique<node::Core>(std::move(options), local_now());
  for (auto& space : *stored) {
    if (space.document.clock_with_retired() != on_disk_) {
      return broken(outcome, Promise::durability,
                    "restarted with " + space.document.clock_with_retired().to_string() +
                        ", but its disk had acknowledged " + on_disk_.to_string());
    }
    if (auto status = core_->open_space(std::move(space), local_now()); !status.ok()) {
      return broken(outcome, Promise::durability,
                    "cannot open its stored space: " + status.error().to_string());
    }
  }
  if (!core_->has_space(explored_space)) {
    const Status status = core_->open_space(explored_space, node::SpaceOptions{}, local_now());
    REJOIN_ASSERT(status.ok());
  }
  core_->tick(local_now());
}

void Process::keep_batch(Outcome& outcome) {
  if (auto status = disk_.write(*batch_); !status.ok()) {
    broken(outcome, Promise::durability,
           "hands out a batch that no store can keep: " + status.error().to_string());
  }
  batch_.reset();
  on_disk_ = batch_clock_;
  ever_on_disk_.join(batch_clock_);
  last_time_on_disk_ = batch_time_;
}

void Process::take_step(const NodeInput& input, Outcome& outcome) {
  ExploredCommit commit;
  commit.before = document().clock_with_retired();
  const auto committed = core_->transact(
      explored_space, {}, {},
      [&](Transaction& transaction) {
        return write_step(*input.step, input.receiver, keys_, transaction, commit.ops);
      },
      local_now());
  if (!committed.ok()) {
    return broken(outcome, Promise::accepted_writes,
                  "refuses a transaction: " + committed.error().to_string());
  }
  commit.event = committed->event;
  if (commit.event == nullptr) return;
  if (commit.event->time() <= last_time_) {
    broken(outcome, Promise::times,
           "writes " + commit.event->id().to_string() + " at " + commit.event->time().to_string() +
               ", but wrote at " + last_time_.to_string() + " before");
  }
  last_time_ = commit.event->time();
  own_.push_back(commit.event->id());
  outcome.commit = std::move(commit);
}

// What the core wants after an input, as Host does it.
void Process::pump(Outcome& outcome) {
  for (auto& send : core_->take_sends()) {
    const NodeIndex to = index_of_.at(send.to);
    outcome.sent.push_back(messages_.intern({index_, to, send.kind, std::move(send.bytes)}));
  }
  if (auto batch = core_->take_batch()) {
    if (batch_ != nullptr) {
      return broken(outcome, Promise::invariants, "hands out a batch while one is being written");
    }
    batch_ = std::move(batch);
    batch_clock_ = document().clock_with_retired();
    batch_time_ = last_time_;
  }
  for (const auto& notice : core_->take_notices()) {
    switch (notice.kind) {
      case node::Notice::Kind::divergence:
        broken(outcome, Promise::certificate, "noticed a divergence: " + notice.detail);
        break;
      case node::Notice::Kind::malformed_message:
      case node::Notice::Kind::rejected:
        broken(outcome, Promise::good_faith,
               "finds fault with a message of " + notice.peer + ": " + notice.detail);
        break;
      default:
        break;
    }
  }
}

// What can be said of this node alone.
void Process::check(Outcome& outcome) {
  const Clock& clock = document().clock_with_retired();
  if (!clock.includes(clock_)) {
    broken(outcome, Promise::clocks,
           "'s clock went back from " + clock_.to_string() + " to " + clock.to_string());
  }
  clock_ = clock;
  if (writers_.empty() || writers_.back() != document().self()) {
    writers_.push_back(document().self());
  }
  for (const Dot& dot : own_) {
    if (core_->durable_here(explored_space, dot) && !on_disk_.includes(dot)) {
      broken(outcome, Promise::receipt,
             "says that " + dot.to_string() + " is durable, but a power loss now would lose it");
    }
  }
}

std::optional<Broken> Process::broken_invariant() const {
  if (!up()) return std::nullopt;
  const Status status = core_->check_invariants();
  if (status.ok()) return std::nullopt;
  return Broken{Promise::invariants,
                name() + " breaks an invariant: " + status.error().to_string()};
}

}  // namespace rejoin::simulation
