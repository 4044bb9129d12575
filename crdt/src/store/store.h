// The cell store of one document: the tree, the clock, the index from dot to touched cell, and the
// hash. docs/kernel.md explains the design and what it was chosen against.
//
// Cost a cell: one Node (about 170 bytes, one entry in place), 12 to 24 bytes of hash table, and 16
// bytes of index an entry. A write costs one table look-up a new path step, two entry hashes, and
// one append to the index.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/crdt/types/cell.h"
#include "store/cell.h"
#include "store/effect.h"

namespace rejoin {

template <class Buffer>
class Hunks;

using NodeIndex = std::uint32_t;
inline constexpr NodeIndex no_node = NodeRef::none;

struct Node {
  StateHash path_hash;
  NodeIndex parent = no_node;
  NodeIndex first_child = no_node;
  NodeIndex next_sibling = no_node;
  NodeIndex previous_sibling = no_node;
  std::uint32_t generation = 0;
  std::uint32_t live = 0;  // live cells here and below
  Type type = Type::map;
  bool in_use = false;
  bool dirty = false;            // stored form out of date
  bool stored = false;           // a stored form exists, so that freeing it must delete a row
  bool changed = false;          // reported by take_changes
  bool doomed = false;           // in the list of nodes that may have become empty
  std::uint32_t saved_at = 0;    // the transaction epoch that saved it for undo
  bool awaits_prune = false;     // in the list of nodes where stability may let something go
  bool awaits_settling = false;  // the same, of elements of a sequence
  Value key;
  Cell cell;
  std::unique_ptr<CellExtra> extra;
};

// The removal of everything below a node that `clock` includes.
struct SubtreeRemoval {
  LocalDot dot;
  NodeIndex node;
  Clock clock;
  bool keep_self;  // the node's own entries stay
};

// What one replica wrote here: for every dot, the cell that it touched, in sequence order. An item
// whose cell no longer holds the dot is stale, and swept out when half are. It may even be gone,
// and another cell live in its place.
struct IndexItem {
  Sequence sequence;
  NodeRef node;
};

struct Writer_ {
  ReplicaId id;
  StateHash id_hash;
  Sequence clock = 0;
  std::vector<IndexItem> index;
  std::size_t stale = 0;
  Sequence depended_on = 0;  // up to which of its writes an event of another one, here, depends
  bool changed_since_commit = true;  // our next event must name it among its dependencies
  bool retired = false;              // the clock leaves it out
};

struct CellReaders;
struct CellWriters;

class Store {
 public:
  explicit Store(ReplicaId self);
  ~Store();

  // ---- Replicas ----
  ReplicaIndex intern(const ReplicaId& id);
  // no_replica when unknown.
  static constexpr ReplicaIndex no_replica = 0xFFFFFFFF;
  ReplicaIndex find_replica(const ReplicaId& id) const;
  const ReplicaId& replica_id(ReplicaIndex index) const { return writers_[index].id; }
  const ReplicaId& self() const { return writers_[self_].id; }
  void become(ReplicaId self);
  bool replica_less(ReplicaIndex a, ReplicaIndex b) const {
    return writers_[a].id < writers_[b].id;
  }
  Dot to_dot(LocalDot dot) const { return Dot{replica_id(dot.replica), dot.sequence}; }
  // Names nobody's element where the replica is unknown.
  ElementId to_element(const Dot& dot) const { return {find_replica(dot.replica), dot.sequence}; }
  const Clock& clock() const { return clock_; }
  StateHash hash() const { return hash_; }
  // A clock by replica index; 0 for those that it does not name.
  std::vector<Sequence> dense(const Clock& clock) const;
  // The same of a clock that leaves out what is retired here: it has all of that.
  std::vector<Sequence> dense_with_retired(const Clock& clock) const;

