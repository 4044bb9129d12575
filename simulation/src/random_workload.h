// The built-in workload: clients that write random transactions over all types, read, move between
// nodes with their causal tokens, and ask what became of their commits.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "check/history_checker.h"
#include "check/key_space.h"
#include "check/oracle.h"
#include "rejoin/node/rights.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {

class RandomWorkload final : public Workload {
 public:
  explicit RandomWorkload(const WorkloadOptions& options) : options_(options) {}

  std::vector<Space> spaces() const override;
  void start(Cluster& cluster) override;
  void changed(NodeIndex node, const std::string& space) override;
  void answered(NodeIndex node, const std::string& space, const Path& counter, const Event& event,
                const Clock& before) override;
  void crashed(NodeIndex node) override;
  void disk_lost(NodeIndex node) override;
  void restarted(NodeIndex node) override;
  void lost(NodeIndex node, const std::string& space, const ReplicaId& writer,
            Sequence kept) override;
  std::optional<std::string> wrong_state(NodeIndex node, const std::string& space) override;
  std::optional<Dot> write_at(NodeIndex node, const std::string& space) override;
  void finished() override;

 private:
  // Works in one space, at one node at a time, one step after another. Its token holds what it has
  // read and written. In each session it alone writes the register /clients/<id>-<session>.
  // A decrement of the funds that waits for rights, at one node while its process runs.
  struct Purchase {
    node::PatientDecrement decrement;
    NodeIndex node;
    Duration deadline;
    std::uint64_t number;
  };
  struct Client {
    std::size_t id = 0;
    std::uint64_t steps = 0;  // so far
    std::string space;
    NodeIndex node = 0;
    Clock token;
    std::uint64_t session = 0;
    HistoryChecker::Session in_history = 0;
    Duration waiting_since{-1};
    std::optional<Purchase> purchase;
    std::string register_name() const;
  };
  // What is the same for all clients of one space.
  struct SpaceState {
    std::unique_ptr<Oracle> oracle;
    bool durable = true;
    struct Asked {
      NodeIndex node;
      Dot dot;
      std::optional<HistoryChecker::WriteNumber> in_history;
    };
    std::deque<Asked> recent;  // commits whose receipts may be asked for
    // Of the pairs, and of what each session signs, which it alone writes.
    std::unique_ptr<HistoryChecker> history;
    std::vector<HistoryChecker::Place> pairs;  // two each
    struct Signature {
      std::string name;
      HistoryChecker::Place place;
    };
    std::map<HistoryChecker::Session, Signature> signatures;
  };

  void step(Client& client);
  void take_step(Client& client);
  void act(Client& client);
  void write(Client& client);
  // `ops`: what `write` writes.
  std::optional<Dot> commit(Client& client, bool signs, std::vector<Op>& ops,
                            const std::function<Status(Transaction&)>& write);
  void read(Client& client);
  void begin_history(SpaceState& space);
  void begin_session(Client& client);
  void look(NodeIndex node, const std::string& space);
  void read_pair(const MapView& root, SpaceState& space, std::size_t pair,
                 std::vector<HistoryChecker::Cell>& cells) const;
  void read_signature(const MapView& root, const SpaceState& space, HistoryChecker::Session session,
                      std::vector<HistoryChecker::Cell>& cells) const;
  void judge(const std::string& space, const HistoryChecker::Operation& read);
  // What the history needs to know of a transaction; nothing when it wrote none of its registers.
  std::optional<HistoryChecker::WriteNumber> remember(Client& client, const std::vector<Op>& ops,
                                                      std::optional<std::int64_t> mark);
  void ask_receipts(Client& client);
  bool ask_receipt(const std::string& space, const SpaceState::Asked& asked);
  void move(Client& client);
  void new_session(Client& client);
  void fail_halfway(Client& client);
  Status write_one(const Client& client, Transaction& transaction, std::vector<Op>& ops);
  Status remove_something(Transaction& transaction, std::vector<Op>& ops);
  Status write_leaf(const Client& client, MapRef map, LeafIndex index, std::vector<Op>& ops);
  Status write_list(MapRef map, LeafIndex index, std::vector<Op>& ops);
  Status write_text(MapRef map, LeafIndex index, std::vector<Op>& ops);
  Status write_log(MapRef map, LeafIndex index, std::vector<Op>& ops);
  // Inserts into, or removes from, a list or text that shows these.
  template <class Insert, class Remove>
  Status write_elements(const std::vector<std::int64_t>& elements, LeafIndex index,
                        std::vector<Op>& ops, Insert insert, Remove remove);
  Status write_bounded_counter(const Client& client, MapRef map, LeafIndex index,
                               std::vector<Op>& ops);
  Status write_tree(const Client& client, MapRef map, LeafIndex index, std::vector<Op>& ops);
  void answer_requests(NodeIndex node);
  void buy(Client& client);
  void go_on_buying(Client& client);
  Status write_pair(Transaction& transaction, std::vector<Op>& ops);
  Value some_value();
  Value some_number();
  void check_pairs(NodeIndex node, const std::string& space);
  void check_funds(NodeIndex node, const std::string& space);
  SpaceState& state(const std::string& space) { return spaces_.at(space); }

  WorkloadOptions options_;
  Cluster* cluster_ = nullptr;
  std::unique_ptr<KeySpace> keys_;
  std::map<std::string, SpaceState> spaces_;
  std::vector<Client> clients_;
  Duration think_{0};
  std::uint64_t writes_max_ = 1;
  std::uint64_t value_bytes_max_ = 1;
  std::map<std::pair<NodeIndex, LeafIndex>, std::int64_t> keeps_;  // who answers, but for so many
  Duration ask_again_after_{0};
  std::uint64_t next_purchase_ = 1;
  std::int64_t next_number_ = 1;  // for values that occur once
};

}  // namespace rejoin::simulation
