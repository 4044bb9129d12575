// An agent's session: turns and what stands for old ones, attachments, preferences, a scratchpad,
// workflow steps, usage, decisions and who takes part, below one map.
//
// A session is /sessions/<id> of a space: plain cells that any reader of the document can see, and
// that these views give a meaning. Views check what they write and put up with what they read: a
// foreign or older writer's data is shown as far as it can be understood, and never makes a read
// fail. docs/agent-state.md has the layout, and why it is so.
//
// Example: A and B both see the turns [1, 2]. A appends 3 and 4 while B appends 5 and 6. Afterwards
// both read [1, 2, 3, 4, 5, 6] or [1, 2, 5, 6, 3, 4]: the same on both, nothing lost, and neither
// region's run broken up by the other's, so a tool's answer stays beside its call.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/attachments.h"
#include "rejoin/crdt/agent/decisions.h"
#include "rejoin/crdt/agent/participants.h"
#include "rejoin/crdt/agent/preferences.h"
#include "rejoin/crdt/agent/summary.h"
#include "rejoin/crdt/agent/turn.h"
#include "rejoin/crdt/agent/usage.h"
#include "rejoin/crdt/agent/workflow.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::agent {

// Where sessions live in a document.
inline constexpr std::string_view sessions_map = "sessions";
Path session_path(std::string_view id);
// The ids of the sessions that have anything in them, sorted.
std::vector<std::string> session_ids(const Document& document);

// What an agent reads before it goes on.
struct Context {
  std::optional<Summary> summary;
  std::vector<Turn> turns;  // those that it does not stand for, in their order
};

// Valid until the document changes. A session that does not exist reads as an empty one.
class SessionView {
 public:
  explicit SessionView(MapView map) : map_(map) {}
  SessionView(const Document& document, std::string_view id);

  bool exists() const { return map_.exists(); }
  // In the order that all replicas agree on: a turn comes after every turn that its writer had
  // seen. Of several turns with one id (a write that was repeated) the first stands. O(turns).
  std::vector<Turn> turns() const;
  // The last `count` elements, read without looking at those before: for a context window. A
  // repetition of a turn further back is not noticed.
  std::vector<Turn> last_turns(std::size_t count) const;
  // Elements in the list of turns, repetitions included. Cheap.
  std::size_t turn_entries() const;

  // The summary that stands for the most turns, of several with as many the last; and all turns
  // that it does not stand for, those included that another region appended before its last turns
  // while it was written. A repetition of a turn that it stands for is not noticed. O(turns and
  // summaries).
  Context context() const;
  // All that were ever written, each after those that its author knew.
  std::vector<Summary> summaries() const;

  AttachmentsView attachments() const;
  ParticipantsView participants() const;
  TextView scratchpad() const;
  PreferencesView preferences() const;
  WorkflowView workflow() const;
  UsageView usage() const;
  DecisionsView decisions() const;

 private:
  MapView map_;
};

// Valid until its transaction ends.
class SessionRef : public SessionView {
 public:
  explicit SessionRef(MapRef map) : SessionView(map), map_(map) {}
  SessionRef(Transaction& transaction, std::string_view id);

  // Appends a turn: one list element, whatever else the session holds. Errors are encode_turn()'s
  // and the list's; nothing is written then.
  Status append(const Turn& turn);
  // The same, unless this replica already shows a turn of that id: then false, and nothing is
  // written. For repeating a write whose outcome is not known, together with all that belongs to it
  // in the transaction. O(turns). `invalid_argument` for a turn without an id.
  Result<bool> append_once(const Turn& turn);

  // Lets a summary stand for all elements of the list of turns here but the last `keep`. The turns
  // stay. `out_of_range` when there are no more than that; other errors are encode_summary()'s and
  // the log's. Nothing is written then. O(turns).
  Status summarize(const Summary& summary, std::size_t keep);

  AttachmentsRef attachments();
  ParticipantsRef participants();
  TextRef scratchpad();
  PreferencesRef preferences();
  WorkflowRef workflow();
  UsageRef usage();
  DecisionsRef decisions();

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
