// The public API: thin handles over the runtime.
#include "rejoin/node/node.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "history/queries.h"
#include "metrics.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/json.h"
#include "runtime.h"

namespace rejoin::node {

// ---- Receipt ----

Status Receipt::wait_until(Goal goal, std::chrono::milliseconds timeout) const {
  if (!runtime_) return {};
  goal.clock = made_safe_by(dot_, token_.clock());
  return runtime_->wait(token_.space(), goal, timeout);
}

Status Receipt::wait_durable(std::chrono::milliseconds timeout) const {
  Goal goal;
  goal.kind = Goal::Kind::durable;
  return wait_until(goal, timeout);
}

Status Receipt::wait_on_peers(std::size_t count, std::chrono::milliseconds timeout) const {
  Goal goal;
  goal.kind = Goal::Kind::on_peers;
  goal.count = count;
  return wait_until(goal, timeout);
}

Status Receipt::wait_on_peer(const std::string& peer, std::chrono::milliseconds timeout) const {
  Goal goal;
  goal.kind = Goal::Kind::on_peer;
  goal.peer = peer;
  return wait_until(goal, timeout);
}

// ---- Subscription ----

Subscription::Subscription(Subscription&& other) noexcept
    : runtime_(std::move(other.runtime_)), id_(std::exchange(other.id_, 0)) {}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  runtime_ = std::move(other.runtime_);
  id_ = std::exchange(other.id_, 0);
  return *this;
}

Subscription::~Subscription() { cancel(); }

void Subscription::cancel() {
  if (runtime_) runtime_->unwatch(std::exchange(id_, 0));
  runtime_.reset();
}

// ---- Space ----

Result<Receipt> Space::transact(const std::function<Status(Transaction&)>& write) {
  return transact(CommitOptions{}, write);
}

Result<Receipt> Space::transact(CommitOptions options,
                                const std::function<Status(Transaction&)>& write) {
  auto committed = runtime_->transact(name_, options.author, options.note, write);
  if (!committed) return committed.error();
  return receipt_of(*std::move(committed));
}

Receipt Space::receipt_of(Committed committed) const {
  Receipt receipt;
  if (committed.event) receipt.dot_ = committed.event->id();
  receipt.token_ = CausalToken(name_, std::move(committed.clock));
  receipt.runtime_ = runtime_;
  return receipt;
}

void Space::read(const std::function<void(const Document&)>& look) const {
  runtime_->read(name_, look);
}

CausalToken Space::token() const {
  Clock clock;
  read([&](const Document& document) { clock = document.clock(); });
  return CausalToken(name_, std::move(clock));
}

Status Space::wait_for(const CausalToken& token, std::chrono::milliseconds timeout) const {
  if (token.space() != name_) {
    return make_error(ErrorCode::invalid_argument,
                      "the token is of space \"" + token.space() + "\"; wait for it there", name_);
  }
  Goal goal;
  goal.kind = Goal::Kind::shown;
  goal.clock = token.clock();
  return runtime_->wait(name_, goal, timeout);
}

Subscription Space::watch(const Path& path, std::function<void(const ChangeNotice&)> on_change) {
  Subscription subscription;
  subscription.id_ = runtime_->watch(name_, path, std::move(on_change));
  subscription.runtime_ = runtime_;
  return subscription;
}

Result<std::string> Space::export_json(const Path& path, int indent) const {
  std::optional<Result<nlohmann::json>> subtree;
  read([&](const Document& document) { subtree.emplace(to_json(document, path)); });
  if (!*subtree) return subtree->error();
  return (*subtree)->dump(indent);
}

Result<Receipt> Space::import_json(const Path& path, std::string_view json, CommitOptions options) {
  nlohmann::json parsed;
  try {
    parsed = nlohmann::json::parse(json);
  } catch (const nlohmann::json::exception& error) {
    return make_error(ErrorCode::malformed, error.what(), name_);
  }
  return transact(std::move(options),
                  [&](Transaction& transaction) { return from_json(transaction, path, parsed); });
}

Status Space::answer_requests(const Path& counter, std::int64_t keep) {
  return runtime_->answer_requests(name_, {counter, keep});
}

void Space::stop_answering(const Path& counter) { runtime_->stop_answering(name_, counter); }

Result<Receipt> Space::decrement_or_ask(const Path& counter, std::int64_t amount,
                                        std::chrono::milliseconds timeout, CommitOptions options) {
  auto committed =
      runtime_->decrement_or_ask(name_, counter, amount, options.author, options.note, timeout);
  if (!committed) return committed.error();
  return receipt_of(*std::move(committed));
}

