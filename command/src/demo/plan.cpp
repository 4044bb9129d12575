#include "demo/plan.h"

#include "rejoin/crdt/limits.h"

namespace rejoin::demo {
namespace {

constexpr std::size_t shared_every = 4;
constexpr std::size_t turns_a_leg = 2;  // written in one region before a session is handed on
constexpr std::int64_t bytes_a_token = 4;

std::int64_t tokens(const agent::Turn& turn) {
  std::size_t bytes = turn.content ? turn.content->size() : 0;
  for (const agent::ToolCall& call : turn.tool_calls) {
    bytes += call.name.size() + call.arguments.size();
  }
  return (static_cast<std::int64_t>(bytes) + bytes_a_token - 1) / bytes_a_token;
}

Stream run_of(std::size_t from, std::size_t to, Region region) {
  Stream stream;
  for (std::size_t index = from; index < to; ++index) stream.push_back({index, region});
  return stream;
}

// The region that a handed session goes to next. While tokyo is cut off, nothing can follow a
// session across the cut.
Region next_region(Region now, Phase phase) {
  if (phase != apart) return static_cast<Region>((now + 1) % region_count);
  if (now == tokyo) return tokyo;
  return now == frankfurt ? virginia : frankfurt;
}

SessionPlan plan_handed(std::size_t turns, Region start) {
  SessionPlan plan;
  Region region = start;
  for (std::size_t phase = 0; phase < phase_count; ++phase) {
    const std::size_t from = turns * phase / phase_count;
    const std::size_t to = turns * (phase + 1) / phase_count;
    Stream stream;
    for (std::size_t index = from; index < to; ++index) {
      const std::size_t done = index - from;
      // Each phase begins where the last one ended, except after the heal, when every session
      // moves.
      if ((done > 0 && done % turns_a_leg == 0) || (done == 0 && phase == healed)) {
        region = next_region(region, static_cast<Phase>(phase));
      }
      stream.push_back({index, region});
    }
    plan.phases[phase].push_back(std::move(stream));
  }
  return plan;
}

SessionPlan plan_shared(std::size_t turns, Region one) {
  SessionPlan plan;
  plan.shared = true;
  for (std::size_t phase = 0; phase < phase_count; ++phase) {
    const std::size_t from = turns * phase / phase_count;
    const std::size_t to = turns * (phase + 1) / phase_count;
    const std::size_t middle = from + (to - from) / 2;
    // Never the same two: regions that differ by 1, then by 2; and one on each side of the cut.
    const Region first = phase == apart && one == tokyo ? frankfurt : one;
    const Region other = phase == apart    ? tokyo
                         : phase == before ? static_cast<Region>((one + 1) % region_count)
                                           : static_cast<Region>((one + 2) % region_count);
    plan.phases[phase].push_back(run_of(from, middle, first));
    plan.phases[phase].push_back(run_of(middle, to, other));
  }
  return plan;
}

std::vector<agent::Usage> plan_usage(const std::vector<agent::Turn>& turns) {
  std::vector<agent::Usage> usage;
  std::int64_t read_so_far = 0;
  for (const agent::Turn& turn : turns) {
    const bool is_call = turn.role == agent::Role::assistant;
    usage.push_back(is_call ? agent::Usage{read_so_far, tokens(turn), 1} : agent::Usage{});
    read_so_far += tokens(turn);
  }
  return usage;
}

}  // namespace

std::vector<SessionPlan> make_plan(const std::vector<InputSession>& sessions) {
  std::vector<SessionPlan> plans;
  for (std::size_t number = 0; number < sessions.size(); ++number) {
    const std::size_t turns = sessions[number].turns.size();
    // Both kinds start in all regions by turns: dividing spreads the shared ones evenly too.
    const auto start = static_cast<Region>((number + number / shared_every) % region_count);
    plans.push_back(number % shared_every == shared_every - 1 ? plan_shared(turns, start)
                                                              : plan_handed(turns, start));
    plans.back().usage = plan_usage(sessions[number].turns);
  }
  return plans;
}

std::string author_of(const InputSession& session, std::size_t turn_index) {
  const agent::Turn& turn = session.turns[turn_index];
  const auto named = [&](const std::string& name) {
    const bool fits = !name.empty() && name.size() <= limits::author_bytes_max;
    return fits ? name : std::string(agent::to_string(turn.role));
  };
  switch (turn.role) {
    case agent::Role::user:
      return named(session.user);
    case agent::Role::assistant:
      return "agent";
    case agent::Role::tool:
      return named(turn.name);
    default:
      return named("");
  }
}

std::string turn_id(const InputSession& session, std::size_t turn_index) {
  return session.id + "/" + std::to_string(turn_index);
}

}  // namespace rejoin::demo
