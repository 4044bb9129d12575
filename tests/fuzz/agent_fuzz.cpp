// What anybody may have written where the typed views of agents look: JSON, as one turn (as it is
// stored, and as somebody asks to write it), and as what a session and a budget hold.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "rejoin/crdt/agent/budget.h"
#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/agent/training_run.h"
#include "rejoin/crdt/agent/turn.h"
#include "rejoin/crdt/agent/windowed_counter.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"
#include "worlds.h"

namespace rejoin::fuzz {
namespace {

using namespace agent;

const ReplicaId self = ReplicaId::from_words(1, 2);
constexpr std::chrono::sys_seconds at{std::chrono::seconds(1764043200)};
constexpr std::int64_t now_ms = 1764043200000;
const ContentHash content = *ContentHash::parse("sha256:" + std::string(64, 'a'));

void must(const Status& status) { REJOIN_ASSERT(status.ok()); }

Turn turn(const char* json) { return *turn_from_json(nlohmann::json::parse(json)); }

Transaction begin(Document& document) {
  return document.begin({HybridTime::from_millis(static_cast<std::uint64_t>(now_ms)), "", ""});
}

// A session, a budget and counters by time, as the views write them.
Document written() {
  Document document(self);
  Transaction transaction = begin(document);
  SessionRef session(transaction, "s");
  must(session.append(turn(R"({"role": "user", "content": "Where to?", "id": "t1"})")));
  must(session.append(turn(R"({"role": "assistant", "author": "agent", "time": 9,
      "tool_calls": [{"id": "1", "name": "search", "arguments": "{}"}]})")));
  must(session.append(turn(R"({"role": "tool", "tool_call_id": "1", "name": "search"})")));
  must(session.summarize({.content = "Where to?"}, 1));
  must(session.attachments().add({.hash = content, .name = "map.png", .bytes = 7}));
  must(session.participants().enter("ada", now_ms));
  must(session.scratchpad().append("look up trains"));
  REJOIN_ASSERT(session.workflow().advance("01", StepStatus::failed, Value("no seat")).ok());
  REJOIN_ASSERT(session.workflow().advance("02", StepStatus::running).ok());
  must(session.workflow().plan("03", {.after = {"04"}}));
  must(session.workflow().plan("04"));
  REJOIN_ASSERT(session.workflow().claim("04", {"w", 1, 5}).ok());
  REJOIN_ASSERT(session.workflow().complete("04", "w", 1, Value("R-7")).ok());
  must(session.preferences().set("seat", Value("aisle")));
  must(session.usage().add({5, 6, 7}));
  REJOIN_ASSERT(session.decisions()
                    .decide("seat", {.author = "agent",
                                     .choice = "aisle",
                                     .evidence = {Path().map("x"), TurnName{"s", "t1"}, content}})
                    .ok());
  TrainingRunRef run(transaction.root().map("run"));
  must(run.save({.hash = content, .step = 5, .bytes = 6}));
  must(run.report("loss", Aim::least, content, 0.5));
  must(run.validate(content, "v", Verdict::passed, Value("fine")));
  must(run.publish("v1", content));
  BudgetRef budget(transaction.root().map("budget"));
  must(budget.fund(100));
  for (const GrantKind kind : {GrantKind::capacity, GrantKind::consumable}) {
    REJOIN_ASSERT(budget
                      .grant({.kind = kind,
                              .holder = self,
                              .amount = 10,
                              .expires_ms = now_ms + 1000,
                              .clock_error_ms = 5,
                              .purpose = "plan"})
                      .ok());
  }
  WindowedCounterRef windows(transaction.root().map("windows"));
  must(windows.add(3, at));
  (void)transaction.commit();
  return document;
}

void read_turn(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return;
  const Result<Turn> turn = turn_from_json(json);
  if (!turn.ok()) return;
  const Result<Value> record = encode_turn(*turn);
  if (record.ok()) REJOIN_ASSERT(decode_turn(*record) == *turn);
}

void read_record(const Value& value) {
  const Turn turn = decode_turn(value);
  const Result<Value> record = encode_turn(turn);
  REJOIN_ASSERT(turn.role != Role::unknown || !record.ok());
  if (record.ok()) REJOIN_ASSERT(decode_turn(*record) == turn);
}

void read_views(Document& document) {
  const SessionView session(document, "s");
  REJOIN_ASSERT(session.turns().size() <= session.turn_entries());
  REJOIN_ASSERT(session.last_turns(2).size() <= 2);
  (void)session_ids(document);
  const Context context = session.context();
  REJOIN_ASSERT(context.turns.size() <= session.turn_entries());
  REJOIN_ASSERT(!context.summary || !session.summaries().empty());
  for (const Attachment& one : session.attachments().all()) {
    REJOIN_ASSERT(session.attachments().get(one.hash) == one);
  }
  for (const Participant& one : session.participants().present(7)) {
    REJOIN_ASSERT(one.until_ms > 7);
  }
  (void)session.scratchpad().to_string();
  for (const WorkflowStep& step : session.workflow().steps()) {
    const WorkflowView workflow = session.workflow();
    REJOIN_ASSERT(workflow.step(step.name).has_value());
    const auto holder = workflow.holder(step.name, 2);
    REJOIN_ASSERT(!holder || (holder->is_live(2) && holder->number >= 1));
    REJOIN_ASSERT(workflow.result(step.name).has_value() + workflow.duplicates(step.name).size() >=
                  static_cast<std::size_t>(std::ranges::count(workflow.attempts(step.name),
                                                              StepStatus::done, &Attempt::status)));
  }
  (void)session.workflow().circular();
  for (const auto& [name, value] : session.preferences().all()) {
    REJOIN_ASSERT(session.preferences().get(name) == value);
    REJOIN_ASSERT(!session.preferences().conflicts(name).empty());
  }
  (void)session.usage().get();
  for (const std::string& question : session.decisions().questions()) {
    const std::size_t all = session.decisions().history(question).size();
    REJOIN_ASSERT(session.decisions().standing(question).size() <= all);
  }
  const TrainingRunView run(document.root().map("run"));
  for (const Checkpoint& one : run.checkpoints()) {
    REJOIN_ASSERT(run.checkpoint(one.hash) == one);
    REJOIN_ASSERT((run.verdict(one.hash) == Verdict::none) == run.validations(one.hash).empty());
  }
  for (const Aim aim : {Aim::greatest, Aim::least}) {
    REJOIN_ASSERT(run.best("loss", aim).has_value() == !run.values("loss", aim).empty());
  }
  for (const ModelVersion& one : run.versions()) REJOIN_ASSERT(!one.checkpoints.empty());
  const BudgetView budget(document.root().map("budget"));
  for (const Grant& grant : budget.grants()) {
    REJOIN_ASSERT(grant.left() >= 0 && budget.grant(grant.id).has_value());
    REJOIN_ASSERT(budget.usable_capacity(grant.id, now_ms) >= 0);
  }
  const WindowedCounterView windows(document.root().map("windows"));
  for (const Granularity granularity : granularities) {
    (void)windows.sum(granularity, bucket_time_min, at);
  }
}

// Writing beside what somebody else put there is refused or leaves a whole document.
void write_views(Document& document) {
  Transaction transaction = begin(document);
  SessionRef session(transaction, "s");
  (void)session.append_once(turn(R"({"role": "user", "content": "And back?", "id": "t9"})"));
  (void)session.summarize({.content = "And back?"}, 2);
  (void)session.attachments().add({.hash = content, .name = "plan.png", .bytes = 7});
  (void)session.participants().enter("ada", 9);
  (void)session.participants().remove_expired(8);
  (void)session.scratchpad().append("done");
  WorkflowRef workflow = session.workflow();
  (void)workflow.advance("01", StepStatus::done);
  (void)workflow.plan("04", {.after = {"03"}});
  for (const std::string& name : workflow.ready(6)) {
    const Result<std::int64_t> attempt = workflow.claim(name, {"v", 6, 9});
    REJOIN_ASSERT(attempt.ok());
    (void)workflow.fail(name, "v", *attempt, Value("no seat"));
  }
  (void)workflow.complete("04", "w", 1, Value("R-8"));
  (void)workflow.fail_expired(99);
  (void)session.usage().add({1, 1, 1});
  Decision decision{.author = "agent", .choice = "window"};
  for (const Decision& one : session.decisions().standing("seat")) {
    decision.supersedes.push_back(one.id);
    decision.evidence.insert(decision.evidence.end(), one.evidence.begin(), one.evidence.end());
  }
  (void)session.decisions().decide("seat", decision);
  TrainingRunRef run(transaction.root().map("run"));
  (void)run.save({.hash = content, .step = 5, .bytes = 6});
  (void)run.report("loss", Aim::least, content, 0.25);
  (void)run.validate(content, "v", Verdict::failed);
  (void)run.publish("v1", content);
  BudgetRef budget(transaction.root().map("budget"));
  for (const Grant& grant : budget.grants()) {
    (void)budget.spend(grant.id, 1, now_ms);
    (void)budget.extend(grant.id, now_ms + 5000);
  }
  (void)budget.close_expired(now_ms + 10'000);
  (void)budget.reclaim(now_ms + 10'000);
  WindowedCounterRef windows(transaction.root().map("windows"));
  (void)windows.add(1, at);
  (void)windows.expire({.minutes = 1, .hours = 1, .days = 1}, at + std::chrono::hours(100));
  (void)transaction.commit();
}

}  // namespace

std::vector<std::string> seeds() {
  const Document document = written();
  const auto json = *to_json(document);
  std::vector<std::string> inputs{json.dump(), "{}", "null", "[1]", "\"text\""};
  for (const Value& record : document.root().map("sessions").map("s").log("turns").values()) {
    inputs.emplace_back(record.contents());
  }
  for (const auto& [name, part] : json.items()) inputs.push_back(part.dump());
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const std::string_view text = fuzz::as_text(data, size);
  fuzz::read_turn(text);
  fuzz::read_record(is_valid_utf8(text) ? Value(text) : Value::bytes(text));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return 0;
  for (const bool there_already : {false, true}) {
    Document document = there_already ? fuzz::written() : Document(ReplicaId::from_words(1, 2));
    {
      Transaction transaction = fuzz::begin(document);
      if (!from_json(transaction, Path(), json, false).ok()) continue;
      (void)transaction.commit();
    }
    fuzz::read_views(document);
    fuzz::write_views(document);
    fuzz::read_views(document);
    fuzz::check_whole(document);
  }
  return 0;
}