  // ---- Retired replicas (store_retire.cpp) ----
  const Clock& retired() const { return retired_; }
  StateHash retired_hash() const { return retired_hash_; }
  // How much of a replica's writes is here, whether it is retired or not.
  Sequence seen(const ReplicaId& id) const {
    const Sequence listed = clock_.get(id);
    return listed != 0 ? listed : retired_.get(id);
  }
  bool includes(const Clock& clock) const;
  bool retire(const ReplicaId& id);
  bool is_depended_on(const ReplicaId& id) const;
  void restore(const ReplicaId& id);
  std::optional<Document::Seen> seen_there(const Clock& clock, const StateHash& retired) const;

  // ---- Tree ----
  static constexpr NodeIndex root = 0;
  Node& node(NodeIndex index) { return chunks_[index >> chunk_bits][index & chunk_mask]; }
  const Node& node(NodeIndex index) const {
    return chunks_[index >> chunk_bits][index & chunk_mask];
  }
  NodeIndex find_child(NodeIndex parent, Type type, const Value& key) const;
  NodeIndex find_or_create_child(NodeIndex parent, Type type, const Value& key);
  NodeIndex find(const Path& path) const;
  NodeIndex find_or_create(const Path& path);
  // The node of a reference, no_node when it is gone.
  NodeIndex resolve(NodeRef ref) const;
  NodeRef ref(NodeIndex index) const {
    return index == no_node ? NodeRef{} : NodeRef{index, node(index).generation};
  }
  // Where what is below an element of a list is; no_node when nothing ever was.
  NodeIndex find_element_map(NodeIndex list, ElementId element) const;
  Path path_of(NodeIndex index) const;
  std::size_t depth_of(NodeIndex index) const;
  bool is_live(const Node& node) const;  // the node's own cell shows something
  bool removal_wins(const Node& node) const {
    return node.type == Type::disable_flag ||
           (node.type == Type::element && is_remove_wins(node.type, parent_type(node)));
  }
  std::size_t cell_count() const { return node(root).live; }
  std::size_t touch_count() const { return touch_count_; }
  bool remembers_removals() const { return !awaiting_prune_.empty() || !removals_.empty(); }
  bool remembers_elements() const { return !awaiting_settling_.empty(); }
  std::size_t memory_bytes() const;
  // Calls `visit` for each child, in no meaningful order.
  template <class Visit>
  void for_each_child(NodeIndex parent, Visit visit) const {
    for (NodeIndex c = node(parent).first_child; c != no_node;) {
      const NodeIndex next = node(c).next_sibling;
      visit(c);
      c = next;
    }
  }

  // ---- Transactions (store_write.cpp) ----
  void begin(TransactionOptions options);
  bool in_transaction() const { return in_transaction_; }
  EventPtr commit();
  std::size_t savepoint();
  void rollback_to(std::size_t savepoint);
  void end_transaction();
  std::size_t transaction_size() const;
  HybridTime transaction_time() const;  // of the open one

  // Of the next write; waiting edits take theirs first.
  Dot next_dot() {
    settle();
    return {self(), writers_[self_].clock + 1};
  }

  // Each is one write of the open transaction; arguments are checked by the callers (types/*.cpp).
  void put(NodeIndex index, const Value& value);
  void remove_entries(NodeIndex index, const std::optional<Dot>& only = std::nullopt);
  void counter_add(NodeIndex index, std::int64_t amount);
  bool counter_would_overflow(NodeIndex index, std::int64_t amount) const;
  void counter_reset(NodeIndex index);
  void remove_subtree(NodeIndex index, bool keep_self);
  void list_insert(NodeIndex index, std::size_t at, std::span<const Value> values);
  void text_insert(NodeIndex index, std::size_t at, std::string_view text, std::size_t count);
  // A keystroke where the last one ended, in a text to which one may write; false where it is not.
  bool type_on(NodeRef text, std::size_t at, char ascii);
  void sequence_remove(NodeIndex index, std::size_t at, std::size_t count);
  // Moves the element at `from` so that it then stands at `to`, another index. False, and nothing
  // is done, when it was moved at the last time there is.
  bool list_move(NodeIndex index, std::size_t from, std::size_t to);
  // Inserts an element that is a map; gives the map.
  NodeIndex list_insert_map(NodeIndex index, std::size_t at);
  // The number of live elements, with the edits that wait.
  std::size_t sequence_size(NodeIndex index) const;
  // Edits of a sequence wait for others; whoever reads calls this first.
  void settle() {
    if (waiting_at_.index != no_node) do_waiting_edits();
  }
  // True when edits of this sequence wait; then it may be written to as it is.
  bool edits_wait_at(NodeRef ref) const { return waiting_at_ == ref && ref.index != no_node; }
  // Checks shared by all writes: that the path fits the limits, and what it leads through is there.
  Status check_writable(NodeIndex index) const;
  Status check_depth(std::size_t depth, NodeIndex at) const;

