#include "history/backfill.h"

#include <algorithm>
#include <utility>

namespace rejoin::node::history {
namespace {

using Micros = Backfill::Micros;
using std::chrono::seconds;

constexpr Micros answer_within = seconds(10);
// Between rounds in which nobody had anything.
constexpr Micros first_pause = seconds(1);
constexpr Micros longest_pause = seconds(300);

}  // namespace

Backfill::Backfill(Archive& archive, std::string space)
    : archive_(archive), space_(std::move(space)), pause_(first_pause) {}

Result<std::optional<HistoryMessage>> Backfill::work(const std::vector<std::string>& peers,
                                                     Micros now) {
  const std::optional<HistoryMessage> nothing;
  due_ = now;
  if (links_may_be_stale_) {
    auto more = archive_.renew_links(space_);
    if (!more.ok()) return std::move(more).error();
    links_may_be_stale_ = *more;
    if (*more) return nothing;
  }
  if (asked_) {
    due_ = asked_->sent_at + answer_within;
    if (now < due_) return nothing;
    asked_in_vain_[asked_->about].insert(asked_->peer);
    asked_.reset();
  }
  auto holes = archive_.holes(space_);
  if (!holes.ok()) return std::move(holes).error();
  for (const Archive::Hole& hole : *holes) {
    if (hole.gaps.size() > transport::missing_writes_max) continue;
    const Dot about = hole.gaps.front().end();
    const auto peer = std::ranges::find_if(
        peers, [&](const std::string& name) { return !asked_in_vain_[about].contains(name); });
    if (peer == peers.end()) continue;
    asked_ = Question{*peer, hole.chunk, about, now};
    due_ = now + answer_within;
    return std::optional(HistoryMessage{*peer, transport::WantHistory{space_, hole.gaps}});
  }
  asked_in_vain_.clear();
  due_ = holes->empty() ? Micros::max() : now + pause_;
  pause_ = std::min(2 * pause_, longest_pause);
  return nothing;
}

Status Backfill::take(const std::string& peer, const transport::History& history, Micros now) {
  if (!asked_ || asked_->peer != peer) return {};  // too late
  const Question question = *std::exchange(asked_, std::nullopt);
  due_ = now;
  if (history.events.empty()) {
    asked_in_vain_[question.about].insert(peer);
    return {};
  }
  auto filled = archive_.fill(space_, question.hole, history.events);
  if (!filled.ok()) {
    asked_in_vain_[question.about].insert(peer);
    return filled;
  }
  asked_in_vain_.clear();
  links_may_be_stale_ = true;
  pause_ = first_pause;
  return {};
}

}  // namespace rejoin::node::history
