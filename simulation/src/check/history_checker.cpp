#include "check/history_checker.h"

#include <algorithm>
#include <utility>

#include "seconds.h"

namespace rejoin::simulation {

namespace {

void join(std::vector<std::uint32_t>& seen, const std::vector<std::uint32_t>& more) {
  if (seen.size() < more.size()) seen.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) seen[i] = std::max(seen[i], more[i]);
}

}  // namespace

HistoryChecker::HistoryChecker(std::vector<std::string> nodes) {
  for (auto& name : nodes) nodes_.push_back({std::move(name), 1, {}, {}, {}});
  begin_session("an onlooker");
}

HistoryChecker::Place HistoryChecker::place(std::string name) {
  places_.push_back({std::move(name), {}});
  return places_.size() - 1;
}

HistoryChecker::Session HistoryChecker::begin_session(std::string client) {
  sessions_.push_back({std::move(client), 0, {}, {}, 0, 0});
  return sessions_.size() - 1;
}

HistoryChecker::WriteNumber HistoryChecker::find(const Cell& cell) const {
  const auto& writes = places_[cell.place].writes;
  const auto found = std::find_if(writes.rbegin(), writes.rend(),
                                  [&](const auto& write) { return write.first == cell.value; });
  return found == writes.rend() ? nobody : found->second;
}

std::optional<HistoryChecker::Session> HistoryChecker::writer(const Cell& cell) const {
  const WriteNumber found = find(cell);
  if (found == nobody) return std::nullopt;
  return transactions_[found].operation.session;
}

bool HistoryChecker::includes(const Seen& seen, WriteNumber write) const {
  const Session session = transactions_[write].operation.session;
  return session < seen.size() && seen[session] >= transactions_[write].number;
}

void HistoryChecker::go_to(SessionState& session, NodeIndex node) {
  if (session.node == node && session.life == nodes_[node].life) return;
  session.node = node;
  session.life = nodes_[node].life;
  session.here.clear();
}

std::optional<HistoryChecker::Violation> HistoryChecker::read(const Operation& read) {
  SessionState& session = sessions_[read.session];
  go_to(session, read.node);
  owed_ = session.token;
  join(owed_, session.here);
  join(owed_, nodes_[read.node].durable);
  if (all_agree_) join(owed_, durable_somewhere_);
  shown_.clear();
  for (std::size_t cell = 0; cell < read.cells.size(); ++cell) {
    shown_.push_back(nobody);
    if (read.cells[cell].value == 0) continue;
    const WriteNumber found = find(read.cells[cell]);
    if (found == nobody)
      return Violation{Promise::state, reads(read, cell) + ", which nobody wrote"};
    shown_[cell] = found;
    join(owed_, transactions_[found].seen);
  }
  for (std::size_t cell = 0; cell < read.cells.size(); ++cell) {
    if (auto wrong = check_cell(read, cell)) return wrong;
  }
  if (auto wrong = check_halves(read)) return wrong;
  if (read.session != onlooker()) session.here = owed_;
  return std::nullopt;
}

// No write that must be shown had seen what is shown here instead. Such a write came after it.
std::optional<HistoryChecker::Violation> HistoryChecker::check_cell(const Operation& read,
                                                                    std::size_t cell) {
  const WriteNumber shown = shown_[cell];
  const auto& writes = places_[read.cells[cell].place].writes;
  for (auto later = writes.rbegin(); later != writes.rend(); ++later) {
    const auto [value, write] = *later;
    if (write == shown) break;
    if (!includes(owed_, write)) continue;
    const bool wrong = shown == nobody ? value != 0 && !may_be_removed(read, cell, write)
                                       : includes(transactions_[write].seen, shown);
    if (wrong) return explain(read, cell, write);
  }
  return std::nullopt;
}

// A removal took away what was there, whether its client had read it or not: anything from before
// it, unless that is still shown in another place that the removal took, too.
bool HistoryChecker::may_be_removed(const Operation& read, std::size_t cell,
                                    WriteNumber write) const {
  const auto spares = [&](WriteNumber removal) {
    for (std::size_t other = 0; other < shown_.size(); ++other) {
      if (shown_[other] == write && has(removal, {read.cells[other].place, 0})) return true;
    }
    return false;
  };
  const auto& writes = places_[read.cells[cell].place].writes;
  for (auto later = writes.rbegin(); later->second != write; ++later) {
    if (later->first == 0 && !spares(later->second)) return true;
  }
  return false;
}

bool HistoryChecker::has(WriteNumber write, const Cell& cell) const {
  return std::ranges::find(transactions_[write].operation.cells, cell) !=
         transactions_[write].operation.cells.end();
}

// Of two concurrent transactions that wrote the same two places one must win in both.
std::optional<HistoryChecker::Violation> HistoryChecker::check_halves(const Operation& read) const {
  const auto wrote_place = [&](WriteNumber write, Place place) {
    return std::ranges::any_of(transactions_[write].operation.cells, [&](const Cell& cell) {
      return cell.place == place && cell.value != 0;
    });
  };
  for (std::size_t a = 0; a < shown_.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      if (shown_[a] == nobody || shown_[b] == nobody || shown_[a] == shown_[b]) continue;
      if (!wrote_place(shown_[a], read.cells[b].place)) continue;
      if (!wrote_place(shown_[b], read.cells[a].place)) continue;
      return Violation{
          Promise::whole_transactions,
          reads(read, b) + " (" + wrote(shown_[b], read.cells[b].place) + ") and " +
              places_[read.cells[a].place].name + " = " + std::to_string(read.cells[a].value) +
              " (" + wrote(shown_[a], read.cells[a].place) +
              "): each of these two transactions wrote both, and half of each is seen"};
    }
  }
  return std::nullopt;
}

