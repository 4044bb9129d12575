#include "random_workload.h"

#include <algorithm>
#include <utility>

namespace rejoin::simulation {

namespace {

MapRef container_ref(Transaction& transaction, const Container& container) {
  MapRef map = transaction.root();
  for (const auto& step : container.steps) map = map.map(step);
  return map;
}

}  // namespace

std::unique_ptr<Workload> make_random_workload(const WorkloadOptions& options) {
  return std::make_unique<RandomWorkload>(options);
}

std::string RandomWorkload::Client::register_name() const {
  return std::to_string(id) + '-' + std::to_string(session);
}

std::vector<Workload::Space> RandomWorkload::spaces() const {
  std::vector<Space> spaces{{"main", true}};
  if (options_.ephemeral_space) spaces.push_back({"passing", false});
  return spaces;
}

void RandomWorkload::start(Cluster& cluster) {
  cluster_ = &cluster;
  Random& random = cluster.random();
  keys_ = std::make_unique<KeySpace>(random.draw(options_.keys));
  for (const auto& space : spaces()) {
    spaces_[space.name].oracle = std::make_unique<Oracle>(*keys_);
    spaces_[space.name].durable = space.durable;
    begin_history(spaces_[space.name]);
  }
  think_ = random.draw(options_.think);
  writes_max_ = std::max<std::uint64_t>(1, random.draw(options_.writes));
  value_bytes_max_ = random.draw(options_.value_bytes);
  clients_.resize(random.draw(options_.clients));
  ask_again_after_ = Duration(static_cast<std::int64_t>(random.between(20'000, 2'000'000)));
  for (NodeIndex node = 0; node < cluster.node_count(); ++node) {
    for (LeafIndex leaf = 0; leaf < keys_->leaves().size(); ++leaf) {
      if (keys_->leaves()[leaf].type != Type::bounded_counter || random.chance(percent(25)))
        continue;
      keeps_[{node, leaf}] = random.between_signed(0, 4);
    }
    answer_requests(node);
  }
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!cluster.begin_step(i, 0)) continue;
    clients_[i].id = i;
    clients_[i].space = i % 4 == 3 && options_.ephemeral_space ? "passing" : "main";
    clients_[i].node = cluster.draw_node();
    begin_session(clients_[i]);
    cluster.after(random.exponential(think_), [this, i] { step(clients_[i]); });
  }
}

void RandomWorkload::step(Client& client) {
  if (cluster_->healing()) return;
  const bool taken = cluster_->begin_step(client.id, ++client.steps);
  const Duration pause = cluster_->random().exponential(think_);
  if (taken) take_step(client);
  if (cluster_->failed()) return;
  const std::size_t id = client.id;
  cluster_->after(pause, [this, id] { step(clients_[id]); });
}

void RandomWorkload::take_step(Client& client) {
  if (!cluster_->reachable(client.node)) {
    if (cluster_->random().chance(percent(30))) move(client);
  } else {
    // A client that carries a token waits until its node has caught up.
    if (cluster_->shows(client.node, client.space, client.token)) {
      client.waiting_since = Duration(-1);
      act(client);
    } else if (client.waiting_since < Duration(0)) {
      client.waiting_since = cluster_->now();
      cluster_->count("waits with a token");
    } else if (cluster_->now() - client.waiting_since > options_.token_wait) {
      new_session(client);
      cluster_->count("tokens given up");
    }
  }
}

void RandomWorkload::act(Client& client) {
  Random& random = cluster_->random();
  read(client);
  if (cluster_->failed()) return;
  if (random.chance(options_.move)) {
    move(client);
  } else if (random.chance(options_.abort)) {
    fail_halfway(client);
  } else if (random.chance(percent(20))) {
    ask_receipts(client);
  } else if (random.chance(percent(10))) {
    buy(client);
  } else {
    write(client);
  }
}

void RandomWorkload::move(Client& client) {
  client.node = cluster_->draw_node();
  client.waiting_since = Duration(-1);
}

void RandomWorkload::new_session(Client& client) {
  client.token = Clock();
  client.waiting_since = Duration(-1);
  ++client.session;
  begin_session(client);
}

void RandomWorkload::write(Client& client) {
  Random& random = cluster_->random();
  std::vector<Op> ops;
  const std::uint64_t count = random.between(1, writes_max_);
  const bool signs = random.chance(percent(40));
  commit(client, signs, ops, [&](Transaction& transaction) -> Status {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (auto status = write_one(client, transaction, ops); !status.ok()) return status;
    }
    return {};
  });
}

std::optional<Dot> RandomWorkload::commit(Client& client, bool signs, std::vector<Op>& ops,
                                          const std::function<Status(Transaction&)>& write) {
  const Clock before = cluster_->document(client.node, client.space).clock_with_retired();
  const std::int64_t mark = next_number_++;
  auto committed = cluster_->transact(
      client.node, client.space, "client " + std::to_string(client.id),
      [&](Transaction& transaction) -> Status {
        if (auto status = write(transaction); !status.ok()) return status;
        if (signs) return transaction.root().map("clients").reg(client.register_name()).set(mark);
        return {};
      });
  if (!committed.ok()) {
    cluster_->fail(Promise::accepted_writes, "a transaction at " +
                                                 cluster_->node_name(client.node) +
                                                 " was refused: " + committed.error().to_string());
    return std::nullopt;
  }
  if (committed->event == nullptr) return std::nullopt;
  const Event& event = *committed->event;
  const auto in_history = remember(client, ops, signs ? std::optional(mark) : std::nullopt);
  state(client.space).oracle->record(event, before, std::move(ops));
  client.token.join(committed->clock);
  auto& recent = state(client.space).recent;
  recent.push_back({client.node, event.id(), in_history});
  if (recent.size() > 64) recent.pop_front();
  ask_receipt(client.space, recent.back());  // too early, most of the time
  return event.id();
}

// By a client that comes for this alone.
std::optional<Dot> RandomWorkload::write_at(NodeIndex node, const std::string& space) {
  Client client;
  client.id = clients_.size() + node;
  client.space = space;
  client.node = node;
  begin_session(client);
  std::vector<Op> ops;
  return commit(client, true, ops, [](Transaction&) { return Status(); });
}

// Everything a failed transaction wrote is undone.
void RandomWorkload::fail_halfway(Client& client) {
  const Document& document = cluster_->document(client.node, client.space);
  const Clock clock = document.clock_with_retired();
  const StateHash hash = document.hash();
  std::vector<Op> ops;
  const std::uint64_t count = cluster_->random().between(1, writes_max_);
  auto committed =
      cluster_->transact(client.node, client.space, "client " + std::to_string(client.id),
                         [&](Transaction& transaction) -> Status {
                           for (std::uint64_t i = 0; i < count; ++i) {
                             if (auto status = write_one(client, transaction, ops); !status.ok())
                               return status;
                           }
                           return make_error(ErrorCode::invalid_argument, "given up on purpose");
                         });
  cluster_->count("transactions undone");
  if (committed.ok() || document.clock_with_retired() != clock || document.hash() != hash) {
    cluster_->fail(Promise::accepted_writes,
                   "a transaction that failed halfway left something behind at " +
                       cluster_->node_name(client.node));
  }
}

void RandomWorkload::ask_receipts(Client& client) {
  auto& recent = state(client.space).recent;
  if (recent.empty()) return;
  const auto asked = recent[cluster_->random().below(recent.size())];
  if (cluster_->reachable(asked.node) && ask_receipt(client.space, asked)) {
    cluster_->count("receipts");
  }
}

// True when the commit is durable where it was written.
bool RandomWorkload::ask_receipt(const std::string& name, const SpaceState::Asked& asked) {
  SpaceState& space = state(name);
  const auto says_durable_at = [&](NodeIndex keeper) {
    if (!space.durable || !asked.in_history) return;
    space.history->receipt(*asked.in_history, asked.node, keeper, cluster_->now());
  };
  const bool here = cluster_->durable_here(asked.node, name, asked.dot);
  if (here) says_durable_at(asked.node);
  for (const auto& peer : cluster_->durable_at(asked.node, name, asked.dot)) {
    says_durable_at(cluster_->node_index(peer));
  }
  return here;
}

Value RandomWorkload::some_value() {
  Random& random = cluster_->random();
  switch (random.below(8)) {
    case 0:
      return Value(nullptr);
    case 1:
      return Value(random.coin());
    case 2:
      return Value(0.25 * static_cast<double>(random.between_signed(-40, 40)));
    case 3:
    case 4: {
      std::string text = "v" + std::to_string(next_number_++);
      text.resize(std::max<std::size_t>(text.size(), random.between(1, value_bytes_max_ + 1)), '.');
      return random.coin() ? Value(text) : Value::bytes(text);
    }
    default:
      return Value(next_number_++);
  }
}

// For what is compared as numbers: no two kinds are ever numerically equal.
Value RandomWorkload::some_number() {
  Random& random = cluster_->random();
  const std::int64_t whole = random.between_signed(-50, 50);
  if (random.coin()) return Value(whole);
  return Value(0.5 + static_cast<double>(whole));
}

Status RandomWorkload::write_one(const Client& client, Transaction& transaction,
                                 std::vector<Op>& ops) {
  Random& random = cluster_->random();
  if (random.chance(options_.removal)) return remove_something(transaction, ops);
  if (random.chance(percent(10))) return write_pair(transaction, ops);
  if (random.chance(percent(20))) {
    const LeafIndex target = keys_->shared(random.below(KeySpace::shared_leaves));
    const ContainerIndex shared = keys_->leaves()[target].container;
    return write_leaf(client, container_ref(transaction, keys_->containers()[shared]), target, ops);
  }
  if (random.chance(percent(2))) {
    const auto target = static_cast<ContainerIndex>(random.below(keys_->free_containers()));
    ops.push_back(Op{Op::Kind::create, target, 0, {}, {}, 0, 0});
    return container_ref(transaction, keys_->containers()[target]).create();
  }
  const auto target = static_cast<LeafIndex>(random.below(keys_->free_leaves()));
  const Leaf& leaf = keys_->leaves()[target];
  return write_leaf(client, container_ref(transaction, keys_->containers()[leaf.container]), target,
                    ops);
}

Status RandomWorkload::remove_something(Transaction& transaction, std::vector<Op>& ops) {
  Random& random = cluster_->random();
  // Removing what does not exist is nothing: it does not even take away what keeps an element of a
  // remove-wins set out.
  const auto remove = [&](MapRef parent, const std::string& name, Type type, Op::Kind kind,
                          std::uint32_t target) {
    if (parent.contains(name, type)) ops.push_back(Op{kind, target, 0, {}, {}, 0, 0});
    return parent.remove(name, type);
  };
  if (random.chance(percent(40))) {
    const auto target = static_cast<LeafIndex>(random.below(keys_->free_leaves()));
    const Leaf& leaf = keys_->leaves()[target];
    return remove(container_ref(transaction, keys_->containers()[leaf.container]), leaf.name,
                  leaf.type, Op::Kind::remove_leaf, target);
  }
  const auto target = static_cast<ContainerIndex>(random.below(keys_->removable_containers()));
  const Container& container = keys_->containers()[target];
  MapRef parent = transaction.root();
  if (container.parent >= 0) {
    parent =
        container_ref(transaction, keys_->containers()[static_cast<std::size_t>(container.parent)]);
  }
  return remove(parent, container.name, Type::map, Op::Kind::remove_container, target);
}

Status RandomWorkload::write_pair(Transaction& transaction, std::vector<Op>& ops) {
  if (!options_.writes_type(Type::reg)) return {};
  const LeafIndex first = keys_->pair_first(cluster_->random().below(KeySpace::pairs));
  MapRef map = container_ref(transaction, keys_->containers()[keys_->pairs_container()]);
  const Value value(next_number_++);
  for (LeafIndex leaf = first; leaf < first + 2; ++leaf) {
    ops.push_back(Op{Op::Kind::write, leaf, 0, value, {}, 0, 0});
    auto status = map.reg(keys_->leaves()[leaf].name).set(value);
    if (!status.ok()) return status;
  }
  return {};
}

Status RandomWorkload::write_leaf(const Client& client, MapRef map, LeafIndex index,
                                  std::vector<Op>& ops) {
  Random& random = cluster_->random();
  const Leaf& leaf = keys_->leaves()[index];
  if (!options_.writes_type(leaf.type)) return {};
  const auto did = [&](Op::Kind kind, std::int64_t amount = 0, Value value = {}) {
    ops.push_back(Op{kind, index, amount, std::move(value), {}, 0, 0});
  };
  switch (leaf.type) {
    case Type::reg:
    case Type::multi_register: {
      RegisterRef cell = map.reg(leaf.name, leaf.type);
      if (random.chance(percent(10))) {
        did(Op::Kind::clear);
        return cell.clear();
      }
      const Value value = some_value();
      did(Op::Kind::write, 0, value);
      return cell.set(value);
    }
    case Type::max_register:
    case Type::min_register: {
      RegisterRef cell = map.reg(leaf.name, leaf.type);
      if (random.chance(percent(10))) {
        did(Op::Kind::clear);
        return cell.clear();
      }
      const Value value = some_number();
      // One that reads as great already is not written, and does not survive that one's removal.
      const auto shown = cell.get();
      const bool writes =
          !shown || (leaf.type == Type::max_register ? compare_numerically(value, *shown) > 0
                                                     : compare_numerically(value, *shown) < 0);
      if (writes) did(Op::Kind::write, 0, value);
      return cell.set(value);
    }
    case Type::counter: {
      CounterRef cell = map.counter(leaf.name);
      if (random.chance(percent(10))) {
        did(Op::Kind::reset);
        return cell.reset();
      }
      const std::int64_t amount = random.between_signed(-5, 10);
      did(Op::Kind::add, amount);
      return cell.add(amount);
    }
    case Type::enable_flag:
    case Type::disable_flag: {
      const bool on = random.coin();
      did(on ? Op::Kind::enable : Op::Kind::disable);
      return map.flag(leaf.name, leaf.type).set(on);
    }
    case Type::set:
    case Type::remove_wins_set: {
      SetRef cell = map.set(leaf.name, leaf.type);
      const std::int64_t pick = random.between_signed(0, 9);
      const Value element = pick < 6 ? Value(pick) : Value("e" + std::to_string(pick));
      const bool adds = random.chance(percent(60));
      did(adds ? Op::Kind::set_add : Op::Kind::set_remove, 0, element);
      return adds ? cell.add(element) : cell.remove(element);
    }
    case Type::list:
      return write_list(map, index, ops);
    case Type::text:
      return write_text(map, index, ops);
    case Type::log:
      return write_log(map, index, ops);
    case Type::bounded_counter:
      return write_bounded_counter(client, map, index, ops);
    case Type::tree:
      return write_tree(client, map, index, ops);
    case Type::map:
    case Type::element:
      break;
  }
  return make_error(ErrorCode::invalid_argument, "no workload writes this type");
}

void RandomWorkload::changed(NodeIndex node, const std::string& space) {
  check_pairs(node, space);
  check_funds(node, space);
  for (Client& client : clients_) {
    if (!client.purchase || client.purchase->node != node || client.space != space) continue;
    if (!client.purchase->decrement.needs_step(cluster_->document(node, space))) continue;
    const std::size_t id = client.id;
    const std::uint64_t number = client.purchase->number;
    cluster_->after(Duration(0), [this, id, number] {
      Client& buyer = clients_[id];
      if (buyer.purchase && buyer.purchase->number == number) go_on_buying(buyer);
    });
  }
}

// Transactions are seen whole: registers that are always written together read alike at all times.
void RandomWorkload::check_pairs(NodeIndex node, const std::string& space) {
  const MapView map = cluster_->document(node, space).root().map("pairs");
  for (std::size_t pair = 0; pair < KeySpace::pairs; ++pair) {
    const LeafIndex first = keys_->pair_first(pair);
    const auto one = map.reg(keys_->leaves()[first].name).get();
    const auto other = map.reg(keys_->leaves()[first + 1].name).get();
    if (one == other) continue;
    cluster_->fail(Promise::whole_transactions,
                   cluster_->node_name(node) + " shows half a transaction in " + space +
                       ": the registers of pair " + std::to_string(pair) + " read " +
                       (one ? one->to_string() : std::string("nothing")) + " and " +
                       (other ? other->to_string() : std::string("nothing")));
    return;
  }
}

void RandomWorkload::lost(NodeIndex, const std::string& space, const ReplicaId& writer,
                          Sequence kept) {
  state(space).oracle->lose(writer, kept);
  auto& recent = state(space).recent;
  std::erase_if(recent, [&](const auto& asked) {
    return asked.dot.replica == writer && asked.dot.sequence > kept;
  });
  // A token is worth what was durable: who read or wrote what is gone starts anew.
  for (Client& client : clients_) {
    if (client.space == space && client.token.get(writer) > kept) new_session(client);
  }
}

std::optional<std::string> RandomWorkload::wrong_state(NodeIndex node, const std::string& space) {
  const Document& document = cluster_->document(node, space);
  auto wrong = state(space).oracle->compare(document);
  if (!wrong) return std::nullopt;
  if (wrong->leaf) {
    for (const auto& line :
         state(space).oracle->history(*wrong->leaf, document.clock_with_retired())) {
      cluster_->explain("history " + line);
    }
  }
  return std::move(wrong->sentence);
}

}  // namespace rejoin::simulation
