// Flags: on or off, with a fixed winner between concurrent writes.
//
// enable_flag: on while any enabling is there that no disabling saw. Enable on A, concurrently
// disable on B: on. disable_flag: off while any disabling is there that no enabling saw. The same
// two writes: off. Never written: off, both.
#pragma once

#include "rejoin/crdt/types/cell.h"

namespace rejoin {

class FlagView : public View {
 public:
  using View::View;
  bool get() const;
};

class FlagRef : public FlagView {
 public:
  using FlagView::FlagView;
  Status set(bool on);  // writes even when the flag already reads so, to win over concurrent writes
};

}  // namespace rejoin
