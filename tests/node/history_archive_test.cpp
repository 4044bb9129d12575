// The archive of events: what went in comes out, by place, by dot, by time and by clock; after
// restarts and crashes; and damage is named.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <nlohmann/json.hpp>

#include "history/archive.h"
#include "history/queries.h"
#include "history_writers.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/json.h"
#include "temp_directory.h"

namespace rejoin::node::history {
namespace {

constexpr const char* space = "sessions";

std::vector<std::string> bytes_of(const std::vector<EventPtr>& events) {
  std::vector<std::string> bytes;
  for (const EventPtr& event : events) bytes.push_back(event->encoded());
  return bytes;
}

class HistoryArchive : public testing::Test {
 protected:
  std::unique_ptr<Archive> open(const Clock& clock) {
    auto archive = Archive::open({directory_.path()});
    EXPECT_TRUE(archive.ok()) << (archive.ok() ? "" : archive.error().to_string());
    EXPECT_TRUE((*archive)->begin(space, clock).ok());
    return *std::move(archive);
  }
  void execute(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(archive_path(directory_.path()).c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
  }
  std::unique_ptr<Archive> filled(const std::vector<EventPtr>& events) {
    auto archive = open({});
    for (const EventPtr& event : events) {
      archive->add(space, event);
      EXPECT_TRUE(archive->store().ok());
    }
    return archive;
  }

  TempDirectory directory_;
};

TEST_F(HistoryArchive, gives_back_what_went_in_in_its_order) {
  Writers writers(1);
  writers.run(500);
  auto archive = filled(writers.events);
  const auto all = archive->beyond(space, {});
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(bytes_of(all_of(*archive, *all)), bytes_of(writers.events));
  EXPECT_EQ(archive->clock(space), clock_of(writers.events));
  // What is in no whole chunk is in memory only, until it is asked to be kept.
  ASSERT_TRUE(archive->store_all(space).ok());
  archive = nullptr;
  archive = open(clock_of(writers.events));
  EXPECT_EQ(bytes_of(all_of(*archive, archive->beyond(space, {}).value())),
            bytes_of(writers.events));
  EXPECT_EQ(archive->verify(space).value().broken, "");
  EXPECT_EQ(archive->verify(space).value().events, 500u);
}

TEST_F(HistoryArchive, finds_what_touched_a_place_by_dot_and_beyond_a_clock) {
  Writers writers(2);
  writers.run(400);
  auto archive = filled(writers.events);
  for (const char* text : {"/map:s3", "/map:s3/counter:tokens", "/map:s4/map:steps/register:a",
                           "/map:s5/list:turns", "/"}) {
    const Path place = Path::parse(text).value();
    std::vector<std::string> expected;
    for (const EventPtr& event : writers.events) {
      if (touches(*event, place)) expected.push_back(event->encoded());
    }
    std::vector<EventPtr> found = all_of(*archive, archive->touching(space, place).value());
    std::erase_if(found, [&](const EventPtr& event) { return !touches(*event, place); });
    EXPECT_EQ(bytes_of(found), expected) << text;
  }
  for (const EventPtr& event : writers.events) {
    for (Sequence sequence : {event->first(), event->last()}) {
      const EventPtr found = archive->event(space, {event->writer(), sequence}).value();
      ASSERT_TRUE(found);
      EXPECT_EQ(found->encoded(), event->encoded());
    }
  }
  EXPECT_EQ(archive->event(space, {ReplicaId::from_words(1, 7), 100000}).value(), nullptr);
  EXPECT_EQ(archive->event(space, {ReplicaId::from_words(9, 9), 1}).value(), nullptr);
  const std::vector<EventPtr> first(writers.events.begin(), writers.events.begin() + 250);
  const Clock clock = clock_of(first);
  std::vector<EventPtr> rest = all_of(*archive, archive->beyond(space, clock).value());
  std::erase_if(rest, [&](const EventPtr& event) { return clock.includes(event->id()); });
  EXPECT_EQ(bytes_of(rest), bytes_of({writers.events.begin() + 250, writers.events.end()}));
}

TEST_F(HistoryArchive, knows_how_far_writers_were_and_what_they_had_seen) {
  Writers writers(3);
  writers.run(3000);  // several of the snapshots of what was seen
  auto archive = filled(writers.events);
  std::map<ReplicaId, Clock> seen;
  for (const EventPtr& event : writers.events) {
    Clock& clock = seen[event->writer()];
    clock.join(event->dependencies());
    clock.advance(event->id());
    if (event->last() % 7 != 0) continue;
    EXPECT_EQ(archive->seen(space, event->writer(), event->last()).value(), clock);
  }
  for (std::uint64_t millis : {0u, 999u, 1000u, 1500u, 2222u, 9999u}) {
    const HybridTime time = HybridTime::from_millis(millis, 0xFFFF);
    for (const auto& [replica, clock] : seen) {
      Sequence expected = 0;
      for (const EventPtr& event : writers.events) {
        if (event->writer() == replica && event->time() <= time) expected = event->last();
      }
      EXPECT_EQ(archive->last_until(space, replica, time).value(), expected);
    }
  }
}

// A clock leaves out ids that were retired when it was taken; what is in it depends on what they
// wrote.
TEST_F(HistoryArchive, a_version_has_what_it_depends_on_although_its_clock_does_not_name_it) {
  Writers writers(9);
  writers.run(300);
  auto archive = filled(writers.events);
  const Path place = Path::parse("/map:s3").value();
  for (std::size_t i = 10; i < writers.events.size(); i += 29) {
    const EventPtr& event = writers.events[i];
    Clock named;
    named.advance(event->id());
    Clock seen = archive->seen(space, event->writer(), event->last()).value();
    ASSERT_GT(seen.size(), 1u);
    EXPECT_EQ(state_at(*archive, space, place, named).value().origins(place).size(),
              state_at(*archive, space, place, seen).value().origins(place).size());
    Document whole(ReplicaId::from_words(9, 9));
    for (const EventPtr& other : writers.events) {
      if (seen.includes(other->id())) {
        ASSERT_TRUE(whole.apply(*other).ok());
      }
    }
    EXPECT_EQ(to_json(state_at(*archive, space, {}, named).value()).value(),
              to_json(whole).value());
  }
}

// A crash may take from the store what is here already, and from here what is in the store's log.
TEST_F(HistoryArchive, goes_on_after_any_crash) {
  Writers writers(4);
  writers.run(300);
  for (const std::size_t kept : {0u, 1u, 100u, 123u, 299u}) {
    TempDirectory other;
    auto archive = Archive::open({other.path()}).value();
    ASSERT_TRUE(archive->begin(space, {}).ok());
    for (const EventPtr& event : writers.events) archive->add(space, event);
    ASSERT_TRUE(archive->store_all(space).ok());
    archive = nullptr;
    archive = Archive::open({other.path()}).value();
    const std::vector<EventPtr> first(writers.events.begin(),
                                      writers.events.begin() + static_cast<std::ptrdiff_t>(kept));
    ASSERT_TRUE(archive->begin(space, clock_of(first)).ok());
    EXPECT_EQ(archive->clock(space), clock_of(first));
    EXPECT_EQ(bytes_of(all_of(*archive, archive->beyond(space, {}).value())), bytes_of(first));
    for (const EventPtr& event : writers.events)
      archive->add(space, event);  // some for the second time
    ASSERT_TRUE(archive->store().ok());
    EXPECT_EQ(bytes_of(all_of(*archive, archive->beyond(space, {}).value())),
              bytes_of(writers.events));
    EXPECT_EQ(archive->verify(space).value().broken, "");
  }
}

TEST_F(HistoryArchive, says_what_came_without_its_events) {
  Writers writers(5);
  writers.run(200);
  const std::vector<EventPtr> lost(writers.events.begin() + 50, writers.events.begin() + 120);
  auto archive = open({});
  for (std::size_t i = 0; i < 200; ++i) {
    if (i == 50)
      archive->skip(space, clock_of({writers.events.begin(), writers.events.begin() + 120}));
    if (i < 50 || i >= 120) archive->add(space, writers.events[i]);
  }
  std::uint64_t missing = 0;
  for (const EventPtr& event : lost) missing += event->last() - event->first() + 1;
  const auto count = [&] {
    std::uint64_t dots = 0;
    const std::vector<Gap> gaps = archive->gaps(space).value();
    for (const Gap& gap : gaps) dots += gap.last - gap.first + 1;
    return dots;
  };
  EXPECT_EQ(count(), missing);
  ASSERT_TRUE(archive->store_all(space).ok());
  EXPECT_EQ(archive->verify(space).value().broken, "");
  archive = nullptr;
  archive = open(clock_of(writers.events));
  EXPECT_EQ(count(), missing);
  EXPECT_EQ(archive->clock(space), clock_of(writers.events));
  EXPECT_EQ(archive->verify(space).value().events, 130u);
}

// Whoever changes events knows how to write the file: checksums and events fit again afterwards.
TEST_F(HistoryArchive, names_the_event_that_was_changed) {
  Writers writers(6);
  writers.run(300);
  auto archive = filled(writers.events);
  ASSERT_TRUE(archive->store_all(space).ok());
  const Heads heads = archive->heads(space).value();
  const ChunkId second = archive->beyond(space, {}).value().chunks[1];
  std::vector<EventPtr> events = archive->chunk(second).value();
  archive = nullptr;
  // The author of one event of the second chunk.
  std::string bytes = events[5]->encoded();
  bytes.replace(bytes.find("ann"), 3, "bob");
  events[5] = Event::decode(bytes).value();
  // Links as they were.
  std::map<ReplicaId, Digest> chains;
  std::vector<LinkedEvent> linked;
  for (std::size_t i = 0; i < 32; ++i) {
    const EventPtr& event = writers.events[i];
    Digest& link = chains[event->writer()];
    link = next_link(link, digest_of(*event));
    if (i >= 16) linked.push_back({events[i - 16], beginning(link)});
  }
  const std::string chunk = encode_chunk(linked);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(archive_path(directory_.path()).c_str(), &db), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "UPDATE chunks SET bytes = ?, checksum = ? WHERE id = ?", -1,
                               &statement, nullptr),
            SQLITE_OK);
  sqlite3_bind_blob(statement, 1, chunk.data(), static_cast<int>(chunk.size()), SQLITE_STATIC);
  sqlite3_bind_int64(statement, 2, chunk_checksum(second, 1, chunk));
  sqlite3_bind_int64(statement, 3, second);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_DONE);
  sqlite3_finalize(statement);
  sqlite3_close(db);

