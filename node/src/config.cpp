#include "config.h"

#include <arpa/inet.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "rejoin/crdt/value.h"
#include "rejoin/node/core.h"
#include "rejoin/transport/message.h"

namespace rejoin::node {
namespace {

constexpr std::array log_levels = {"trace", "debug", "info", "warn", "error", "off"};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row.back();
}

// The known key that was probably meant, or all of them.
std::string suggestion(std::string_view key, const std::vector<std::string>& known) {
  const auto nearest = std::min_element(known.begin(), known.end(), [&](auto& a, auto& b) {
    return edit_distance(key, a) < edit_distance(key, b);
  });
  if (edit_distance(key, *nearest) <= std::max<std::size_t>(2, nearest->size() / 3)) {
    return "did you mean \"" + *nearest + "\"?";
  }
  std::string all;
  for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
  return "known here: " + all;
}

// One file on its way to becoming options: where each key was found, and the first thing wrong.
struct Parsing {
  const std::string& source;
  std::map<std::string, toml::source_index> lines;
  std::optional<Error> error;
};

// Reads the keys of one table.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string prefix, Parsing& parsing)
      : table_(table), prefix_(std::move(prefix)), parsing_(parsing) {}

  const toml::node* find(const std::string& key) {
    known_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node != nullptr) parsing_.lines[prefix_ + key] = node->source().begin.line;
    return node;
  }

  void string(const std::string& key, std::string& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (const auto* text = node->as_string()) {
      into = text->get();
    } else {
      wrong(*node, key, "a string, such as " + key + " = \"...\"");
    }
  }

  void boolean(const std::string& key, bool& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (const auto* flag = node->as_boolean()) {
      into = flag->get();
    } else {
      wrong(*node, key, "true or false");
    }
  }

  void milliseconds(const std::string& key, std::chrono::milliseconds& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* number = node->as_integer();
    if (number != nullptr && number->get() >= 1 &&
        number->get() <= std::numeric_limits<std::int32_t>::max()) {
      into = std::chrono::milliseconds(number->get());
    } else {
      wrong(*node, key, "a whole number of milliseconds, at least 1");
    }
  }

  // A whole number that is at least `least`.
  void integer(const std::string& key, std::int64_t least, std::int64_t& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* number = node->as_integer();
    if (number != nullptr && number->get() >= least) {
      into = number->get();
    } else {
      wrong(*node, key, "a whole number, at least " + std::to_string(least));
    }
  }

  void path(const std::string& key, Type last, Path& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* text = node->as_string();
    if (text == nullptr) return wrong(*node, key, "a path, such as " + key + " = \"/a/b\"");
    Result<Path> path = Path::parse(text->get(), last);
    if (!path) return fail(node->source(), key, path.error().message);
    into = *std::move(path);
  }

  void strings(const std::string& key, std::vector<std::string>& into) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const std::string expected = "a list of strings, such as " + key + " = [\"a\", \"b\"]";
    const toml::array* list = node->as_array();
    if (list == nullptr) return wrong(*node, key, expected);
    for (const toml::node& item : *list) {
      const auto* text = item.as_string();
      if (text == nullptr) return wrong(item, key, expected);
      into.push_back(text->get());
    }
  }

  // After all keys that are known were asked for.
  void reject_unknown_keys() {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      fail(key.source(), name, "unknown key; " + suggestion(name, known_));
      return;
    }
  }

  void fail(const toml::source_region& at, const std::string& key, const std::string& what) {
    if (parsing_.error) return;
    parsing_.error = make_error(ErrorCode::malformed, prefix_ + key + ": " + what,
                                parsing_.source + ":" + std::to_string(at.begin.line));
  }

  void wrong(const toml::node& node, const std::string& key, const std::string& expected) {
    std::ostringstream type;
    type << node.type();
    fail(node.source(), key, "expected " + expected + ", not " + article(type.str()));
  }

 private:
  static std::string article(const std::string& type) {
    const bool vowel = std::string_view("aeiou").find(type.front()) != std::string_view::npos;
    return (vowel ? "an " : "a ") + type;
  }

  const toml::table& table_;
  std::string prefix_;
  Parsing& parsing_;
  std::vector<std::string> known_;
};

void read_peers(TableReader& top, Parsing& parsing, NodeOptions& options) {
  const toml::node* node = top.find("peers");
  if (node == nullptr) return;
  const toml::table* peers = node->as_table();
  if (peers == nullptr) {
    return top.wrong(*node, "peers", "a table of name = \"endpoint\", such as [peers]");
  }
  TableReader reader(*peers, "peers.", parsing);
  for (const auto& [name, endpoint] : *peers) {
    reader.string(std::string(name.str()), options.peers[std::string(name.str())]);
  }
}

