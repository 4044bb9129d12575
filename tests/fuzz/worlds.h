// What the inputs of fuzz targets meet: for each data type a random history, always the same, and
// documents that know a part of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "../crdt/history.h"

namespace rejoin::fuzz {

// One world a data type, and one for all of them.
std::size_t world_count();
// Made when it is first asked for.
World& world(std::size_t index);

// A document of such a world that inputs may change.
struct Subject {
  Document document;
  Snapshot before;  // as it is whenever an input comes
  std::function<Document()> make;

  // To be called after every input. What was refused must have changed nothing; what was taken in
  // must leave a whole document, and goes again.
  void check(bool taken);
  // Another replica that stood where this one did must take the event, and then show the same.
  void check_event(const Event& event) const;
};

// Knows the first `events` events of the world's history (modulo all and one), in their order. Of
// one call all later ones with the same arguments get the same subject.
Subject& reader(std::size_t world, std::size_t events);
// Knows all events, and writes as the world's first replica.
Subject& writer(std::size_t world);

// An input for such a reader: which one, and what it is given.
struct ReaderInput {
  std::size_t world;
  std::size_t events;
  std::string_view bytes;
};
ReaderInput reader_input(const std::uint8_t* data, std::size_t size);
std::string reader_seed(std::size_t world, std::size_t events, std::string_view bytes);

// Invariants, every view, the export to JSON; and that the document can be handed on as a delta and
// through a store.
void check_whole(const Document& document);

// Documents that are little but a text, of code points of one to four bytes: mutations then hit
// these.
std::vector<Document> texts();

// The bytes of a delta's body or of a block's column, not compressed: mutations then reach what
// they say.
std::string unpacked_again(std::string_view packed);

}  // namespace rejoin::fuzz
