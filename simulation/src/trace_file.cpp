#include "rejoin/simulation/trace_file.h"

#include <algorithm>

namespace rejoin::simulation {

namespace {

constexpr std::string_view head = "# rejoin trace, format ";

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

void write_trace_head(std::ostream& out, const Scenario& scenario, std::uint64_t seed) {
  out << head << replay_format << '\n';
  Scenario of_one_run = scenario;
  of_one_run.seed = seed;
  const std::string toml = of_one_run.to_toml();
  for (std::string_view rest = toml; !rest.empty();) out << "# " << take_line(rest) << '\n';
}

bool is_trace(std::string_view text) { return text.starts_with(head); }

Result<TraceFile> read_trace(std::string_view text, const std::string& source) {
  if (!is_trace(text)) {
    return make_error(ErrorCode::malformed,
                      "this is not a trace: its first line is not \"" + std::string(head) + "...\"",
                      source);
  }
  const std::string format(take_line(text).substr(head.size()));
  if (format != std::to_string(replay_format)) {
    return make_error(ErrorCode::unsupported_version,
                      "this trace is of format " + format + " and this program replays format " +
                          std::to_string(replay_format) +
                          ", in which the same seed gives another run; replay it with the version "
                          "that wrote it",
                      source);
  }
  std::string toml;
  while (text.starts_with('#')) {
    std::string_view line = take_line(text);
    line.remove_prefix(std::min<std::size_t>(2, line.size()));
    toml.append(line).push_back('\n');
  }
  auto scenario = Scenario::from_toml(toml, source);
  if (!scenario.ok()) return std::move(scenario).error();
  if (!scenario->seed) {
    return make_error(ErrorCode::malformed, "the head of this trace names no seed", source);
  }
  return TraceFile{*std::move(scenario), std::string(text)};
}

}  // namespace rejoin::simulation
