// Bytes from the network and the disk that are not what an honest writer sent: cut short, with bits
// turned, or plainly random. Nothing crashes, nothing that is refused changes a document, and what
// is taken in leaves the kernel's invariants whole. (Run it under the sanitizers.)
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "damage.h"
#include "history.h"

namespace rejoin {
namespace {

const ReplicaId reader = ReplicaId::from_words(~0ull, 1);

// The document is whole, and unchanged unless the bytes were taken in.
void check_after(const Document& document, const Snapshot& before, const Result<Applied>& applied) {
  const Status invariants = document.check_invariants();
  require(invariants.ok(), invariants.ok() ? "" : "broken: " + invariants.error().to_string());
  (void)document.delta_since(Clock());
  (void)visible(document);
  const bool changed = applied.ok() && *applied == Applied::applied;
  require(changed || snapshot(document) == before, "bytes that were refused changed the document");
  RC_CLASSIFY(changed, "taken in");
  RC_CLASSIFY(!applied.ok(), "refused by the document");
}

RC_GTEST_PROP(document_damage, events, ()) {
  World world(3);
  world.perform(*any_actions());
  RC_PRE(!world.events().empty());
  // An event whose turn may or may not have come.
  const EventPtr event = *rc::gen::elementOf(world.events());
  const Result<EventPtr> decoded = Event::decode(damaged(event->encoded()));
  RC_CLASSIFY(!decoded.ok(), "refused by the decoder");
  if (!decoded.ok()) {
    RC_ASSERT(!decoded.error().message.empty());
    return;
  }
  RC_ASSERT(Event::decode((*decoded)->encoded()).ok());
  for (std::size_t i = 0; i < world.size(); ++i) {
    Document document = copy_of(world.peer(i).document, reader);
    const Snapshot before = snapshot(document);
    check_after(document, before, document.apply(**decoded));
  }
}

RC_GTEST_PROP(document_damage, events_that_are_next, ()) {
  World world(2);
  world.perform(*any_actions());
  RC_PRE(!world.events().empty());
  // All up to one event, then that event damaged: its header fits more often than not.
  const auto chosen = *rc::gen::inRange<std::size_t>(0, world.events().size());
  Document document(reader);
  for (const EventPtr& event : world.events()) {
    if (event == world.events()[chosen]) break;
    RC_ASSERT(document.apply(*event).ok());
  }
  const Result<EventPtr> decoded = Event::decode(damaged(world.events()[chosen]->encoded()));
  RC_CLASSIFY(!decoded.ok(), "refused by the decoder");
  if (!decoded.ok()) return;
  const Snapshot before = snapshot(document);
  check_after(document, before, document.apply(**decoded));
  // Whatever it holds now can be handed on and kept.
  const Document copy = copy_of(document, ReplicaId::from_words(~0ull, 2));
  RC_ASSERT(snapshot(copy) == snapshot(document));
}

RC_GTEST_PROP(document_damage, deltas, ()) {
  World world(2);
  world.perform(*any_actions());
  const Document& from = world.peer(0).document;
  Document document = copy_of(world.peer(1).document, reader);
  const Delta delta = from.delta_since(document.clock());
  const bool only_body = *rc::gen::arbitrary<bool>();
  Result<Delta> decoded = delta;
  if (only_body) {
    decoded->body = damaged(delta.body);
  } else {
    decoded = Delta::decode(damaged(delta.encoded()));
  }
  RC_CLASSIFY(!decoded.ok(), "refused by the decoder");
  if (!decoded.ok()) {
    RC_ASSERT(!decoded.error().message.empty());
    return;
  }
  const Snapshot before = snapshot(document);
  check_after(document, before, document.join(*decoded));
}

RC_GTEST_PROP(document_damage, stored_cells, ()) {
  World world(2);
  world.perform(*any_actions());
  World::Peer& peer = world.peer(0);
  world.save(peer);
  std::string header = peer.header;
  std::map<std::string, std::string> rows = peer.rows;
  const bool damage_header = rows.empty() || *rc::gen::inRange(0, 4) == 0;
  if (damage_header) {
    header = damaged(header);
  } else {
    auto row = std::next(rows.begin(), *rc::gen::inRange<std::ptrdiff_t>(
                                           0, static_cast<std::ptrdiff_t>(rows.size())));
    if (*rc::gen::arbitrary<bool>()) {
      row->second = damaged(row->second);
    } else {
      const std::string bytes = row->second;
      rows.erase(row);
      rows[damaged(peer.rows.begin()->first)] = bytes;
    }
  }
  Document document(reader);
  Status status = document.load_header(header);
  for (auto row = rows.begin(); status.ok() && row != rows.end(); ++row) {
    status = document.load_cell(row->first, row->second);
  }
  if (status.ok()) status = document.finish_load();
  RC_CLASSIFY(!status.ok(), "refused");
  if (!status.ok()) {
    RC_ASSERT(status.error().code == ErrorCode::corrupt ||
              status.error().code == ErrorCode::unsupported_version);
    return;
  }
  const Status invariants = document.check_invariants();
  require(invariants.ok(), invariants.ok() ? "" : "broken: " + invariants.error().to_string());
}

TEST(document_damage, a_map_that_a_liar_puts_below_a_value_is_not_shown) {
  // One writer, two stories: in one the element is a map, in the other a value.
  const auto begin = [](Document& liar) {
    return liar.begin({HybridTime::from_millis(liar.clock().size() + 1), "", ""});
  };
  Document liar(ReplicaId::from_words(1, 1));
  Transaction insertion = begin(liar);
  ASSERT_TRUE(insertion.root().list("l").insert_map(0).ok());
  const Sequence dots = insertion.commit()->last();
  Transaction write = begin(liar);
  ASSERT_TRUE(write.root().list("l").map(0)->reg("x").set(1).ok());
  const EventPtr below = write.commit();

  Document other(liar.self());
  Transaction story = begin(other);
  ASSERT_TRUE(story.root().list("l").insert(0, true).ok());
  while (story.size() < dots) ASSERT_TRUE(story.root().counter("c").add(1).ok());
  Document document(reader);
  ASSERT_EQ(*document.apply(*story.commit()), Applied::applied);
  ASSERT_EQ(*document.apply(*below), Applied::applied);
  const ListView list = document.root().list("l");
  EXPECT_EQ(*list.at(0), Value(true));
  EXPECT_EQ(list.map(0).error().code, ErrorCode::wrong_type);
  (void)visible(document);
  EXPECT_TRUE(document.check_invariants().ok());
}

RC_GTEST_PROP(document_damage, random_bytes, (const std::string& bytes)) {
  (void)Event::decode(bytes);
  const Result<Delta> delta = Delta::decode(bytes);
  Document document(reader);
  if (delta.ok()) (void)document.join(*delta);
  RC_ASSERT(document.check_invariants().ok());
}

}  // namespace
}  // namespace rejoin
