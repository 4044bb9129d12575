#include "explore/steps.h"

#include <algorithm>

#include "rejoin/crdt/assert.h"

namespace rejoin::simulation {

namespace {

using Write = ScopeStep::Write;

ContainerIndex container_of(const ScopeStep& step, const KeySpace& keys) {
  for (ContainerIndex i = 0; i < keys.containers().size(); ++i) {
    std::string path;
    for (const auto& name : keys.containers()[i].steps) path += (path.empty() ? "" : "/") + name;
    if (path == step.map) return i;
  }
  REJOIN_ASSERT(false);  // a scope's maps are checked when it is read
  return 0;
}

LeafIndex leaf_of(ContainerIndex container, Type type, const KeySpace& keys) {
  const auto found = std::ranges::find_if(keys.leaves(), [&](const Leaf& leaf) {
    return leaf.container == container && leaf.type == type;
  });
  REJOIN_ASSERT(found != keys.leaves().end());
  return static_cast<LeafIndex>(found - keys.leaves().begin());
}

MapRef map_of(Transaction& transaction, const Container& container) {
  MapRef map = transaction.root();
  for (const auto& step : container.steps) map = map.map(step);
  return map;
}

Status write_funds(const ScopeStep& step, const ReplicaId& receiver, const KeySpace& keys,
                   Transaction& transaction, std::vector<Op>& ops) {
  const Leaf& leaf = keys.leaves()[keys.funds()];
  MapRef map = map_of(transaction, keys.containers()[leaf.container]);
  BoundedCounterRef counter = map.bounded_counter(leaf.name);
  const auto account = [&](const ReplicaId& replica, std::int64_t amount) {
    ops.push_back(Op{Op::Kind::rights, keys.funds(), amount, {}, {}, 0, 0});
    ops.back().replica = replica;
  };
  if (step.write == Write::deposit) {
    account(map.self(), step.value);
    return counter.increment(step.value);
  }
  const bool enough = counter.rights_here() >= step.value;
  if (step.write == Write::spend) {
    const Status status = counter.decrement(step.value);
    if (enough) account(map.self(), -step.value);
    const bool refused = !status.ok() && status.error().code == ErrorCode::out_of_range;
    if (enough == !refused) return enough ? status : Status();
    return make_error(ErrorCode::corrupt, enough ? "a decrement was refused for lack of rights"
                                                 : "a decrement without rights was not refused");
  }
  if (!enough || receiver.is_nil() || receiver == map.self()) return {};
  account(map.self(), -step.value);
  account(receiver, step.value);
  return counter.transfer(step.value, receiver);
}

}  // namespace

Status write_step(const ScopeStep& step, const ReplicaId& receiver, const KeySpace& keys,
                  Transaction& transaction, std::vector<Op>& ops) {
  const ContainerIndex place = container_of(step, keys);
  const Container& container = keys.containers()[place];
  const auto cell = [&](Type type, Op::Kind kind, std::int64_t amount = 0,
                        Value value = {}) -> const std::string& {
    const LeafIndex leaf = leaf_of(place, type, keys);
    ops.push_back(Op{kind, leaf, amount, std::move(value), {}, 0, 0});
    return keys.leaves()[leaf].name;
  };
  const auto map = [&] { return map_of(transaction, container); };
  const Value value(step.value);
  switch (step.write) {
    case Write::reg: {
      const Value written =
          step.bytes == 0
              ? value
              : Value(std::string(step.bytes, static_cast<char>('a' + step.value % 26)));
      return map().reg(cell(Type::reg, Op::Kind::write, 0, written)).set(written);
    }
    case Write::pair: {
      MapRef pairs = map_of(transaction, keys.containers()[keys.pairs_container()]);
      for (LeafIndex leaf = keys.pair_first(0); leaf < keys.pair_first(0) + 2; ++leaf) {
        ops.push_back(Op{Op::Kind::write, leaf, 0, value, {}, 0, 0});
        if (Status status = pairs.reg(keys.leaves()[leaf].name).set(value); !status.ok()) {
          return status;
        }
      }
      return {};
    }
    case Write::set_add:
      return map().set(cell(Type::set, Op::Kind::set_add, 0, value)).add(value);
    case Write::set_remove:
      return map().set(cell(Type::set, Op::Kind::set_remove, 0, value)).remove(value);
    case Write::remove_wins_add:
      return map()
          .set(cell(Type::remove_wins_set, Op::Kind::set_add, 0, value), Type::remove_wins_set)
          .add(value);
    case Write::remove_wins_remove:
      return map()
          .set(cell(Type::remove_wins_set, Op::Kind::set_remove, 0, value), Type::remove_wins_set)
          .remove(value);
    case Write::count:
      return map().counter(cell(Type::counter, Op::Kind::add, step.value)).add(step.value);
    case Write::reset:
      return map().counter(cell(Type::counter, Op::Kind::reset)).reset();
    case Write::enable:
      return map().flag(cell(Type::enable_flag, Op::Kind::enable)).set(true);
    case Write::disable:
      return map().flag(cell(Type::enable_flag, Op::Kind::disable)).set(false);
    case Write::deposit:
    case Write::spend:
    case Write::give:
      return write_funds(step, receiver, keys, transaction, ops);
    case Write::remove_map: {
      MapRef parent = transaction.root();
      if (container.parent >= 0) {
        parent = map_of(transaction, keys.containers()[static_cast<std::size_t>(container.parent)]);
      }
      if (parent.contains(container.name, Type::map)) {
        ops.push_back(Op{Op::Kind::remove_container, place, 0, {}, {}, 0, 0});
      }
      return parent.remove(container.name, Type::map);
    }
  }
  return {};
}

std::string in_words(const ScopeStep& step, const std::vector<std::string>& nodes) {
  const std::string value = std::to_string(step.value);
  const std::string in = " in " + step.map;
  const auto at = [&](const std::string& what) { return what + " at " + nodes[step.at]; };
  switch (step.write) {
    case Write::reg:
      return at("writes " + (step.bytes == 0 ? value : std::to_string(step.bytes) + " bytes") +
                " into the register" + in);
    case Write::pair:
      return at("writes " + value + " into both registers of the pair");
    case Write::set_add:
      return at("adds " + value + " to the set" + in);
    case Write::set_remove:
      return at("removes " + value + " from the set" + in);
    case Write::remove_wins_add:
      return at("adds " + value + " to the remove-wins set" + in);
    case Write::remove_wins_remove:
      return at("removes " + value + " from the remove-wins set" + in);
    case Write::count:
      return at("adds " + value + " to the counter" + in);
    case Write::reset:
      return at("resets the counter" + in);
    case Write::enable:
      return at("enables the flag" + in);
    case Write::disable:
      return at("disables the flag" + in);
    case Write::deposit:
      return at("puts " + value + " into the funds");
    case Write::spend:
      return at("spends " + value + " of the funds");
    case Write::give:
      return at("gives rights for " + value + " of the funds to " + nodes[step.to]);
    case Write::remove_map:
      return at("removes the map " + step.map);
  }
  return {};
}

}  // namespace rejoin::simulation
