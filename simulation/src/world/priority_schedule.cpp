#include "world/priority_schedule.h"

#include <algorithm>

namespace rejoin::simulation {

namespace {

// Whoever lost its priority comes after all who did not.
constexpr std::uint64_t not_lowered = std::uint64_t{1} << 63;

}  // namespace

void PrioritySchedule::begin(const std::vector<NodeIndex>& nodes, const Options& options,
                             const Random& random) {
  for (const NodeIndex node : nodes) ++concerned_[node];
  options_ = options;
  random_ = random;
  releases_ = options_.round;
}

void PrioritySchedule::end(const std::vector<NodeIndex>& nodes) {
  for (const NodeIndex node : nodes) {
    if (--concerned_.at(node) == 0) concerned_.erase(node);
  }
}

void PrioritySchedule::hold(Channel channel, Duration since, EventQueue::Action action) {
  Chain chain = std::exchange(released_, nullptr);
  if (!chain) chain = std::make_shared<Priority>(random_.next() | not_lowered);
  ++held_in_[channel];
  Held held{next_id_++, channel, std::move(chain), std::move(action)};
  if (since <= queue_.now()) return admit(std::move(held));
  queue_.at(since, [this, held = std::move(held)] { admit(held); });
}

void PrioritySchedule::admit(Held held) {
  queue_.after(held_max, [this, id = held.id] {
    const auto late = std::ranges::find(held_, id, &Held::id);
    if (late != held_.end()) release(late);
  });
  held_.push_back(std::move(held));
  arm();
}

void PrioritySchedule::arm() {
  if (armed_ || held_.empty()) return;
  armed_ = true;
  queue_.after(options_.gap, [this] {
    armed_ = false;
    release_next();
    arm();
  });
}

void PrioritySchedule::release_next() {
  if (held_.empty()) return;
  if (releases_ >= options_.round) {
    releases_ = 0;
    change_points_.clear();
    while (change_points_.size() < std::min(options_.changes, options_.round)) {
      change_points_.insert(random_.below(options_.round));
    }
  }
  auto next = highest();
  if (change_points_.contains(releases_++)) {
    *next->chain = random_.next() & ~not_lowered;
    next = highest();
  }
  // Who stands before it in its channel goes first.
  release(std::ranges::find(held_, next->channel, &Held::channel));
}

void PrioritySchedule::release(std::vector<Held>::iterator held) {
  const Held released = std::move(*held);
  held_.erase(held);
  if (--held_in_.at(released.channel) == 0) held_in_.erase(released.channel);
  released_ = released.chain;
  released.action();
  released_ = nullptr;
}

std::vector<PrioritySchedule::Held>::iterator PrioritySchedule::highest() {
  return std::ranges::max_element(held_, {}, [](const Held& held) { return *held.chain; });
}

}  // namespace rejoin::simulation