// ---- Looking back ----

Result<std::vector<PastEvent>> Space::history(const Path& path, const HistoryQuery& query) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return history::past_of(**archive, name_, path, query);
}

Result<std::vector<Reason>> Space::why(const Path& path) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  std::vector<Origin> origins;
  read([&](const Document& document) { origins = document.origins(path); });
  return history::reasons_for(**archive, name_, origins);
}

Result<Document> Space::at(const Clock& version, const Path& path) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return history::state_at(**archive, name_, path, version);
}

Result<Clock> Space::version_until(HybridTime time) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return history::version_until(**archive, name_, time);
}

Result<Clock> Space::version_before(const Dot& event) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return history::version_before(**archive, name_, event);
}

Result<std::vector<Difference>> Space::diff(const Clock& before, const Clock& after,
                                            const Path& path) const {
  auto former = at(before, path);
  if (!former) return former.error();
  auto later = at(after, path);
  if (!later) return later.error();
  return history::differences(*former, *later, path);
}

Result<Space::Revert> Space::revert(const Dot& event, CommitOptions options) {
  auto outcome = runtime_->revert(name_, event, options.author, options.note);
  if (!outcome) return outcome.error();
  return Revert{receipt_of(std::move(outcome->committed)), std::move(outcome->reverted)};
}

Result<Feed> Space::feed(const Clock& cursor, std::size_t limit,
                         std::chrono::milliseconds timeout) const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return history::feed(**archive, name_, cursor, limit, timeout);
}

Result<std::vector<MissingWrites>> Space::missing_history() const {
  auto archive = runtime_->archive_of(name_);
  if (!archive) return archive.error();
  return (*archive)->gaps(name_);
}

SpaceStatus Space::status() const { return runtime_->status(name_); }

// ---- Node ----

Result<Node> Node::open(NodeOptions options) {
  auto runtime = Runtime::open(std::move(options));
  if (!runtime) return runtime.error();
  return Node(*std::move(runtime));
}

Node::Node(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}
Node::Node(Node&& other) noexcept = default;

Node& Node::operator=(Node&& other) noexcept {
  if (this == &other) return *this;
  if (runtime_) runtime_->stop();
  runtime_ = std::move(other.runtime_);
  return *this;
}

Node::~Node() {
  if (runtime_) runtime_->stop();
}

Result<Space> Node::open_space(const std::string& name, SpaceOptions options) {
  if (auto opened = runtime_->open_space(name, options); !opened) return opened.error();
  return Space(runtime_, name);
}

std::string Node::listen_endpoint() const { return runtime_->listen_endpoint(); }

std::vector<MemberStatus> Node::members() const { return runtime_->members(); }

std::vector<AffinityCandidate> Node::nodes_for(std::string_view session,
                                               const std::optional<std::string>& region) const {
  return runtime_->nodes_for(session, region);
}

Status Node::remove_member(const std::string& member, const std::string& author) {
  return runtime_->remove_member(member, author);
}

Status Node::connect(const std::string& peer, const std::string& endpoint) {
  return runtime_->connect(peer, endpoint);
}

void Node::set_link(const std::string& peer, bool up) { runtime_->set_link(peer, up); }
const std::string& Node::name() const { return runtime_->options().name; }
const std::string& Node::directory() const { return runtime_->options().directory; }
const std::string& Node::admin_socket() const { return runtime_->options().admin_socket; }
std::vector<SpaceStatus> Node::status() const { return runtime_->status(); }
CoreCounters Node::counters() const { return runtime_->counters(); }
transport::TrafficCounters Node::traffic() const { return runtime_->traffic(); }
std::string Node::set_aside_store() const { return runtime_->set_aside_store(); }
std::string Node::storage_error() const { return runtime_->storage_error(); }
std::string Node::metrics() const { return metrics_text(*runtime_); }
std::vector<std::string> Node::health() const { return flaws_of(*runtime_); }
bool Node::responds(std::chrono::milliseconds within) const { return runtime_->responds(within); }
std::string Node::metrics_address() const { return runtime_->metrics_address(); }

void Node::on_stop_request(std::function<void()> handler) {
  runtime_->on_stop_request(std::move(handler));
}

void Node::stop() { runtime_->stop(); }

}  // namespace rejoin::node
