// What a campaign shows at its end.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "rejoin/simulation/coverage.h"
#include "sim/sim.h"

namespace rejoin::command {

namespace {

using simulation::CampaignResult;
using simulation::RunResult;

double real_seconds(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double>(took).count();
}

void row(const std::string& name, std::uint64_t value) {
  std::printf("  %-32s %14llu\n", name.c_str(), static_cast<unsigned long long>(value));
}

}  // namespace

void print_summary(const CampaignResult& result, std::chrono::steady_clock::duration took) {
  const RunResult& total = result.total;
  row("seeds", result.runs);
  row("failed", result.failed);
  row("simulated seconds", static_cast<std::uint64_t>(total.simulated.count() / 1'000'000));
  std::printf("  %-32s %14.1f\n", "real seconds", real_seconds(took));
  std::printf("  %-32s %14s\n", "slowest agreement after healing",
              seconds(total.converged_after).c_str());
  row("steps", total.steps);
  row("commits", total.commits);
  row("messages sent", total.messages);
  row("messages delivered", total.delivered);
  row("bytes sent", total.bytes);
  std::string never;
  std::printf("reached:\n");
  for (const auto& [name, times] : simulation::coverage(total)) {
    if (times > 0) {
      row(name, times);
    } else {
      never += (never.empty() ? "" : ", ") + name;
    }
  }
  if (!never.empty()) std::printf("never reached: %s\n", never.c_str());
}

std::string summary_as_json(const simulation::Scenario& scenario, const CampaignResult& result,
                            std::chrono::steady_clock::duration took) {
  const RunResult& total = result.total;
  nlohmann::ordered_json json;
  json["scenario"] = scenario.name;
  json["seeds"] = result.runs;
  json["failed"] = result.failed;
  json["simulated_seconds"] = static_cast<double>(total.simulated.count()) / 1e6;
  json["real_seconds"] = real_seconds(took);
  json["slowest_agreement_seconds"] = static_cast<double>(total.converged_after.count()) / 1e6;
  json["steps"] = total.steps;
  json["commits"] = total.commits;
  json["messages_sent"] = total.messages;
  json["messages_delivered"] = total.delivered;
  json["bytes_sent"] = total.bytes;
  json["reached"] = simulation::coverage(total);
  json["missed"] = simulation::missed(scenario, total);
  json["failures"] = nlohmann::ordered_json::array();
  for (const RunResult& failure : result.failures) {
    nlohmann::ordered_json one;
    one["seed"] = failure.seed;
    one["seconds"] = static_cast<double>(failure.failed_at.count()) / 1e6;
    one["promise"] = to_string(*failure.promise);
    one["failure"] = failure.failure;
    one["again"] = replay_command(scenario, failure.seed);
    json["failures"].push_back(std::move(one));
  }
  return json.dump(2) + '\n';
}

}  // namespace rejoin::command
