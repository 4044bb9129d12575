// What can happen next in an explored cluster, and what comes of it.
#include <algorithm>
#include <utility>

#include "explore/explorer.h"
#include "explore/steps.h"
#include "world/recorder.h"

namespace rejoin::simulation {

namespace {

bool is_among(const std::vector<NodeIndex>& some, NodeIndex node) {
  return some.empty() || std::ranges::find(some, node) != some.end();
}

std::uint8_t small(std::size_t index) { return static_cast<std::uint8_t>(index); }

}  // namespace

// A client waits for its node: to be up, and to have what it wrote.
bool Explorer::may_step(const ClusterState& state, std::size_t client) const {
  const auto& steps = scope_.clients[client];
  if (state.steps[client] == steps.size()) return false;
  const History& at = histories_[state.nodes[steps[state.steps[client]].at]];
  return at.up && at.clock.includes(tokens_[state.tokens[client]]);
}

std::vector<Choice> Explorer::choices(const ClusterState& state) const {
  using Kind = Choice::Kind;
  const std::size_t count = state.nodes.size();
  std::vector<Choice> all;
  for (std::size_t client = 0; client < scope_.clients.size(); ++client) {
    if (may_step(state, client)) all.push_back({.kind = Kind::step, .a = small(client)});
  }
  for (NodeIndex from = 0; from < count; ++from) {
    for (NodeIndex to = 0; to < count; ++to) {
      if (state.links[from * count + to].empty()) continue;
      all.push_back({.kind = Kind::deliver, .a = small(from), .b = small(to)});
      if (!histories_[state.nodes[to]].up) continue;
      if (state.losses > 0) all.push_back({.kind = Kind::lose, .a = small(from), .b = small(to)});
      if (state.duplicates > 0) {
        all.push_back({.kind = Kind::repeat, .a = small(from), .b = small(to)});
      }
    }
  }
  for (NodeIndex node = 0; node < count; ++node) {
    const History& here = histories_[state.nodes[node]];
    if (!here.up) {
      all.push_back({.kind = Kind::start, .a = small(node)});
      continue;
    }
    if (here.writing) all.push_back({.kind = Kind::write_done, .a = small(node)});
    if (state.timers > 0 && is_among(scope_.timed, node)) {
      all.push_back({.kind = Kind::tick, .a = small(node)});
    }
    if (state.crashes == 0 || !is_among(scope_.crashing, node)) continue;
    bool under_way = false;
    for (NodeIndex to = 0; to < count; ++to) under_way |= !state.links[node * count + to].empty();
    for (const bool kept : {false, true}) {
      for (const bool unsent : {false, true}) {
        if ((kept && !here.writing) || (unsent && !under_way)) continue;
        all.push_back({.kind = Kind::crash, .a = small(node), .kept = kept, .unsent = unsent});
      }
    }
  }
  return all;
}

// Only what may go wrong, and time, is left.
bool Explorer::at_rest(const std::vector<Choice>& choices) const {
  return std::ranges::all_of(choices, [](const Choice& choice) {
    return choice.kind == Choice::Kind::tick || choice.kind == Choice::Kind::crash;
  });
}

void Explorer::give(ClusterState& state, NodeIndex node, const NodeInput& input,
                    std::optional<Broken>& broken) {
  const std::size_t count = state.nodes.size();
  state.nodes[node] = histories_.after(state.nodes[node], input);
  const History& history = histories_[state.nodes[node]];
  for (const MessageId message : history.sent) {
    state.links[node * count + histories_.messages()[message].to].push_back(message);
  }
  broken = history.broken;
}

ClusterState Explorer::take(ClusterState state, const Choice& choice,
                            std::optional<Broken>& broken) {
  using Kind = Choice::Kind;
  const std::size_t count = state.nodes.size();
  NodeIndex changed = choice.a;
  switch (choice.kind) {
    case Kind::step: {
      const ScopeStep& step = scope_.clients[choice.a][state.steps[choice.a]++];
      changed = step.at;
      const History& receiver = histories_[state.nodes[step.to]];
      NodeInput input{.kind = NodeInput::Kind::step, .step = &step};
      if (step.write == ScopeStep::Write::give && receiver.up) input.receiver = receiver.self;
      give(state, changed, input, broken);
      const History& after = histories_[state.nodes[changed]];
      if (after.commit) state.tokens[choice.a] = token(after.clock);
      break;
    }
    case Kind::deliver:
    case Kind::lose:
    case Kind::repeat: {
      auto& link = state.links[choice.a * count + choice.b];
      const MessageId message = link.front();
      if (choice.kind != Kind::repeat) link.erase(link.begin());
      if (choice.kind == Kind::lose) --state.losses;
      if (choice.kind == Kind::repeat) --state.duplicates;
      changed = choice.b;
      if (choice.kind == Kind::lose || !histories_[state.nodes[changed]].up) return state;
      give(state, changed, {.kind = NodeInput::Kind::receive, .message = message}, broken);
      break;
    }
    case Kind::write_done:
      give(state, changed, {.kind = NodeInput::Kind::write_done}, broken);
      break;
    case Kind::start:
      give(state, changed, {.kind = NodeInput::Kind::start}, broken);
      break;
    case Kind::tick:
      --state.timers;
      give(state, changed, {.kind = NodeInput::Kind::tick}, broken);
      break;
    case Kind::crash:
      --state.crashes;
      give(state, changed,
           {.kind = choice.kept ? NodeInput::Kind::crash_kept : NodeInput::Kind::crash}, broken);
      if (choice.unsent) {
        for (NodeIndex to = 0; to < count; ++to) state.links[changed * count + to].clear();
      }
      forget_lost_tokens(state, histories_[state.nodes[changed]]);
      break;
  }
  if (!broken) broken = check(state, changed);
  return state;
}

// A token is worth what was durable: a client whose write is gone starts anew.
void Explorer::forget_lost_tokens(ClusterState& state, const History& crashed) {
  for (std::uint32_t& carried : state.tokens) {
    const Clock& clock = tokens_[carried];
    if (std::ranges::any_of(crashed.writers, [&](const ReplicaId& writer) {
          return clock.get(writer) > crashed.ever_on_disk.get(writer);
        })) {
      carried = 0;
    }
  }
}

// ---- In words ----

std::string Explorer::name(const Choice& choice) const {
  const auto node = [&](std::uint8_t index) { return scope_.nodes[index]; };
  const std::string link = choice.b < scope_.nodes.size() && choice.a < scope_.nodes.size()
                               ? node(choice.a) + '>' + node(choice.b)
                               : std::string();
  switch (choice.kind) {
    case Choice::Kind::step:
      return std::to_string(choice.a + 1);
    case Choice::Kind::deliver:
      return link;
    case Choice::Kind::lose:
      return link + ":lost";
    case Choice::Kind::repeat:
      return link + ":twice";
    case Choice::Kind::write_done:
      return node(choice.a) + ":sync";
    case Choice::Kind::start:
      return node(choice.a) + ":start";
    case Choice::Kind::tick:
      return node(choice.a) + ":timer";
    case Choice::Kind::crash:
      return node(choice.a) + ":crash" + (choice.kept ? ":kept" : "") +
             (choice.unsent ? ":unsent" : "");
  }
  return {};
}

// Whose writes it includes, by the nodes' names.
std::string Explorer::clock_in_words(const ClusterState& state, const Clock& clock) const {
  std::string text;
  for (const auto& [replica, sequence] : clock) {
    std::string writer = replica.short_name();
    for (const HistoryId id : state.nodes) {
      const auto& writers = histories_[id].writers;
      const auto at = std::ranges::find(writers, replica);
      if (at == writers.end()) continue;
      writer = scope_.nodes[histories_[id].node];
      if (at != writers.begin()) writer += '\'' + std::to_string(at - writers.begin());
    }
    text += (text.empty() ? "" : ", ") + writer + ' ' + std::to_string(sequence);
  }
  return text.empty() ? "nothing" : text;
}

std::string Explorer::in_words(const ClusterState& before, const Choice& choice,
                               const ClusterState& after) const {
  using Kind = Choice::Kind;
  const std::size_t count = before.nodes.size();
  std::string text;
  NodeIndex changed = choice.a;
  switch (choice.kind) {
    case Kind::step: {
      const ScopeStep& step = scope_.clients[choice.a][before.steps[choice.a]];
      changed = step.at;
      text =
          "client " + std::to_string(choice.a + 1) + ' ' + simulation::in_words(step, scope_.nodes);
      if (!histories_[after.nodes[changed]].commit) text += ", which changes nothing";
      break;
    }
    case Kind::deliver:
    case Kind::lose:
    case Kind::repeat: {
      const ExploredMessage& message =
          histories_.messages()[before.links[choice.a * count + choice.b].front()];
      changed = choice.b;
      text = scope_.nodes[choice.b] + " gets " + message.kind + " from " + scope_.nodes[choice.a];
      if (choice.kind == Kind::lose || !histories_[before.nodes[changed]].up) {
        text = std::string(message.kind) + " from " + scope_.nodes[choice.a] + " to " +
               scope_.nodes[choice.b] + " is lost";
      }
      if (choice.kind == Kind::repeat) text += ", which will come again";
      text += " (" + words_of_message(message.bytes) + ')';
      break;
    }
    case Kind::write_done:
      text = "what " + scope_.nodes[choice.a] + " was writing is durable";
      break;
    case Kind::start:
      text = scope_.nodes[choice.a] + " starts";
      break;
    case Kind::tick:
      text = scope_.nodes[choice.a] + "'s timer fires";
      break;
    case Kind::crash:
      text = scope_.nodes[choice.a] + " crashes";
      if (histories_[before.nodes[changed]].writing) {
        text += choice.kept ? ", with what it was writing on its disk"
                            : ", and what it was writing is lost";
      }
      if (choice.unsent) text += ", and what was under way from it is lost";
      break;
  }
  const History& was = histories_[before.nodes[changed]];
  const History& is = histories_[after.nodes[changed]];
  if (is.clock != was.clock) {
    text += "; " + scope_.nodes[changed] + " has " + clock_in_words(after, is.clock);
  }
  return text;
}

}  // namespace rejoin::simulation
