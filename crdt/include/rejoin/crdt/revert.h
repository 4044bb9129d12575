// Undoing an event by another one, which keeps what was written since.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin {

// What is to be known of a place in order to undo what an event wrote there.
struct Past {
  Path place;
  // It reads at the place as the event's writer saw it just before (Document::replay). Is consumed.
  Document before;
  // The other events that the writer had not seen and that touched the place (touches()): those
  // that are concurrent, and those that came later.
  std::vector<EventPtr> since;
};

// For which places revert() needs to know the past: none lies below another.
std::vector<Path> places_to_revert(const Event& event);

struct Reverted {
  std::size_t cells = 0;  // that are as if the event had not been
  // What stays, and why, as half a sentence: "the value was written over since".
  struct Kept {
    Path path;
    std::string reason;
  };
  std::vector<Kept> kept;
};

// Writes what undoes an event that this document includes, cell by cell:
//
//   registers, flags, sets,  what the event put goes, and what it replaced or removed is there
//   a tree's nodes, marks    again; not where others wrote over it, or removed the same
//   counters                 what the event added is taken off, what its reset took away is added,
//                            unless others have reset the counter
//   lists, texts             what it inserted goes, and what others inserted within stays; what it
//                            removed comes back behind what stood before it, as new elements; what
//                            it moved goes back, unless others moved it
//   bounded counters         the value changes back, within the rights that are here; rights that
//                            were given away stay where they are
//   logs                     keep what was appended
//   a subtree                each cell below comes back
//
// What others wrote in something that the event made (a map in a list, a node of a tree) keeps it.
// A map in a list comes back as the event's writer had seen it: what others wrote in it meanwhile
// does not.
// Of values that stood beside each other in a multi_register, the one that a register would read
// comes back. Where nobody else wrote, the places read as before the event.
//
// Example: A sets the plan to "fly" and adds 3 to the cost in one event. B then adds 2 to the cost.
// Undoing A's event leaves the former plan and a cost that is 2 higher than before.
//
// `pasts` has all of places_to_revert(). Errors are those of the writes (limits); the caller then
// aborts the transaction. Nothing is written where nothing is left to undo. O(what is at the
// places, and the events since).
Result<Reverted> revert(Transaction& transaction, const Event& event, std::vector<Past> pasts);

}  // namespace rejoin
