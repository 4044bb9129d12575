// Events that came to an archive after what came behind them: from others, in pieces, with
// restarts in between.
#include <gmock/gmock.h>

#include "history/backfill.h"
#include "history_writers.h"
#include "rejoin/crdt/history.h"
#include "temp_directory.h"

namespace rejoin::node::history {
namespace {

constexpr const char* space = "sessions";

using Events = std::vector<EventPtr>;

class HistoryFill : public testing::TestWithParam<unsigned> {
 protected:
  // Keeps the events in order, but for stretches of them, which it takes over with a state.
  struct Member {
    std::unique_ptr<TempDirectory> directory = std::make_unique<TempDirectory>();
    std::unique_ptr<Archive> archive;
    Clock clock;

    void open() {
      archive.reset();
      archive = Archive::open({directory->path()}).value();
      ASSERT_TRUE(archive->begin(space, clock).ok());
    }
    void add(const EventPtr& event) {
      archive->add(space, event);
      clock.advance(event->id());
    }
    void skip(const Clock& to) {
      clock.join(to);
      archive->skip(space, to);
    }
    void expect_whole() const {
      const auto verified = archive->verify(space);
      ASSERT_TRUE(verified.ok()) << verified.error().to_string();
      EXPECT_EQ(verified->broken, "");
    }
  };

  Member member() {
    Member made;
    made.open();
    return made;
  }

  std::size_t below(std::size_t end) { return random_() % end; }

  // The rest of `events` from `from` on; a stretch in `stretches` is skipped.
  void take(Member& member, const Events& events, std::size_t from, std::size_t skips) {
    for (std::size_t i = from; i < events.size();) {
      if (skips > 0 && below(events.size()) < 2 * skips) {
        const std::size_t to = std::min(events.size(), i + 1 + below(60));
        member.skip(clock_of({events.begin(), events.begin() + static_cast<std::ptrdiff_t>(to)}));
        i = to;
      } else {
        member.add(events[i++]);
      }
      if (below(5) == 0) {
        ASSERT_TRUE(member.archive->store().ok());
      }
      if (below(60) == 0) reopen(member);
    }
    ASSERT_TRUE(member.archive->store().ok());
  }

  void reopen(Member& member) {
    ASSERT_TRUE(member.archive->store_all(space).ok());
    member.open();
  }

  void renew_links(Member& member) {
    while (true) {
      member.expect_whole();
      const Result<bool> more = member.archive->renew_links(space);
      ASSERT_TRUE(more.ok()) << more.error().to_string();
      if (!*more) return;
      if (below(4) == 0) reopen(member);
    }
  }

