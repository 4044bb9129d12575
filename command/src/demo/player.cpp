#include "demo/player.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
using std::chrono::steady_clock;

constexpr std::size_t client_count = 20;
constexpr auto reach_within = std::chrono::seconds(30);
constexpr auto retry_after = std::chrono::milliseconds(20);
constexpr auto node_timeout = std::chrono::seconds(20);    // for the token and the disk
constexpr auto answer_timeout = std::chrono::seconds(25);  // longer than the node's own

std::uint64_t now_millis() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

// What went wrong on the way, as opposed to a node's refusal: worth another attempt.
bool is_unreachable(const Error& error) {
  return error.code == ErrorCode::closed || error.code == ErrorCode::io ||
         error.code == ErrorCode::not_found || error.code == ErrorCode::busy;
}

Json turn_record(const agent::Turn& turn, const std::string& id, Region region) {
  Json record = {{"role", agent::to_string(turn.role)},
                 {"author", region_names[region]},
                 {"id", id},
                 {"time", now_millis()}};
  if (turn.content) record["content"] = *turn.content;
  if (!turn.tool_call_id.empty()) record["tool_call_id"] = turn.tool_call_id;
  if (!turn.name.empty()) record["name"] = turn.name;
  for (const agent::ToolCall& call : turn.tool_calls) {
    record["tool_calls"].push_back(
        {{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}});
  }
  return record;
}

// Everything that belongs to a turn commits with it, in one event.
Json operations_of(const InputSession& session, std::size_t index, Region region,
                   const agent::Usage& usage, bool enters_region, bool once) {
  const agent::Turn& turn = session.turns[index];
  Json turn_operation = {{"op", "turn"},
                         {"session", session.id},
                         {"turn", turn_record(turn, turn_id(session, index), region)}};
  if (once) turn_operation["once"] = true;
  Json operations = Json::array({turn_operation});
  if (usage != agent::Usage{}) {
    operations.push_back({{"op", "usage"},
                          {"session", session.id},
                          {"tokens_in", usage.tokens_in},
                          {"tokens_out", usage.tokens_out},
                          {"calls", usage.calls}});
  }
  const auto step = [&](const std::string& name, const char* status) {
    if (name.empty()) return;
    operations.push_back(
        {{"op", "step"}, {"session", session.id}, {"step", name}, {"status", status}});
  };
  for (const agent::ToolCall& call : turn.tool_calls) step(call.id, "running");
  step(turn.tool_call_id, "done");
  const auto preference = [&](const char* name, std::string_view value) {
    operations.push_back(
        {{"op", "preference"}, {"session", session.id}, {"name", name}, {"value", value}});
  };
  if (index == 0 && !session.user.empty()) preference("user", session.user);
  if (enters_region) preference("region", region_names[region]);
  return operations;
}

// Why the write is out of the ordinary.
std::string note_of(bool repeat, std::optional<Region> from) {
  if (repeat) return "sent again: the answer was lost";
  if (from) return "handed over from " + std::string(region_names[*from]);
  return "";
}

}  // namespace

Player::Player(const Cluster& cluster, const std::vector<InputSession>& sessions,
               const std::vector<SessionPlan>& plans, double phase_seconds)
    : cluster_(cluster),
      sessions_(sessions),
      plans_(plans),
      phase_seconds_(phase_seconds),
      start_millis_(now_millis()),
      carried_(sessions.size()) {
  for (const InputSession& session : sessions) total_ += session.turns.size();
}

Player::~Player() {
  fail(make_error(ErrorCode::closed, "the demo was stopped"));
  (void)end();
}

void Player::begin(Phase phase) {
  std::lock_guard lock(mutex_);
  phase_turns_ = 0;
  phase_claimed_ = 0;
  phase_start_ = steady_clock::now();
  for (std::size_t number = 0; number < plans_.size(); ++number) {
    for (const Stream& stream : plans_[number].phases[phase]) {
      if (stream.empty()) continue;
      queue_.push_back({number, &stream, 0, false, false, steady_clock::now() + reach_within});
      phase_turns_ += stream.size();
    }
  }
  const std::size_t count = std::min(client_count, queue_.size());
  for (std::size_t i = 0; i < count; ++i) clients_.emplace_back([this] { work(); });
}

bool Player::playing() const {
  std::lock_guard lock(mutex_);
  return !error_ && (busy_ > 0 || !queue_.empty());
}

Status Player::end() {
  for (std::thread& client : clients_) client.join();
  clients_.clear();
  if (error_) return *error_;
  return {};
}

std::size_t Player::written_count() const {
  std::lock_guard lock(mutex_);
  return written_.size();
}

