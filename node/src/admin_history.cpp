#include "admin_history.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "clock_json.h"
#include "history/queries.h"
#include "json_fields.h"
#include "named_path.h"
#include "rejoin/crdt/json.h"
#include "runtime.h"

namespace rejoin::node {
namespace {

using nlohmann::json;

constexpr std::int64_t limit_default = 100;
constexpr std::int64_t limit_max = 100'000;
constexpr std::int64_t feed_timeout_ms_max = 60'000;
constexpr std::string_view before_prefix = "before:";

// "2026-11-28T12:00:00Z", with or without a fraction of a second.
std::optional<HybridTime> parse_time(const std::string& text) {
  std::tm parts{};
  int length = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &length) != 6) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(length));
  std::uint64_t millis = 0;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    for (std::uint64_t unit = 100; !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
         unit /= 10) {
      millis += static_cast<std::uint64_t>(rest.front() - '0') * unit;
      rest.remove_prefix(1);
    }
  }
  if (rest != "Z") return std::nullopt;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  const std::time_t seconds = ::timegm(&parts);
  if (seconds < 0) return std::nullopt;
  return HybridTime::from_millis(static_cast<std::uint64_t>(seconds) * 1000 + millis, 0xFFFF);
}

Result<Clock> version_of(const Runtime& runtime, const history::Archive& archive,
                         const std::string& space, const std::string& text) {
  if (text == "now") {
    Clock now;
    runtime.read(space, [&](const Document& document) { now = document.clock_with_retired(); });
    now.meet(archive.clock(space));  // what is not durable yet is not known there
    return now;
  }
  if (text.starts_with(before_prefix)) {
    if (const auto event = Dot::parse(std::string_view(text).substr(before_prefix.size()))) {
      return history::version_before(archive, space, *event);
    }
  } else if (const auto event = Dot::parse(text)) {
    auto version = history::version_before(archive, space, *event);
    if (!version.ok()) return version;
    auto found = archive.event(space, *event);
    if (!found.ok()) return found.error();
    version->advance((*found)->id());
    return version;
  } else if (const auto time = parse_time(text)) {
    return history::version_until(archive, space, *time);
  } else if (auto token = CausalToken::parse(text); token && token->space() == space) {
    return token->clock();
  }
  return make_error(ErrorCode::invalid_argument,
                    "\"" + text +
                        "\" is no version of this space; expected \"now\", a time such as "
                        "2026-11-28T12:00:00Z, an event such as <32 hexadecimal digits>:7, "
                        "\"before:\" and an event, or a causal token of this space");
}

// The field "path", or the root. Without a type in its last step: what is there now, or a map.
Path place_of(const Runtime& runtime, const std::string& space, JsonFields& fields) {
  auto path = NamedPath::parse(fields.string("path", "/"));
  if (!path) {
    if (fields.ok()) fields.fail(path.error());
    return {};
  }
  if (!fields.ok() || path->is_typed()) return path->path();
  Path place = path->path();
  runtime.read(space, [&](const Document& document) {
    if (auto found = path->find(document)) place = *std::move(found);
  });
  return place;
}

json event_json(const EventPtr& event) {
  if (!event) return nullptr;
  return {{"event", event->id().full_name()},
          {"time_ms", event->time().millis()},
          {"author", event->author()},
          {"note", event->note()}};
}

json names_of(const std::vector<Dot>& dots) {
  json names = json::array();
  for (const Dot& dot : dots) names.push_back(dot.full_name());
  return names;
}

json write_json(const Written& write) {
  json out{{"write", to_string(write.kind)}, {"path", write.path.to_string()}};
  switch (write.kind) {
    case Written::Kind::put:
      out["value"] = value_to_json(write.values.front());
      break;
    case Written::Kind::add:
      out["total"] = write.total;
      break;
    case Written::Kind::insert:
      if (write.values.empty()) {
        out["text"] = write.text;
      } else {
        for (const Value& value : write.values) out["values"].push_back(value_to_json(value));
      }
      break;
    case Written::Kind::erase: {
      Sequence count = 0;
      for (const Written::Range& range : write.erased) count += range.count;
      out["count"] = count;
      break;
    }
    case Written::Kind::move:
      out["element"] = write.element.full_name();
      break;
    case Written::Kind::remove:
    case Written::Kind::remove_below:
    case Written::Kind::reset:
      break;
  }
  if (write.kind != Written::Kind::remove_below && !write.replaced.empty()) {
    out["replaced"] = names_of(write.replaced);
  }
  return out;
}

json reason_json(const Reason& reason) {
  json out{{"path", reason.origin.path.to_string()},
           {"value", value_to_json(reason.origin.value)},
           {"by", event_json(reason.event)}};
  const Type type = reason.origin.path.type();
  if (type == Type::list || type == Type::log || type == Type::text) {
    out["at"] = reason.origin.at;
    out["count"] = reason.origin.count;
  }
  for (const Reason::Former& former : reason.overwrote) {
    json was{{"by", event_json(former.event)}};
    if (former.value) was["value"] = value_to_json(*former.value);
    out["overwrote"].push_back(std::move(was));
  }
  return out;
}

std::int64_t limit_of(JsonFields& fields) {
  const std::int64_t limit = fields.integer("limit", limit_default);
  if (fields.ok() && (limit < 1 || limit > limit_max)) {
    fields.fail(make_error(ErrorCode::out_of_range,
                           "\"limit\" must be between 1 and " + std::to_string(limit_max)));
  }
  return limit;
}

