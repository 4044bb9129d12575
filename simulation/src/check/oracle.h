// What a node should show: a naive model of every type, over the whole history of a run.
//
// The model knows each transaction as it was meant (not as it was encoded) with the clock that its
// node had just before. A state is a function of the events in its clock, so for any node at any
// time the oracle takes the transactions in that node's clock and says how each cell must read, by
// the sentence that defines its type. It shares no code with the kernel's join.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "check/key_space.h"
#include "check/ledger.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/value.h"

namespace rejoin::simulation {

// One write as its author meant it.
struct Op {
  enum class Kind {
    write,       // any register
    clear,       // any register
    add,         // counter, by `amount`
    reset,       // counter
    enable,      // either flag
    disable,     // either flag
    set_add,     // either set, `value`
    set_remove,  // either set, `value`
    insert,      // list, text: `elements` as one run between `left` and `right`
    insert_map,  // list: the element as a map
    move,        // list: the element to between `left` and `right`
    note,        // list: `value` in the element, a map
    erase,       // list, text: `elements`
    mark,    // text: `elements`, which stand between `left` and `right`, with `name`; null: unmark
    rights,  // bounded counter: the account of `replica`, by `amount`
    ask,     // `replica` asks `holder` for `amount`
    end_request,  // that of `replica`
    tree_place,   // puts the node `name` below `parent`
    tree_remove,  // takes the node `name` away, with its properties
    tree_write,   // `value` as the property of the node `name`
    remove_leaf,
    create,            // container: exists from now on
    remove_container,  // everything below it
  };
  Kind kind;
  std::uint32_t target;  // leaf, or container for the last two kinds
  std::int64_t amount = 0;
  Value value;
  std::vector<std::int64_t> elements;  // list elements are unique integers
  std::int64_t left = 0;               // 0: none
  std::int64_t right = 0;
  ReplicaId replica = {};
  ReplicaId holder = {};
  std::string name = {};
  std::string parent = {};
  Grow grow = Grow::nowhere;
  // tree_place, tree_remove: it also wrote the places of other nodes, where they stood.
  bool keeps_others = false;
};

// The one property that the workload writes in nodes of trees.
inline constexpr const char* tree_property = "p";

class Oracle {
 public:
  explicit Oracle(const KeySpace& keys);

  // A transaction, in the order of commits. `before`: the node's clock when it began.
  void record(const Event& event, const Clock& before, std::vector<Op> ops);
  // The writer's transactions after `kept` are gone for good, and their dots may be used again.
  void lose(const ReplicaId& writer, Sequence kept);
  struct Difference {
    std::string sentence;
    std::optional<LeafIndex> leaf;
  };
  // The first difference between what the document shows and what it should.
  std::optional<Difference> compare(const Document& document) const;
  // What was done to a cell, oldest first, a line each, with whether this clock includes it.
  std::vector<std::string> history(LeafIndex leaf, const Clock& clock) const;
  std::size_t transactions() const { return commits_.size(); }
  // What a replica writes that, with this clock, answers the requests to it at a bounded counter.
  std::vector<Op> answers(LeafIndex leaf, const Clock& clock, const ReplicaId& self,
                          std::int64_t keep) const;
  // What the funds (KeySpace) hold. Cheap.
  std::int64_t funds(const Clock& clock) const { return funds_.sum(clock); }

 private:
  using Dense = std::vector<Sequence>;  // a clock by interned writer
  struct Commit {
    std::uint32_t writer;
    ReplicaId replica;
    Sequence first;
    Sequence last;
    HybridTime time;
    Dense before;
    std::vector<Op> ops;
    bool lost = false;
  };
  struct OpRef {
    std::uint32_t commit;
    std::uint32_t op;
    friend bool operator==(const OpRef&, const OpRef&) = default;
  };
  using Refs = std::vector<OpRef>;

  std::uint32_t intern(const ReplicaId& replica);
  Dense dense(const Clock& clock) const;
  const Op& op(const OpRef& ref) const { return commits_[ref.commit].ops[ref.op]; }
  bool shown(const OpRef& ref, const Dense& view) const;
  bool saw(const OpRef& later, const OpRef& earlier) const;
  bool seen_by_any(const OpRef& ref, const Refs& later) const;
  // Keeps of each causal chain the latest: whatever an earlier one saw, that one saw too.
  void push_latest(Refs& refs, const OpRef& ref) const {
    if (!seen_by_any(ref, refs)) refs.push_back(ref);
  }
  // `ops` that are in view, newest first.
  Refs visible(const Refs& ops, const Dense& view) const;
  // What is in a view, by commit: quicker to ask than the view where all is asked for.
  using Shown = std::vector<char>;
  Shown shown_commits(const Dense& view) const;
  Refs visible(const Refs& ops, const Shown& shown) const;

  std::optional<std::string> check_whole_transactions(const Dense& view) const;
  std::optional<std::string> compare_leaf(const Document& document, LeafIndex leaf,
                                          const Shown& shown) const;
  std::string compare_register(const RegisterView& shown, Type type, const Refs& ops) const;
  std::string compare_counter(const CounterView& shown, const Refs& ops) const;
  std::string compare_flag(const FlagView& shown, Type type, const Refs& ops) const;
  std::string compare_set(const SetView& shown, Type type, const Refs& ops) const;
  // What a bounded counter holds.
  struct Escrow {
    std::int64_t bound = 0;
    std::map<ReplicaId, std::int64_t> accounts;  // below 0: short of what a removal took away
    std::vector<RightsRequest> requests;         // the oldest first
  };
  Escrow escrow(const Refs& ops) const;
  std::string compare_bounded_counter(const BoundedCounterView& shown, const Refs& ops) const;
  struct TreeNode;
  std::map<std::string, TreeNode> tree_nodes(const Refs& ops) const;
  std::string compare_tree(const TreeView& shown, const Refs& ops) const;
  std::string compare_parents(const std::map<std::string, std::string>& shown,
                              const std::map<std::string, TreeNode>& nodes) const;
  const OpRef* latest(const Refs& writes) const;  // null where there is none
  // A write that may count over others that did not see it, by its time, or by one just after that
  // of a write that it saw: between these two.
  struct Counted {
    OpRef ref;
    std::uint64_t time_min;
    std::uint64_t time_max;
  };
  std::vector<Counted> counted(const Refs& writes) const;
  bool counts_over(const Counted& a, const Counted& b) const;  // certainly
  struct Elements;
  Elements elements(const Refs& ops) const;
  const OpRef& place(const Elements& all, std::int64_t element, const OpRef* seen_by) const;
  std::string compare_elements(const std::vector<std::int64_t>& shown, const Refs& ops) const;
  std::string compare_maps(const ListView& shown, const Refs& ops) const;
  enum class Covers : char;
  std::vector<Covers> covers(const OpRef& mark, const std::vector<std::int64_t>& shown,
                             const Elements& all) const;
  std::string compare_marks(const TextView& shown, const Refs& ops) const;

  const KeySpace& keys_;
  std::vector<Commit> commits_;
  std::vector<Refs> by_leaf_;       // what touches it: its own writes, and removals above
  std::vector<Refs> by_container_;  // creations and removals
  std::map<ReplicaId, std::uint32_t> writers_;
  Ledger funds_;
};

// The map that holds the leaves of a container.
MapView container_view(const Document& document, const Container& container);

}  // namespace rejoin::simulation
