#include "demo/demo.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "demo/audit.h"
#include "demo/cluster.h"
#include "demo/history.h"
#include "demo/history_check.h"
#include "demo/input.h"
#include "demo/observer.h"
#include "demo/plan.h"
#include "demo/player.h"
#include "demo/progress.h"
#include "demo/report/page.h"
#include "demo/report/story.h"
#include "demo/report/table.h"
#include "demo/verify.h"

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
using std::chrono::steady_clock;

constexpr auto look_interval = std::chrono::milliseconds(20);
constexpr auto meet_within = std::chrono::seconds(20);
constexpr auto agree_within = std::chrono::seconds(30);
constexpr auto history_within = std::chrono::seconds(20);
constexpr Region historian = virginia;  // whose history the report is made from
constexpr double killed_share = 0.4;    // of the middle third: how long virginia stays away
constexpr std::size_t differences_shown = 10;

volatile sig_atomic_t interrupted = 0;
void interrupt(int) { interrupted = 1; }

// Ctrl-C ends the demo in order: nodes stopped, temporary folder gone.
class CatchInterrupts {
 public:
  CatchInterrupts() {
    struct sigaction action {};
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, &before_int_);
    sigaction(SIGTERM, &action, &before_term_);
  }
  ~CatchInterrupts() {
    sigaction(SIGINT, &before_int_, nullptr);
    sigaction(SIGTERM, &before_term_, nullptr);
  }
  CatchInterrupts(const CatchInterrupts&) = delete;
  CatchInterrupts& operator=(const CatchInterrupts&) = delete;

 private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

