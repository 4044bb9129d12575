// `rejoin audit`: whether the history of a stopped node is what was once written.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "rejoin/node/history.h"

namespace rejoin::command {
namespace {

using nlohmann::json;
using ExpectedHeads = std::map<std::string, node::Heads>;

struct AuditOptions {
  std::string directory;
  std::string against;
  std::string heads;
};

json heads_json(const node::Heads& heads) {
  json out = json::object();
  for (const auto& [replica, head] : heads) {
    out[replica.to_string()] = {{"last", head.last}, {"link", head.link.to_string()}};
  }
  return out;
}

Result<ExpectedHeads> read_heads(const std::string& file) {
  std::ifstream in(file);
  const json read = json::parse(in, nullptr, false);
  const auto malformed = [&](const std::string& what) {
    return make_error(ErrorCode::malformed, what + "; expected what `rejoin audit heads` prints",
                      file);
  };
  if (!read.is_object()) return malformed("this is no JSON object");
  ExpectedHeads expected;
  for (const auto& [space, heads] : read.items()) {
    if (!heads.is_object()) return malformed("space " + space + " is no object");
    for (const auto& [replica, head] : heads.items()) {
      const auto id = ReplicaId::parse(replica);
      if (!id) return malformed("\"" + replica + "\" is no replica id");
      const bool whole = head.is_object() && head.contains("last") && head.contains("link") &&
                         head["last"].is_number_unsigned() && head["link"].is_string();
      if (!whole) return malformed("the head of " + replica + " is not whole");
      const auto link = Digest::parse(head["link"].get<std::string>());
      if (!link) return malformed(link.error().message);
      expected[space][*id] = {head["last"].get<Sequence>(), *link};
    }
  }
  return expected;
}

// Of what both have: a member that is behind is not yet wrong.
ExpectedHeads heads_up_to(const std::vector<node::AuditedSpace>& theirs,
                          const std::vector<node::AuditedSpace>& ours) {
  ExpectedHeads expected;
  for (const node::AuditedSpace& their : theirs) {
    for (const node::AuditedSpace& our : ours) {
      if (our.name != their.name) continue;
      for (const auto& [replica, head] : their.heads) {
        const auto here = our.heads.find(replica);
        if (here != our.heads.end() && head.last <= here->second.last) {
          expected[their.name][replica] = head;
        }
      }
    }
  }
  return expected;
}

int print(const std::string& directory, const std::vector<node::AuditedSpace>& spaces) {
  bool broken = false;
  for (const node::AuditedSpace& space : spaces) {
    std::uint64_t missing = 0;
    for (const MissingWrites& writes : space.missing) {
      missing += writes.last - writes.first + 1;
    }
    std::cout << "space " << space.name << ": " << space.events << " events";
    if (missing > 0) std::cout << ", " << missing << " writes came without theirs";
    std::cout << "; " << (space.broken.empty() ? "every link holds" : "BROKEN") << "\n";
    if (!space.broken.empty()) std::cout << "  " << space.broken << "\n";
    broken = broken || !space.broken.empty();
  }
  std::cout.flush();
  return broken ? fail(directory + ": the history is not what was written") : exit_done;
}

int run_verify(const AuditOptions& options) {
  ExpectedHeads expected;
  if (!options.heads.empty()) {
    auto read = read_heads(options.heads);
    if (!read) return fail(read.error());
    expected = *std::move(read);
  }
  auto ours = node::audit(options.directory, expected);
  if (!ours) return fail(ours.error());
  if (const int code = print(options.directory, *ours); code != exit_done) return code;
  if (options.against.empty()) return exit_done;
  auto theirs = node::audit(options.against);
  if (!theirs) return fail(theirs.error());
  if (const int code = print(options.against, *theirs); code != exit_done) return code;
  // Both ways: each may be the one that is behind.
  ours = node::audit(options.directory, heads_up_to(*theirs, *ours));
  if (!ours) return fail(ours.error());
  auto again = node::audit(options.against, heads_up_to(*ours, *theirs));
  if (!again) return fail(again.error());
  std::cout << "compared:\n";
  if (const int code = print(options.directory, *ours); code != exit_done) return code;
  return print(options.against, *again);
}

int run_heads(const AuditOptions& options) {
  auto audited = node::audit(options.directory);
  if (!audited) return fail(audited.error());
  json out = json::object();
  for (const node::AuditedSpace& space : *audited) {
    if (!space.broken.empty()) return fail("space " + space.name + ": " + space.broken);
    out[space.name] = heads_json(space.heads);
  }
  std::cout << out.dump(2) << std::endl;
  return exit_done;
}

}  // namespace

void add_audit_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("audit", "Verify the history of a stopped node by its hash chains");
  command->require_subcommand(1);
  auto options = std::make_shared<AuditOptions>();
  const auto add_directory = [&](CLI::App& sub) {
    sub.add_option("directory", options->directory, "The node's directory")
        ->type_name("DIR")
        ->required();
  };

  CLI::App* verify = command->add_subcommand(
      "verify", "Follow every chain from its beginning, and name the first link that is broken");
  add_directory(*verify);
  verify->add_option("--heads", options->heads, "Chains must lead to the links in this file")
      ->type_name("FILE");
  verify
      ->add_option("--against", options->against,
                   "Compare with the history of another member, in its directory")
      ->type_name("DIR");
  verify->footer(
      "Whoever may write the files can write a history that holds in itself. Compare it with\n"
      "another member's, or with links that were noted earlier (rejoin audit heads).\n\n"
      "Examples:\n"
      "  rejoin audit verify /var/lib/rejoin\n"
      "  rejoin audit verify /var/lib/rejoin --heads heads-of-march.json\n"
      "  rejoin audit verify frankfurt/store --against virginia/store\n\n"
      "Exit codes: 0 every link holds, 1 one is broken, or the history cannot be read, 2 wrong\n"
      "usage.");
  verify->callback([options, &exit_code] { exit_code = run_verify(*options); });

  CLI::App* heads = command->add_subcommand("heads", "Print the last link of every chain as JSON");
  add_directory(*heads);
  heads->footer(
      "Keep it where those who can write the node's files cannot.\n\n"
      "Example:\n"
      "  rejoin audit heads /var/lib/rejoin > heads-of-march.json\n\n"
      "Exit codes: 0 done, 1 the history is broken or cannot be read, 2 wrong usage.");
  heads->callback([options, &exit_code] { exit_code = run_heads(*options); });
}

}  // namespace rejoin::command
