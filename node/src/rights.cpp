#include "rejoin/node/rights.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/types/map.h"

namespace rejoin::node {
namespace {

BoundedCounterView counter_in(const Document& document, const Path& counter) {
  return document.root()
      .at(counter.parent())
      .bounded_counter(counter.steps().back().key.as_string());
}

BoundedCounterRef counter_in(Transaction& transaction, const Path& counter) {
  return transaction.root()
      .at(counter.parent())
      .bounded_counter(counter.steps().back().key.as_string());
}

}  // namespace

Status check_counter_path(const Path& counter) {
  const bool fits = counter.type() == Type::bounded_counter &&
                    std::ranges::all_of(counter.steps(), [](const Step& step) {
                      return step.key.is_string() &&
                             (step.type == Type::map || step.type == Type::bounded_counter);
                    });
  if (fits && counter.parent().type() == Type::map) return {};
  return make_error(ErrorCode::wrong_type,
                    "expected the path of a bounded counter below maps, such as /stock/tokens",
                    counter.to_string());
}

// ---- Answers ----

Status RightsAnswers::add(const std::string& space, const AnswerRule& rule) {
  if (Status fits = check_counter_path(rule.counter); !fits.ok()) return fits;
  if (rule.keep < 0) {
    return make_error(ErrorCode::invalid_argument,
                      "a node keeps no negative number of rights: " + std::to_string(rule.keep),
                      rule.counter.to_string());
  }
  Space& known = spaces_[space];
  known.rules[rule.counter] = rule.keep;
  known.at_rest.reset();
  changed_.insert(space);  // what was asked before is answered as well
  return {};
}

void RightsAnswers::remove(const std::string& space, const Path& counter) {
  const auto found = spaces_.find(space);
  if (found == spaces_.end()) return;
  found->second.rules.erase(counter);
  if (found->second.rules.empty()) spaces_.erase(found);
}

std::vector<RightsAnswers::Answer> RightsAnswers::run(const Core& core, const Commit& commit) {
  std::vector<Answer> answers;
  for (const std::string& space : std::exchange(changed_, {})) {
    const auto found = spaces_.find(space);
    if (found == spaces_.end() || !core.keeps_replica_id(space)) continue;
    Space& known = found->second;
    const Document& document = core.document(space);
    const AtRest now{document.hash(), document.self()};
    if (known.at_rest == now) continue;
    known.at_rest = now;
    for (const auto& [counter, keep] : known.rules) {
      const BoundedCounterView view = counter_in(document, counter);
      if (view.rights_here() <= keep || view.requests().empty()) continue;
      known.at_rest.reset();
      std::int64_t given = 0;
      Result<Committed> committed =
          commit(space, [&, &counter = counter, keep = keep](Transaction& transaction) -> Status {
            Result<std::int64_t> answered = counter_in(transaction, counter).answer(keep);
            if (!answered.ok()) return answered.error();
            given = *answered;
            return {};
          });
      answers.push_back({space, counter, given, std::move(committed)});
    }
  }
  return answers;
}

// ---- A decrement that waits ----

PatientDecrement::PatientDecrement(Path counter, std::int64_t amount, Options options)
    : counter_(std::move(counter)), amount_(amount), options_(options) {}

// The one that seems to hold the most of those that were not asked in this round.
std::optional<ReplicaId> PatientDecrement::next_holder(const BoundedCounterView& counter) const {
  for (const RightsHolder& holder : counter.holders()) {
    if (holder.replica != counter.self() && !asked_.contains(holder.replica)) return holder.replica;
  }
  return std::nullopt;
}

Result<Committed> PatientDecrement::decrement(const Commit& commit) const {
  return commit([&](Transaction& transaction) -> Status {
    BoundedCounterRef counter = counter_in(transaction, counter_);
    if (Status done = counter.decrement(amount_); !done.ok()) return done;
    return asked_last_ ? counter.withdraw() : Status();
  });
}

bool PatientDecrement::needs_step(const Document& document) const {
  const BoundedCounterView counter = counter_in(document, counter_);
  if (counter.rights_here() >= amount_) return true;
  return waits_for_answer_ ? !counter.own_request() : next_holder(counter).has_value();
}

std::optional<Result<Committed>> PatientDecrement::step(const Document& document,
                                                        std::chrono::microseconds now,
                                                        const Commit& commit) {
  if (counter_in(document, counter_).rights_here() >= amount_) {
    Result<Committed> outcome = decrement(commit);
    // Refused all the same: the commit took a new replica id, under which there are no rights yet.
    const bool lost_rights = !outcome.ok() && outcome.error().code == ErrorCode::out_of_range &&
                             counter_in(document, counter_).rights_here() < amount_;
    if (!lost_rights) return outcome;
  }
  const BoundedCounterView counter = counter_in(document, counter_);
  const std::int64_t here = counter.rights_here();
  const bool open = counter.own_request().has_value();
  waits_for_answer_ = open;
  // A request that is open before we asked is of another decrement at this replica: it gets the
  // same time to be answered.
  if (open && ask_at_.count() == 0) ask_at_ = now + options_.ask_again_after;
  const bool is_due = now >= ask_at_;
  if (open && !is_due) return std::nullopt;

  std::optional<ReplicaId> holder = next_holder(counter);
  if (!holder && !is_due) return std::nullopt;
  if (!holder && !asked_.empty()) {
    asked_.clear();
    options_.ask_again_after = std::min(2 * options_.ask_again_after, options_.ask_again_after_max);
    holder = next_holder(counter);
  }
  ask_at_ = now + options_.ask_again_after;
  if (!holder) return std::nullopt;  // nobody is known to hold any, yet
  const Result<Committed> asked = commit([&](Transaction& transaction) {
    return counter_in(transaction, counter_).ask(amount_ - here, *holder);
  });
  if (!asked.ok()) {
    // When the disk does not keep up it is tried again as if there had been no answer.
    if (asked.error().code == ErrorCode::busy) return std::nullopt;
    return asked.error();
  }
  asked_.insert(*holder);
  asked_last_ = holder;
  waits_for_answer_ = true;
  return std::nullopt;
}

Result<Committed> PatientDecrement::give_up(const Commit& commit) {
  Result<Committed> last = decrement(commit);
  if (last.ok() || last.error().code != ErrorCode::out_of_range) return last;
  Error error = last.error();
  error.code = ErrorCode::timeout;
  if (asked_last_) {
    error.message += "; asked " + asked_last_->short_name() + " last, and not enough came in time";
    const Result<Committed> taken_back = commit(
        [&](Transaction& transaction) { return counter_in(transaction, counter_).withdraw(); });
    if (!taken_back.ok()) {
      error.message += "; the request stays open (" + taken_back.error().to_string() + ")";
    }
  }
  return error;
}

}  // namespace rejoin::node
