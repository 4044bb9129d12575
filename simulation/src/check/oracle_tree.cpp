// The oracle's trees: which nodes are there, and where each may be. Where moves contradict each
// other it does not say which one gives way: that the nodes do so alike the certificate shows.
#include <algorithm>
#include <set>
#include <tuple>

#include "check/oracle.h"

namespace rejoin::simulation {

// What was written of one node.
struct Oracle::TreeNode {
  bool lives = false;             // written, and not taken away by anybody who saw that
  bool may_live = false;          // or its place was kept by a write of another node's
  Refs places;                    // the latest that are not taken away
  Refs properties;                // the same
  std::set<std::string> parents;  // all that it was ever put below
};

const Oracle::OpRef* Oracle::latest(const Refs& writes) const {
  const auto key = [&](const OpRef& ref) {
    const Commit& commit = commits_[ref.commit];
    return std::tie(commit.time, commit.replica, commit.last);
  };
  const auto found =
      std::max_element(writes.begin(), writes.end(),
                       [&](const OpRef& a, const OpRef& b) { return key(a) < key(b); });
  return found == writes.end() ? nullptr : &*found;
}

std::map<std::string, Oracle::TreeNode> Oracle::tree_nodes(const Refs& ops) const {
  std::map<std::string, TreeNode> nodes;
  std::map<std::string, Refs> removals;  // by node
  std::map<std::string, Refs> places, properties;
  Refs removals_of_all, keeping;
  for (const OpRef& ref : ops) {
    const Op& what = op(ref);
    if (what.kind == Op::Kind::remove_leaf || what.kind == Op::Kind::remove_container) {
      push_latest(removals_of_all, ref);
      continue;
    }
    if (what.keeps_others && !seen_by_any(ref, removals_of_all)) keeping.push_back(ref);
    if (what.kind == Op::Kind::tree_remove) {
      push_latest(removals[what.name], ref);
      continue;
    }
    const bool gone = seen_by_any(ref, removals_of_all) || seen_by_any(ref, removals[what.name]);
    TreeNode& node = nodes[what.name];
    node.lives |= !gone;
    const bool is_place = what.kind == Op::Kind::tree_place;
    if (is_place) node.parents.insert(what.parent);
    Refs& latest_ones = is_place ? places[what.name] : properties[what.name];
    if (!gone && !seen_by_any(ref, latest_ones)) {
      (is_place ? node.places : node.properties).push_back(ref);
    }
    push_latest(latest_ones, ref);
  }
  for (auto& [name, node] : nodes) {
    for (const OpRef& ref : keeping) node.may_live |= !seen_by_any(ref, removals[name]);
    node.may_live |= node.lives;
  }
  return nodes;
}

std::string Oracle::compare_tree(const TreeView& shown, const Refs& ops) const {
  const std::map<std::string, TreeNode> nodes = tree_nodes(ops);
  std::map<std::string, std::string> parents;
  std::map<std::string, std::size_t> depths;
  for (const TreeItem& item : shown.items()) {
    const auto node = nodes.find(item.name);
    if (node == nodes.end()) return "shows the node " + item.name + ", which nobody made";
    if (!node->second.may_live) return "shows the node " + item.name + ", which was removed";
    // A node stands after its parent, so there is no cycle.
    if (!item.parent.empty() && !depths.contains(item.parent)) {
      return "shows the node " + item.name + " without its parent " + item.parent;
    }
    const std::size_t depth = item.parent.empty() ? 0 : depths[item.parent] + 1;
    if (item.depth != depth) return "shows the node " + item.name + " at a wrong depth";
    if (!parents.emplace(item.name, item.parent).second) {
      return "shows the node " + item.name + " twice";
    }
    depths[item.name] = depth;
    if (!item.parent.empty() && !node->second.parents.contains(item.parent)) {
      return "shows the node " + item.name + " below " + item.parent + ", where nobody ever put it";
    }
  }
  for (const auto& [name, node] : nodes) {
    if (!parents.contains(name)) {
      if (node.lives) return "lacks the node " + name;
      continue;
    }
    const auto property = shown.properties(name).reg(tree_property).get();
    const OpRef* written = latest(node.properties);
    if (property != (written ? std::optional(op(*written).value) : std::nullopt)) {
      return "shows " + (property ? property->to_string() : std::string("nothing")) +
             " as the property of " + name + " instead of " +
             (written ? op(*written).value.to_string() : std::string("nothing"));
    }
  }
  const bool some_were_kept =
      std::any_of(ops.begin(), ops.end(), [&](const OpRef& ref) { return op(ref).keeps_others; });
  return some_were_kept ? std::string() : compare_parents(parents, nodes);
}

// A node whose latest place, and that of all above, is below a node that is there, takes part in no
// cycle: it stands where it was put.
std::string Oracle::compare_parents(const std::map<std::string, std::string>& shown,
                                    const std::map<std::string, TreeNode>& nodes) const {
  for (const auto& [name, parent] : shown) {
    std::set<std::string> above;
    std::string at = name;
    while (!at.empty() && above.insert(at).second) {
      const auto node = nodes.find(at);
      const OpRef* place = node == nodes.end() ? nullptr : latest(node->second.places);
      if (place == nullptr) break;
      at = op(*place).parent;
      if (!at.empty() && !shown.contains(at)) break;
    }
    if (!at.empty()) continue;  // in doubt: a cycle, or a parent that was removed
    const std::string& wanted = op(*latest(nodes.at(name).places)).parent;
    if (parent != wanted) {
      return "shows the node " + name + " below '" + parent + "' instead of '" + wanted + '\'';
    }
  }
  return {};
}

}  // namespace rejoin::simulation
