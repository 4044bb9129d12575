// `rejoin completion bash`, and what its script asks for at every TAB.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answer_fields.h"
#include "command.h"
#include "rejoin/crdt/path.h"
#include "running_node.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

// Bash splits at colons and equals signs as well as at blanks, so the line goes to `rejoin
// complete` as it is, and what bash counts as an earlier word is cut off the answers.
constexpr const char* bash_script =
    R"bash(# bash completion of rejoin: eval "$(rejoin completion bash)"
_rejoin() {
  local line=${COMP_LINE:0:COMP_POINT} candidate before
  local word=${line##*[[:space:]]}
  before=${word%"${word##*[:=]}"}
  [[ $COMP_WORDBREAKS == *:* ]] || before=${word%"${word##*=}"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    if [[ $candidate == '<files>' ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${word#"$before"}")
      continue
    fi
    [[ $candidate == */ ]] && compopt -o nospace 2>/dev/null
    printf -v candidate %q "$candidate"
    COMPREPLY+=("${candidate#"$before"}")
  done < <("${COMP_WORDS[0]}" complete -- "$line" 2>/dev/null)
}
complete -F _rejoin rejoin
)bash";

constexpr const char* files = "<files>";
constexpr std::chrono::seconds patience{2};

// As a shell splits a line; the last word is the one that is being written, and may be empty.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words{""};
  char quote = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      if (in_word) words.emplace_back();
      in_word = false;
      continue;
    }
    in_word = true;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

// What was understood of a line up to the word that is being written.
struct Line {
  const CLI::App* command = nullptr;
  const CLI::Option* valued = nullptr;        // the option whose value the word is
  std::size_t positionals = 0;                // before the word
  std::map<std::string, std::string> values;  // of options, by their long name
  std::string before;                         // of the word: "--space=" where it begins so
  std::string word;
};

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
}

const CLI::App* subcommand_named(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands(
      [&](const CLI::App* sub) { return !name.empty() && sub->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

Line understand(const CLI::App& app, const std::vector<std::string>& words) {
  Line line;
  line.command = &app;
  line.word = words.back();
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with('-')) {
      if (line.valued != nullptr) {
        line.values[long_name(*std::exchange(line.valued, nullptr))] = word;
      } else if (const CLI::App* sub = subcommand_named(*line.command, word)) {
        line.command = sub;
      } else {
        ++line.positionals;
      }
      continue;
    }
    const std::size_t equals = word.find('=');
    const CLI::Option* option = line.command->get_option_no_throw(word.substr(0, equals));
    line.valued = nullptr;
    if (option == nullptr || !takes_value(*option)) continue;
    if (equals == std::string::npos) {
      line.valued = option;
    } else {
      line.values[long_name(*option)] = word.substr(equals + 1);
    }
  }
  const std::size_t equals = line.word.find('=');
  if (line.word.starts_with("--") && equals != std::string::npos) {
    line.valued = line.command->get_option_no_throw(line.word.substr(0, equals));
    line.before = line.word.substr(0, equals + 1);
    line.word.erase(0, equals + 1);
  }
  return line;
}

// The options of a command and of its groups.
void collect_options(const CLI::App& app, std::vector<const CLI::Option*>& out) {
  for (const CLI::Option* option : app.get_options()) out.push_back(option);
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name().empty()) collect_options(*sub, out);
  }
}

// ---- What only the node knows ----

// What it answers to a request; nothing where it does not.
json ask(const Line& line, const json& request) {
  RunningNode node;
  if (const auto socket = line.values.find("socket"); socket != line.values.end()) {
    node.socket = socket->second;
  } else if (const auto config = line.values.find("config"); config != line.values.end()) {
    node.config = config->second;
  } else {
    return json::object();
  }
  auto client = node.connect();
  if (!client) return json::object();
  auto answer = client->call(request, patience);
  return answer ? *std::move(answer) : json::object();
}

std::vector<std::string> names_in(const json& answer, const char* list) {
  std::vector<std::string> names;
  for (const json& item : objects_of(answer, list)) names.push_back(text_of(item, "name"));
  return names;
}

std::vector<std::string> regions(const Line& line) {
  std::set<std::string> names;
  for (const json& member : objects_of(ask(line, {{"command", "members"}}), "members")) {
    const std::string region = text_of(member, "region");
    if (!region.empty()) names.insert(region);
  }
  return {names.begin(), names.end()};
}

// Children of the map that the path names up to its last slash. A map is offered with and without
// one behind it.
std::vector<std::string> paths(const Line& line) {
  const std::size_t slash = line.word.rfind('/');
  if (slash == std::string::npos) return {"/"};
  const std::string above = line.word.substr(0, slash + 1);
  std::string space;
  if (const auto given = line.values.find("space"); given != line.values.end()) {
    space = given->second;
  } else {
    const auto all = names_in(ask(line, {{"command", "spaces"}}), "spaces");
    if (!all.empty()) space = all.front();
  }
  const json answer = ask(line, {{"command", "children"},
                                 {"space", space},
                                 {"path", slash == 0 ? "/" : line.word.substr(0, slash)}});
  const bool typed = line.word.find(':', slash) != std::string::npos;
  std::vector<std::string> out;
  for (const json& child : objects_of(answer, "children")) {
    const auto type = parse_type(text_of(child, "type"));
    if (!type) continue;
    const std::string step = Path().child(*type, Value(text_of(child, "name"))).to_string();
    const std::string named = above + step.substr(typed ? 1 : step.find(':') + 1);
    out.push_back(named);
    if (*type == Type::map) out.push_back(named + "/");
  }
  return out;
}

// ---- The candidates ----

std::vector<std::string> values_of(const CLI::Option& option, const Line& line) {
  const std::string name = long_name(option);
  const std::string type = option.get_type_name();
  const bool is_file =
      type == "FILE" || type == "DIR" || name == "socket" || name == "file" || name == "scenario";
  if (is_file) return {files};
  if (name == "space") return names_in(ask(line, {{"command", "spaces"}}), "spaces");
  if (name == "remove") return names_in(ask(line, {{"command", "members"}}), "members");
  if (name == "region") return regions(line);
  if (name == "path") return paths(line);
  if (name == "shell") return {"bash"};
  return {};
}

std::vector<std::string> candidates_of(const Line& line) {
  if (line.valued != nullptr) return values_of(*line.valued, line);
  std::vector<const CLI::Option*> options;
  collect_options(*line.command, options);
  std::vector<std::string> out;
  if (line.word.starts_with('-')) {
    for (const CLI::Option* option : options) {
      for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
    }
    std::ranges::sort(out);  // groups have a --help of their own
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
  }
  for (const CLI::App* sub : line.command->get_subcommands([](const CLI::App* any) {
         return !any->get_name().empty() && !any->get_group().empty();
       })) {
    out.push_back(sub->get_name());
  }
  std::size_t position = 0;
  for (const CLI::Option* option : options) {
    if (!option->get_positional() || position++ != line.positionals) continue;
    for (std::string& value : values_of(*option, line)) out.push_back(std::move(value));
  }
  return out;
}

// Words that may stand where the line ends.
int run_complete(const CLI::App& app, const std::string& text) {
  const Line line = understand(app, words_of(text));
  for (const std::string& candidate : candidates_of(line)) {
    if (candidate == files || candidate.starts_with(line.word)) {
      std::cout << (candidate == files ? "" : line.before) << candidate << "\n";
    }
  }
  std::cout << std::flush;
  return exit_done;
}

}  // namespace

void add_completion_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes commands");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "The shell: bash")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash"}));
  command->footer(
      "It completes sub-commands, options, files, and, once the line says which node, the names "
      "of\n"
      "its spaces and members and the paths in them.\n\n"
      "Examples:\n"
      "  eval \"$(rejoin completion bash)\"       in ~/.bashrc, or\n"
      "  rejoin completion bash > /etc/bash_completion.d/rejoin\n\n"
      "Exit codes: 0 done, 2 wrong usage.");
  command->callback([&exit_code] {
    std::cout << bash_script << std::flush;
    exit_code = exit_done;
  });

  CLI::App* complete = app.add_subcommand("complete", "For the scripts of `rejoin completion`");
  complete->group("");  // not in the help
  auto line = std::make_shared<std::string>();
  complete->add_option("line", *line)->required();
  complete->callback([&app, line, &exit_code] { exit_code = run_complete(app, *line); });
}

}  // namespace rejoin::command
