// What the sub-commands of `rejoin sim` share. Each lives in a file of its own and adds itself to
// `sim` with an add function, as those of `rejoin` do.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "command.h"
#include "rejoin/simulation/campaign.h"

namespace rejoin::command {

// All runs passed, but what the scenario expects was not reached.
inline constexpr int exit_not_reached = 3;

void add_sim_run(CLI::App& sim, int& exit_code);
void add_sim_replay(CLI::App& sim, int& exit_code);
void add_sim_shrink(CLI::App& sim, int& exit_code);
void add_sim_list(CLI::App& sim, int& exit_code);
void add_sim_new(CLI::App& sim, int& exit_code);
void add_sim_explore(CLI::App& sim, int& exit_code);
// Options and action of `sim run` on `command` itself, so that `rejoin sim NAME` is one.
void make_sim_run(CLI::App& command, int& exit_code);

// Throws CLI::ValidationError for what is no seed.
std::uint64_t parse_seed(const std::string& text);

// An assertion of the kernel ends the process: from now on the process says first that `command`
// runs it again.
void remember_run(const std::string& command);

std::string seconds(simulation::Duration duration);  // "52.059 s"

// "seed 18 failed at 52.059 s: ..." on stderr, and how to run it again.
void report_failure(const simulation::Scenario& scenario, const simulation::RunResult& result);

// The summary of a campaign on stdout.
void print_summary(const simulation::CampaignResult& result,
                   std::chrono::steady_clock::duration took);
// The same and more, for other programs.
std::string summary_as_json(const simulation::Scenario& scenario,
                            const simulation::CampaignResult& result,
                            std::chrono::steady_clock::duration took);

// Runs `scenario`, which carries its seed, and writes its story as a page. False, and a message on
// stderr, when it cannot be written.
bool write_story(const simulation::Scenario& scenario, const std::string& path);

// False, and a message on stderr, when the file cannot be written whole.
bool write_file(const std::string& path, const std::string& text);

}  // namespace rejoin::command