void HistoryChecker::carry(Session session) {
  join(sessions_[session].token, sessions_[session].here);
}

HistoryChecker::WriteNumber HistoryChecker::write(Operation write) {
  const WriteNumber number = transactions_.size();
  SessionState& session = sessions_[write.session];
  go_to(session, write.node);
  join(session.token, session.here);
  session.token.resize(std::max(session.token.size(), write.session + 1));
  session.token[write.session] = ++session.written;
  session.here = session.token;
  for (const Cell& cell : write.cells) places_[cell.place].writes.push_back({cell.value, number});
  transactions_.push_back({std::move(write), session.written, session.token});
  return number;
}

// What another node says of a keeper it heard some time after the write; from a disk that is lost
// since, perhaps.
void HistoryChecker::receipt(WriteNumber write, NodeIndex by, NodeIndex keeper, Duration at) {
  NodeState& node = nodes_[keeper];
  const Transaction& transaction = transactions_[write];
  if (by != keeper && node.disk_lost_at >= transaction.operation.at) return;
  join(node.durable, transaction.seen);
  node.receipts.push_back({write, by, at});
}

void HistoryChecker::process_ended(NodeIndex node) { ++nodes_[node].life; }

void HistoryChecker::disk_lost(NodeIndex node, Duration at) {
  nodes_[node].disk_lost_at = at;
  nodes_[node].durable.clear();
  nodes_[node].receipts.clear();
}

void HistoryChecker::all_agree() {
  all_agree_ = true;
  durable_somewhere_.clear();
  for (const auto& node : nodes_) join(durable_somewhere_, node.durable);
}

HistoryChecker::Violation HistoryChecker::explain(const Operation& read, std::size_t cell,
                                                  WriteNumber missing) const {
  const SessionState& session = sessions_[read.session];
  const Place place = read.cells[cell].place;
  const std::string begin = reads(read, cell) + ", although ";
  const std::string that = wrote(missing, place);
  for (std::size_t other = 0; other < shown_.size(); ++other) {
    if (shown_[other] != missing) continue;
    return {Promise::whole_transactions,
            begin + "it also reads " + places_[read.cells[other].place].name + " = " +
                std::to_string(read.cells[other].value) + " of the transaction in which " + that +
                ": a transaction is seen in part"};
  }
  if (includes(session.token, missing)) {
    const bool own = transactions_[missing].operation.session == read.session;
    return {Promise::token, begin + that +
                                (own ? ": it does not read its own write"
                                     : ", which its causal token stands for: it reads "
                                       "less than before")};
  }
  if (includes(session.here, missing)) {
    return {Promise::token,
            begin + that + ", which it has seen at this node: it reads less than before"};
  }
  for (NodeIndex keeper = 0; keeper < nodes_.size(); ++keeper) {
    if (keeper != read.node && !all_agree_) continue;
    for (const Receipt& receipt : nodes_[keeper].receipts) {
      if (!includes(transactions_[receipt.write].seen, missing)) continue;
      const Operation& kept = transactions_[receipt.write].operation;
      return {
          Promise::receipt,
          begin + that +
              (receipt.write == missing ? "" : ", and what followed on it at " + seconds(kept.at)) +
              ", of which " + nodes_[receipt.by].name + " said at " + seconds(receipt.at) +
              " that it is durable at " + nodes_[keeper].name};
    }
  }
  for (std::size_t other = 0; other < shown_.size(); ++other) {
    if (shown_[other] == nobody || !includes(transactions_[shown_[other]].seen, missing)) continue;
    const Place cause = read.cells[other].place;
    return {Promise::causality, begin + that +
                                    ", and that was seen by whoever wrote what it reads in " +
                                    places_[cause].name + ": " + wrote(shown_[other], cause)};
  }
  return {Promise::causality, begin + that};
}

std::string HistoryChecker::reads(const Operation& read, std::size_t cell) const {
  const Cell& one = read.cells[cell];
  return sessions_[read.session].client + " reads " + places_[one.place].name + " = " +
         (one.value == 0 ? "nothing" : std::to_string(one.value)) + " at " +
         nodes_[read.node].name + " at " + seconds(read.at);
}

std::string HistoryChecker::wrote(WriteNumber write, Place place) const {
  const Operation& operation = transactions_[write].operation;
  const auto& cells = operation.cells;
  const auto cell = std::ranges::find(cells, place, &Cell::place);
  const bool removed = cell == cells.end() || cell->value == 0;
  return sessions_[operation.session].client +
         (removed ? " removed what was" : " wrote " + std::to_string(cell->value)) + " there at " +
         nodes_[operation.node].name + " at " + seconds(operation.at);
}

}  // namespace rejoin::simulation
