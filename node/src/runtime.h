// Gives the protocol's state machine real sockets, a real disk, real time and threads.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fair_mutex.h"
#include "health.h"
#include "history/archive.h"
#include "history/exchange.h"
#include "rejoin/node/core.h"
#include "rejoin/node/node.h"
#include "rejoin/node/rights.h"
#include "rejoin/transport/zmq_transport.h"
#include "waits.h"
#include "watches.h"

namespace rejoin::node {

class AdminServer;
class MetricsServer;

// How writing to the store goes. All zero without one.
struct StorageStatus {
  std::string error;                      // Node::storage_error
  std::uint64_t commits = 0;              // group commits that are durable
  std::uint64_t bytes = 0;                // of their records
  std::chrono::microseconds writing{0};   // spent on them and on failed ones
  std::chrono::microseconds unwritten{};  // how long the oldest one that is not durable waits
  std::uint64_t file_bytes = 0;           // the database and its write-ahead log
};

// Messages of one kind.
struct MessageCount {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

// Threads:
//   the network thread   owns the transport: receives, ticks the core, sends what it gives out
//   the disk thread      writes one batch after the other, with no lock held
//   the notification one calls watchers and writes the log
//   admin connections    a thread each, callers like any other
//   metrics              threads of the HTTP server's, callers like any other
//   callers              run transactions and reads themselves, under the core's lock
//
// Whoever moved the core calls publish() before letting go of its lock: that hands the next batch
// to the disk thread, notices to watchers, log and waiting threads, and wakes the network thread
// when there may be something to send. So nothing is polled, and an idle node sleeps until the
// core's next deadline. Locks are taken in this order: core, then any one of the others.
class Runtime : public std::enable_shared_from_this<Runtime> {
 public:
  static Result<std::shared_ptr<Runtime>> open(NodeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Writes what is not durable yet, ends all threads and waits. Again: nothing.
  void stop();

  Status open_space(const std::string& name, SpaceOptions options);
  bool has_space(const std::string& name) const;
  std::map<std::string, SpaceOptions> spaces() const;
  Result<Committed> transact(const std::string& space, const std::string& author,
                             const std::string& note,
                             const std::function<Status(Transaction&)>& write);
  Result<Committed> decrement_or_ask(const std::string& space, const Path& counter,
                                     std::int64_t amount, const std::string& author,
                                     const std::string& note, std::chrono::milliseconds timeout);
  Status answer_requests(const std::string& space, const AnswerRule& rule);
  void stop_answering(const std::string& space, const Path& counter);
  // Space::revert.
  struct RevertCommit {
    Committed committed;
    Reverted reverted;
  };
  Result<RevertCommit> revert(const std::string& space, const Dot& event, const std::string& author,
                              const std::string& note);
  // The archive, where this space keeps its history. Its file is closed when the node has stopped
  // and nobody holds it any more.
  Result<std::shared_ptr<const history::Archive>> archive_of(const std::string& space) const;
  void read(const std::string& space, const std::function<void(const Document&)>& look) const;
  Status wait(const std::string& space, const Goal& goal, std::chrono::milliseconds timeout);

  std::uint64_t watch(const std::string& space, const Path& path, Watches::Callback on_change);
  void unwatch(std::uint64_t id);

  Status connect(const std::string& peer, const std::string& endpoint);
  // Core::remove_member and members.
  Status remove_member(const std::string& member, const std::string& author);
  std::vector<MemberStatus> members() const;
  // Node::nodes_for.
  std::vector<AffinityCandidate> nodes_for(std::string_view session,
                                           const std::optional<std::string>& region) const;
  void set_link(const std::string& peer, bool up);
  std::vector<std::string> links_down() const;

  const NodeOptions& options() const { return options_; }
  const std::string& listen_endpoint() const { return listen_endpoint_; }
  const std::string& set_aside_store() const { return set_aside_store_; }
  std::string storage_error() const;
  SpaceStatus status(const std::string& space) const;
  std::vector<SpaceStatus> status() const;
  StorageStatus storage_status() const;
  // How long each peer has been behind (LagAges), with a look at `spaces`, which were just asked
  // for.
  LagAges::Ages lag_ages(const std::vector<SpaceStatus>& spaces);
  CoreCounters counters() const;
  // Handed to the transport, and received from it.
  std::map<std::string, MessageCount> sent_by_kind() const;
  std::map<std::string, MessageCount> received_by_kind() const;
  std::size_t buffered_bytes() const;
  transport::TrafficCounters traffic() const;
  // Where the metrics are served; empty: nowhere.
  std::string metrics_address() const;

  // Node::responds.
  bool responds(std::chrono::milliseconds within);

  // What an admin's request to stop does; without one it is refused.
  void on_stop_request(std::function<void()> handler);
  bool request_stop();

 private:
  static constexpr std::chrono::microseconds nothing_unwritten = std::chrono::microseconds::max();

  explicit Runtime(NodeOptions options);
  Status start();
  Status open_store();
  Status open_archive(bool make);
  void begin_exchange();
  void pass_on(std::vector<HistoryMessage> messages);
  Status open_transport();

  // The only ways to the core's lock.
  std::unique_lock<FairSharedMutex> lock_core() const;
  std::shared_lock<FairSharedMutex> share_core() const;

  static Now now();
  void publish(bool send_soon);
  void publish_notices();
  bool answer_requests();
  void hand_over_batch();
  void wake_network();

  void run_network();
  bool network_turn(const std::vector<transport::Incoming>& inbox);
  void receive_all(std::vector<transport::Incoming>& inbox);
  void run_requests();
  void dial(const Dial& dial);

  void run_disk();
  Status archive(const PersistBatch& batch);
  std::shared_ptr<const PersistBatch> next_batch(bool last_failed);
  void finish_batch(const PersistBatch& batch, const Status& outcome,
                    std::chrono::microseconds took);
  void close_transport();

  NodeOptions options_;
  std::string set_aside_store_;
  std::string listen_endpoint_;
  std::unique_ptr<Storage> storage_;  // disk thread, once started
  // There once a space keeps its history, until stop(). Set before a batch brings any for it.
  std::shared_ptr<history::Archive> archive_;
  std::unique_ptr<history::Exchange> exchange_;  // beside it, once the node talks with others
  // Used by the network thread; from others wake() and counters(), under the mutex because stop()
  // closes it.
  std::unique_ptr<transport::ZmqTransport> transport_;
  mutable std::mutex transport_mutex_;
  transport::TrafficCounters final_traffic_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<MetricsServer> metrics_;
  Waits waits_;
  Watches watches_;
  LagAges lag_ages_;

  mutable FairSharedMutex core_mutex_;
  std::unique_ptr<Core> core_;  // all below: core_mutex_
  std::map<std::string, SpaceOptions> spaces_;
  RightsAnswers answers_;
  std::set<std::string> links_down_;
  StorageStatus storage_status_;  // but for what is looked up when it is asked for
  std::chrono::microseconds unwritten_since_ = nothing_unwritten;
  std::map<std::string_view, MessageCount> sent_by_kind_;
  std::map<std::string_view, MessageCount> received_by_kind_;
  bool closing_ = false;  // no commits, nothing is received any more
  bool network_ends_ = false;
  std::chrono::microseconds network_deadline_{0};  // when the network thread looks again

  std::atomic<bool> wake_pending_{false};
  std::chrono::microseconds wake_at_{0};  // network thread: the same deadline

  std::mutex request_mutex_;
  std::deque<std::function<void()>> requests_;  // for the network thread
  bool requests_closed_ = false;

  std::mutex disk_mutex_;
  std::condition_variable disk_wanted_;
  std::shared_ptr<const PersistBatch> handed_over_;
  bool disk_ends_ = false;

  std::mutex stop_mutex_;  // one stop() at a time
  bool stopped_ = false;
  std::mutex stop_handler_mutex_;
  std::function<void()> stop_handler_;

  std::thread network_thread_;
  std::thread disk_thread_;
};

}  // namespace rejoin::node
