// What the runtime's own threads do, and how those who moved the core tell them.
#include <algorithm>
#include <utility>

#include "history/keep.h"
#include "log.h"
#include "runtime.h"

namespace rejoin::node {
namespace {

// One pass of the network thread takes in so much before it lets others at the core.
constexpr std::size_t receive_messages_max = 256;
constexpr std::size_t receive_bytes_max = 1u << 20;
// A stopping node whose last write failed waits so long for the core to try again.
constexpr std::chrono::seconds last_attempt_wait{3};
constexpr const char* answer_note = "answers requests for rights";

// While the network thread is at work it will look at the core again of its own accord.
constexpr std::chrono::microseconds awake = std::chrono::microseconds::min();

}  // namespace

Now Runtime::now() {
  using std::chrono::duration_cast;
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return Now{
      duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()),
      static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, duration_cast<std::chrono::milliseconds>(wall).count()))};
}

// ---- After every move of the core, with its lock held ----

void Runtime::publish(bool send_soon) {
  publish_notices();
  while (answer_requests()) {
    publish_notices();  // an answer is a commit like others
    send_soon = true;
  }
  hand_over_batch();
  if (send_soon || core_->next_deadline() < network_deadline_) wake_network();
}

void Runtime::publish_notices() {
  for (const Notice& notice : core_->take_notices()) {
    switch (notice.kind) {
      case Notice::Kind::changed:
        watches_.changed(notice.space, notice.paths);
        answers_.changed(notice.space);
        waits_.check(*core_, notice.space);
        break;
      case Notice::Kind::progress:
        answers_.changed(notice.space);
        waits_.check(*core_, notice.space);
        break;
      case Notice::Kind::storage_failed:
        break;  // the disk thread says it, once
      default:
        watches_.log(log_entry(notice));
    }
  }
}

// True when something was written.
bool Runtime::answer_requests() {
  if (closing_) return false;
  bool any = false;
  const auto commit = [&](const std::string& space,
                          const std::function<Status(Transaction&)>& write) {
    return core_->transact(space, "", answer_note, write, now());
  };
  for (const RightsAnswers::Answer& answer : answers_.run(*core_, commit)) {
    const std::string where = answer.counter.to_string() + " in " + answer.space;
    if (answer.committed) {
      watches_.log({log_debug, "rights_given",
                    "gave " + std::to_string(answer.given) + " rights of " + where, answer.space});
      any = true;
    } else {
      watches_.log(
          {log_warn, "rights_wait",
           "requests for rights of " + where + " wait: " + answer.committed.error().to_string(),
           answer.space});
    }
  }
  return any;
}

void Runtime::hand_over_batch() {
  if (!storage_) return;
  auto batch = core_->take_batch();  // null while one is being written
  if (!batch) return;
  if (unwritten_since_ == nothing_unwritten) unwritten_since_ = now().monotonic;
  std::lock_guard guard(disk_mutex_);
  handed_over_ = std::move(batch);
  disk_wanted_.notify_one();
}

// Without the core's lock, too.
void Runtime::wake_network() {
  if (wake_pending_.exchange(true)) return;
  std::lock_guard guard(transport_mutex_);
  if (transport_) transport_->wake();
}

// ---- The network thread ----

void Runtime::run_network() {
  std::vector<transport::Incoming> inbox;
  while (network_turn(inbox)) receive_all(inbox);
}

void Runtime::receive_all(std::vector<transport::Incoming>& inbox) {
  inbox.clear();
  std::size_t bytes = 0;
  auto timeout = std::max(std::chrono::microseconds{0}, wake_at_ - now().monotonic);
  while (auto incoming = transport_->receive(timeout)) {
    timeout = std::chrono::microseconds{0};
    bytes += incoming->bytes.size();
    inbox.push_back(std::move(*incoming));
    if (inbox.size() >= receive_messages_max || bytes >= receive_bytes_max) break;
  }
  // After the last receive(), which may have swallowed a wake-up, and before the core is looked at:
  // whatever is published from here on wakes us anew, what was before is seen in this turn.
  wake_pending_.store(false);
  run_requests();
}

void Runtime::run_requests() {
  std::deque<std::function<void()>> requests;
  {
    std::lock_guard guard(request_mutex_);
    requests.swap(requests_);
  }
  for (const auto& request : requests) request();
}

