#include "rejoin/crdt/path.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>

#include "hex.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/limits.h"
#include "store/element_key.h"
#include "store/mark_codec.h"

namespace rejoin {
namespace {

// By number, from 1.
constexpr std::array<std::string_view, 17> type_names = {"",
                                                         "map",
                                                         "list",
                                                         "set",
                                                         "remove_wins_set",
                                                         "register",
                                                         "multi_register",
                                                         "max_register",
                                                         "min_register",
                                                         "counter",
                                                         "enable_flag",
                                                         "disable_flag",
                                                         "element",
                                                         "text",
                                                         "bounded_counter",
                                                         "log",
                                                         "tree"};

constexpr std::array<std::string_view, 6> kind_names = {"null", "boolean", "integer",
                                                        "real", "string",  "bytes"};

constexpr char hex_digits[] = "0123456789ABCDEF";

// True for the types below which there is nothing but elements.
bool has_elements(Type type) {
  return type == Type::set || type == Type::remove_wins_set || type == Type::text;
}

void append_escaped(std::string& text, std::string_view name) {
  for (const char c : name) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '/' || c == ':' || c == '%' || byte < 0x20 || byte == 0x7F) {
      text += '%';
      text += hex_digits[byte >> 4];
      text += hex_digits[byte & 15];
    } else {
      text += c;
    }
  }
}

std::optional<std::string> unescape(std::string_view text) {
  std::string name;
  name.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      name += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    name += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return name;
}

template <class Number>
void append_number(std::string& text, Number v, int base) {
  char buffer[32];
  text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, v, base).ptr);
}

template <class Number>
bool parse_number(std::string_view text, Number& v, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v, base);
  return error == std::errc() && end == text.data() + text.size();
}

void append_key(std::string& text, const Value& key) {
  if (key.is_string()) return append_escaped(text, key.as_string());
  text.append(kind_names[static_cast<std::size_t>(key.kind())]).append(":");
  switch (key.kind()) {
    case Value::Kind::null:
    case Value::Kind::string:
      return;
    case Value::Kind::boolean:
      text += key.as_bool() ? "true" : "false";
      return;
    case Value::Kind::integer:
      return append_number(text, key.as_integer(), 10);
    case Value::Kind::real: {
      const double v = key.as_real();
      if (v == v) {
        char buffer[32];
        text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
      } else {  // the bits of a NaN are part of its identity
        text += "0x";
        append_number(text, std::bit_cast<std::uint64_t>(v), 16);
      }
      return;
    }
    case Value::Kind::bytes:
      for (const char c : key.as_bytes()) {
        const auto byte = static_cast<std::uint8_t>(c);
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 15];
      }
      return;
  }
}

// The key of an element that is no string, from its kind and text.
std::optional<Value> parse_key(std::string_view kind, std::string_view text) {
  if (kind == "null") return text.empty() ? std::optional<Value>(Value()) : std::nullopt;
  if (kind == "boolean") {
    if (text == "true") return Value(true);
    return text == "false" ? std::optional<Value>(Value(false)) : std::nullopt;
  }
  if (kind == "integer") {
    std::int64_t v = 0;
    return parse_number(text, v, 10) ? std::optional<Value>(Value(v)) : std::nullopt;
  }
  if (kind == "real") {
    if (text.starts_with("0x")) {
      std::uint64_t bits = 0;
      if (!parse_number(text.substr(2), bits, 16)) return std::nullopt;
      return Value(std::bit_cast<double>(bits));
    }
    double v = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (error != std::errc() || end != text.data() + text.size() || v != v) return std::nullopt;
    return Value(v);
  }
  if (kind == "bytes" && text.size() % 2 == 0) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
      const int high = hex_value(text[i]);
      const int low = hex_value(text[i + 1]);
      if (high < 0 || low < 0) return std::nullopt;
      bytes += static_cast<char>(high << 4 | low);
    }
    return Value::bytes(bytes);
  }
  return std::nullopt;
}