  // False when nobody of these has anything for it.
  bool ask(Member& member, const std::vector<const Member*>& others) {
    const auto holes = member.archive->holes(space).value();
    for (const Archive::Hole& hole : holes) {
      for (const Member* other : others) {
        const Events given = other->archive->give(space, hole.gaps, 1 + below(3000)).value();
        if (given.empty()) continue;
        const Status filled = member.archive->fill(space, hole.chunk, given);
        EXPECT_TRUE(filled.ok()) << (filled.ok() ? "" : filled.error().to_string());
        renew_links(member);
        return filled.ok() && !testing::Test::HasFatalFailure();
      }
    }
    return false;
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(HistoryFill, ends_as_if_nothing_had_been_missing) {
  Writers writers(GetParam());
  writers.run(400);
  Member whole = member();
  take(whole, writers.events, 0, 0);
  Member some = member();
  take(some, writers.events, 0, 6);
  Member late = member();
  if (below(2) == 0) late.skip(clock_of({writers.events.begin(), writers.events.begin() + 90}));
  take(late, writers.events, late.clock.empty() ? 0 : 90, 4);
  while (ask(late, {&some})) {
    // It goes on meanwhile.
    if (below(2) != 0) continue;
    const std::size_t from = writers.events.size();
    writers.run(3);
    for (Member* each : {&whole, &some, &late}) take(*each, writers.events, from, 0);
  }
  while (ask(late, {&some, &whole})) {
  }
  if (below(2) == 0) reopen(late);

  EXPECT_TRUE(late.archive->gaps(space).value().empty());
  EXPECT_EQ(late.archive->heads(space).value(), whole.archive->heads(space).value());
  late.expect_whole();
  const Events all = all_of(*late.archive, late.archive->beyond(space, {}).value());
  EXPECT_EQ(all.size(), writers.events.size());
  Clock before;
  for (const EventPtr& event : all) {
    EXPECT_EQ(before.get(event->writer()), event->first() - 1);
    EXPECT_TRUE(before.includes(event->dependencies())) << event->id().to_string();
    before.advance(event->id());
    EXPECT_EQ(late.archive->seen(space, event->writer(), event->last()).value(),
              whole.archive->seen(space, event->writer(), event->last()).value());
  }
}

// What is asked and answered may be lost; some have no history, and some lie.
TEST_P(HistoryFill, is_asked_for_until_it_is_there) {
  using std::chrono::seconds;
  Writers writers(GetParam());
  writers.run(300);
  Member whole = member();
  take(whole, writers.events, 0, 0);
  Member some = member();
  take(some, writers.events, 0, 6);
  Member late = member();
  take(late, writers.events, 0, 6);
  Backfill backfill(*late.archive, space);
  Backfill::Micros now{0};
  int rounds = 0;
  for (; backfill.due() != Backfill::Micros::max(); ++rounds) {
    ASSERT_LT(rounds, 2000);
    now = std::max(now, backfill.due());
    const auto asked = backfill.work({"nobody", "liar", "some", "whole"}, now).value();
    if (!asked || below(4) == 0) continue;
    const auto& want = std::get<transport::WantHistory>(asked->body);
    transport::History answer{space, {}};
    if (asked->peer == "liar") answer.events = {writers.events[below(300)]};
    const Member* other = asked->peer == "some" ? &some : asked->peer == "whole" ? &whole : nullptr;
    if (other) answer.events = other->archive->give(space, want.missing, 500).value();
    if (below(4) == 0) continue;
    now += seconds(below(12));  // sometimes too late
    (void)backfill.work({"nobody", "liar", "some", "whole"}, now);
    (void)backfill.take(asked->peer, answer, now);
  }
  EXPECT_TRUE(late.archive->gaps(space).value().empty());
  EXPECT_EQ(late.archive->heads(space).value(), whole.archive->heads(space).value());
  late.expect_whole();
}

// Where nobody has it, it is asked for now and then.
TEST_P(HistoryFill, costs_little_where_nobody_can_help) {
  Writers writers(GetParam());
  writers.run(50);
  Member late = member();
  late.skip(clock_of(writers.events));
  ASSERT_TRUE(late.archive->store().ok());
  Backfill backfill(*late.archive, space);
  int questions = 0;
  Backfill::Micros now{0};
  while (now < std::chrono::hours(10)) {
    now = std::max(now, backfill.due());
    const auto asked = backfill.work({"a", "b"}, now).value();
    if (!asked) continue;
    ++questions;
    ASSERT_TRUE(backfill.take(asked->peer, {space, {}}, now).ok());
  }
  EXPECT_GT(questions, 100);
  EXPECT_LT(questions, 300);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryFill, testing::Range(1u, 17u));

// What a peer sends is not believed.
TEST_P(HistoryFill, takes_nothing_that_does_not_belong_there) {
  Writers writers(3);
  writers.run(60);
  const Events& events = writers.events;
  Member late = member();
  late.skip(clock_of({events.begin(), events.begin() + 40}));
  take(late, events, 40, 0);
  const auto hole = late.archive->holes(space).value().at(0);
  const auto gaps = late.archive->gaps(space).value();
  const auto refused = [&](ChunkId chunk, const Events& sent) {
    const Status filled = late.archive->fill(space, chunk, sent);
    EXPECT_FALSE(filled.ok());
    EXPECT_EQ(filled.error().code, ErrorCode::malformed);
    EXPECT_EQ(late.archive->gaps(space).value(), gaps);
    late.expect_whole();
  };
  refused(hole.chunk, {events[50]});  // is there
  refused(hole.chunk + 1, {events[0]});
  for (std::size_t i = 1; i < 40; ++i) {
    const bool first = events[i]->first() == 1 && events[i]->dependencies().empty();
    if (!first) refused(hole.chunk, {events[i]});
  }
  Events doubled(events.begin(), events.begin() + 10);
  doubled.push_back(events[0]);
  refused(hole.chunk, doubled);
  EXPECT_TRUE(late.archive->fill(space, hole.chunk, {events.begin(), events.begin() + 40}).ok());
  EXPECT_TRUE(late.archive->gaps(space).value().empty());
}

}  // namespace
}  // namespace rejoin::node::history
