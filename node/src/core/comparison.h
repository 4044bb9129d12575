// Comparing the states of one space on two nodes, cell by cell, without sending the cells.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/peer.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/sketch.h"

namespace rejoin::node {

inline std::vector<std::uint64_t> hashes_of(const std::vector<Document::CellHash>& cells) {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(cells.size());
  for (const Document::CellHash& cell : cells) hashes.push_back(cell.hash);
  return hashes;
}

// Where the cells with these hashes are.
inline std::vector<std::uint64_t> places_of(const std::vector<Document::CellHash>& cells,
                                            std::vector<std::uint64_t> hashes) {
  std::ranges::sort(hashes);
  std::vector<std::uint64_t> places;
  for (const Document::CellHash& cell : cells) {
    if (std::ranges::binary_search(hashes, cell.hash)) places.push_back(cell.place);
  }
  return places;
}

// The side that has more: sends symbols until the other one knows what it wants. 16 bytes a cell
// for the cells, 24 for the sketch.
struct OutgoingComparison {
  OutgoingComparison(std::uint64_t id_in, const Document& document, Micros now)
      : id(id_in),
        clock(document.clock()),
        retired(document.retired_hash()),
        cells(document.cell_hashes(id)),
        sketch(hashes_of(cells)),
        progress_at(now) {}

  const std::uint64_t id;
  const Clock clock;
  const StateHash retired;
  const std::vector<Document::CellHash> cells;
  SketchEncoder sketch;
  // The symbols under way.
  std::size_t from = 0;
  std::size_t to = 0;
  Micros progress_at;
  Micros sent_at{0};
  int silences = 0;  // in a row
};

// The side that lacks something.
struct IncomingComparison {
  IncomingComparison(std::uint64_t id_in, const Document& document, Clock theirs_in,
                     const StateHash& retired_in, Micros now)
      : id(id_in),
        ours(document.clock_with_retired()),
        theirs(std::move(theirs_in)),
        retired(retired_in),
        cells(document.cell_hashes(id)),
        decoder(hashes_of(cells)),
        progress_at(now) {}

  // What may be within their state, of a clock of ours: where they leave out ids that is not known.
  Clock within_theirs(const Clock& clock, const ReplicaId& self) const {
    Clock within;
    for (const auto& [replica, sequence] : clock) {
      const Sequence named = theirs.get(replica);
      const bool left_out = named == 0 && retired != StateHash{} && replica != self;
      within.set(replica, left_out ? sequence : std::min(sequence, named));
    }
    return within;
  }

  const std::uint64_t id;
  const Clock ours;  // when they were compared, with retired ids
  const Clock theirs;
  const StateHash retired;  // there
  const std::vector<Document::CellHash> cells;
  SketchDecoder decoder;
  Micros progress_at;
};

}  // namespace rejoin::node
