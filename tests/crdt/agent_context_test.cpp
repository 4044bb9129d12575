// What stands around the turns of a session: summaries, attachments, participants, the scratchpad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "agent_replicas.h"
#include "property_runs.h"
#include "rejoin/crdt/agent/session.h"

namespace rejoin::agent {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void say(Replica& replica, const std::string& content) { replica.say(turn_by("w", content)); }

void summarize(Replica& replica, const std::string& content, std::size_t keep) {
  replica.commit([&](SessionRef& s) {
    const Status written = s.summarize({.content = content}, keep);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
  });
}

std::vector<std::string> context(const Replica& replica) {
  std::vector<std::string> all;
  const Context read = replica.session().context();
  if (read.summary) all.push_back("[" + read.summary->content + "]");
  for (const Turn& turn : read.turns) all.push_back(turn.content.value_or(""));
  return all;
}

// That a write to the session is refused with this code and these words, and changes nothing.
template <class Write>
void expect_refused(Replica& replica, ErrorCode code, const std::string& words, Write write) {
  const std::string before = replica.document.canonical_state();
  const EventPtr event = replica.commit([&](SessionRef& s) {
    const Status outcome = write(s);
    ASSERT_FALSE(outcome.ok()) << words;
    EXPECT_EQ(outcome.error().code, code) << outcome.error().to_string();
    EXPECT_THAT(outcome.error().message, HasSubstr(words));
  });
  EXPECT_EQ(event, nullptr);
  EXPECT_EQ(replica.document.canonical_state(), before);
}

TEST(AgentContext, a_summary_stands_for_old_turns_which_stay_for_the_audit) {
  Replica a(1), b(2);
  EXPECT_THAT(context(a), IsEmpty());
  for (const char* content : {"1", "2", "3", "4"}) say(a, content);
  summarize(a, "1 and 2", 2);
  exchange(a, b);
  EXPECT_THAT(context(b), ElementsAre("[1 and 2]", "3", "4"));
  say(b, "5");
  EXPECT_THAT(context(b), ElementsAre("[1 and 2]", "3", "4", "5"));
  summarize(b, "1 to 4", 1);
  EXPECT_THAT(context(b), ElementsAre("[1 to 4]", "5"));
  EXPECT_THAT(b.contents(), ElementsAre("1", "2", "3", "4", "5"));
  ASSERT_EQ(b.session().summaries().size(), 2u);
  EXPECT_EQ(b.session().summaries()[0].content, "1 and 2");
  EXPECT_EQ(b.session().summaries()[0].turns, 2);
}

TEST(AgentContext, a_turn_that_the_summary_had_not_seen_is_in_the_context_wherever_it_stands) {
  for (const bool a_is_first : {true, false}) {  // on which side the other's turns come to stand
    Replica a(a_is_first ? 1 : 2), b(a_is_first ? 2 : 1);
    say(a, "1");
    exchange(a, b);
    say(a, "a2");
    say(a, "a3");
    summarize(a, "all of a", 0);
    say(b, "b2");
    exchange(a, b);
    EXPECT_THAT(context(a), ElementsAre("[all of a]", "b2"));
    EXPECT_THAT(context(b), ElementsAre("[all of a]", "b2"));
  }
}

TEST(AgentContext, of_summaries_written_at_once_the_one_for_more_turns_is_read_and_both_are_kept) {
  Replica a(1), b(2);
  for (const char* content : {"1", "2", "3", "4"}) say(a, content);
  exchange(a, b);
  summarize(a, "two", 2);
  summarize(b, "three", 1);
  exchange(a, b);
  for (const Replica* replica : {&a, &b}) {
    EXPECT_THAT(context(*replica), ElementsAre("[three]", "4"));
    EXPECT_EQ(replica->session().summaries().size(), 2u);
  }
}

TEST(AgentContext, of_summaries_for_as_many_turns_the_one_that_saw_the_other_is_read) {
  Replica a(1), b(2);
  for (const char* content : {"1", "2"}) say(a, content);
  summarize(a, "rough", 1);
  exchange(a, b);
  summarize(b, "better", 1);
  exchange(a, b);
  EXPECT_THAT(context(a), ElementsAre("[better]", "2"));
}

TEST(AgentContext, a_summary_of_nothing_and_one_that_says_nothing_are_refused) {
  Replica a(1);
  say(a, "1");
  const auto with = [](Summary summary, std::size_t keep) {
    return [=](SessionRef& s) { return s.summarize(summary, keep); };
  };
  expect_refused(a, ErrorCode::out_of_range, "of 1 turns", with({.content = "x"}, 1));
  expect_refused(a, ErrorCode::invalid_argument, "content", with({.content = ""}, 0));
  expect_refused(a, ErrorCode::invalid_argument, "UTF-8", with({.content = "\xC3("}, 0));
  expect_refused(a, ErrorCode::limit_exceeded, "author",
                 with({.content = "x", .author = std::string(257, 'a')}, 0));
}

TEST(AgentContext, summaries_of_foreign_writers_are_listed_and_stand_for_no_turns_unless_they_say) {
  Replica a(1);
  say(a, "1");
  Transaction transaction = a.begin();
  LogRef log = transaction.root().at(session_path("s")).log("summaries");
  ASSERT_TRUE(log.append({Value(5), Value(R"({"content":"x","turns":9,"covers":[]})"),
                          Value(R"({"content":"y","covers":{"zz":1,"00":2},"turns":"9"})")})
                  .ok());
  transaction.commit();
  EXPECT_THAT(context(a), ElementsAre("1"));
  EXPECT_EQ(a.session().summaries().size(), 3u);
}

TEST(AgentAttachments, content_added_on_two_sides_is_one_attachment_with_the_later_name) {
  const auto cat = *ContentHash::parse("sha256:" + std::string(64, 'a'));
  const auto dog = *ContentHash::parse("sha256:" + std::string(64, 'b'));
  Replica a(1), b(2, 1'000'000);
  const auto add = [](Replica& replica, const Attachment& attachment) {
    return replica.commit(
        [&](SessionRef& s) { ASSERT_TRUE(s.attachments().add(attachment).ok()); });
  };
  add(b, {cat, "kitten.png", "image/png", 7});
  add(a, {cat, "cat.png", "image/png", 7});
  add(a, {dog, "", "", 0});
  exchange(a, b);
  const Attachment kitten{cat, "kitten.png", "image/png", 7};
  EXPECT_THAT(a.session().attachments().all(), ElementsAre(kitten, Attachment{dog, "", "", 0}));
  EXPECT_EQ(add(a, kitten), nullptr);  // it is there
  expect_refused(a, ErrorCode::invalid_argument, "7 bytes, not 8", [&](SessionRef& s) {
    return s.attachments().add({cat, "cat.png", "image/png", 8});
  });
  expect_refused(a, ErrorCode::invalid_argument, "hash",
                 [](SessionRef& s) { return s.attachments().add({}); });
  expect_refused(a, ErrorCode::invalid_argument, "negative", [&](SessionRef& s) {
    return s.attachments().add({cat, "", "", -1});
  });
  expect_refused(a, ErrorCode::limit_exceeded, "media type", [&](SessionRef& s) {
    return s.attachments().add({cat, "", std::string(257, 'm'), 7});
  });
  a.commit([&](SessionRef& s) { ASSERT_TRUE(s.attachments().remove(cat).ok()); });
  EXPECT_EQ(a.session().attachments().get(cat), std::nullopt);
}

TEST(AgentParticipants, presence_lasts_until_the_latest_time_that_the_participant_said) {
  Replica a(1), b(2);
  const auto enter = [](Replica& replica, std::int64_t until) {
    replica.commit([&](SessionRef& s) { ASSERT_TRUE(s.participants().enter("ada", until).ok()); });
  };
  enter(b, 20);
  enter(a, 10);
  exchange(a, b);
  for (const Replica* replica : {&a, &b}) {
    EXPECT_THAT(replica->session().participants().present(19), ElementsAre(Participant{"ada", 20}));
    EXPECT_THAT(replica->session().participants().present(20), IsEmpty());
  }
  enter(a, 15);  // late news shortens nothing
  EXPECT_EQ(a.session().participants().present(0)[0].until_ms, 20);
  expect_refused(a, ErrorCode::invalid_argument, "name",
                 [](SessionRef& s) { return s.participants().enter("", 30); });
}

TEST(AgentParticipants,
     who_leaves_here_and_stays_there_is_present_and_who_expired_can_be_forgotten) {
  Replica a(1), b(2);
  a.commit([](SessionRef& s) {
    ASSERT_TRUE(s.participants().enter("ada", 20).ok());
    ASSERT_TRUE(s.participants().enter("bob", 10).ok());
  });
  exchange(a, b);
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.participants().leave("ada").ok()); });
  EXPECT_THAT(a.session().participants().present(0), ElementsAre(Participant{"bob", 10}));
  b.commit([](SessionRef& s) {
    ASSERT_TRUE(s.participants().enter("ada", 30).ok());
    ASSERT_TRUE(s.participants().remove_expired(10).ok());
  });
  exchange(a, b);
  EXPECT_THAT(a.session().participants().present(0), ElementsAre(Participant{"ada", 30}));
}