void read_overlay(TableReader& top, Parsing& parsing, NodeOptions& options) {
  const toml::node* node = top.find("overlay");
  if (node == nullptr) return;
  const toml::table* overlay = node->as_table();
  if (overlay == nullptr) return top.wrong(*node, "overlay", "a table, [overlay]");
  options.overlay.emplace();
  TableReader reader(*overlay, "overlay.", parsing);
  reader.string("advertise", options.overlay->advertise);
  reader.string("region", options.overlay->region);
  reader.boolean("leaf", options.overlay->leaf);
  reader.integer("neighbours", 1, options.overlay->neighbours);
  reader.reject_unknown_keys();
}

void read_metrics(TableReader& top, Parsing& parsing, NodeOptions& options) {
  const toml::node* node = top.find("metrics");
  if (node == nullptr) return;
  const toml::table* metrics = node->as_table();
  if (metrics == nullptr) return top.wrong(*node, "metrics", "a table, [metrics]");
  TableReader reader(*metrics, "metrics.", parsing);
  reader.string("listen", options.metrics_listen);
  reader.reject_unknown_keys();
}

std::string space_key(std::size_t index) { return "spaces[" + std::to_string(index) + "]."; }

std::string answer_key(const std::string& space, std::size_t index) {
  return space + "answers[" + std::to_string(index) + "].";
}

void read_answers(TableReader& space, const std::string& prefix, Parsing& parsing,
                  SpaceConfig& into) {
  const toml::node* node = space.find("answers");
  if (node == nullptr) return;
  const std::string expected = "one [[spaces.answers]] table for each bounded counter";
  const toml::array* answers = node->as_array();
  if (answers == nullptr) return space.wrong(*node, "answers", expected);
  for (const toml::node& item : *answers) {
    const toml::table* rule_table = item.as_table();
    if (rule_table == nullptr) return space.wrong(item, "answers", expected);
    TableReader reader(*rule_table, answer_key(prefix, into.answers.size()), parsing);
    AnswerRule rule;
    reader.path("counter", Type::bounded_counter, rule.counter);
    reader.integer("keep", 0, rule.keep);
    reader.reject_unknown_keys();
    if (rule_table->get("counter") == nullptr) {
      reader.fail(item.source(), "counter", "is missing; every [[spaces.answers]] needs a counter");
    }
    into.answers.push_back(std::move(rule));
  }
}

void read_history(TableReader& reader, const toml::table& table, SpaceConfig& space) {
  if (table.get("history") == nullptr) return;
  std::string policy = "none";
  reader.string("history", policy);
  if (policy != "none" && policy != "full") {
    reader.fail(table.get("history")->source(), "history",
                "\"" + policy + "\" is no policy; expected \"none\" or \"full\"");
  }
  space.history = policy == "full";
}

void read_spaces(TableReader& top, Parsing& parsing, NodeOptions& options) {
  const toml::node* node = top.find("spaces");
  if (node == nullptr) return;
  const std::string expected = "one [[spaces]] table for each space";
  const toml::array* spaces = node->as_array();
  if (spaces == nullptr) return top.wrong(*node, "spaces", expected);
  for (const toml::node& item : *spaces) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return top.wrong(item, "spaces", expected);
    SpaceConfig space;
    TableReader reader(*table, space_key(options.spaces.size()), parsing);
    reader.string("name", space.name);
    reader.boolean("durable", space.durable);
    read_history(reader, *table, space);
    read_answers(reader, space_key(options.spaces.size()), parsing, space);
    reader.reject_unknown_keys();
    if (table->get("name") == nullptr) {
      reader.fail(item.source(), "name", "is missing; every [[spaces]] needs a name");
    }
    options.spaces.push_back(std::move(space));
  }
}

// An option, and what is wrong with it.
struct Flaw {
  std::string option;
  std::string what;
};
using Check = std::optional<Flaw>;

