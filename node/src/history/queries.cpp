#include "history/queries.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "rejoin/crdt/json.h"

namespace rejoin::node::history {
namespace {

// What one feed() gives, unless a single event is larger.
constexpr std::size_t feed_bytes_max = 8u << 20;

// Whether a write concerns what is read at a place: it was made there or below, or took away what
// was there with something above.
bool concerns(const Written& write, const Path& place) {
  if (write.path.starts_with(place)) return true;
  return write.kind == Written::Kind::remove_below && place.starts_with(write.path);
}

bool includes(const Written& write, const Dot& dot) {
  return write.first.replica == dot.replica && write.first.sequence <= dot.sequence &&
         dot.sequence < write.first.sequence + write.count;
}

std::optional<Value> value_of(const EventPtr& event, const Dot& dot) {
  if (!event) return std::nullopt;
  for (const Written& write : writes_of(*event)) {
    if (!includes(write, dot)) continue;
    if (write.kind == Written::Kind::put) return write.values.front();
    if (write.kind == Written::Kind::add) return Value(write.total);
  }
  return std::nullopt;
}

bool has(const Event& event, const Dot& dot) {
  return event.writer() == dot.replica && event.first() <= dot.sequence &&
         dot.sequence <= event.last();
}

// How many of the writes of an origin are one event's, or, without an event, missing together.
Result<Sequence> made_together(const Archive& archive, const std::string& space,
                               const EventPtr& event, const Origin& origin) {
  const Sequence first = origin.first.sequence;
  if (event) return std::min(origin.count, event->last() - first + 1);
  auto gaps = archive.gaps(space);
  if (!gaps.ok()) return std::move(gaps).error();
  for (const Gap& gap : *gaps) {
    const bool here = gap.writer == origin.first.replica && gap.first <= first && first <= gap.last;
    if (here) return std::min(origin.count, gap.last - first + 1);
  }
  return origin.count;
}

// Takes the first `count` writes from an origin, and from a text their code points.
Origin take_first(Sequence count, Origin& rest) {
  Origin taken = rest;
  taken.count = count;
  rest.first.sequence += count;
  rest.count -= count;
  rest.at += count;
  if (rest.count == 0) return taken;
  const std::string_view text = taken.value.as_string();
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && count-- == 0) break;
  }
  rest.value = Value(text.substr(end));
  taken.value = Value(text.substr(0, end));
  return taken;
}

// Whether the next element of a list was made with those before it, or is missing like them.
bool goes_on(const Reason& last, const Origin& next, const EventPtr& event) {
  return next.path.type() != Type::text && last.event == event && last.origin.path == next.path &&
         last.origin.first.replica == next.first.replica &&
         last.origin.first.sequence + last.origin.count == next.first.sequence &&
         last.origin.at + last.origin.count == next.at;
}

Error unknown_version(const std::string& space, const std::string& what) {
  return make_error(ErrorCode::not_found, "this version is not known here: " + what,
                    "space " + space);
}

std::string writes_of_writer(Sequence first, Sequence last, const ReplicaId& writer) {
  return "the writes " + std::to_string(first) + " to " + std::to_string(last) + " of " +
         writer.to_string();
}

// A clock leaves out the ids that were retired when it was taken: what its events depend on names
// them.
Result<Clock> with_what_it_depends_on(const Archive& archive, const std::string& space,
                                      const Clock& here, const Clock& stated) {
  Clock version = stated;
  const bool names_all =
      std::ranges::all_of(here, [&](const auto& entry) { return stated.get(entry.first) > 0; });
  if (names_all) return version;
  for (const auto& [writer, last] : stated) {
    if (last > here.get(writer)) continue;  // it is not known here, and so refused
    auto seen = archive.seen(space, writer, last);
    if (!seen.ok()) return seen;
    version.join(*seen);
  }
  return version;
}

void flatten(const nlohmann::json& json, const std::string& at,
             std::map<std::string, std::string>& leaves) {
  if (json.is_object() && !json.empty()) {
    for (const auto& [name, value] : json.items()) {
      std::string escaped;
      for (const char c : name) {
        if (c == '~') {
          escaped += "~0";
        } else if (c == '/') {
          escaped += "~1";
        } else {
          escaped += c;
        }
      }
      flatten(value, at + "/" + escaped, leaves);
    }
  } else {
    leaves.emplace(at, json.dump());
  }
}

}  // namespace

Status for_each_touching(const Archive& archive, const std::string& space, const Path& place,
                         bool newest_first, const std::function<bool(const EventPtr&)>& visit) {
  auto places = archive.touching(space, place);
  if (!places.ok()) return std::move(places).error();
  const auto show = [&](std::vector<EventPtr> events) {
    if (newest_first) std::reverse(events.begin(), events.end());
    return std::all_of(events.begin(), events.end(), [&](const EventPtr& event) {
      return !touches(*event, place) || visit(event);
    });
  };
  if (newest_first) {
    std::reverse(places->chunks.begin(), places->chunks.end());
    if (!show(places->newest)) return {};
  }
  for (const ChunkId id : places->chunks) {
    auto events = archive.chunk(id);
    if (!events.ok()) return std::move(events).error();
    if (!show(*std::move(events))) return {};
  }
  if (!newest_first) show(places->newest);
  return {};
}