  // ---- Joining (store_apply.cpp, store_delta.cpp) ----
  Result<Applied> apply(const Event& event);
  void replay(const Event& event, const Path& place);
  bool tells_since(const Clock& base) const;
  Delta delta_since(const Clock& base) const;
  Delta whole(bool with_retired) const;
  // From where on what is missing is told, where it can be (tells_since).
  Clock delta_base(const Clock& reported) const;
  std::size_t delta_bytes_estimate(const Clock& base) const;
  std::size_t whole_bytes_estimate() const;
  std::vector<Document::CellHash> cell_hashes(std::uint64_t seed) const;
  std::optional<Delta> delta_of(const std::vector<std::uint64_t>& places, std::uint64_t comparison,
                                const Clock& compared, bool with_retired) const;
  Result<Applied> join(const Delta& delta);
  std::size_t prune(const Clock& stable, const Clock& early, const Clock& elements);
  std::uint64_t forget_elements(const Clock& stable);

  // ---- Keeping (store_keep.cpp) ----
  void track_changes(bool enabled);
  std::vector<Path> take_changes();
  void take_dirty(const std::function<void(Document::StoredCell)>& sink);
  std::size_t dirty_count() const { return dirty_.size() + deleted_keys_.size(); }
  std::string header() const;
  Status load_header(std::string_view bytes);
  Status load_cell(std::string_view key, std::string_view bytes);
  Status finish_load();
  std::string canonical_state() const;
  std::vector<Origin> origins(NodeIndex index) const;
  Status check_invariants() const;

 private:
  struct TransactionState;
  struct Undo;
  struct SequenceUndo;

  static constexpr unsigned chunk_bits = 9;
  static constexpr NodeIndex chunk_mask = (1u << chunk_bits) - 1;

  // -- tree --
  Type parent_type(const Node& node) const;
  NodeIndex find_child_hashed(NodeIndex parent, Type type, const Value& key,
                              const StateHash& hash) const;
  StateHash child_hash(const StateHash& parent, Type type, const Value& key) const;
  NodeIndex new_node(NodeIndex parent, Type type, const Value& key, const StateHash& hash);
  void free_node(NodeIndex index);
  void table_insert(NodeIndex index);
  void table_erase(NodeIndex index);
  void grow_table();
  // Frees nodes that hold nothing, and their parents that came to hold nothing by it.
  void doom(NodeIndex index);
  void sweep_doomed();
  bool is_empty(const Node& node) const;

