// Which writes stand behind what is read.
#include <algorithm>
#include <utility>

#include "store/store.h"

namespace rejoin {
namespace {

// Whether `next` goes on where `last` ends: it came by the same run of dots, and stands beside it.
bool goes_on(const Origin& last, const Origin& next) {
  return last.path == next.path && last.first.replica == next.first.replica &&
         last.first.sequence + last.count == next.first.sequence &&
         last.at + last.count == next.at && last.count > 0;
}

}  // namespace

std::vector<Origin> Store::origins(NodeIndex index) const {
  std::vector<Origin> out;
  if (index == no_node) return out;
  std::vector<Step> steps = path_of(index).steps();
  add_origins(index, steps, out);
  return out;
}

void Store::add_origins(NodeIndex index, std::vector<Step>& steps, std::vector<Origin>& out) const {
  const Node& n = node(index);
  if (n.live == 0) return;
  const std::size_t begin = out.size();
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    for (const CounterEntry& entry : *counters) {
      if (!entry.live()) continue;
      const auto sum =
          static_cast<std::uint64_t>(entry.total) - static_cast<std::uint64_t>(entry.base);
      out.push_back({Path(steps), to_dot({entry.replica, entry.sequence}), 1, 0,
                     Value(static_cast<std::int64_t>(sum))});
    }
  } else {
    for (const Entry& entry : std::get<Entries>(n.cell)) {
      if (removal_wins(n) && !entry.value.as_bool()) continue;
      out.push_back({Path(steps), to_dot(entry.dot()), 1, 0, entry.value});
    }
  }
  std::sort(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
            [](const Origin& a, const Origin& b) { return a.first < b.first; });
  with_existing_sequence(n, [&](const auto& sequence) {
    std::size_t at = 0;
    sequence.for_each_live(0, sequence.live_count(), [&](const auto& piece) {
      if constexpr (requires { piece.content[0].is_null(); }) {
        for (std::uint64_t i = 0; i < piece.count; ++i) {
          const ElementId id = sequence.element_at(piece.id.plus(i));
          out.push_back(
              {Path(steps), to_dot({id.replica, id.sequence}), 1, at++, piece.content[i]});
        }
      } else {
        Origin origin{Path(steps), to_dot({piece.id.replica, piece.id.sequence}), piece.count, at,
                      Value(std::string_view(piece.content))};
        at += static_cast<std::size_t>(piece.count);
        if (!out.empty() && goes_on(out.back(), origin)) {
          out.back().count += origin.count;
          out.back().value = Value(std::string(out.back().value.as_string()) +
                                   std::string(origin.value.as_string()));
        } else {
          out.push_back(std::move(origin));
        }
      }
    });
  });
  std::vector<NodeIndex> children;
  for_each_child(index, [&](NodeIndex child) { children.push_back(child); });
  std::sort(children.begin(), children.end(), [&](NodeIndex a, NodeIndex b) {
    return Step{node(a).type, node(a).key} < Step{node(b).type, node(b).key};
  });
  for (const NodeIndex child : children) {
    steps.push_back({node(child).type, node(child).key});
    add_origins(child, steps, out);
    steps.pop_back();
  }
}

}  // namespace rejoin
