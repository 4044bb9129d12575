// What the built-in workload does with rights of bounded counters, and with trees.
#include <algorithm>
#include <utility>

#include "random_workload.h"

namespace rejoin::simulation {

namespace {

BoundedCounterView counter_view(const Document& document, const Path& path) {
  return document.root().at(path.parent()).bounded_counter(path.steps().back().key.as_string());
}

// The names that nodes of trees have: few, so that they meet.
constexpr const char* tree_names[] = {"n0", "n1", "n2", "n3", "n4", "n5"};

}  // namespace

// ---- Nodes that answer ----

void RandomWorkload::answer_requests(NodeIndex node) {
  for (const auto& space : spaces()) {
    for (const auto& [who, keep] : keeps_) {
      if (who.first != node) continue;
      cluster_->answer_requests(node, space.name, {keys_->leaves()[who.second].path, keep});
    }
  }
}

void RandomWorkload::answered(NodeIndex node, const std::string& space, const Path& counter,
                              const Event& event, const Clock& before) {
  const std::optional<LeafIndex> leaf = keys_->find(counter);
  const auto keep = leaf ? keeps_.find({node, *leaf}) : keeps_.end();
  if (keep == keeps_.end()) {
    cluster_->fail(Promise::accepted_writes, cluster_->node_name(node) + " answered requests at " +
                                                 counter.to_string() +
                                                 ", which it was not told to");
    return;
  }
  Oracle& oracle = *state(space).oracle;
  oracle.record(event, before, oracle.answers(*leaf, before, event.writer(), keep->second));
}

// ---- Decrements that wait for rights ----

void RandomWorkload::buy(Client& client) {
  if (client.purchase) return;
  Random& random = cluster_->random();
  node::PatientDecrement::Options options;
  options.ask_again_after = ask_again_after_;
  const std::int64_t amount = random.between_signed(1, 15);
  const Duration patience(static_cast<std::int64_t>(random.between(100'000, 20'000'000)));
  client.purchase.emplace(
      Purchase{node::PatientDecrement(keys_->leaves()[keys_->funds()].path, amount, options),
               client.node, cluster_->now() + patience, next_purchase_++});
  go_on_buying(client);
}

void RandomWorkload::go_on_buying(Client& client) {
  if (cluster_->healing() || cluster_->failed()) return client.purchase.reset();
  Purchase& purchase = *client.purchase;
  const NodeIndex node = purchase.node;
  const Document& document = cluster_->document(node, client.space);
  const Path& path = keys_->leaves()[keys_->funds()].path;

  const auto commit = [&](const std::function<Status(Transaction&)>& write) {
    const Clock before = document.clock_with_retired();
    const ReplicaId self_before = document.self();
    std::int64_t held = counter_view(document, path).rights_here();
    auto open = counter_view(document, path).own_request();
    auto committed =
        cluster_->transact(node, client.space, "client " + std::to_string(client.id), write);
    if (!committed.ok() || committed->event == nullptr) return committed;
    const ReplicaId self = committed->event->writer();
    if (self != self_before) {  // the replica took a new id, which held and asked for nothing
      held = 0;
      open.reset();
    }
    std::vector<Op> ops;
    const auto note = [&](Op::Kind kind, std::int64_t amount, const ReplicaId& holder) {
      ops.push_back(Op{kind, keys_->funds(), amount, {}, {}, 0, 0});
      ops.back().replica = self;
      ops.back().holder = holder;
    };
    const std::int64_t now_held = counter_view(document, path).rights_here();
    const auto now_open = counter_view(document, path).own_request();
    if (now_held != held) note(Op::Kind::rights, now_held - held, {});
    if (now_open && now_open != open) {
      note(Op::Kind::ask, now_open->amount, now_open->asked);
    } else if (open && !now_open) {
      note(Op::Kind::end_request, 0, {});
    }
    state(client.space).oracle->record(*committed->event, before, std::move(ops));
    return committed;
  };

  const bool reachable = cluster_->reachable(node);
  if (reachable) {
    auto outcome = purchase.decrement.step(document, cluster_->now(), commit);
    if (!outcome && cluster_->now() >= purchase.deadline) {
      outcome = purchase.decrement.give_up(commit);
    }
    if (outcome) {
      cluster_->count(outcome->ok() ? "decrements that waited" : "decrements given up");
      if (!outcome->ok() && outcome->error().code != ErrorCode::timeout &&
          outcome->error().code != ErrorCode::busy) {
        cluster_->fail(Promise::accepted_writes, "a decrement that waits for rights ended with " +
                                                     outcome->error().to_string());
      }
      client.purchase.reset();
      return;
    }
  }
  Duration next = std::min(purchase.deadline, purchase.decrement.look_again());
  next = std::max(next, cluster_->now() + std::chrono::milliseconds(reachable ? 1 : 500));
  const std::size_t id = client.id;
  const std::uint64_t number = purchase.number;
  cluster_->after(next - cluster_->now(), [this, id, number] {
    Client& buyer = clients_[id];
    if (buyer.purchase && buyer.purchase->number == number) go_on_buying(buyer);
  });
}

void RandomWorkload::crashed(NodeIndex node) {
  for (Client& client : clients_) {
    if (client.purchase && client.purchase->node == node) client.purchase.reset();
  }
  for (auto& [name, space] : spaces_) space.history->process_ended(node);
}

// Never below its bound, at no node and at no time: what is shown is what was ever put in, less
// what was taken out. An account that fell below nothing would show as more.
void RandomWorkload::check_funds(NodeIndex node, const std::string& space) {
  const Document& document = cluster_->document(node, space);
  const std::int64_t expected = state(space).oracle->funds(document.clock_with_retired());
  const std::int64_t shown = counter_view(document, keys_->leaves()[keys_->funds()].path).value();
  if (shown == expected && expected >= 0) return;
  cluster_->fail(Promise::bound, cluster_->node_name(node) + " shows " + std::to_string(shown) +
                                     " of the funds in " + space + ", of which " +
                                     std::to_string(expected) + " are left by what it knows of");
}

// ---- Random writes ----

Status RandomWorkload::write_bounded_counter(const Client& client, MapRef map, LeafIndex index,
                                             std::vector<Op>& ops) {
  Random& random = cluster_->random();
  BoundedCounterRef counter = map.bounded_counter(keys_->leaves()[index].name);
  const ReplicaId self = map.self();
  const auto did = [&](Op::Kind kind, std::int64_t amount, const ReplicaId& replica,
                       const ReplicaId& holder = {}) {
    ops.push_back(Op{kind, index, amount, {}, {}, 0, 0});
    ops.back().replica = replica;
    ops.back().holder = holder;
  };
  const std::int64_t amount = random.between_signed(1, 8);
  const std::uint64_t action = random.below(10);
  const NodeIndex other = cluster_->draw_node();
  if (action < 3) {
    if (counter.rights_here() >= amount) {
      did(Op::Kind::rights, -amount, self);
      return counter.decrement(amount);
    }
    const Status refused = counter.decrement(amount);
    if (!refused.ok() && refused.error().code == ErrorCode::out_of_range) return {};
    return make_error(ErrorCode::invalid_argument,
                      "a decrement by more than the rights here was not refused as such");
  }
  if (action == 3 && cluster_->up(other) && counter.rights_here() >= amount) {
    const ReplicaId receiver = cluster_->document(other, client.space).self();
    if (receiver != self) {
      did(Op::Kind::rights, -amount, self);
      did(Op::Kind::rights, amount, receiver);
      return counter.transfer(amount, receiver);
    }
  }
  if (action == 4 || action == 5) {
    const auto before = counter.own_request();
    const Result<ReplicaId> asked = counter.ask(amount);
    if (!asked.ok()) return asked.error().code == ErrorCode::not_found ? Status() : asked.error();
    const bool same = before && before->asked == *asked && before->amount == amount;
    if (!same) did(Op::Kind::ask, amount, self, *asked);
    return {};
  }
  if (action == 6) {
    if (counter.own_request()) did(Op::Kind::end_request, 0, self);
    return counter.withdraw();
  }
  if (action == 7 && index != keys_->funds() && !counter.exists()) {
    const std::int64_t bound = random.between_signed(-5, 5);
    ops.push_back(Op{Op::Kind::write, index, 0, Value(bound), {}, 0, 0});
    return counter.create(bound);
  }
  did(Op::Kind::rights, amount, self);
  return counter.increment(amount);
}

Status RandomWorkload::write_tree(const Client& client, MapRef map, LeafIndex index,
                                  std::vector<Op>& ops) {
  Random& random = cluster_->random();
  const Leaf& leaf = keys_->leaves()[index];
  const Document& document = cluster_->document(client.node, client.space);
  TreeRef tree = map.tree(leaf.name);
  const std::vector<TreeItem> items = tree.items();
  const auto did = [&](Op::Kind kind, const std::string& name) -> Op& {
    ops.push_back(Op{kind, index, 0, {}, {}, 0, 0});
    ops.back().name = name;
    return ops.back();
  };
  const std::string name = tree_names[random.below(std::size(tree_names))];
  const bool is_there = tree.contains(name);
  const std::uint64_t action = random.below(10);
  if (action < 2) {
    const Value value(next_number_++);
    did(Op::Kind::tree_write, name).value = value;
    return tree.properties(name).reg(tree_property).set(value);
  }
  // Each write takes a dot: what is beyond those of the node itself are places of others.
  const Sequence first = map.next_dot().sequence;
  if (action < 4 && is_there) {
    // Itself, and all that stands below: the items that follow it, deeper.
    auto item =
        std::find_if(items.begin(), items.end(), [&](const TreeItem& i) { return i.name == name; });
    const std::size_t depth = item->depth;
    const std::size_t ops_before = ops.size();
    Sequence own = 0;
    do {
      did(Op::Kind::tree_remove, item->name);
      own += document.exists(leaf.path.child(Type::element, Value(item->name))) ? 1 : 0;
      own += tree.properties(item->name).exists() ? 1 : 0;
    } while (++item != items.end() && item->depth > depth);
    Status status = tree.remove(name);
    const bool keeps_others = map.next_dot().sequence - first > own;
    for (std::size_t i = ops_before; i < ops.size(); ++i) ops[i].keeps_others = keeps_others;
    return status;
  }
  std::string parent;
  if (!items.empty() && random.chance(percent(75))) parent = items[random.below(items.size())].name;
  for (std::string above = parent; !above.empty(); above = *tree.parent(above)) {
    if (above == name) parent.clear();  // not below itself
    if (parent.empty()) break;
  }
  std::vector<std::string> siblings = tree.children(parent);
  std::erase(siblings, name);
  const std::size_t at = random.below(siblings.size() + 1);
  Op& placed = did(Op::Kind::tree_place, name);
  placed.parent = parent;
  Status status = is_there ? tree.move(name, parent, at) : tree.create(name, parent, at);
  placed.keeps_others = map.next_dot().sequence - first > 1;
  return status;
}

}  // namespace rejoin::simulation