Check check_name(const std::string& option, const std::string& name) {
  if (name.empty()) return Flaw{option, "a name is missing; set " + option + " = \"...\""};
  if (name.size() > transport::name_bytes_max) {
    return Flaw{option, "longer than " + std::to_string(transport::name_bytes_max) + " bytes"};
  }
  if (!is_valid_utf8(name)) return Flaw{option, "not valid UTF-8"};
  if (std::any_of(name.begin(), name.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    return Flaw{option, "holds control characters"};
  }
  return {};
}

Check check_endpoint(const std::string& option, const std::string& endpoint) {
  const auto scheme = endpoint.find("://");
  if (scheme == std::string::npos || scheme == 0 || scheme + 3 == endpoint.size()) {
    return Flaw{option,
                "\"" + endpoint + "\" is no endpoint; expected one like tcp://10.0.0.7:7000"};
  }
  return {};
}

// "127.0.0.1:9464", "[::1]:9464"
Check check_metrics(const NodeOptions& options) {
  const std::string& listen = options.metrics_listen;
  if (listen.empty()) return {};
  const std::size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  in6_addr address;
  const bool is_address = inet_pton(in_brackets ? AF_INET6 : AF_INET, host.c_str(), &address) == 1;
  std::uint16_t port = 0;
  const char* end = listen.data() + listen.size();
  const char* begin = colon == std::string::npos ? end : listen.data() + colon + 1;
  const auto [stopped, code] = std::from_chars(begin, end, port);
  if (is_address && begin != end && stopped == end && code == std::errc()) return {};
  return Flaw{"metrics.listen", "\"" + listen +
                                    "\" is no address and port; expected one like "
                                    "127.0.0.1:9464 or [::1]:9464"};
}

Check check_members(const NodeOptions& options) {
  if (options.members.empty()) return {};
  std::set<std::string> members;
  for (const std::string& member : options.members) {
    if (auto flaw = check_name("members", member)) return flaw;
    if (!members.insert(member).second) return Flaw{"members", member + " is named twice"};
  }
  if (!members.contains(options.name)) {
    return Flaw{"members", "must name every member, this node (" + options.name + ") included"};
  }
  return {};
}

Check check_overlay(const NodeOptions& options) {
  if (!options.overlay) return {};
  const OverlayConfig& overlay = *options.overlay;
  if (!options.members.empty()) {
    return Flaw{"members", "an [overlay] finds the members: leave this out"};
  }
  if (!overlay.advertise.empty()) {
    if (auto flaw = check_endpoint("overlay.advertise", overlay.advertise)) return flaw;
  } else if (!overlay.leaf && options.listen.empty()) {
    return Flaw{"listen", "a node that does not listen is a leaf; set leaf = true in [overlay]"};
  } else if (!overlay.leaf && (options.listen.find("//*") != std::string::npos ||
                               options.listen.find("//0.0.0.0") != std::string::npos)) {
    return Flaw{"listen", "others cannot dial " + options.listen +
                              "; say at which address they can, with advertise in [overlay]"};
  }
  if (!overlay.region.empty()) {
    if (auto flaw = check_name("overlay.region", overlay.region)) return flaw;
  }
  if (overlay.leaf && options.peers.empty()) {
    return Flaw{"overlay.leaf", "a leaf must know somebody to dial; give it a [peers] table"};
  }
  if (overlay.neighbours < 1 || overlay.neighbours > 64) {
    return Flaw{"overlay.neighbours", "must be between 1 and 64"};
  }
  return {};
}

Check check_answers(const std::string& prefix, const SpaceConfig& space) {
  std::set<Path> counters;
  for (std::size_t i = 0; i < space.answers.size(); ++i) {
    const AnswerRule& rule = space.answers[i];
    const std::string key = answer_key(prefix, i);
    if (Status fits = check_counter_path(rule.counter); !fits) {
      return Flaw{key + "counter", fits.error().message};
    }
    if (!counters.insert(rule.counter).second) {
      return Flaw{key + "counter", rule.counter.to_string() + " is named twice"};
    }
    if (rule.keep < 0) return Flaw{key + "keep", "must be at least 0"};
  }
  return {};
}

Check check_spaces(const NodeOptions& options) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < options.spaces.size(); ++i) {
    const SpaceConfig& space = options.spaces[i];
    const std::string option = space_key(i) + "name";
    if (auto flaw = check_name(option, space.name)) return flaw;
    if (!names.insert(space.name).second) {
      return Flaw{option, "\"" + space.name + "\" is named twice"};
    }
    if (space.durable && options.directory.empty()) {
      return Flaw{option, "the durable space \"" + space.name +
                              "\" needs a store; set directory, or durable = false"};
    }
    if (space.history.value_or(false) && !space.durable) {
      return Flaw{space_key(i) + "history", "only a durable space can keep its history"};
    }
    if (auto flaw = check_answers(space_key(i), space)) return flaw;
  }
  return {};
}