TEST(AgentScratchpad, what_two_regions_write_in_it_at_once_is_all_there) {
  Replica a(1), b(2);
  const auto append = [](Replica& replica, std::string_view text) {
    replica.commit([&](SessionRef& s) { ASSERT_TRUE(s.scratchpad().append(text).ok()); });
  };
  append(a, "trains: ");
  exchange(a, b);
  append(a, "9:00 ");
  append(b, "9:30 ");
  exchange(a, b);
  EXPECT_THAT(a.session().scratchpad().to_string(),
              AnyOf("trains: 9:00 9:30 ", "trains: 9:30 9:00 "));
}

[[maybe_unused]] const bool runs_scaled = scale_property_runs(500);

// Three replicas append, summarise and meet as chance has it: a context is the summary for the most
// turns, and exactly those turns that its author had not seen or had kept.
RC_GTEST_PROP(AgentContext, no_turn_is_missing_and_none_is_both_summarised_and_shown, ()) {
  std::vector<Replica> replicas;
  for (std::uint64_t n = 1; n <= 3; ++n) replicas.emplace_back(n);
  std::map<std::string, std::set<std::string>> summarised;  // by the summary's content
  const auto below = [](std::size_t end) {
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, end));
  };
  const std::size_t steps = 1 + below(40);
  for (std::size_t step = 0; step < steps; ++step) {
    Replica& one = replicas[below(3)];
    const std::string name = std::to_string(step);
    const std::vector<std::string> seen = one.contents();
    const std::size_t choice = below(8);
    if (choice < 4) {
      say(one, name);
    } else if (choice == 4 && !seen.empty()) {
      const std::size_t keep = below(seen.size());
      summarize(one, name, keep);
      summarised[name] = {seen.begin(), seen.end() - static_cast<std::ptrdiff_t>(keep)};
    } else {
      one.pull(replicas[below(3)]);
    }
    const Context read = one.session().context();
    std::size_t most = 0;
    for (const Summary& summary : one.session().summaries()) {
      most = std::max(most, summarised[summary.content].size());
    }
    RC_ASSERT(read.summary.has_value() == (most > 0));
    std::vector<std::string> expected = one.contents();
    if (read.summary) {
      const auto& stands_for = summarised[read.summary->content];
      RC_ASSERT(stands_for.size() == most);
      std::erase_if(expected, [&](const std::string& turn) { return stands_for.contains(turn); });
    }
    std::vector<std::string> shown;
    for (const Turn& turn : read.turns) shown.push_back(turn.content.value_or(""));
    RC_ASSERT(shown == expected);
  }
  RC_CLASSIFY(summarised.size() > 1, "with several summaries");
}

}  // namespace
}  // namespace rejoin::agent
