// Agents that append turns to sessions, some of which are open at a time: what the programs that
// measure stored sessions have in common.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "rejoin/rejoin.h"

namespace rejoin::appended_turns {

using Time = std::chrono::steady_clock;

inline constexpr std::uint64_t turns_a_session = 20;
inline constexpr std::uint64_t sessions_open = 1000;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::cerr << result.error().to_string() << "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline double seconds_since(Time::time_point begun) {
  return std::chrono::duration<double>(Time::now() - begun).count();
}

inline std::string session_name(std::uint64_t session) { return "s" + std::to_string(session); }

// Session by session, a turn of each of those that are open.
inline std::uint64_t session_of(std::uint64_t turn) {
  const std::uint64_t group = turn / (sessions_open * turns_a_session);
  return group * sessions_open + turn % sessions_open;
}

inline agent::Turn make_turn(std::uint64_t number, std::mt19937_64& random) {
  static const char* const words[] = {"please", "book",   "the",    "flight", "seat", "window",
                                      "hotel",  "cancel", "refund", "today",  "when", "price"};
  agent::Turn made;
  made.role = number % 2 == 0 ? agent::Role::user : agent::Role::assistant;
  made.author = "frankfurt";
  made.id = "t" + std::to_string(number);
  std::string content;
  for (int i = 0; i < 30; ++i) content += std::string(words[random() % std::size(words)]) + " ";
  made.content = content;
  return made;
}

inline double percentile(std::vector<double> values, std::size_t percent) {
  std::sort(values.begin(), values.end());
  return values[values.size() * percent / 100];
}

}  // namespace rejoin::appended_turns