  // -- cells --
  StateHash cell_hash(const Node& node) const;
  // A cell with all that it holds but touches, also what is not shown. Zero when that is nothing.
  StateHash content_hash(NodeIndex index) const;
  StateHash counter_hash(const Node& node, const CounterEntry& entry) const;
  // Those at any of these places.
  std::vector<NodeIndex> nodes_at(std::vector<std::uint64_t> places) const;
  // Fills the body of a delta whose clocks and scope are set: `nodes` with what is new beyond
  // `since`, and removals of subtrees beyond `removed_since`.
  void encode_body(Delta& delta, std::vector<NodeIndex> nodes, const std::vector<Sequence>& since,
                   const std::vector<Sequence>& removed_since, const Clock& floor,
                   const Clock& element_floor) const;
  StateHash entry_hash(const Node& node, const Entry& entry) const;
  // Brackets a change of a cell: keeps hash, live counts, dirtiness and changes up to date.
  class Change;
  class SequenceChange;
  void mark_dirty(NodeIndex index);
  void mark_changed(NodeIndex index);
  void set_live(NodeIndex index, bool was, bool is);
  CellExtra& extra(Node& node);
  template <class Buffer>
  auto& sequence_of(NodeIndex index);
  // Calls use(sequence) with the list or text of a node of such a type, made when it is not there.
  template <class Use>
  void with_sequence(NodeIndex index, Use use);
  // The same where there is one already.
  template <class Use>
  static void with_existing_sequence(const Node& node, Use use);
  SequenceContext context_of(NodeIndex index) const {
    return {writers_.data(), node(index).path_hash};
  }
  // ---- What lives below elements of lists: only as long as they do ----
  // True for a child of a list whose element is not there, or not any more.
  bool is_orphan(NodeIndex index) const {
    return parent_type(node(index)) == Type::list &&
           !element_lives(node(index).parent, node(index).key);
  }
  bool element_lives(NodeIndex list, const Value& key) const;
  // The same for anything below one.
  bool is_below_orphan(NodeIndex index) const;
  // Leaves nothing of a node and what is below it, and nothing to remember: who has seen that its
  // element is gone drops it, too.
  void drop(NodeIndex index);
  struct ElementRange {
    ElementId id;
    std::uint64_t count;
  };
  void drop_maps_of(NodeIndex list, const std::vector<ElementRange>& gone);
  // Within a change of the list or text.
  void remove_elements(NodeIndex index, ElementId id, std::uint64_t count);
  void add_touch(NodeIndex index, LocalDot dot);
  // Forgets touches of `replica` at a cell that it touches again: who lacks the older lacks the
  // newer.
  void subsume_touches(NodeIndex index, ReplicaIndex replica);
  void clear_touches(NodeIndex index);
  void remember_for_prune(NodeIndex index);
  void remember_for_settling(NodeIndex index);

  // -- clock and index --
  static void set_id(Writer_& writer, const ReplicaId& id);
  void note_changed_writer(ReplicaIndex replica);
  void advance(ReplicaIndex replica, Sequence sequence);
  // Of one that is retired: the clock names it again.
  void list_again(ReplicaIndex replica);
  // The ids that somebody's clock leaves out, by the hash of them; nothing when it cannot be told.
  std::optional<Clock> retired_there(const Clock& clock, const StateHash& retired) const;
  // Takes over what a whole state's clock leaves out. Whether that changed anything.
  bool adopt_retired(const Clock& retired);
  // Gives the numbers of retired replicas of which nothing is here any more to others.
  void free_writers();
  void index_append(ReplicaIndex replica, Sequence sequence, NodeIndex node);
  bool index_item_valid(ReplicaIndex replica, const IndexItem& item) const;
  void compact_index(ReplicaIndex replica);
  void index_sorted_insert(std::vector<std::pair<ReplicaIndex, IndexItem>> items);