Result<std::vector<PastEvent>> past_of(const Archive& archive, const std::string& space,
                                       const Path& place, const HistoryQuery& query) {
  std::vector<PastEvent> past;
  if (query.limit == 0) return past;
  auto status = for_each_touching(archive, space, place, true, [&](const EventPtr& event) {
    if (query.until && !query.until->includes(event->id())) return true;
    PastEvent entry{event, {}};
    for (Written& write : writes_of(*event)) {
      if (concerns(write, place)) entry.writes.push_back(std::move(write));
    }
    if (!entry.writes.empty()) past.push_back(std::move(entry));
    return past.size() < query.limit;
  });
  if (!status.ok()) return std::move(status).error();
  return past;
}

Result<std::vector<Reason>> reasons_for(const Archive& archive, const std::string& space,
                                        const std::vector<Origin>& origins) {
  std::map<Dot, EventPtr> known;  // by their ends, or the dot that was asked for in vain
  const auto find = [&](const Dot& dot) -> Result<EventPtr> {
    const auto found = known.lower_bound(dot);
    if (found != known.end() &&
        (found->first == dot || (found->second && has(*found->second, dot)))) {
      return found->second;
    }
    auto event = archive.event(space, dot);
    if (event.ok()) known.emplace(*event ? (*event)->id() : dot, *event);
    return event;
  };
  const auto overwritten = [&](const EventPtr& event,
                               const Dot& by) -> Result<std::vector<Reason::Former>> {
    std::vector<Reason::Former> formers;
    if (!event) return formers;
    for (const Written& write : writes_of(*event)) {
      if (!includes(write, by)) continue;
      std::vector<Dot> replaced = write.replaced;
      std::sort(replaced.begin(), replaced.end());
      for (const Dot& dot : replaced) {
        auto former = find(dot);
        if (!former.ok()) return std::move(former).error();
        formers.push_back({dot, *former, value_of(*former, dot)});
      }
    }
    std::stable_sort(formers.begin(), formers.end(),
                     [](const Reason::Former& a, const Reason::Former& b) {
                       const auto time = [](const Reason::Former& former) {
                         return former.event ? former.event->time() : HybridTime{};
                       };
                       return time(a) < time(b);
                     });
    return formers;
  };
  std::vector<Reason> reasons;
  for (Origin rest : origins) {
    while (rest.count > 0) {
      auto event = find(rest.first);
      if (!event.ok()) return std::move(event).error();
      if (!reasons.empty() && goes_on(reasons.back(), rest, *event)) {
        reasons.back().origin.count += rest.count;
        break;
      }
      auto count = made_together(archive, space, *event, rest);
      if (!count.ok()) return std::move(count).error();
      Reason reason{take_first(*count, rest), *event, {}};
      auto formers = overwritten(*event, reason.origin.first);
      if (!formers.ok()) return std::move(formers).error();
      reason.overwrote = *std::move(formers);
      reasons.push_back(std::move(reason));
    }
  }
  return reasons;
}

Result<Document> state_at(const Archive& archive, const std::string& space, const Path& place,
                          const Clock& stated) {
  const Clock here = archive.clock(space);
  auto whole = with_what_it_depends_on(archive, space, here, stated);
  if (!whole.ok()) return std::move(whole).error();
  const Clock& version = *whole;
  if (const Clock beyond = version.beyond(here); !beyond.empty()) {
    const auto& [writer, last] = *beyond.begin();
    return unknown_version(space, writes_of_writer(here.get(writer) + 1, last, writer) +
                                      " are not here; ask a member that has them, or wait");
  }
  auto gaps = archive.gaps(space);
  if (!gaps.ok()) return std::move(gaps).error();
  for (const Gap& gap : *gaps) {
    if (version.get(gap.writer) < gap.first) continue;
    return unknown_version(space, writes_of_writer(gap.first, gap.last, gap.writer) +
                                      " came here without their events, before the history of "
                                      "this node begins; ask a member that has them");
  }
  Document past{ReplicaId{}};
  auto status = for_each_touching(archive, space, place, false, [&](const EventPtr& event) {
    if (version.includes(event->id())) past.replay(*event, place);
    return true;
  });
  if (!status.ok()) return std::move(status).error();
  return past;
}

