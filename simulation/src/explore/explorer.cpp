#include "explore/explorer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rejoin::simulation {

namespace {

constexpr std::uint64_t progress_every = 4'096;

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
T get(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  bytes.remove_prefix(sizeof(value));
  return value;
}

}  // namespace

Result<ClusterState> Explorer::begin() {
  auto nodes = histories_.begin();
  if (!nodes.ok()) return std::move(nodes).error();
  ClusterState state;
  state.nodes = *std::move(nodes);
  state.links.resize(state.nodes.size() * state.nodes.size());
  state.steps.resize(scope_.clients.size());
  state.tokens.resize(scope_.clients.size());
  state.crashes = static_cast<std::uint8_t>(scope_.crashes);
  state.losses = static_cast<std::uint8_t>(scope_.losses);
  state.duplicates = static_cast<std::uint8_t>(scope_.duplicates);
  state.timers = static_cast<std::uint8_t>(scope_.timers);
  return state;
}

std::string Explorer::encode(const ClusterState& state) const {
  std::string bytes;
  for (const HistoryId id : state.nodes) put(bytes, id);
  for (const auto& link : state.links) {
    put(bytes, static_cast<std::uint16_t>(link.size()));
    for (const MessageId message : link) put(bytes, message);
  }
  for (const std::uint8_t taken : state.steps) put(bytes, taken);
  for (const std::uint32_t carried : state.tokens) put(bytes, carried);
  for (const auto left : {state.crashes, state.losses, state.duplicates, state.timers}) {
    put(bytes, left);
  }
  return bytes;
}

ClusterState Explorer::decode(std::string_view bytes) const {
  const std::size_t count = scope_.nodes.size();
  ClusterState state;
  for (NodeIndex node = 0; node < count; ++node) state.nodes.push_back(get<HistoryId>(bytes));
  state.links.resize(count * count);
  for (auto& link : state.links) {
    link.resize(get<std::uint16_t>(bytes));
    for (MessageId& message : link) message = get<MessageId>(bytes);
  }
  for (std::size_t i = 0; i < scope_.clients.size(); ++i) {
    state.steps.push_back(get<std::uint8_t>(bytes));
  }
  for (std::size_t i = 0; i < scope_.clients.size(); ++i) {
    state.tokens.push_back(get<std::uint32_t>(bytes));
  }
  for (auto* left : {&state.crashes, &state.losses, &state.duplicates, &state.timers}) {
    *left = get<std::uint8_t>(bytes);
  }
  return state;
}

std::uint32_t Explorer::token(const Clock& clock) {
  const auto found = std::ranges::find(tokens_, clock);
  if (found == tokens_.end()) tokens_.push_back(clock);
  return static_cast<std::uint32_t>(std::ranges::find(tokens_, clock) - tokens_.begin());
}

ExploreResult Explorer::explore() {
  ExploreResult result;
  const auto end = [&](std::uint32_t at, const Choice* last, const Broken& broken) {
    std::vector<Choice> way;
    if (last != nullptr) way.push_back(*last);
    for (; at != 0; at = visited_[at].parent) way.push_back(visited_[at].choice);
    std::string words;
    for (auto choice = way.rbegin(); choice != way.rend(); ++choice) {
      words += (words.empty() ? "" : ",") + name(*choice);
    }
    result.violation = Violation{broken.promise, broken.what, words, {}};
    result.node_states = histories_.size();
    return result;
  };
  auto first = begin();
  if (!first.ok()) return end(0, nullptr, {Promise::rest, first.error().to_string()});

  struct Waiting {
    std::uint32_t state;
    std::string encoded;
  };
  std::deque<Waiting> waiting;
  waiting.push_back({0, encode(*first)});
  visited_.push_back({0, {}});
  seen_.insert(hash_bytes(waiting.front().encoded));
  std::uint32_t next_depth_from = 1;
  result.states = 1;
  while (!waiting.empty()) {
    const Waiting from = std::move(waiting.front());
    waiting.pop_front();
    if (from.state >= next_depth_from) {
      ++result.depth;
      next_depth_from = static_cast<std::uint32_t>(visited_.size());
    }
    const ClusterState state = decode(from.encoded);
    const std::vector<Choice> possible = choices(state);
    if (at_rest(possible)) {
      ++result.rests;
      if (const auto broken = check_healed(state)) return end(from.state, nullptr, *broken);
    }
    for (const Choice& choice : possible) {
      std::optional<Broken> broken;
      const ClusterState next = take(state, choice, broken);
      ++result.transitions;
      if (broken) return end(from.state, &choice, *broken);
      std::string encoded = encode(next);
      if (!seen_.insert(hash_bytes(encoded)).second) continue;
      if (result.states == options_.states_max) {
        result.node_states = histories_.size();
        return result;
      }
      ++result.states;
      waiting.push_back({static_cast<std::uint32_t>(visited_.size()), std::move(encoded)});
      visited_.push_back({from.state, choice});
      if (options_.progress && result.states % progress_every == 0) {
        options_.progress(result.states, waiting.size());
      }
    }
  }
  result.complete = true;
  result.node_states = histories_.size();
  return result;
}

Result<ReplayedChoices> Explorer::replay(const std::string& words) {
  auto begun = begin();
  ReplayedChoices replayed;
  const auto violated = [&](const Broken& broken) {
    replayed.violation = Violation{broken.promise, broken.what, words, replayed.story};
    return replayed;
  };
  if (!begun.ok()) return violated({Promise::rest, begun.error().to_string()});
  ClusterState state = *std::move(begun);
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t comma = std::min(words.find(',', at), words.size());
    const std::string word = words.substr(at, comma - at);
    at = comma + 1;
    const auto possible = choices(state);
    const auto choice = std::ranges::find_if(
        possible, [&](const Choice& candidate) { return name(candidate) == word; });
    if (choice == possible.end()) {
      std::string known;
      for (const Choice& one : possible) known += (known.empty() ? "" : ", ") + name(one);
      return make_error(ErrorCode::invalid_argument,
                        "choice " + std::to_string(replayed.story.size() + 1) +
                            " is none there; expected one of " + known,
                        word);
    }
    std::optional<Broken> broken;
    ClusterState next = take(state, *choice, broken);
    replayed.story.push_back(in_words(state, *choice, next));
    if (broken) return violated(*broken);
    state = std::move(next);
  }
  if (at_rest(choices(state))) {
    if (const auto broken = check_healed(state)) return violated(*broken);
  }
  return replayed;
}

ExploreResult explore(const Scope& scope, const ExploreOptions& options) {
  ExploreResult result = Explorer(scope, options).explore();
  if (result.violation) {
    const auto replayed = replay_choices(scope, result.violation->choices, options);
    if (replayed.ok()) result.violation->story = replayed->story;
  }
  return result;
}

Result<ReplayedChoices> replay_choices(const Scope& scope, const std::string& choices,
                                       const ExploreOptions& options) {
  return Explorer(scope, options).replay(choices);
}

}  // namespace rejoin::simulation