// Where stores and logs are: kept, or gone with this object.
class Folder {
 public:
  static Result<std::unique_ptr<Folder>> make(const std::string& keep) {
    std::error_code problem;
    if (!keep.empty()) {
      std::filesystem::create_directories(keep, problem);
      if (problem || !std::filesystem::is_empty(keep, problem) || problem) {
        return make_error(
            ErrorCode::invalid_argument,
            problem ? problem.message() : "the folder is not empty; name a new one with --keep",
            keep);
      }
      return std::unique_ptr<Folder>(
          new Folder(std::filesystem::absolute(keep).string(), /*temporary=*/false));
    }
    std::string path =
        (std::filesystem::temp_directory_path(problem) / "rejoin-demo-XXXXXX").string();
    if (problem || mkdtemp(path.data()) == nullptr) {
      return make_error(ErrorCode::io, "cannot make a temporary folder; set TMPDIR", path);
    }
    return std::unique_ptr<Folder>(new Folder(path, /*temporary=*/true));
  }
  ~Folder() {
    std::error_code problem;
    if (temporary_) std::filesystem::remove_all(path_, problem);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  Folder(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::string path_;
  bool temporary_;
};

std::uint64_t writes_of(const NodeSample& sample, const std::string& replica) {
  const auto found = sample.clock.find(replica);
  return found == sample.clock.end() ? 0 : found->second;
}

using Samples = std::array<NodeSample, region_count>;
Result<Samples> ask_all(const Cluster& cluster) {
  Samples samples;
  for (std::size_t i = 0; i < region_count; ++i) {
    auto client = cluster.connect(static_cast<Region>(i));
    if (!client) return client.error();
    auto sample = ask_status(*client);
    if (!sample) return sample.error();
    samples[i] = *std::move(sample);
  }
  return samples;
}

Error interruption() { return make_error(ErrorCode::closed, "interrupted"); }

// The first third is of three regions that can talk.
Status await_peers(const Cluster& cluster) {
  const auto deadline = steady_clock::now() + meet_within;
  const auto meets_all = [](const NodeSample& sample) {
    return sample.peers_alive == region_count - 1;
  };
  for (;;) {
    const auto samples = ask_all(cluster);
    if (!samples) return samples.error();
    if (std::ranges::all_of(*samples, meets_all)) return {};
    if (interrupted) return interruption();
    if (steady_clock::now() > deadline) {
      return make_error(ErrorCode::timeout, "the nodes do not reach each other on 127.0.0.1");
    }
    std::this_thread::sleep_for(look_interval);
  }
}

// The run itself. Its members are made and destroyed in order: the player's and the observer's
// threads end before the cluster does.
class Demo {
 public:
  Demo(const DemoOptions& options, std::vector<InputSession> sessions, Cluster& cluster)
      : options_(options),
        sessions_(std::move(sessions)),
        plans_(make_plan(sessions_)),
        cluster_(cluster),
        player_(cluster, sessions_, plans_, options.seconds / phase_count),
        observer_(cluster, [this] { return player_.seconds(); }) {
    story_.input = options.input.empty() ? "the sample that comes with the program"
                                         : std::filesystem::path(options.input).filename().string();
    story_.sessions = sessions_.size();
    story_.turns = player_.total();
  }

  Status play() {
    Progress progress(player_.total());
    progress_ = &progress;
    const auto outcome = play_phases();
    progress_ = nullptr;
    return outcome;
  }

  // After play(): watches no more. What differs now that the nodes have had their time; nothing
  // when all is well.
  Result<std::vector<std::string>> check() {
    observe_to_the_end();
    std::vector<std::string> found = std::move(disagreement_);
    std::array<std::future<Result<NodeCheck>>, region_count> checks;
    for (std::size_t i = 0; i < region_count; ++i) {
      checks[i] = std::async(std::launch::async, &Demo::check_node, this, static_cast<Region>(i));
    }
    Json reference;
    for (std::size_t i = 0; i < region_count; ++i) {
      auto check = checks[i].get();
      if (!check) return check.error();
      if (i == 0) {
        reference = check->sessions;
      } else {
        for (const std::string& place : differences_between(reference, check->sessions)) {
          check->found.push_back("the export differs from " + std::string(region_names[0]) +
                                 "'s at " + place);
        }
      }
      for (const std::string& what : check->found) {
        found.push_back(std::string(region_names[i]) + ": " + what);
      }
      if (i == historian) tell(*std::move(check));
    }
    return found;
  }

  Story& story() { return story_; }
  const std::string& hash() const { return hash_; }
  const Player& player() const { return player_; }

 private:
  Status play_phases() {
    if (auto ok = play_phase(before, "three regions together"); !ok) return ok;

    if (auto ok = cluster_.set_links(tokyo, false); !ok) return ok;
    story_.intervals.push_back({Interval::Kind::cut_off, tokyo, player_.seconds(), 0});
    if (auto ok = play_phase_apart(); !ok) return ok;
    if (auto ok = cluster_.set_links(tokyo, true); !ok) return ok;
    story_.intervals.front().to = player_.seconds();

    if (auto ok = play_phase(healed, "healed"); !ok) return ok;
    return await_agreement();
  }

  Status look(const std::string& state) {
    if (interrupted) return interruption();
    progress_->show(player_.written_count(), state);
    std::this_thread::sleep_for(look_interval);
    return {};
  }

  Status play_phase(Phase phase, const std::string& state) {
    player_.begin(phase);
    while (player_.playing()) {
      if (auto ok = look(state); !ok) return ok;
    }
    return player_.end();
  }

  // The middle third: tokyo is cut off all the time; halfway through virginia is killed, with
  // whatever its clients had just asked of it, and comes back after a while.
  Status play_phase_apart() {
    const std::size_t written_before = player_.written_count();
    std::size_t planned = 0;
    for (const SessionPlan& plan : plans_) {
      for (const Stream& stream : plan.phases[apart]) planned += stream.size();
    }
    player_.begin(apart);
    while (player_.playing() && player_.written_count() < written_before + planned / 2) {
      if (auto ok = look("tokyo cut off"); !ok) return ok;
    }
    cluster_.kill(virginia);
    const double killed_at = player_.seconds();
    story_.intervals.push_back({Interval::Kind::killed, virginia, killed_at, 0});
    const double away = options_.seconds / phase_count * killed_share;
    while (player_.seconds() < killed_at + away) {
      if (auto ok = look("tokyo cut off, virginia killed"); !ok) return ok;
    }
    if (auto ok = cluster_.restart(virginia); !ok) return ok;
    story_.intervals.back().to = player_.seconds();
    while (player_.playing()) {
      if (auto ok = look("tokyo cut off, virginia back"); !ok) return ok;
    }
    return player_.end();
  }

  // Until all clocks and all hashes are equal, or the time is up: then check() says how it stands.
  Status await_agreement() {
    const auto deadline = steady_clock::now() + agree_within;
    for (;;) {
      const auto samples = ask_all(cluster_);
      if (!samples) return samples.error();
      disagreement_.clear();
      for (std::size_t i = 1; i < region_count; ++i) compare((*samples)[0], (*samples)[i], i);
      hash_ = (*samples)[0].hash;
      if (disagreement_.empty() && story_.agreed == 0) story_.agreed = player_.seconds();
      // And until all have heard that they agree.
      const bool heard =
          std::ranges::all_of(*samples, [](const NodeSample& sample) { return sample.lag == 0; });
      if ((disagreement_.empty() && heard) || steady_clock::now() > deadline) return {};
      if (auto ok = look("waiting for agreement"); !ok) return ok;
    }
  }

  void compare(const NodeSample& first, const NodeSample& other, std::size_t number) {
    const std::string name(region_names[number]);
    const std::string reference(region_names[0]);
    std::uint64_t missing = 0;
    std::uint64_t beyond = 0;
    auto replicas = first.clock;
    replicas.insert(other.clock.begin(), other.clock.end());
    for (const auto& [replica, count] : replicas) {
      const std::uint64_t here = writes_of(first, replica);
      const std::uint64_t there = writes_of(other, replica);
      if (here > there) missing += here - there;
      if (there > here) beyond += there - here;
    }
    if (missing > 0 || beyond > 0) {
      disagreement_.push_back(name + ": lacks " + std::to_string(missing) + " writes that " +
                              reference + " has, and has " + std::to_string(beyond) +
                              " that it lacks");
    } else if (first.hash != other.hash) {
      disagreement_.push_back(name + ": state hash " + other.hash + ", but " + first.hash + " at " +
                              reference + " with the same clock");
    }
  }

  void observe_to_the_end() {
    observer_.stop();
    story_.end = player_.seconds();
    story_.start_millis = player_.start_millis();
    for (std::size_t i = 0; i < region_count; ++i) {
      const auto region = static_cast<Region>(i);
      story_.samples[i] = observer_.samples(region);
      for (const NodeSample& sample : story_.samples[i]) {
        if (const auto replica = ReplicaId::parse(sample.replica)) story_.homes[*replica] = region;
      }
    }
  }

  struct NodeCheck {
    std::vector<std::string> found;
    Json sessions;
    History history;
  };

  Result<NodeCheck> check_node(Region region) const {
    NodeCheck check;
    const auto note = [&](std::vector<std::string> found) {
      check.found.insert(check.found.end(), found.begin(), found.end());
    };
    auto sessions = state_of(region, "export");
    if (!sessions) return sessions.error();
    check.sessions = *std::move(sessions);
    note(differences(check.sessions, sessions_, plans_));

    auto history = whole_history(region);
    if (!history) return history.error();
    check.history = *std::move(history);
    note(differences(check.history, player_.written(), story_.homes, sessions_, plans_));

    const auto replayed = state_of(region, "at");
    if (!replayed) return replayed.error();
    for (const std::string& place : differences_between(check.sessions, *replayed)) {
      note({"history: replayed, it differs from the state at " + place});
    }
    return check;
  }

  // What the report is told of the sessions.
  void tell(NodeCheck check) {
    story_.historian = historian;
    story_.history = std::move(check.history);
    for (const auto& [id, session] : check.sessions.items()) {
      for (const Json& record : session.value("turns", Json::array())) {
        if (record.is_string()) story_.conversations[id].push_back(record.get<std::string>());
      }
    }
  }

  // The sessions as they are ("export"), or as the history says they are ("at").
  Result<Json> state_of(Region region, const std::string& command) const {
    auto client = cluster_.connect(region);
    if (!client) return client.error();
    Json request = {{"command", command}, {"space", space_name}, {"path", "/sessions"}};
    if (command == "at") request["version"] = "now";
    auto answer = client->call(request);
    if (!answer) return answer.error();
    return std::move(answer->at("json"));
  }

  // A node may have learnt the state of others at once, and ask for the events behind it still.
  Result<History> whole_history(Region region) const {
    const auto deadline = steady_clock::now() + history_within;
    for (;;) {
      auto client = cluster_.connect(region);
      if (!client) return client.error();
      auto history = read_history(*client);
      const bool whole =
          history && history->missing() == 0 && history->events().size() >= player_.total();
      if (!history || whole || steady_clock::now() > deadline) return history;
      std::this_thread::sleep_for(look_interval);
    }
  }

  const DemoOptions& options_;
  const std::vector<InputSession> sessions_;
  const std::vector<SessionPlan> plans_;
  Cluster& cluster_;
  Player player_;
  Observer observer_;
  Progress* progress_ = nullptr;  // while play() runs
  Story story_;
  std::vector<std::string> disagreement_;
  std::string hash_;
};

Result<std::vector<InputSession>> read_input(const DemoOptions& options) {
  const std::size_t sessions_max =
      options.sessions_max == 0 ? std::numeric_limits<std::size_t>::max() : options.sessions_max;
  if (options.input.empty()) return parse_sessions(sample_text(), "the sample", sessions_max);
  const auto text = read_text(options.input);
  if (!text) return text.error();
  return parse_sessions(*text, options.input, sessions_max);
}

Result<bool> play_and_report(const DemoOptions& options, std::vector<InputSession> sessions,
                             Cluster& cluster, std::ofstream& report) {
  if (auto ok = await_peers(cluster); !ok) return ok.error();
  Demo demo(options, std::move(sessions), cluster);
  if (auto ok = demo.play(); !ok) return ok.error();
  auto found = demo.check();
  if (!found) return found.error();
  if (auto ok = cluster.stop(); !ok) found->push_back(ok.error().to_string());
  auto audit = audit_histories(cluster.stores());
  if (!audit) return audit.error();
  found->insert(found->end(), audit->found.begin(), audit->found.end());

  Story& story = demo.story();
  const bool converged = found->empty();
  if (converged) {
    story.history_outcome = "history: on each node every turn by its author and node, " +
                            std::to_string(audit->chains) +
                            " hash chains that hold, and the state again when it is replayed";
  }
  story.outcome = converged
                      ? "converged: 3 nodes, " + std::to_string(story.sessions) + " sessions, " +
                            std::to_string(story.turns) + " turns, hash " + demo.hash()
                      : "not converged: " + std::to_string(found->size()) + " differences";
  report << render_page(story);
  report.close();
  if (!report) return make_error(ErrorCode::io, "the page cannot be written", options.report);

  std::cout << std::fixed << std::setprecision(1) << "played in " << story.end << " s; "
            << demo.player().repeated_count()
            << " writes lost their answer when virginia was killed and were repeated, of which "
            << demo.player().found_count() << " were there already\n\n"
            << render_table(rows_of(story))
            << "\nwho knew what when, and what led to each answer: " << options.report << "\n";
  if (converged) std::cout << story.history_outcome << "\n";
  for (std::size_t i = 0; i < found->size() && i < differences_shown; ++i) {
    std::cout << (*found)[i] << "\n";
  }
  if (found->size() > differences_shown) {
    std::cout << "... and " << found->size() - differences_shown << " more\n";
  }
  std::cout << story.outcome << std::endl;
  return converged;
}

}  // namespace

Result<bool> run_demo(const DemoOptions& options) {
  auto sessions = read_input(options);
  if (!sessions) return sessions.error();
  std::ofstream report(options.report, std::ios::trunc);
  if (!report) {
    return make_error(ErrorCode::io,
                      "the page cannot be written there; name another file with --report",
                      options.report);
  }
  const CatchInterrupts catch_interrupts;
  const auto folder = Folder::make(options.keep);
  if (!folder) return folder.error();
  const auto cluster = Cluster::start((*folder)->path());
  if (!cluster) return cluster.error();
  return play_and_report(options, *std::move(sessions), **cluster, report);
}

}  // namespace rejoin::demo
