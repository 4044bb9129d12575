#include "rejoin/crdt/agent/windowed_counter.h"

#include <array>
#include <cstdio>

#include "rejoin/crdt/assert.h"
#include "saturate.h"

namespace rejoin::agent {

using std::chrono::sys_days;
using std::chrono::sys_seconds;

namespace {

struct Form {
  std::string_view name;
  std::chrono::seconds length;
  std::string_view pattern;  // of a bucket's name: 0 stands for a digit
};

const Form& form_of(Granularity granularity) {
  static constexpr std::array<Form, 3> forms{
      {{"minute", std::chrono::minutes(1), "0000-00-00T00:00Z"},
       {"hour", std::chrono::hours(1), "0000-00-00T00Z"},
       {"day", std::chrono::days(1), "0000-00-00"}}};
  return forms[static_cast<std::size_t>(granularity)];
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint32_t> kept(const ExpiryPolicy& policy, Granularity granularity) {
  switch (granularity) {
    case Granularity::minute:
      return policy.minutes;
    case Granularity::hour:
      return policy.hours;
    case Granularity::day:
      return policy.days;
  }
  return std::nullopt;
}

Error no_bucket(sys_seconds at, std::string where) {
  return make_error(ErrorCode::out_of_range,
                    "the time " + std::to_string(at.time_since_epoch().count()) +
                        " s after 1970 has no bucket; they begin with 1970 and end with 9999",
                    std::move(where));
}

// In a bucket, or at their very end where `end` is that of a range.
bool in_bounds(sys_seconds at, sys_seconds end) { return at >= bucket_time_min && at < end; }

}  // namespace

std::string_view to_string(Granularity granularity) { return form_of(granularity).name; }

std::chrono::seconds length_of(Granularity granularity) { return form_of(granularity).length; }

sys_seconds bucket_start(Granularity granularity, sys_seconds at) {
  const std::int64_t length = length_of(granularity).count();
  const std::int64_t since = at.time_since_epoch().count();
  const std::int64_t within = (since % length + length) % length;
  return at - std::chrono::seconds(within);
}

std::string bucket_name(Granularity granularity, sys_seconds at) {
  REJOIN_ASSERT(in_bounds(at, bucket_time_end));
  const sys_days day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()));
  std::string name(text);
  if (granularity == Granularity::hour) name.replace(13, 3, "");
  if (granularity == Granularity::day) name.resize(10);
  return name;
}

std::optional<sys_seconds> parse_bucket(Granularity granularity, std::string_view name) {
  const std::string_view pattern = form_of(granularity).pattern;
  if (name.size() != pattern.size()) return std::nullopt;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (pattern[i] == '0' ? !is_digit(name[i]) : name[i] != pattern[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t from, std::size_t digits) {
    unsigned n = 0;
    for (std::size_t i = from; i < from + digits; ++i) {
      n = n * 10 + static_cast<unsigned>(name[i] - '0');
    }
    return n;
  };
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)),
                                         std::chrono::day(number(8, 2))};
  const unsigned hour = granularity == Granularity::day ? 0 : number(11, 2);
  const unsigned minute = granularity == Granularity::minute ? number(14, 2) : 0;
  if (!date.ok() || hour > 23 || minute > 59) return std::nullopt;
  const sys_seconds at = sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute);
  return in_bounds(at, bucket_time_end) ? std::optional(at) : std::nullopt;
}

// ---- Reading ----

std::optional<Error> WindowedCounterView::beyond(sys_seconds at, sys_seconds end) const {
  if (in_bounds(at, end)) return std::nullopt;
  return no_bucket(at, map_.exists() ? map_.path().to_string() : std::string());
}

Result<std::int64_t> WindowedCounterView::value(Granularity granularity, sys_seconds at) const {
  if (auto error = beyond(at, bucket_time_end)) return *std::move(error);
  return map_.map(to_string(granularity)).counter(bucket_name(granularity, at)).value();
}

Result<std::int64_t> WindowedCounterView::sum(Granularity granularity, sys_seconds from,
                                              sys_seconds to) const {
  if (auto error = beyond(from, bucket_time_end)) return *std::move(error);
  if (auto error = beyond(to, bucket_time_end + std::chrono::seconds(1))) return *std::move(error);
  from = bucket_start(granularity, from);
  to = bucket_start(granularity, to);
  const MapView buckets = map_.map(to_string(granularity));
  WideSum sum = 0;
  for (const Child& child : buckets.children()) {
    if (child.type != Type::counter) continue;
    const auto start = parse_bucket(granularity, child.name);
    if (start && *start >= from && *start < to) sum += buckets.counter(child.name).value();
  }
  return saturate(sum);
}

Result<std::vector<std::int64_t>> WindowedCounterView::series(Granularity granularity,
                                                              sys_seconds from,
                                                              sys_seconds to) const {
  if (auto error = beyond(from, bucket_time_end)) return *std::move(error);
  if (auto error = beyond(to, bucket_time_end + std::chrono::seconds(1))) return *std::move(error);
  from = bucket_start(granularity, from);
  to = bucket_start(granularity, to);
  const auto length = length_of(granularity);
  std::vector<std::int64_t> numbers;
  if (to <= from) return numbers;
  const auto count = static_cast<std::size_t>((to - from) / length);
  if (count > series_buckets_max) {
    return make_error(ErrorCode::limit_exceeded,
                      "a series may have " + std::to_string(series_buckets_max) +
                          " buckets, this one has " + std::to_string(count),
                      map_.exists() ? map_.path().to_string() : std::string());
  }
  const MapView buckets = map_.map(to_string(granularity));
  numbers.reserve(count);
  for (sys_seconds at = from; at < to; at += length) {
    numbers.push_back(buckets.counter(bucket_name(granularity, at)).value());
  }
  return numbers;
}

// ---- Writing ----

Status WindowedCounterRef::add(std::int64_t amount, sys_seconds at) {
  if (!in_bounds(at, bucket_time_end)) return no_bucket(at, map_.path().to_string());
  if (amount == 0) return {};
  for (const Granularity granularity : granularities) {
    MapRef buckets = map_.map(to_string(granularity));
    if (auto ok = buckets.counter(bucket_name(granularity, at)).add(amount); !ok) return ok;
  }
  return {};
}

Result<std::size_t> WindowedCounterRef::expire(const ExpiryPolicy& policy, sys_seconds now) {
  if (!in_bounds(now, bucket_time_end)) return no_bucket(now, map_.path().to_string());
  std::size_t removed = 0;
  for (const Granularity granularity : granularities) {
    const std::optional<std::uint32_t> keep = kept(policy, granularity);
    if (!keep) continue;
    const sys_seconds oldest =
        bucket_start(granularity, now) - static_cast<std::int64_t>(*keep) * length_of(granularity);
    MapRef buckets = map_.map(to_string(granularity));
    for (const Child& child : buckets.children()) {
      if (child.type != Type::counter) continue;
      const auto start = parse_bucket(granularity, child.name);
      if (!start || *start >= oldest) continue;
      if (auto ok = buckets.remove(child.name, child.type); !ok) return std::move(ok).error();
      ++removed;
    }
  }
  return removed;
}

}  // namespace rejoin::agent
