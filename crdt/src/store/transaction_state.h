// The open transaction: the event as far as it is written, and how to undo each write.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/hunks.h"
#include "store/store.h"

namespace rejoin {

// The writes to one sequence, in a row: what came, and what went with its contents.
struct Store::SequenceUndo {
  struct Step {
    enum class Kind { insertion, removal, removal_of_away };
    Kind kind;
    ElementId id;
    std::uint64_t count;
    std::size_t units;  // of the contents below, for a removal
  };
  std::vector<Step> steps;
  std::string text;
  std::vector<Value> values;

  void note_insertion(ElementId id, std::uint64_t count) {
    if (!steps.empty() && steps.back().kind == Step::Kind::insertion &&
        steps.back().id.plus(steps.back().count) == id) {
      steps.back().count += count;
    } else {
      steps.push_back({Step::Kind::insertion, id, count, 0});
    }
  }
  void note_removal(const TextSequence::Piece& piece) {
    steps.push_back({Step::Kind::removal, piece.id, piece.count, piece.content.size()});
    text.append(piece.content);
  }
  void note_removal(const ListSequence::Piece& piece) {
    steps.push_back({piece.away ? Step::Kind::removal_of_away : Step::Kind::removal, piece.id,
                     piece.count, piece.content.size()});
    values.insert(values.end(), piece.content.begin(), piece.content.end());
  }
  void roll_back(TextSequence& sequence) { roll_back(sequence, text); }
  void roll_back(ListSequence& sequence) { roll_back(sequence, values); }

 private:
  template <class Sequence, class Buffer>
  void roll_back(Sequence& sequence, Buffer& contents) {
    for (; !steps.empty(); steps.pop_back()) {
      const Step& step = steps.back();
      if (step.kind == Step::Kind::insertion) {
        sequence.erase(step.id, step.count);
        continue;
      }
      if (step.kind == Step::Kind::removal_of_away) {
        for (std::uint64_t i = 0; i < step.count; ++i) sequence.set_away(step.id.plus(i), true);
        continue;
      }
      const std::size_t begin = contents.size() - step.units;
      sequence.restore(step.id, step.count, {contents.data() + begin, step.units});
      contents.resize(begin);
    }
  }
};

// How something was before a write.
struct Store::Undo {
  enum class Kind { cell, sequence, removal };
  Kind kind;
  NodeIndex node;
  Cell cell;                         // cell
  std::unique_ptr<Touches> touches;  // cell; null when there were none
  std::unique_ptr<SequenceUndo> sequence;
  std::unique_ptr<std::vector<SubtreeRemoval>> removals;  // removal: all records as they were
  std::unique_ptr<ListSequence> list;                     // cell, where all of it went
  std::unique_ptr<TextSequence> text;
};

struct Store::TransactionState {
  TransactionOptions options;
  Sequence first = 0;
  std::size_t writes = 0;
  std::string effects;
  std::vector<ReplicaIndex> replicas;  // named by effects; the index in the event is one more
  std::vector<NodeIndex> path;         // of the last effect, root excluded
  std::vector<Undo> undo;

  // The effect that successive writes to one sequence go into: typing on is one insertion, deleting
  // on one removal. It is encoded when something else follows.
  struct SequenceEffect {
    NodeIndex node = no_node;  // no_node: none is open
    EffectKind kind = EffectKind::list_insert;
    ElementId left;
    ElementId right;
    ElementId next;  // the id with which an insertion would go on
    std::uint64_t count = 0;
    std::string content;  // encoded values, or text
    std::vector<SequenceRemoval> removals;

    void clear() {
      node = no_node;
      content.clear();
      removals.clear();
    }
  };
  SequenceEffect open;

  // Edits of the sequence Store::waiting_at_, not yet done: they only gather here until anything
  // else is written or read. `texts` for a text, `values` for a list or log.
  Hunks<std::string> texts;
  Hunks<std::vector<Value>> values;
  template <class Buffer>
  Hunks<Buffer>& waiting() {
    if constexpr (std::is_same_v<Buffer, std::string>) {
      return texts;
    } else {
      return values;
    }
  }

  struct Savepoint {
    std::size_t writes;
    std::size_t effects;
    std::size_t undo;
    std::size_t index;    // length of our own index
    Sequence index_last;  // and what its last item said
    Sequence sequence;
    StateHash hash;
    std::vector<NodeIndex> path;
  };
  std::vector<Savepoint> savepoints;  // the first is the beginning

  void clear() {
    writes = 0;
    effects.clear();
    replicas.clear();
    path.clear();
    undo.clear();
    savepoints.clear();
    open.clear();
    // A very large transaction's memory is not kept for small ones.
    if (effects.capacity() > bytes_kept_max) effects.shrink_to_fit();
    if (undo.capacity() * sizeof(Undo) > bytes_kept_max) undo.shrink_to_fit();
  }
  static constexpr std::size_t bytes_kept_max = 1u << 20;

  std::uint32_t replica(ReplicaIndex replica, ReplicaIndex self) {
    if (replica == self) return 0;
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      if (replicas[i] == replica) return static_cast<std::uint32_t>(i + 1);
    }
    replicas.push_back(replica);
    return static_cast<std::uint32_t>(replicas.size());
  }
};

}  // namespace rejoin
