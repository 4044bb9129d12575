// Looking back: writes of events, the events behind what is read, the past of a place, hash chains.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "history.h"
#include "rejoin/crdt/chain.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/json.h"

namespace rejoin {

bool operator==(const Origin& a, const Origin& b) {
  return a.path == b.path && a.first == b.first && a.count == b.count && a.at == b.at &&
         a.value == b.value;
}

namespace {

const ReplicaId a = ReplicaId::from_words(1, 1);
const ReplicaId b = ReplicaId::from_words(2, 2);

EventPtr commit(Document& document, std::uint64_t millis,
                const std::function<void(MapRef root)>& write) {
  Transaction transaction = document.begin({HybridTime{millis << 16}, "ann", "a note"});
  write(transaction.root());
  return transaction.commit();
}

// ---- The past of a place ----

RC_GTEST_PROP(history_replay, reads_at_a_place_as_a_document_that_applied_all, ()) {
  World world(3);
  world.perform(*any_actions());
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, world.events().size() + 1);
  Document whole(ReplicaId::from_words(9, 9));
  std::vector<Path> places = {Path()};
  for (std::size_t i = 0; i < count; ++i) {
    RC_ASSERT(whole.apply(*world.events()[i]).value() == Applied::applied);
    for (const Written& write : writes_of(*world.events()[i])) {
      for (Path at = write.path; !at.is_root(); at = at.parent()) places.push_back(at);
    }
  }
  const Path place = *rc::gen::elementOf(places);
  Document past(ReplicaId::from_words(9, 9));
  for (std::size_t i = 0; i < count; ++i) {
    if (touches(*world.events()[i], place)) past.replay(*world.events()[i], place);
  }
  RC_ASSERT(past.origins(place) == whole.origins(place));
  RC_CLASSIFY(!whole.origins(place).empty(), "something is there");
  if (place.is_root()) RC_ASSERT(past.hash() == whole.hash());
}

// ---- Writes and origins ----

// Every dot behind what is read is one that some event took, at that path, and no write that
// nothing is left of is named.
RC_GTEST_PROP(history_origins, are_writes_of_events_at_their_paths, ()) {
  World world(2);
  world.perform(*any_actions());
  Document whole(ReplicaId::from_words(9, 9));
  std::map<Dot, Path> taken;
  for (const EventPtr& event : world.events()) {
    RC_ASSERT(whole.apply(*event).value() == Applied::applied);
    Sequence next = event->first();
    for (const Written& write : writes_of(*event)) {
      RC_ASSERT(write.first == (Dot{event->writer(), next}));
      next += write.count;
      for (Sequence i = 0; i < write.count; ++i) {
        taken.emplace(Dot{write.first.replica, write.first.sequence + i}, write.path);
      }
    }
    RC_ASSERT(next == event->last() + 1);
  }
  for (const Origin& origin : whole.origins({})) {
    for (Sequence i = 0; i < origin.count; ++i) {
      const auto at = taken.find({origin.first.replica, origin.first.sequence + i});
      RC_ASSERT(at != taken.end());
      RC_ASSERT(at->second == origin.path);
    }
  }
}

TEST(history_origins, of_a_register_are_its_siblings) {
  Document document(a);
  Document other(b);
  const EventPtr one =
      commit(document, 1, [](MapRef root) { (void)root.reg("plan").set(Value("x")); });
  const EventPtr two =
      commit(other, 2, [](MapRef root) { (void)root.reg("plan").set(Value("y")); });
  ASSERT_EQ(document.apply(*two).value(), Applied::applied);
  const Path plan = Path::parse("/register:plan").value();
  EXPECT_THAT(document.origins(plan),
              testing::ElementsAre(Origin{plan, one->id(), 1, 0, Value("x")},
                                   Origin{plan, two->id(), 1, 0, Value("y")}));
  const EventPtr three =
      commit(document, 3, [](MapRef root) { (void)root.reg("plan").set(Value("z")); });
  const std::vector<Written> writes = writes_of(*three);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].kind, Written::Kind::put);
  EXPECT_EQ(writes[0].path, plan);
  EXPECT_THAT(writes[0].values, testing::ElementsAre(Value("z")));
  EXPECT_THAT(writes[0].replaced, testing::UnorderedElementsAre(one->id(), two->id()));
}

