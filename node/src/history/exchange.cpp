#include "history/exchange.h"

#include <utility>
#include <variant>

namespace rejoin::node::history {
namespace {

constexpr std::size_t inbox_max = 64;
constexpr std::size_t answer_bytes_max = 256u << 10;
constexpr std::chrono::seconds pause_after_failure{10};

std::chrono::microseconds now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

Exchange::Exchange(Archive& archive, Node node)
    : archive_(archive), node_(std::move(node)), thread_([this] { run(); }) {}

Exchange::~Exchange() {
  {
    const std::lock_guard guard(mutex_);
    ends_ = true;
    wanted_.notify_one();
  }
  thread_.join();
}

void Exchange::receive(std::vector<HistoryMessage> messages) {
  const std::lock_guard guard(mutex_);
  for (HistoryMessage& message : messages) {
    if (inbox_.size() < inbox_max) inbox_.push_back(std::move(message));
  }
  wanted_.notify_one();
}

void Exchange::look_again() {
  const std::lock_guard guard(mutex_);
  look_again_ = true;
  wanted_.notify_one();
}

void Exchange::run() {
  Micros due{0};
  while (true) {
    std::deque<HistoryMessage> messages;
    {
      std::unique_lock lock(mutex_);
      const auto wanted = [&] { return ends_ || look_again_ || !inbox_.empty(); };
      if (due == Micros::max()) {
        wanted_.wait(lock, wanted);
      } else {
        wanted_.wait_for(lock, due - now(), wanted);
      }
      if (ends_) return;
      messages.swap(inbox_);
      if (std::exchange(look_again_, false)) {
        for (const std::string& space : archive_.spaces()) {
          spaces_.try_emplace(space, archive_, space).first->second.look_again();
        }
      }
    }
    for (const HistoryMessage& message : messages) {
      if (const auto* want = std::get_if<transport::WantHistory>(&message.body)) {
        answer(message.peer, *want);
      } else {
        take(message.peer, std::get<transport::History>(message.body));
      }
    }
    due = work();
  }
}

void Exchange::answer(const std::string& peer, const transport::WantHistory& want) {
  auto given = archive_.give(want.space, want.missing, answer_bytes_max);
  if (!given.ok()) {
    say("history_not_given", want.space, peer, given.error());
    return;
  }
  node_.send({peer, transport::History{want.space, *std::move(given)}});
}

void Exchange::take(const std::string& peer, const transport::History& history) {
  const auto space = spaces_.find(history.space);
  if (space == spaces_.end()) return;
  if (auto taken = space->second.take(peer, history, now()); !taken.ok()) {
    say("history_not_taken", history.space, peer, taken.error());
  }
}

Exchange::Micros Exchange::work() {
  Micros due = Micros::max();
  for (auto& [name, space] : spaces_) {
    if (space.due() <= now()) {
      auto question = space.work(node_.peers(name), now());
      if (!question.ok()) {
        say("history_not_filled", name, "", question.error());
        due = std::min<Micros>(due, now() + pause_after_failure);
        continue;
      }
      if (*question) node_.send(**std::move(question));
    }
    due = std::min(due, space.due());
  }
  return due;
}

void Exchange::say(const char* event, const std::string& space, const std::string& peer,
                   const Error& error) {
  node_.log({log_warn, event,
             "events that are missing in the history of " + space +
                 (peer.empty() ? std::string() : ", to or from " + peer) + ": " + error.to_string(),
             space, peer});
}

}  // namespace rejoin::node::history