bool Runtime::network_turn(const std::vector<transport::Incoming>& inbox) {
  std::vector<Send> outbox;
  std::vector<Dial> dials;
  bool last = false;
  {
    const auto lock = lock_core();
    last = network_ends_;
    network_deadline_ = awake;
    for (const transport::Incoming& incoming : inbox) {
      if (closing_ || links_down_.contains(incoming.from)) continue;
      MessageCount& received =
          received_by_kind_[core_->receive(incoming.from, incoming.bytes, now())];
      ++received.messages;
      received.bytes += incoming.bytes.size();
    }
    pass_on(core_->take_history());
    if (const Now time = now(); core_->next_deadline() <= time.monotonic) core_->tick(time);
    outbox = core_->take_sends();
    dials = core_->take_dials();
    std::erase_if(outbox, [&](const Send& send) { return links_down_.contains(send.to); });
    for (const Send& send : outbox) {
      MessageCount& sent = sent_by_kind_[send.kind];
      ++sent.messages;
      sent.bytes += send.bytes.size();
    }
    publish(false);
    wake_at_ = network_deadline_ = core_->next_deadline();
  }
  for (const Dial& wanted : dials) dial(wanted);
  for (const Send& send : outbox) transport_->send(send.to, send.bytes);
  return !last;
}

// Who has no endpoint is a leaf, which has dialled us, or one of `peers`.
void Runtime::dial(const Dial& dial) {
  if (dial.hang_up) return transport_->hang_up(dial.peer);
  const auto configured = options_.peers.find(dial.peer);
  const bool is_known = !dial.endpoint.empty() || configured != options_.peers.end();
  if (!is_known) return;
  const std::string& endpoint = dial.endpoint.empty() ? configured->second : dial.endpoint;
  if (auto dialled = transport_->dial(dial.peer, endpoint); !dialled) {
    watches_.log({log_warn, "dial_failed",
                  "cannot dial " + dial.peer + ": " + dialled.error().to_string(), "", dial.peer});
  }
}

// ---- The disk thread ----

void Runtime::run_disk() {
  bool failed = false;
  while (auto batch = next_batch(failed)) {
    const auto begun = now().monotonic;
    // First the archive: the batch may let the log go that has it otherwise.
    Status outcome = archive(*batch);
    if (outcome) outcome = storage_->write(*batch);
    failed = !outcome;
    finish_batch(*batch, outcome, now().monotonic - begun);
  }
  if (failed) {
    watches_.log({log_error, "stopped_unwritten",
                  "stopped although the store did not take the last commits"});
  }
}

Status Runtime::archive(const PersistBatch& batch) {
  const auto [archive, exchange] = [&] {
    const auto lock = share_core();
    return std::pair(archive_.get(), exchange_.get());
  }();
  if (archive == nullptr) return {};
  const auto skipped = history::keep(*archive, batch);
  if (!skipped) return skipped.error();
  if (*skipped && exchange != nullptr) exchange->look_again();
  return {};
}

// Null when the node stops: everything is written, for a batch follows the other without a gap, or
// a last attempt after a failure has failed too.
std::shared_ptr<const PersistBatch> Runtime::next_batch(bool last_failed) {
  std::unique_lock guard(disk_mutex_);
  const auto handed_over = [&] { return handed_over_ != nullptr; };
  const bool was_ending = disk_ends_;
  disk_wanted_.wait(guard, [&] { return handed_over() || disk_ends_; });
  if (!handed_over() && last_failed && !was_ending) {
    disk_wanted_.wait_for(guard, last_attempt_wait, handed_over);
  }
  return std::exchange(handed_over_, nullptr);
}

void Runtime::finish_batch(const PersistBatch& batch, const Status& outcome,
                           std::chrono::microseconds took) {
  const auto lock = lock_core();
  storage_status_.writing += took;
  if (outcome) {
    ++storage_status_.commits;
    storage_status_.bytes += batch.bytes();
    unwritten_since_ = nothing_unwritten;
  }
  const std::string before =
      std::exchange(storage_status_.error, outcome ? "" : outcome.error().to_string());
  if (!outcome && storage_status_.error != before) {
    watches_.log({log_error, "store_refuses",
                  "the store refuses writes; new commits are in memory only until it takes them: " +
                      storage_status_.error});
  } else if (outcome && !before.empty()) {
    watches_.log({log_info, "store_takes_writes", "the store takes writes again"});
  }
  core_->persisted(batch.ticket, outcome, now());
  publish(true);
}

void Runtime::close_transport() {
  std::lock_guard guard(transport_mutex_);
  if (!transport_) return;
  final_traffic_ = transport_->counters();
  transport_.reset();
}

}  // namespace rejoin::node
