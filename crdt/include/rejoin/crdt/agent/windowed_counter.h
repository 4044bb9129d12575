// Use per minute, hour and day: counters by time that roll up and expire.
//
// A view of a map that holds one map a granularity and in it one counter a bucket, named by the UTC
// time at which the bucket begins:
//
//   minute/2026-11-25T03:51Z    hour/2026-11-25T03Z    day/2026-11-25
//
// Every amount is added to the buckets of all three granularities in one transaction. So rolling up
// is exact whatever is concurrent, and expiry of the minutes of a past hour is no more than their
// removal: the hour has them already. The design weighed against it adds to minutes alone, and
// moves their sum into the hour when they expire. Two replicas that do so at once would both add
// the sum to the hour and count it twice, and an amount that reaches a minute after its sum was
// moved would need another move. The price is three counters to write instead of one.
//
// Example: A and B add 5 and 7 at 03:51. Both read 12 in that minute, in hour 03, and in the day. A
// expires the minute before it hears of B's 7: the minute then holds 7, until the next expire, and
// hour and day hold 12 all the time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

enum class Granularity { minute, hour, day };
inline constexpr Granularity granularities[] = {Granularity::minute, Granularity::hour,
                                                Granularity::day};

// "minute", "hour", "day": the names of the maps.
std::string_view to_string(Granularity granularity);
std::chrono::seconds length_of(Granularity granularity);
// When the bucket begins that `at` is in. Days are those of UTC, without leap seconds.
std::chrono::sys_seconds bucket_start(Granularity granularity, std::chrono::sys_seconds at);

// Times that have a bucket: from 1970 to the end of 9999 (exclusive), so that all names are of one
// form and sort by time.
inline constexpr std::chrono::sys_seconds bucket_time_min =
    std::chrono::sys_days(std::chrono::year(1970) / 1 / 1);
inline constexpr std::chrono::sys_seconds bucket_time_end =
    std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);
// The buckets of one series, at most: almost two years of minutes.
inline constexpr std::size_t series_buckets_max = 1'000'000;

// The name of the bucket that `at` is in; `at` must be within the bounds above.
std::string bucket_name(Granularity granularity, std::chrono::sys_seconds at);
// When the bucket of that name begins; nothing when it is no such name.
std::optional<std::chrono::sys_seconds> parse_bucket(Granularity granularity,
                                                     std::string_view name);

// How many buckets before the current one are kept, of each granularity; without a number, all. The
// current one and those after it (of a writer whose clock is ahead) are always kept.
struct ExpiryPolicy {
  std::optional<std::uint32_t> minutes;
  std::optional<std::uint32_t> hours;
  std::optional<std::uint32_t> days;
};

// Valid until the document changes. What nobody wrote reads as 0; children that are no buckets are
// passed over. Ranges are of whole buckets, from the one that `from` is in up to the one that `to`
// is in, which is left out: with `to` = now, all that are complete.
//
// All reads give `out_of_range`, at the path of the map where there is one, for times before
// bucket_time_min or at (for `to`: beyond) bucket_time_end.
class WindowedCounterView {
 public:
  explicit WindowedCounterView(MapView map) : map_(map) {}

  // The bucket that `at` is in. O(1).
  Result<std::int64_t> value(Granularity granularity, std::chrono::sys_seconds at) const;
  // O(stored buckets); saturates at the bounds of int64.
  Result<std::int64_t> sum(Granularity granularity, std::chrono::sys_seconds from,
                           std::chrono::sys_seconds to) const;
  // One number a bucket, in order, 0 for those that are not there: what forecast() takes. O(buckets
  // of the range). `limit_exceeded` beyond series_buckets_max.
  Result<std::vector<std::int64_t>> series(Granularity granularity, std::chrono::sys_seconds from,
                                           std::chrono::sys_seconds to) const;

 private:
  std::optional<Error> beyond(std::chrono::sys_seconds at, std::chrono::sys_seconds end) const;

  MapView map_;
};

// Valid until its transaction ends.
class WindowedCounterRef : public WindowedCounterView {
 public:
  explicit WindowedCounterRef(MapRef map) : WindowedCounterView(map), map_(map) {}

  // Adds to the buckets that `at` is in; a negative amount takes back. 0 writes nothing. All
  // concurrent additions count, each exactly once in each granularity. `out_of_range` for a time
  // without a bucket, or when a counter would pass int64: in that case some buckets may have been
  // written, so return the error from the transaction. O(1).
  Status add(std::int64_t amount, std::chrono::sys_seconds at);
  // Removes the buckets that `policy` does not keep at the time `now`, and returns how many went.
  // An addition that this replica has not seen survives in its bucket, alone, and goes with the
  // next expire(); likewise one that comes late to a bucket that is gone. Any replica may expire,
  // or several at once. `out_of_range` for a `now` without a bucket. O(stored buckets · log).
  Result<std::size_t> expire(const ExpiryPolicy& policy, std::chrono::sys_seconds now);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