  archive = open(clock_of(writers.events));
  const Archive::Verified verified = archive->verify(space).value();
  EXPECT_THAT(verified.broken, testing::HasSubstr(events[5]->writer().to_string() + ":" +
                                                  std::to_string(events[5]->last())));
  EXPECT_THAT(verified.broken, testing::HasSubstr("\"bob\""));
  ASSERT_EQ(heads.size(), 3u);
}

// Whoever writes it anew whole, or cuts it short, is found out by what was noted elsewhere.
TEST_F(HistoryArchive, chains_lead_to_the_links_that_were_noted) {
  Writers writers(8);
  writers.run(300);
  auto archive = filled(writers.events);
  const Heads heads = archive->heads(space).value();
  const std::vector<EventPtr> first = writers.events;
  writers.run(50);
  for (const EventPtr& event : writers.events) archive->add(space, event);
  EXPECT_EQ(archive->verify(space, heads).value().broken, "");
  const Heads later = archive->heads(space).value();

  std::vector<EventPtr> forged = first;
  std::string bytes = forged[3]->encoded();
  bytes.replace(bytes.find("ann"), 3, "bob");
  forged[3] = Event::decode(bytes).value();
  TempDirectory elsewhere;
  auto other = Archive::open({elsewhere.path()}).value();
  ASSERT_TRUE(other->begin(space, {}).ok());
  for (const EventPtr& event : forged) other->add(space, event);
  EXPECT_EQ(other->verify(space).value().broken, "");
  EXPECT_THAT(other->verify(space, heads).value().broken,
              testing::HasSubstr(forged[3]->writer().to_string()));
  TempDirectory third;
  auto cut = Archive::open({third.path()}).value();
  ASSERT_TRUE(cut->begin(space, {}).ok());
  for (const EventPtr& event : first) cut->add(space, event);
  EXPECT_EQ(cut->verify(space, heads).value().broken, "");
  EXPECT_THAT(cut->verify(space, later).value().broken, testing::HasSubstr("are missing"));
}