  // -- writes (store_write.cpp) --
  // Opens one write of `dots` dots at a cell: its kind and path go into the event. Returns its
  // first dot's sequence.
  Sequence begin_write(EffectKind kind, NodeIndex index, Sequence dots = 1);
  // Ends the effect that successive writes to a sequence go into.
  void close_sequence_effect();
  template <class Buffer>
  void sequence_insert(NodeIndex index, std::size_t at, std::size_t count,
                       typename Sequenced<Buffer>::Slice content);
  // Adds an edit to those that wait, after what waits elsewhere, or has no room for it, is done.
  template <class Buffer, class Edit>
  void let_wait(NodeIndex index, Edit edit);
  // The number of live elements, without the edits that wait.
  std::size_t sequence_length(NodeIndex index) const;
  void do_waiting_edits();
  template <class Buffer>
  void do_edits(NodeIndex index, Hunks<Buffer>& edits);
  void do_sequence_remove(NodeIndex index, std::size_t at, std::size_t count);
  // Takes the dots of a write to a sequence; gives the first.
  Sequence take_sequence_dots(NodeIndex index, std::size_t count);
  SequenceUndo& sequence_undo(NodeIndex index);
  void encode_path(NodeIndex index, Writer& out);
  void encode_dot(LocalDot dot, Writer& out);
  void encode_origins(ElementId left, ElementId right, Writer& out);
  void save_cell(NodeIndex index);  // for undo; nothing outside a transaction
  void save_touches(const Node& node, Undo& undo) const;
  void save_removals(NodeIndex index);
  // Saves the cell, where that is still to do, and leaves it without entries.
  void take_entries(NodeIndex index);

  // -- effects (store_apply.cpp) --
  struct EventContext;
  void apply_effects(const Event& event, const Path* place);
  // Up to which of a replica's writes an effect of an event may refer to.
  Sequence known_before(const Effect& effect, ReplicaIndex replica,
                        const EventContext& context) const;
  void apply_effect(const Effect& effect, NodeIndex index, EventContext& context);
  void add_origins(NodeIndex index, std::vector<Step>& steps, std::vector<Origin>& out) const;
  void apply_put(NodeIndex index, const Effect& effect, EventContext& context);
  void apply_counter(NodeIndex index, const CounterEntry& entry);
  void apply_counter_reset(NodeIndex index, LocalDot up_to, std::int64_t total);
  bool erase_entries(NodeIndex index, const std::function<bool(LocalDot)>& which);
  void apply_subtree_removal(SubtreeRemoval removal);
  void remove_below(NodeIndex index, const SubtreeRemoval& removal,
                    const std::vector<Sequence>& clock);
  void drop_subsumed_removals(const SubtreeRemoval& removal, const std::vector<Sequence>& clock);
  // Remembers that something was forgotten that a delta for less than this clock would lack.
  void raise_floor(Clock forgotten);
  void raise_element_floor(Clock forgotten);
  // Where the marks below a text begin and end.
  std::vector<ElementId> named_by_marks(NodeIndex text) const;

  // -- deltas (store_delta.cpp) and stored cells (store_keep.cpp) --
  // Encodes what `base` lacks of a cell (all of it when null). Replica ids go through `number`.
  using Numbering = std::function<std::uint64_t(ReplicaIndex)>;
  void encode_cell(const Node& node, const std::vector<Sequence>* base, const Numbering& number,
                   CellWriters& out) const;
  template <class Tree>
  void encode_sequence(const Tree& sequence, Type type, const std::vector<Sequence>* base,
                       const Numbering& number, CellWriters& out) const;
  struct DecodedCell;
  struct DecodedSequence;
  // Replica numbers are left as they are.
  static bool decode_cell(CellReaders& in, Type type, Type parent, DecodedCell& out);
  static bool decode_sequence(CellReaders& in, Type type, DecodedSequence& out);
  static void decode_content(CellReaders& in, Type type, std::size_t piece, DecodedSequence& out);
  std::vector<NodeIndex> touched_since(const std::vector<Sequence>& since) const;
  std::size_t bytes_estimate(const std::vector<Sequence>& since) const;
  void sort_for_paths(std::vector<NodeIndex>& nodes) const;
  template <class EncodeKey>
  void encode_steps(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out,
                    EncodeKey encode_key) const;
  void encode_node_path(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out) const;
  void encode_delta_path(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out) const;
  using NewItems = std::vector<std::pair<ReplicaIndex, IndexItem>>;
  // `complete`: the cell comes with a whole state, from somebody who may have forgotten removals.
  void join_cell(NodeIndex index, DecodedCell& cell, bool complete,
                 const std::vector<Sequence>& ours, const std::vector<Sequence>& theirs,
                 NewItems& items);
  void join_absent(std::vector<NodeRef> told, const Delta& delta, const std::vector<Sequence>& ours,
                   const std::vector<Sequence>& theirs, NewItems& items);
  void remove_untold(NodeIndex index, const DecodedSequence& decoded,
                     const std::vector<Sequence>& theirs);
  void join_sequence(NodeIndex index, DecodedSequence& decoded, const std::vector<Sequence>& ours,
                     NewItems& items);
  std::string stored_key(NodeIndex index) const;
  bool has_content(const Node& node) const;

