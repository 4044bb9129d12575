// The sub-commands of `rejoin`, and what they share.
//
// A sub-command lives in <name>_command.cpp and defines add_<name>_command(app, exit_code): it adds
// itself with app.add_subcommand(name, what it does), its options, a footer with examples, and a
// callback that does the work and puts 0 (done) or 1 (failed) into `exit_code`. Both references
// live until main returns. Wrong usage that only the callback can see: throw CLI::ValidationError,
// and main prints it and exits with 2.
#pragma once

#include <string>

#include "rejoin/crdt/result.h"

namespace CLI {
class App;
}

namespace rejoin::command {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

// Prints "rejoin: <sentence>" on stderr, as one line, and gives exit_failed.
int fail(const std::string& sentence);
int fail(const Error& error);

void add_node_command(CLI::App& app, int& exit_code);
void add_status_command(CLI::App& app, int& exit_code);
void add_members_command(CLI::App& app, int& exit_code);
void add_best_node_command(CLI::App& app, int& exit_code);
void add_metrics_command(CLI::App& app, int& exit_code);
void add_health_command(CLI::App& app, int& exit_code);
void add_get_command(CLI::App& app, int& exit_code);
void add_set_command(CLI::App& app, int& exit_code);
void add_watch_command(CLI::App& app, int& exit_code);
void add_top_command(CLI::App& app, int& exit_code);
void add_completion_command(CLI::App& app, int& exit_code);
void add_feed_command(CLI::App& app, int& exit_code);
void add_history_commands(CLI::App& app, int& exit_code);  // history, why, at, diff
void add_revert_command(CLI::App& app, int& exit_code);
void add_inspect_command(CLI::App& app, int& exit_code);
void add_audit_command(CLI::App& app, int& exit_code);
void add_demo_command(CLI::App& app, int& exit_code);
void add_sim_command(CLI::App& app, int& exit_code);

}  // namespace rejoin::command
