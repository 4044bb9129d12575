#include "rejoin/simulation/campaign.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace rejoin::simulation {

namespace {

constexpr std::size_t failures_kept = 10;

// Sums and maxima alone, so that the order of the runs does not matter.
void add(RunResult& total, const RunResult& one) {
  total.simulated += one.simulated;
  total.converged_after = std::max(total.converged_after, one.converged_after);
  total.steps += one.steps;
  total.commits += one.commits;
  total.messages += one.messages;
  total.bytes += one.bytes;
  total.delivered += one.delivered;
  total.lost += one.lost;
  total.duplicated += one.duplicated;
  total.corrupted += one.corrupted;
  for (std::size_t i = 0; i < total.faults.size(); ++i) total.faults[i] += one.faults[i];
  for (const auto& [name, times] : one.counts) total.counts[name] += times;
}

}  // namespace

CampaignResult run_campaign(const Scenario& scenario, const CampaignOptions& options) {
  CampaignResult result;
  if (options.last_seed < options.first_seed) return result;
  const std::uint64_t of = options.last_seed - options.first_seed + 1;
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;

  const auto work = [&] {
    for (std::uint64_t i = next++; i < of; i = next++) {
      RunOptions run_options;
      run_options.seed = options.first_seed + i;
      if (options.starting) options.starting(run_options.seed);
      const RunResult one = run(scenario, run_options);
      const std::lock_guard lock(mutex);
      ++result.runs;
      add(result.total, one);
      if (!one.ok) {
        ++result.failed;
        const auto after = std::find_if(result.failures.begin(), result.failures.end(),
                                        [&](const RunResult& r) { return r.seed > one.seed; });
        result.failures.insert(after, one);
        if (result.failures.size() > failures_kept) result.failures.pop_back();
      }
      if (options.progress) options.progress(one, result.runs, of);
    }
  };

  unsigned threads = options.threads != 0 ? options.threads : std::thread::hardware_concurrency();
  threads = static_cast<unsigned>(std::clamp<std::uint64_t>(threads, 1, of));
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (auto& worker : workers) worker.join();
  result.total.ok = result.failed == 0;
  return result;
}

std::string replay_command(const Scenario& scenario, std::uint64_t seed) {
  return "rejoin sim " + (scenario.source.empty() ? scenario.name : scenario.source) + " --seed " +
         std::to_string(seed);
}

}  // namespace rejoin::simulation
