// What the clients of the built-in workload read and wrote, as the history checker is told of it.
#include <utility>

#include "random_workload.h"

namespace rejoin::simulation {

void RandomWorkload::begin_history(SpaceState& space) {
  std::vector<std::string> nodes;
  for (NodeIndex node = 0; node < cluster_->node_count(); ++node) {
    nodes.push_back(cluster_->node_name(node));
  }
  space.history = std::make_unique<HistoryChecker>(std::move(nodes));
  for (LeafIndex leaf = 0; leaf < 2 * KeySpace::pairs; ++leaf) {
    space.pairs.push_back(
        space.history->place("pairs/" + keys_->leaves()[keys_->pair_first(0) + leaf].name));
  }
}

void RandomWorkload::begin_session(Client& client) {
  SpaceState& space = state(client.space);
  const std::string name = client.register_name();
  client.in_history = space.history->begin_session(
      "client " + std::to_string(client.id) +
      (client.session == 0 ? "" : " (session " + std::to_string(client.session + 1) + ")"));
  space.signatures[client.in_history] = {name, space.history->place("clients/" + name)};
}

void RandomWorkload::read_pair(const MapView& root, SpaceState& space, std::size_t pair,
                               std::vector<HistoryChecker::Cell>& cells) const {
  const MapView pairs = root.map("pairs");
  for (std::size_t one = 2 * pair; one < 2 * pair + 2; ++one) {
    const auto value = pairs.reg(keys_->leaves()[keys_->pair_first(0) + one].name).get();
    cells.push_back({space.pairs[one], value ? value->as_integer() : 0});
  }
}

void RandomWorkload::read_signature(const MapView& root, const SpaceState& space,
                                    HistoryChecker::Session session,
                                    std::vector<HistoryChecker::Cell>& cells) const {
  const SpaceState::Signature& signature = space.signatures.at(session);
  const auto value = root.map("clients").reg(signature.name).get();
  cells.push_back({signature.place, value ? value->as_integer() : 0});
}

void RandomWorkload::judge(const std::string& space, const HistoryChecker::Operation& read) {
  if (const auto wrong = state(space).history->read(read)) {
    cluster_->fail(wrong->promise, "in " + space + ' ' + wrong->what);
  }
}

// A pair, what the client signed, and what another one did: who wrote the pair, if anybody did.
void RandomWorkload::read(Client& client) {
  SpaceState& space = state(client.space);
  const Document& document = cluster_->document(client.node, client.space);
  const MapView root = document.root();
  HistoryChecker::Operation read{client.in_history, client.node, cluster_->now(), {}};
  read_pair(root, space, client.steps % KeySpace::pairs, read.cells);
  read_signature(root, space, client.in_history, read.cells);
  auto other = space.history->writer(read.cells[0]);
  if (!other) other = space.history->session(client.steps);
  if (*other != client.in_history) read_signature(root, space, *other, read.cells);
  judge(client.space, read);
  // What was read is in the token from now on, as far as this client looked.
  if (cluster_->failed() || !cluster_->random().coin()) return;
  client.token.join(document.clock());
  space.history->carry(client.in_history);
}

// Reads everything, as somebody without a past.
void RandomWorkload::look(NodeIndex node, const std::string& name) {
  SpaceState& space = state(name);
  const MapView root = cluster_->document(node, name).root();
  HistoryChecker::Operation read{space.history->onlooker(), node, cluster_->now(), {}};
  for (std::size_t pair = 0; pair < KeySpace::pairs; ++pair)
    read_pair(root, space, pair, read.cells);
  for (const auto& [session, signature] : space.signatures) {
    read_signature(root, space, session, read.cells);
  }
  judge(name, read);
}

std::optional<HistoryChecker::WriteNumber> RandomWorkload::remember(
    Client& client, const std::vector<Op>& ops, std::optional<std::int64_t> mark) {
  SpaceState& space = state(client.space);
  HistoryChecker::Operation write{client.in_history, client.node, cluster_->now(), {}};
  const auto put = [&](HistoryChecker::Place place, std::int64_t value) {
    std::erase_if(write.cells, [&](const auto& cell) { return cell.place == place; });
    write.cells.push_back({place, value});
  };
  const LeafIndex first = keys_->pair_first(0);
  for (const Op& op : ops) {
    if (op.kind == Op::Kind::remove_container && op.target == keys_->pairs_container()) {
      for (const auto place : space.pairs) put(place, 0);
    } else if (op.kind == Op::Kind::write && op.target >= first &&
               op.target < first + space.pairs.size()) {
      put(space.pairs[op.target - first], op.value.as_integer());
    }
  }
  if (mark) write.cells.push_back({space.signatures.at(client.in_history).place, *mark});
  if (!write.cells.empty()) return space.history->write(std::move(write));
  space.history->carry(client.in_history);
  return std::nullopt;
}

void RandomWorkload::disk_lost(NodeIndex node) {
  for (auto& [name, space] : spaces_) space.history->disk_lost(node, cluster_->now());
}

void RandomWorkload::restarted(NodeIndex node) {
  for (const auto& [name, space] : spaces_) look(node, name);
  if (!cluster_->failed()) answer_requests(node);
}

void RandomWorkload::finished() {
  for (auto& [name, space] : spaces_) {
    space.history->all_agree();
    for (NodeIndex node = 0; node < cluster_->node_count(); ++node) {
      if (cluster_->up(node)) look(node, name);
    }
  }
}

}  // namespace rejoin::simulation