  std::vector<std::unique_ptr<Node[]>> chunks_;
  NodeIndex node_end_ = 0;  // nodes ever used; free ones are chained through next_sibling
  NodeIndex free_ = no_node;
  std::size_t nodes_in_use_ = 0;
  // Open addressing, linear probing, by path hash; part of the hash stands beside the index, so
  // that a probe seldom touches a node in vain.
  struct Slot {
    std::uint32_t hash;
    NodeIndex node;
  };
  std::vector<Slot> table_;
  std::size_t table_used_ = 0;

  std::vector<Writer_> writers_;
  std::unordered_map<ReplicaId, ReplicaIndex> replica_by_id_;  // looked up, never iterated
  ReplicaIndex self_ = 0;
  Clock clock_;
  // What else is here: of replicas that clock_ leaves out, all that they wrote. In no clock of this
  // document is there anything of these but in those of removals.
  Clock retired_;
  StateHash retired_hash_;
  std::vector<ReplicaIndex> free_writers_;
  std::size_t retired_writers_max_ = 0;  // look for numbers to free when there are more
  StateHash hash_;
  std::vector<ReplicaIndex> changed_since_commit_;

  std::vector<SubtreeRemoval> removals_;
  // For each replica, up to which of its writes prune() has let go entries of removed remove-wins
  // elements. Others may hold them still: a write to an element of which nothing is here replaces
  // all of these as well. Travels with deltas, for whoever takes over the state without them.
  Clock forgotten_;
  // What prune() has let go lies within it. Who has not seen all of it can no longer be told of
  // those removals one by one, and is given the whole state (delta_since).
  Clock floor_;
  // The part of it that removals of elements, and what orders elements, were forgotten within.
  Clock element_floor_;
  std::size_t touch_count_ = 0;

  std::vector<NodeIndex> doomed_;
  std::vector<NodeRef> awaiting_prune_;
  std::vector<NodeRef> awaiting_settling_;
  std::vector<NodeRef> dirty_;
  std::vector<std::string> deleted_keys_;
  bool tracking_ = false;
  std::vector<NodeRef> changed_nodes_;
  bool loading_ = false;

  // Kept between transactions for the memory that it holds.
  std::unique_ptr<TransactionState> transaction_;
  bool in_transaction_ = false;
  NodeRef waiting_at_;            // the sequence of which edits wait
  std::size_t waiting_size_ = 0;  // its length with them
  std::uint32_t epoch_ = 0;       // of undo: a cell is saved once an epoch
};

template <class Buffer>
auto& Store::sequence_of(NodeIndex index) {
  CellExtra& e = extra(node(index));
  if constexpr (std::is_same_v<Buffer, std::string>) {
    if (!e.text) e.text = std::make_unique<TextSequence>();
    return *e.text;
  } else {
    if (!e.list) e.list = std::make_unique<ListSequence>();
    return *e.list;
  }
}

template <class Use>
void Store::with_sequence(NodeIndex index, Use use) {
  if (node(index).type == Type::text) {
    use(sequence_of<std::string>(index));
  } else {
    use(sequence_of<std::vector<Value>>(index));
  }
}

template <class Use>
void Store::with_existing_sequence(const Node& node, Use use) {
  if (!node.extra) return;
  if (node.extra->text) {
    use(*node.extra->text);
  } else if (node.extra->list) {
    use(*node.extra->list);
  }
}

}  // namespace rejoin