Check check(const NodeOptions& options) {
  if (auto flaw = check_name("name", options.name)) return flaw;
  if (auto flaw = check_name("cluster", options.cluster)) return flaw;
  if (!options.listen.empty()) {
    if (auto flaw = check_endpoint("listen", options.listen)) return flaw;
  }
  for (const auto& [name, endpoint] : options.peers) {
    const std::string option = "peers." + name;
    if (auto flaw = check_name(option, name)) return flaw;
    if (auto flaw = check_endpoint(option, endpoint)) return flaw;
    if (name == options.name) return Flaw{option, "this is the node's own name"};
  }
  if (auto flaw = check_members(options)) return flaw;
  if (auto flaw = check_overlay(options)) return flaw;
  if (auto flaw = check_metrics(options)) return flaw;
  if (auto flaw = check_spaces(options)) return flaw;
  const std::pair<const char*, std::chrono::milliseconds> intervals[] = {
      {"exchange_interval_ms", options.exchange_interval},
      {"peer_timeout_ms", options.peer_timeout},
      {"member_away_after_ms", options.member_away_after},
      {"forget_after_ms", options.forget_after},
      {"clock_ahead_max_ms", options.clock_ahead_max},
      {"acknowledge_within_ms", options.acknowledge_within}};
  for (const auto& [option, interval] : intervals) {
    if (interval.count() < 1) return Flaw{option, "must be at least 1"};
  }
  const std::uint64_t budget = options.link_bytes_per_second;
  if (budget != 0 && (budget < link_bytes_per_second_min || budget > link_bytes_per_second_max)) {
    return Flaw{"link_bytes_per_second", "must be 0, for no bound, or between " +
                                             std::to_string(link_bytes_per_second_min) + " and " +
                                             std::to_string(link_bytes_per_second_max)};
  }
  if (std::find(log_levels.begin(), log_levels.end(), options.log_level) == log_levels.end()) {
    return Flaw{"log_level", "\"" + options.log_level +
                                 "\" is none; expected trace, debug, info, warn, error or off"};
  }
  if (options.log_format != "text" && options.log_format != "json") {
    return Flaw{"log_format", "\"" + options.log_format + "\" is none; expected text or json"};
  }
  return {};
}

}  // namespace

Status validate(const NodeOptions& options) {
  if (auto flaw = check(options)) {
    return make_error(ErrorCode::invalid_argument, flaw->what, flaw->option);
  }
  return {};
}

std::string NodeOptions::admin_socket_path() const {
  return admin_socket.empty() && !directory.empty() ? directory + "/admin.sock" : admin_socket;
}

Result<NodeOptions> NodeOptions::from_toml(std::string_view text, const std::string& source) {
  toml::table table;
  try {
    table = toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::malformed, std::string(error.description()),
                      source + ":" + std::to_string(error.source().begin.line));
  }

  NodeOptions options;
  Parsing parsing{source, {}, {}};
  TableReader top(table, "", parsing);
  top.string("name", options.name);
  top.string("cluster", options.cluster);
  top.string("listen", options.listen);
  top.string("directory", options.directory);
  top.string("admin_socket", options.admin_socket);
  top.strings("members", options.members);
  top.milliseconds("exchange_interval_ms", options.exchange_interval);
  top.milliseconds("peer_timeout_ms", options.peer_timeout);
  top.milliseconds("member_away_after_ms", options.member_away_after);
  top.milliseconds("forget_after_ms", options.forget_after);
  top.milliseconds("clock_ahead_max_ms", options.clock_ahead_max);
  top.milliseconds("acknowledge_within_ms", options.acknowledge_within);
  std::int64_t link_bytes_per_second = 0;
  top.integer("link_bytes_per_second", 0, link_bytes_per_second);
  options.link_bytes_per_second = static_cast<std::uint64_t>(link_bytes_per_second);
  top.string("log_level", options.log_level);
  top.string("log_format", options.log_format);
  read_peers(top, parsing, options);
  read_overlay(top, parsing, options);
  read_metrics(top, parsing, options);
  read_spaces(top, parsing, options);
  top.reject_unknown_keys();
  if (parsing.error) return *parsing.error;
  if (auto flaw = check(options)) {
    const auto line = parsing.lines.find(flaw->option);
    return make_error(
        ErrorCode::malformed, flaw->option + ": " + flaw->what,
        line == parsing.lines.end() ? source : source + ":" + std::to_string(line->second));
  }
  return options;
}

Result<NodeOptions> NodeOptions::from_toml_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return make_error(ErrorCode::not_found,
                      "cannot read the config file: " + std::string(std::strerror(errno)), path);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return from_toml(text.view(), path);
}

}  // namespace rejoin::node