std::size_t Player::repeated_count() const {
  std::lock_guard lock(mutex_);
  return repeated_;
}

std::size_t Player::found_count() const {
  std::lock_guard lock(mutex_);
  return found_;
}

double Player::seconds() const {
  return std::chrono::duration<double>(steady_clock::now() - start_).count();
}

// One client: takes a stream, writes it to its end or until its node is gone, and takes the next.
void Player::work() {
  Clients clients;
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return error_ || !queue_.empty() || busy_ == 0; });
      if (error_ || queue_.empty()) return;
      task = queue_.front();
      queue_.pop_front();
      ++busy_;
    }
    Outcome outcome = Outcome::written;
    while (outcome == Outcome::written && task.next < task.stream->size()) {
      if (!task.due) task.due = await_pace();
      outcome = task.due ? write_turn(clients, task) : Outcome::failed;
    }
    std::unique_lock lock(mutex_);
    if (outcome == Outcome::unreachable) {
      changed_.wait_for(lock, retry_after, [this] { return error_.has_value(); });
      queue_.push_back(task);
    }
    --busy_;
    changed_.notify_all();
  }
}

// Waits until the next turn of the phase is due. False when the demo ends early.
bool Player::await_pace() {
  std::unique_lock lock(mutex_);
  const double share = static_cast<double>(phase_claimed_++) / static_cast<double>(phase_turns_);
  const auto due = phase_start_ + std::chrono::duration_cast<steady_clock::duration>(
                                      std::chrono::duration<double>(phase_seconds_ * share));
  return !changed_.wait_until(lock, due, [this] { return error_.has_value(); });
}

Player::Outcome Player::write_turn(Clients& clients, Task& task) {
  const InputSession& session = sessions_[task.session];
  const SessionPlan& plan = plans_[task.session];
  const PlannedTurn& turn = (*task.stream)[task.next];
  Carried shared;  // a shared session's clients carry nothing: they do not know of each other
  Carried& carried = plan.shared ? shared : carried_[task.session];
  const bool enters_region = plan.shared ? task.next == 0 : carried.region != turn.region;

  Json request = {{"command", "apply"},
                  {"space", space_name},
                  {"author", author_of(session, turn.index)},
                  {"note", note_of(task.repeat, enters_region ? carried.region : std::nullopt)},
                  {"wait", {{"durable", true}}},
                  {"timeout_ms", std::chrono::milliseconds(node_timeout).count()},
                  {"ops", operations_of(session, turn.index, turn.region, plan.usage[turn.index],
                                        enters_region, task.repeat)}};
  if (enters_region && !carried.token.empty()) request["after"] = carried.token;

  std::optional<node::AdminClient>& client = clients[turn.region];
  std::optional<Error> error;
  Json answer;
  if (!client) {
    if (auto connected = cluster_.connect(turn.region)) {
      client.emplace(*std::move(connected));
    } else {
      error = connected.error();
    }
  }
  if (client) {
    if (task.repeat) {
      std::lock_guard lock(mutex_);
      ++repeated_;
    }
    task.repeat = true;  // until we hear of it, it may or may not be written
    if (auto answered = client->call(request, answer_timeout)) {
      answer = *std::move(answered);
    } else {
      error = answered.error();
      client.reset();
    }
  }
  if (error) {
    if (is_unreachable(*error) && steady_clock::now() < task.give_up) return Outcome::unreachable;
    error->message = "writing turn " + turn_id(session, turn.index) + ": " + error->message;
    if (error->where.empty()) error->where = region_names[turn.region];
    fail(*error);
    return Outcome::failed;
  }

  if (auto ok = record(task, answer); !ok) {
    fail(ok.error());
    return Outcome::failed;
  }
  carried = Carried{turn.region, answer.value("token", "")};
  ++task.next;
  task.due = task.repeat = false;
  task.give_up = steady_clock::now() + reach_within;
  return Outcome::written;
}

Status Player::record(const Task& task, const Json& answer) {
  const PlannedTurn& turn = (*task.stream)[task.next];
  WrittenTurn written{task.session, turn.index, turn.region, std::nullopt};
  if (const auto dot = answer.find("dot"); dot != answer.end() && dot->is_object()) {
    const auto replica = ReplicaId::parse(dot->value("replica", ""));
    if (!replica) return replica.error();
    written.event = Dot{*replica, dot->value("sequence", Sequence{0})};
  }
  std::lock_guard lock(mutex_);
  if (!written.event) ++found_;
  written_.push_back(written);
  return {};
}

void Player::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

}  // namespace rejoin::demo