json parsed(const std::string& text) { return text.empty() ? json() : json::parse(text); }

}  // namespace

Result<json> answer_history(Runtime& runtime, const std::string& space, JsonFields& fields) {
  const Path path = place_of(runtime, space, fields);
  HistoryQuery query;
  const std::int64_t limit = limit_of(fields);
  const std::string until = fields.string("until", "");
  if (auto taken = fields.finish(); !taken) return taken.error();
  auto archive = runtime.archive_of(space);
  if (!archive) return archive.error();
  query.limit = static_cast<std::size_t>(limit);
  if (!until.empty()) {
    auto version = version_of(runtime, **archive, space, until);
    if (!version) return version.error();
    query.until = *std::move(version);
  }
  auto past = history::past_of(**archive, space, path, query);
  if (!past) return past.error();
  json events = json::array();
  for (const PastEvent& entry : *past) {
    json event = event_json(entry.event);
    for (const Written& write : entry.writes) event["writes"].push_back(write_json(write));
    events.push_back(std::move(event));
  }
  return json{{"events", std::move(events)}};
}

Result<json> answer_why(Runtime& runtime, const std::string& space, JsonFields& fields) {
  const Path path = place_of(runtime, space, fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  auto archive = runtime.archive_of(space);
  if (!archive) return archive.error();
  std::vector<Origin> origins;
  runtime.read(space, [&](const Document& document) { origins = document.origins(path); });
  if (origins.empty()) {
    return make_error(ErrorCode::not_found,
                      "nothing is there now; `history` tells what was, and who took it away",
                      path.to_string());
  }
  auto reasons = history::reasons_for(**archive, space, origins);
  if (!reasons) return reasons.error();
  json out = json::array();
  for (const Reason& reason : *reasons) out.push_back(reason_json(reason));
  return json{{"reasons", std::move(out)}};
}

Result<json> answer_at(Runtime& runtime, const std::string& space, JsonFields& fields) {
  const Path path = place_of(runtime, space, fields);
  const std::string text = fields.string("version");
  if (auto taken = fields.finish(); !taken) return taken.error();
  auto archive = runtime.archive_of(space);
  if (!archive) return archive.error();
  auto version = version_of(runtime, **archive, space, text);
  if (!version) return version.error();
  auto past = history::state_at(**archive, space, path, *version);
  if (!past) return past.error();
  auto subtree = to_json(*past, path);
  if (!subtree) return subtree.error();
  return json{{"json", *std::move(subtree)}, {"token", CausalToken(space, *version).to_string()}};
}

Result<json> answer_diff(Runtime& runtime, const std::string& space, JsonFields& fields) {
  const Path path = place_of(runtime, space, fields);
  const std::string texts[] = {fields.string("from"), fields.string("to", "now")};
  if (auto taken = fields.finish(); !taken) return taken.error();
  auto archive = runtime.archive_of(space);
  if (!archive) return archive.error();
  std::vector<Document> documents;
  for (const std::string& text : texts) {
    auto version = version_of(runtime, **archive, space, text);
    if (!version) return version.error();
    auto past = history::state_at(**archive, space, path, *version);
    if (!past) return past.error();
    documents.push_back(*std::move(past));
  }
  auto differences = history::differences(documents[0], documents[1], path);
  if (!differences) return differences.error();
  json out = json::array();
  for (const Difference& difference : *differences) {
    json one{{"path", difference.path}};
    if (!difference.before.empty()) one["before"] = parsed(difference.before);
    if (!difference.after.empty()) one["after"] = parsed(difference.after);
    out.push_back(std::move(one));
  }
  return json{{"differences", std::move(out)}};
}

Result<json> answer_feed(Runtime& runtime, const std::string& space, JsonFields& fields) {
  const std::string text = fields.string("cursor", "");
  const std::int64_t limit = limit_of(fields);
  const std::int64_t timeout_ms = fields.integer("timeout_ms", 0);
  if (fields.ok() && (timeout_ms < 0 || timeout_ms > feed_timeout_ms_max)) {
    fields.fail(make_error(ErrorCode::out_of_range, "\"timeout_ms\" must be between 0 and " +
                                                        std::to_string(feed_timeout_ms_max)));
  }
  if (auto taken = fields.finish(); !taken) return taken.error();
  Clock cursor;
  if (!text.empty()) {
    auto token = CausalToken::parse(text);
    if (!token || token->space() != space) {
      return make_error(ErrorCode::invalid_argument,
                        "\"cursor\" is none that a feed of this space gave; leave it out to begin "
                        "at the beginning");
    }
    cursor = token->clock();
  }
  auto archive = runtime.archive_of(space);
  if (!archive) return archive.error();
  auto feed = history::feed(**archive, space, cursor, static_cast<std::size_t>(limit),
                            std::chrono::milliseconds(timeout_ms));
  if (!feed) return feed.error();
  json steps = json::array();
  for (const Feed::Step& step : feed->steps) {
    json one = json::object();
    if (step.event) {
      one = event_json(step.event);
      one["dependencies"] = clock_json(step.event->dependencies());
      for (const Written& write : writes_of(*step.event)) {
        one["writes"].push_back(write_json(write));
      }
    } else {
      one["missing"] = {{"replica", step.missing->writer.to_string()},
                        {"first", step.missing->first},
                        {"last", step.missing->last}};
    }
    one["cursor"] = CausalToken(space, step.cursor).to_string();
    steps.push_back(std::move(one));
  }
  return json{{"steps", std::move(steps)}};
}

}  // namespace rejoin::node