Result<std::vector<Past>> pasts_of(const Archive& archive, const std::string& space,
                                   const Event& event) {
  auto gaps = archive.gaps(space);
  if (!gaps.ok()) return std::move(gaps).error();
  if (!gaps->empty()) {
    const Gap& gap = gaps->front();
    return make_error(ErrorCode::not_found,
                      writes_of_writer(gap.first, gap.last, gap.writer) +
                          " came here without their events, and may have been made in the same "
                          "places; ask a member that has them, or wait",
                      "space " + space);
  }
  auto before = version_before(archive, space, event.id());
  if (!before.ok()) return std::move(before).error();
  auto version = with_what_it_depends_on(archive, space, archive.clock(space), *before);
  if (!version.ok()) return std::move(version).error();
  std::vector<Past> pasts;
  for (Path& place : places_to_revert(event)) {
    Past past{std::move(place), Document(ReplicaId{}), {}};
    auto status = for_each_touching(archive, space, past.place, false, [&](const EventPtr& other) {
      if (version->includes(other->id())) {
        past.before.replay(*other, past.place);
      } else if (other->id() != event.id()) {
        past.since.push_back(other);
      }
      return true;
    });
    if (!status.ok()) return std::move(status).error();
    pasts.push_back(std::move(past));
  }
  return pasts;
}

Result<Clock> version_until(const Archive& archive, const std::string& space, HybridTime time) {
  Clock version;
  for (const auto& [writer, last] : archive.clock(space)) {
    auto until = archive.last_until(space, writer, time);
    if (!until.ok()) return std::move(until).error();
    if (*until > 0) version.set(writer, *until);
  }
  // Whoever had seen something later goes back to before that. Few do, and every round takes
  // something away.
  for (bool changed = true; changed;) {
    changed = false;
    const Clock before = version;
    for (const auto& [writer, last] : before) {
      Sequence kept = last;
      while (kept > 0) {
        auto seen = archive.seen(space, writer, kept);
        if (!seen.ok()) return std::move(seen).error();
        if (version.includes(*seen)) break;
        auto event = archive.event(space, {writer, kept});
        if (!event.ok()) return std::move(event).error();
        kept = *event ? (*event)->first() - 1 : 0;
      }
      if (kept == last) continue;
      version.set(writer, kept);
      changed = true;
    }
  }
  return version;
}

Result<Clock> version_before(const Archive& archive, const std::string& space, const Dot& dot) {
  auto event = archive.event(space, dot);
  if (!event.ok()) return std::move(event).error();
  if (!*event) {
    return make_error(ErrorCode::not_found,
                      "no event " + dot.replica.to_string() + ":" + std::to_string(dot.sequence) +
                          " is known here",
                      "space " + space);
  }
  auto seen = archive.seen(space, dot.replica, (*event)->last());
  if (!seen.ok()) return std::move(seen).error();
  seen->set(dot.replica, (*event)->first() - 1);
  return *std::move(seen);
}

Result<Feed> feed(const Archive& archive, const std::string& space, const Clock& cursor,
                  std::size_t limit, std::chrono::milliseconds timeout) {
  Feed feed;
  archive.wait_beyond(space, cursor, timeout);
  auto places = archive.beyond(space, cursor);
  if (!places.ok()) return std::move(places).error();
  auto gaps = archive.gaps(space);
  if (!gaps.ok()) return std::move(gaps).error();
  Clock reached = cursor;
  std::size_t bytes = 0;
  const auto skip = [&](const MissingWrites& missing) {
    reached.set(missing.writer, missing.last);
    feed.steps.push_back({nullptr, missing, reached});
  };
  const auto skip_gaps = [&](const Clock& wanted) {
    for (const Gap& gap : *gaps) {
      const Sequence known = reached.get(gap.writer);
      if (known < wanted.get(gap.writer) && known + 1 == gap.first) skip(gap);
    }
  };
  // False when it is enough.
  const auto give = [&](const std::vector<EventPtr>& events) {
    for (const EventPtr& event : events) {
      if (feed.steps.size() >= limit) return false;
      const Sequence known = reached.get(event->writer());
      if (event->last() <= known) continue;
      if (bytes > 0 && bytes + event->encoded().size() > feed_bytes_max) return false;
      bytes += event->encoded().size();
      // What it depends on and was not given came without events.
      skip_gaps(event->dependencies());
      if (event->first() > known + 1) skip({event->writer(), known + 1, event->first() - 1});
      reached.advance(event->id());
      feed.steps.push_back({event, std::nullopt, reached});
    }
    return true;
  };
  for (const ChunkId id : places->chunks) {
    auto events = archive.chunk(id);
    if (!events.ok()) return std::move(events).error();
    if (!give(*events)) return feed;
  }
  if (!give(places->newest)) return feed;
  skip_gaps(archive.clock(space));
  return feed;
}

Result<std::vector<Difference>> differences(const Document& before, const Document& after,
                                            const Path& place) {
  std::map<std::string, std::string> sides[2];
  for (const auto& [document, leaves] :
       {std::pair{&before, &sides[0]}, std::pair{&after, &sides[1]}}) {
    if (!document->exists(place)) continue;
    auto json = to_json(*document, place);
    if (!json.ok()) return std::move(json).error();
    flatten(*json, "", *leaves);
  }
  std::map<std::string, Difference> found;
  for (const auto& [path, value] : sides[0]) found[path] = {path, value, ""};
  for (const auto& [path, value] : sides[1]) {
    Difference& difference = found[path];
    difference.path = path;
    difference.after = value;
  }
  std::vector<Difference> differences;
  for (auto& [path, difference] : found) {
    if (difference.before != difference.after) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace rejoin::node::history
