#include "scenario/toml_reader.h"

#include <charconv>
#include <cmath>

namespace rejoin::simulation {

namespace {

constexpr const char* duration_form = "a duration such as \"250ms\", \"10s\" or \"2m\"";
constexpr const char* count_form = "a whole number from 0";
constexpr const char* share_form = "a number from 0 to 1";
constexpr std::int64_t micros_max = std::int64_t{100'000} * 3600 * 1'000'000;

std::optional<std::uint64_t> as_count(const toml::node& node) {
  const auto* integer = node.as_integer();
  if (integer == nullptr || integer->get() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(integer->get());
}

std::optional<double> as_number(const toml::node& node) {
  if (const auto* real = node.as_floating_point()) return real->get();
  if (const auto* integer = node.as_integer()) return static_cast<double>(integer->get());
  return std::nullopt;
}

std::optional<Share> as_share(const toml::node& node) {
  const auto number = as_number(node);
  if (!number || !(*number >= 0 && *number <= 1)) return std::nullopt;
  return Share{static_cast<std::uint32_t>(std::llround(*number * Share::whole))};
}

std::optional<Duration> as_duration(const toml::node& node) {
  const auto* text = node.as_string();
  return text == nullptr ? std::nullopt : parse_duration(text->get());
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t micros = 0;
  if (unit == "us") micros = 1;
  if (unit == "ms") micros = 1'000;
  if (unit == "s") micros = 1'000'000;
  if (unit == "m") micros = 60'000'000;
  if (unit == "h") micros = 3'600'000'000;
  if (micros == 0 || number > micros_max / micros || number < -micros_max / micros) {
    return std::nullopt;
  }
  return Duration(number * micros);
}

void TomlProblems::report(const toml::source_region& where, const std::string& what) {
  if (first) return;
  first = make_error(ErrorCode::invalid_argument, what,
                     source + ':' + std::to_string(where.begin.line));
}

void TomlTable::problem(const std::string& key, const std::string& what) {
  const toml::node* at = table_.get(key);
  problems_.report(at != nullptr ? at->source() : table_.source(), what);
}

void TomlTable::wrong(const std::string& key, const char* expected) {
  problem(key, full(key) + ": expected " + expected);
}

const toml::node* TomlTable::node(const std::string& key) {
  asked_.insert(key);
  return table_.get(key);
}

void TomlTable::read(const std::string& key, std::string& value) {
  if (const auto* found = node(key)) {
    if (const auto* text = found->as_string()) {
      value = text->get();
    } else {
      wrong(key, "a string");
    }
  }
}

void TomlTable::read(const std::string& key, bool& value) {
  if (const auto* found = node(key)) {
    if (const auto* flag = found->as_boolean()) {
      value = flag->get();
    } else {
      wrong(key, "true or false");
    }
  }
}

void TomlTable::read(const std::string& key, std::uint64_t& value) {
  if (const auto* found = node(key)) {
    if (const auto count = as_count(*found)) {
      value = *count;
    } else {
      wrong(key, count_form);
    }
  }
}

void TomlTable::read(const std::string& key, Duration& value) {
  if (const auto* found = node(key)) {
    if (const auto duration = as_duration(*found)) {
      value = *duration;
    } else {
      wrong(key, duration_form);
    }
  }
}

void TomlTable::read(const std::string& key, Share& value) {
  if (const auto* found = node(key)) {
    if (const auto share = as_share(*found)) {
      value = *share;
    } else {
      wrong(key, share_form);
    }
  }
}

void TomlTable::read_ppm(const std::string& key, std::uint32_t& value, double most) {
  if (const auto* found = node(key)) {
    const auto number = as_number(*found);
    if (number && *number >= 0 && *number <= most) {
      value = static_cast<std::uint32_t>(std::llround(*number * Share::whole));
    } else {
      problem(key,
              full(key) + ": expected a number from 0 to " + std::to_string(std::llround(most)));
    }
  }
}

void TomlTable::read(const std::string& key, std::vector<std::string>& value) {
  const auto* found = node(key);
  if (found == nullptr) return;
  const auto* array = found->as_array();
  std::vector<std::string> texts;
  bool good = array != nullptr;
  if (good) {
    for (const auto& element : *array) {
      const auto* text = element.as_string();
      if (text == nullptr) {
        good = false;
        break;
      }
      texts.push_back(text->get());
    }
  }
  if (good) {
    value = std::move(texts);
  } else {
    wrong(key, "a list of strings");
  }
}

template <class T, class Parse>
void TomlTable::read_range(const std::string& key, Range<T>& value, const char* expected,
                           Parse parse) {
  const auto* found = node(key);
  if (found == nullptr) return;
  const auto* array = found->as_array();
  if (array == nullptr) {
    if (const auto one = parse(*found)) {
      value = Range<T>::of(*one);
    } else {
      problem(key, full(key) + ": expected " + expected + ", or two of them in brackets");
    }
    return;
  }
  const auto low = array->size() == 2 ? parse(*array->get(0)) : std::nullopt;
  const auto high = array->size() == 2 ? parse(*array->get(1)) : std::nullopt;
  if (!low || !high || *high < *low) {
    problem(key, full(key) + ": expected [lowest, highest], each " + expected);
    return;
  }
  value = Range<T>{*low, *high};
}

void TomlTable::read(const std::string& key, Range<std::uint64_t>& value) {
  read_range(key, value, count_form, as_count);
}

void TomlTable::read(const std::string& key, Range<Duration>& value) {
  read_range(key, value, duration_form, as_duration);
}

void TomlTable::read(const std::string& key, Range<Share>& value) {
  read_range(key, value, share_form, as_share);
}

void TomlTable::read_choice(const std::string& key, const std::vector<std::string>& choices,
                            int& value) {
  const auto* found = node(key);
  if (found == nullptr) return;
  const auto* text = found->as_string();
  std::string all;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (text != nullptr && text->get() == choices[i]) {
      value = static_cast<int>(i);
      return;
    }
    all += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + ('"' + choices[i] + '"');
  }
  problem(key, full(key) + ": expected " + all);
}

const toml::table* TomlTable::table(const std::string& key) {
  const auto* found = node(key);
  if (found == nullptr) return nullptr;
  if (const auto* inner = found->as_table()) return inner;
  wrong(key, ("a table: [" + full(key) + "]").c_str());
  return nullptr;
}

std::vector<const toml::table*> TomlTable::tables(const std::string& key) {
  std::vector<const toml::table*> all;
  const auto* found = node(key);
  if (found == nullptr) return all;
  if (const auto* array = found->as_array()) {
    for (const auto& element : *array) {
      if (const auto* inner = element.as_table()) all.push_back(inner);
    }
    if (all.size() == array->size()) return all;
  }
  wrong(key, ("tables, each beginning with [[" + full(key) + "]]").c_str());
  return {};
}

void TomlTable::finish() {
  for (const auto& [key, value] : table_) {
    const std::string name(key.str());
    if (asked_.contains(name)) continue;
    std::string known;
    for (const auto& one : asked_) known += (known.empty() ? "" : ", ") + one;
    problems_.report(key.source(), full(name) + ": unknown key; expected one of " + known);
  }
}

}  // namespace rejoin::simulation