TEST_F(HistoryArchive, names_what_is_missing_or_damaged) {
  Writers writers(7);
  writers.run(300);
  ASSERT_TRUE(filled(writers.events)->store_all(space).ok());
  const auto broken = [&] { return open(clock_of(writers.events))->verify(space); };
  ASSERT_EQ(broken().value().broken, "");
  execute(
      "CREATE TABLE kept AS SELECT * FROM spans WHERE chunk = 3; DELETE FROM spans WHERE chunk = "
      "3");
  EXPECT_THAT(broken().value().broken, testing::HasSubstr("link"));
  execute("INSERT INTO spans SELECT * FROM kept; DROP TABLE kept");
  ASSERT_EQ(broken().value().broken, "");
  execute(
      "DELETE FROM touched WHERE chunk = 7 AND place = (SELECT min(place) FROM touched WHERE "
      "chunk = 7)");
  EXPECT_NE(broken().value().broken, "");
  execute("UPDATE chunks SET bytes = zeroblob(100) WHERE id = 5");
  const auto damaged = broken();
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
  EXPECT_THAT(damaged.error().message, testing::HasSubstr("chunk 5"));
}

TEST_F(HistoryArchive, refuses_other_files) {
  auto absent = Archive::open({directory_.path(), true});
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
  open({});
  execute("PRAGMA user_version=3");
  auto newer = Archive::open({directory_.path()});
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code, ErrorCode::unsupported_version);
  execute("PRAGMA application_id=5");
  EXPECT_EQ(Archive::open({directory_.path()}).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace rejoin::node::history
