// Reading a TOML table key by key, with errors that a person can act on.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rejoin/crdt/result.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// "250ms", "-10s", "2m": a whole number and a unit.
std::optional<Duration> parse_duration(std::string_view text);

// Collects the first error of a whole document, so that code can read on without asking.
struct TomlProblems {
  std::string source;
  std::optional<Error> first;
  void report(const toml::source_region& where, const std::string& what);
};

// One table. Each key is asked for once; what was not asked for is an unknown key (finish()).
class TomlTable {
 public:
  TomlTable(const toml::table& table, std::string name, TomlProblems& problems)
      : table_(table), name_(std::move(name)), problems_(problems) {}

  bool has(const std::string& key) const { return table_.contains(key); }
  // Each leaves `value` as it is when the key is absent.
  void read(const std::string& key, std::string& value);
  void read(const std::string& key, bool& value);
  void read(const std::string& key, std::uint64_t& value);
  void read(const std::string& key, Duration& value);
  void read(const std::string& key, Share& value);                           // a number from 0 to 1
  void read_ppm(const std::string& key, std::uint32_t& value, double most);  // any small number
  void read(const std::string& key, std::vector<std::string>& value);
  // A value, or two in brackets: the ends of a range.
  void read(const std::string& key, Range<std::uint64_t>& value);
  void read(const std::string& key, Range<Duration>& value);
  void read(const std::string& key, Range<Share>& value);
  void read_choice(const std::string& key, const std::vector<std::string>& choices, int& value);

  // The table or array of tables under this key; null when absent.
  const toml::table* table(const std::string& key);
  std::vector<const toml::table*> tables(const std::string& key);
  const toml::node* node(const std::string& key);
  std::string full(const std::string& key) const { return name_.empty() ? key : name_ + '.' + key; }
  void problem(const std::string& key, const std::string& what);
  void problem(const std::string& what) { problems_.report(table_.source(), what); }
  void finish();

 private:
  template <class T, class Parse>
  void read_range(const std::string& key, Range<T>& value, const char* expected, Parse parse);
  void wrong(const std::string& key, const char* expected);

  const toml::table& table_;
  std::string name_;
  TomlProblems& problems_;
  std::set<std::string> asked_;
};

}  // namespace rejoin::simulation