// One step of a path's text, below a map or set of type `above`.
Result<Step> parse_step(std::string_view text, Type above, Type untyped) {
  const auto wrong = [&](std::string message) {
    return make_error(ErrorCode::invalid_argument, std::move(message), std::string(text));
  };
  Step step;
  step.type = has_elements(above) ? Type::element : above == Type::tree ? Type::map : untyped;
  if (text.empty()) {
    return wrong("a path has an empty step; write the type before an empty name, as in \"map:\"");
  }
  std::string_view name = text;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    Result<Type> type = parse_type(text.substr(0, colon));
    if (!type.ok()) return std::move(type).error();
    step.type = *type;
    name = text.substr(colon + 1);
  }
  const bool below_bounded = above == Type::bounded_counter;
  const bool below_list = above == Type::list;
  if (below_list) {
    if (step.type != Type::map) return wrong("only maps live below a list");
  } else if (above == Type::tree) {
    if (step.type != Type::map && step.type != Type::element) {
      return wrong("a node's properties (map) or place (element) live below a tree");
    }
  } else if (!has_elements(above) && !below_bounded && above != Type::map) {
    return wrong("nothing lives below type " + std::string(to_string(above)));
  } else if (below_bounded ? step.type != Type::counter && step.type != Type::reg
                           : has_elements(above) != (step.type == Type::element)) {
    return wrong(
        "an element lives below a set or text, counters and registers below a bounded counter, and "
        "everything else below a map");
  }
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    std::optional<Value> key;
    if (has_elements(above) || below_bounded || below_list) {
      key = parse_key(name.substr(0, colon), name.substr(colon + 1));
    }
    if (!key) return wrong("a path has a ':' too many; write it %3A inside a name");
    step.key = *std::move(key);
  } else {
    const std::optional<std::string> plain = unescape(name);
    if (!plain) return wrong("a '%' in a path is not followed by two hexadecimal digits");
    if (!is_valid_utf8(*plain)) return wrong("a name in a path is not valid UTF-8");
    step.key = Value(*plain);
    if (above == Type::tree && plain->empty()) return wrong("a node of a tree has a name");
  }
  if (below_bounded && !(step.key.is_bytes() && step.key.contents().size() == sizeof(ReplicaId))) {
    return wrong("the children of a bounded counter are named by replica ids, as bytes:<32 hex>");
  }
  if (below_list && !(step.key.is_bytes() && step.key.contents().size() == element_key_bytes)) {
    return wrong("the elements of a list are named by their ids, as bytes:<48 hex>");
  }
  if (above == Type::text && !(step.key.is_bytes() && decode_mark_key(step.key.as_bytes()))) {
    return wrong("the elements of a text are its marks, named as bytes:<hex>");
  }
  if (step.key.contents().size() > limits::key_bytes_max) {
    return make_error(
        ErrorCode::limit_exceeded,
        "a name in a path is longer than " + std::to_string(limits::key_bytes_max) + " bytes",
        std::string(text.substr(0, 64)) + "...");
  }
  return step;
}

}  // namespace

bool is_known_type(std::uint8_t number) { return number >= 1 && number < type_names.size(); }

std::string_view to_string(Type type) {
  REJOIN_ASSERT(is_known_type(static_cast<std::uint8_t>(type)));
  return type_names[static_cast<std::size_t>(type)];
}

Result<Type> parse_type(std::string_view name) {
  for (std::size_t i = 1; i < type_names.size(); ++i) {
    if (type_names[i] == name) return static_cast<Type>(i);
  }
  std::string known;
  for (std::size_t i = 1; i < type_names.size(); ++i) {
    known.append(i == 1 ? "" : ", ").append(type_names[i]);
  }
  return make_error(ErrorCode::invalid_argument, "unknown type; known are " + known,
                    std::string(name.substr(0, 64)));
}

Path Path::child(Type type, Value key) const {
  std::vector<Step> steps;
  steps.reserve(steps_.size() + 1);
  steps = steps_;
  steps.push_back(Step{type, std::move(key)});
  return Path(std::move(steps));
}

Path Path::parent() const {
  if (steps_.empty()) return *this;
  return Path(std::vector<Step>(steps_.begin(), steps_.end() - 1));
}

bool Path::starts_with(const Path& prefix) const {
  return prefix.steps_.size() <= steps_.size() &&
         std::equal(prefix.steps_.begin(), prefix.steps_.end(), steps_.begin());
}

Result<Path> Path::parse(std::string_view text, Type last) {
  if (!text.starts_with('/')) {
    return make_error(ErrorCode::invalid_argument, "a path begins with '/'", std::string(text));
  }
  std::vector<Step> steps;
  if (text == "/") return Path();
  Type above = Type::map;
  for (std::size_t at = 1; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const bool is_last = end == text.size();
    Result<Step> step = parse_step(text.substr(at, end - at), above, is_last ? last : Type::map);
    if (!step.ok()) {
      Error error = std::move(step).error();
      error.where = "step " + std::to_string(steps.size() + 1) + " (\"" + error.where + "\")";
      return error;
    }
    if (steps.size() == limits::path_depth_max) {
      return make_error(ErrorCode::limit_exceeded,
                        "a path has more than " + std::to_string(limits::path_depth_max) + " steps",
                        std::string(text.substr(0, 64)) + "...");
    }
    above = step->type;
    steps.push_back(*std::move(step));
    at = end + 1;
  }
  return Path(std::move(steps));
}

std::string Path::to_string() const {
  if (steps_.empty()) return "/";
  std::string text;
  for (const Step& step : steps_) {
    text.append("/").append(rejoin::to_string(step.type)).append(":");
    append_key(text, step.key);
  }
  return text;
}

std::strong_ordering operator<=>(const Path& a, const Path& b) {
  return std::lexicographical_compare_three_way(a.steps_.begin(), a.steps_.end(), b.steps_.begin(),
                                                b.steps_.end());
}

}  // namespace rejoin