TEST(history_origins, of_a_text_are_runs_of_those_who_typed_them) {
  Document document(a);
  commit(document, 1, [](MapRef root) { (void)root.text("t").insert(0, "Hello world"); });
  Document other(b);
  ASSERT_TRUE(other.join(document).ok());
  const EventPtr typed = commit(other, 2, [](MapRef root) {
    (void)root.text("t").remove(5, 1);
    (void)root.text("t").insert(5, ", ");
  });
  ASSERT_EQ(document.apply(*typed).value(), Applied::applied);
  const Path text = Path::parse("/text:t").value();
  EXPECT_THAT(document.origins(text),
              testing::ElementsAre(Origin{text, {a, 1}, 5, 0, Value("Hello")},
                                   Origin{text, {b, 2}, 2, 5, Value(", ")},
                                   Origin{text, {a, 7}, 5, 7, Value("world")}));
}

TEST(history_writes, name_kinds_amounts_and_what_goes) {
  Document document(a);
  commit(document, 1, [](MapRef root) {
    (void)root.counter("n").add(5);
    (void)root.list("l").insert(0, {Value("p"), Value("q")});
    (void)root.map("m").reg("r").set(Value(1));
  });
  const EventPtr event = commit(document, 2, [](MapRef root) {
    (void)root.counter("n").add(2);
    (void)root.list("l").remove(0, 1);
    (void)root.remove("m", Type::map);
    (void)root.counter("n").reset();
  });
  const std::vector<Written> writes = writes_of(*event);
  ASSERT_EQ(writes.size(), 4u);
  EXPECT_EQ(writes[0].kind, Written::Kind::add);
  EXPECT_EQ(writes[0].total, 7);
  EXPECT_EQ(writes[1].kind, Written::Kind::erase);
  ASSERT_EQ(writes[1].erased.size(), 1u);
  EXPECT_EQ(writes[1].erased[0].first, (Dot{a, 2}));
  EXPECT_EQ(writes[1].erased[0].count, 1u);
  EXPECT_EQ(writes[2].kind, Written::Kind::remove_below);
  EXPECT_EQ(writes[2].path, Path::parse("/map:m").value());
  EXPECT_FALSE(writes[2].keeps_self);
  EXPECT_EQ(writes[3].kind, Written::Kind::reset);
  EXPECT_THAT(writes[3].replaced, testing::ElementsAre(writes[0].first));
  EXPECT_EQ(event->note(), "a note");
}

// ---- Chains ----

TEST(history_chain, sha256_is_that_of_the_standard) {
  // FIPS 180-4's examples, from NIST's "SHA256.pdf".
  EXPECT_EQ(sha256("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").to_string(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Digest::parse(sha256("abc").to_string()).value(), sha256("abc"));
  EXPECT_FALSE(Digest::parse("ba78").ok());
}

// As chain.h says, worked out here by the bytes' positions in docs/formats.md.
TEST(history_chain, digest_is_made_of_those_of_its_parts) {
  Document document(a);
  const EventPtr event = commit(document, 1, [](MapRef root) {
    (void)root.reg("plan").set(Value("x"));
    (void)root.reg("plan").set(Value("y"));
  });
  const std::string& bytes = event->encoded();
  const std::size_t note = bytes.find("a note");
  ASSERT_NE(note, std::string::npos);
  // No replicas, no dependencies, two effects.
  const std::size_t effects = note + event->note().size() + 3;
  ASSERT_EQ(bytes.substr(effects - 3, 3), std::string("\0\0\2", 3));
  const std::size_t second = bytes.find("x") + 1;
  std::string parts;
  parts += sha256(bytes.substr(0, note) + std::string("\0\0\2", 3)).view();
  parts += sha256("a note").view();
  parts += sha256(bytes.substr(effects, second - effects)).view();
  parts += sha256(bytes.substr(second)).view();
  EXPECT_EQ(digest_of(*event), sha256(parts));
  EXPECT_EQ(next_link({}, digest_of(*event)),
            sha256(std::string(32, '\0') + std::string(sha256(parts).view())));
}

RC_GTEST_PROP(history_chain, any_change_of_an_event_changes_its_digest, ()) {
  World world(2);
  world.perform(*any_actions());
  RC_PRE(!world.events().empty());
  const EventPtr event = *rc::gen::elementOf(world.events());
  std::string bytes = event->encoded();
  const std::size_t at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
  const Result<EventPtr> changed = Event::decode(bytes);
  if (!changed.ok()) return;
  RC_ASSERT(digest_of(**changed) != digest_of(*event));
}

}  // namespace
}  // namespace rejoin
