// Recorded links: what a recording says, and what a network makes of it.
#include "rejoin/simulation/link_trace.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "../recorded_data.h"
#include "rejoin/simulation/run.h"
#include "world/event_queue.h"
#include "world/network.h"
#include "world/trace.h"

namespace rejoin::simulation {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

LinkTrace trace_of(const std::string& text) {
  auto trace = LinkTrace::parse(text, "x");
  EXPECT_TRUE(trace.ok()) << trace.error().to_string();
  return *std::move(trace);
}

TEST(LinkTrace, begins_anew_at_its_end) {
  const LinkTrace trace = trace_of("2\n2\n7\n10\n");
  EXPECT_EQ(trace.at(0), milliseconds(2));
  EXPECT_EQ(trace.at(1), milliseconds(2));
  EXPECT_EQ(trace.at(3), milliseconds(10));
  EXPECT_EQ(trace.at(4), milliseconds(12));
  EXPECT_EQ(trace.at(11), milliseconds(30));
}

TEST(LinkTrace, finds_the_first_opportunity_that_has_not_passed) {
  const LinkTrace trace = trace_of("0\n2\n2\n7\n10\n");
  for (const auto micros : {0, 1, 2'000, 2'001, 7'000, 9'999, 10'000, 10'001, 12'000, 57'500}) {
    const Duration time(micros);
    const std::uint64_t first = trace.first_from(time);
    EXPECT_GE(trace.at(first), time);
    if (first > 0) {
      EXPECT_LT(trace.at(first - 1), time);
    }
  }
}

TEST(LinkTrace, knows_its_worst_stretch) {
  const LinkTrace trace = trace_of("2\n2\n7\n10\n");
  EXPECT_EQ(trace.longest(0), milliseconds(0));
  EXPECT_EQ(trace.longest(1'500), milliseconds(5));  // from 2 to 7
  EXPECT_EQ(trace.longest(1'501), milliseconds(8));  // from 2 to 10
  EXPECT_EQ(trace.longest(6'000), milliseconds(10));
}

TEST(LinkTrace, that_is_none_is_refused_with_its_line) {
  const auto error_of = [](const std::string& text) {
    const auto trace = LinkTrace::parse(text, "x.up");
    return trace.ok() ? "no error" : trace.error().to_string();
  };
  EXPECT_NE(error_of("1\n2\nthree\n").find("x.up:3"), std::string::npos)
      << error_of("1\n2\nthree\n");
  EXPECT_NE(error_of("5\n4\n").find("x.up:2"), std::string::npos);
  EXPECT_NE(error_of("").find("after 0 ms"), std::string::npos);
  EXPECT_NE(error_of("0\n0\n").find("after 0 ms"), std::string::npos);
}

TEST(RegionLatency, is_half_a_round_trip_in_each_direction) {
  const auto latency = RegionLatency::parse("from,a,b\na,0,31\nb,40,0\n", "x.csv");
  ASSERT_TRUE(latency.ok()) << latency.error().to_string();
  EXPECT_EQ(latency->one_way("a", "b"), Duration(15'500));
  EXPECT_EQ(latency->one_way("b", "a"), Duration(20'000));
  EXPECT_EQ(latency->one_way("a", "a"), Duration(500));
  EXPECT_FALSE(RegionLatency::parse("from,a,b\na,0,31\n", "x.csv").ok());
  EXPECT_FALSE(RegionLatency::parse("from,a\na,far\n", "x.csv").ok());
  EXPECT_FALSE(RegionLatency::parse("", "x.csv").ok());
}

// Two nodes, a and b, and when what they send arrives.
class Link : public ::testing::Test {
 protected:
  Network& network() {
    if (!network_) {
      network_ = std::make_unique<Network>(options_, std::vector<std::string>{"a", "b"},
                                           Random(seed_), queue_, schedule_, trace_,
                                           [this](NodeIndex, NodeIndex to, std::string) {
                                             (to == 1 ? at_b_ : at_a_).push_back(queue_.now());
                                             return true;
                                           });
    }
    return *network_;
  }
  void send(NodeIndex from, std::size_t bytes) {
    network().send(from, 1 - from, std::string(bytes, 'x'), "test");
  }
  void run() {
    while (!queue_.empty()) queue_.pop()();
  }
  void use(const std::string& up) {
    LinkOptions link;
    link.nodes = {"a", "b"};
    link.up = {"up", std::make_shared<const LinkTrace>(trace_of(up))};
    link.up_delay = link.down_delay = Range<Duration>::of(Duration(0));
    options_.links.push_back(link);
  }

  NetworkOptions options_;
  std::uint64_t seed_ = 1;
  EventQueue queue_;
  PrioritySchedule schedule_{queue_};
  Trace trace_{nullptr, false, nullptr};
  std::unique_ptr<Network> network_;
  std::vector<Duration> at_a_, at_b_;
};

TEST_F(Link, carries_1500_bytes_at_each_recorded_opportunity_and_one_way_alone) {
  use("10\n20\n20\n100\n");
  send(0, 1'000);
  send(0, 500);    // fills the first opportunity
  send(0, 1);      // needs the second
  send(0, 3'000);  // what is left of it, the third, and one byte at 100 ms
  send(1, 9'000);  // not recorded
  run();
  EXPECT_EQ(at_b_, (std::vector<Duration>{milliseconds(10), milliseconds(10), milliseconds(20),
                                          milliseconds(100)}));
  EXPECT_EQ(at_a_, std::vector<Duration>{Duration(0)});
}

TEST_F(Link, what_nobody_used_of_an_opportunity_is_gone) {
  use("10\n20\n30\n");
  queue_.at(milliseconds(15), [this] { send(0, 100); });
  queue_.at(milliseconds(21), [this] { send(0, 100); });
  queue_.at(milliseconds(31), [this] { send(0, 100); });
  run();
  EXPECT_EQ(at_b_, (std::vector<Duration>{milliseconds(20), milliseconds(30), milliseconds(40)}));
}

TEST_F(Link, drops_what_comes_when_the_queue_is_full) {
  use("10\n");
  options_.queue_bytes = 3'000;
  for (int i = 0; i < 4; ++i) send(0, 1'500);  // the third finds 3,000 bytes, the fourth too many
  run();
  EXPECT_EQ(at_b_, (std::vector<Duration>{milliseconds(10), milliseconds(20), milliseconds(30)}));
  EXPECT_EQ(network().counters().lost, 1u);
}

TEST_F(Link, recordings_end_with_the_faults) {
  use("1000\n");
  network().calm();
  send(0, 100'000);
  run();
  EXPECT_EQ(at_b_, std::vector<Duration>{Duration(0)});
}

TEST_F(Link, recordings_that_stay_do_not_end_with_the_faults) {
  use("1000\n");
  options_.links[0].stays = true;
  send(0, 1'500);
  network().calm();
  send(0, 1'500);
  run();
  EXPECT_EQ(at_b_, (std::vector<Duration>{milliseconds(1'000), milliseconds(2'000)}));
}

TEST_F(Link, draws_each_direction_for_itself_where_links_are_asymmetric) {
  options_.spread_ppm = 0;
  options_.slow = Range<Share>::of(Share{0});
  const auto differ = [&](bool asymmetric) {
    options_.asymmetric = asymmetric;
    network_.reset();
    queue_ = EventQueue();
    at_a_.clear();
    at_b_.clear();
    send(0, 10);
    send(1, 10);
    run();
    return at_a_ != at_b_;
  };
  EXPECT_FALSE(differ(false));
  EXPECT_TRUE(differ(true));
}

TEST_F(Link, loses_a_share_of_the_messages_in_bursts_of_the_stated_length) {
  options_.loss = Range<Share>::of(percent(20));
  options_.loss_burst = 10;
  int lost = 0, bursts = 0;
  std::uint64_t before = 0;
  bool bad = false;
  constexpr int messages = 40'000;
  for (int i = 0; i < messages; ++i) {
    send(0, 10);
    const bool gone = network().counters().lost > before;
    before = network().counters().lost;
    lost += gone;
    bursts += gone && !bad;
    bad = gone;
  }
  EXPECT_NEAR(lost, messages / 5, messages / 50);
  EXPECT_NEAR(static_cast<double>(lost) / bursts, 10, 1);
}

class RecordedScenario : public ::testing::Test {
 protected:
  RecordedScenario() : folder_(fs::temp_directory_path() / unique_name()) {
    fs::create_directories(folder_);
  }
  ~RecordedScenario() override { fs::remove_all(folder_); }
  static std::string unique_name() {
    return "rejoin_links_" + std::to_string(::getpid()) + '_' +
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  Result<Scenario> read(const std::string& toml) {
    write("x.toml", toml);
    return Scenario::from_toml_file((folder_ / "x.toml").string());
  }

  fs::path folder_;
};

// All faults end while the link is dead for another 14 s.
TEST_F(RecordedScenario, convergence_has_the_time_that_a_recording_that_stays_needs) {
  std::string times;
  for (int ms = 10; ms <= 6'000; ms += 10) times += std::to_string(ms) + '\n';
  write("outage", times + "20000\n");
  const auto scenario = read(R"(
nodes = ["a", "b"]
duration = "6s"
converge_within = "2s"
buggify = false
[[link]]
nodes = ["a", "b"]
up = "outage"
down = "outage"
stays = true
[[fault]]
kind = "link_cut"
at = "4s"
lasts = "2s"
nodes = ["a", "b"]
)");
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  RunOptions options;
  options.seed = 1;
  const RunResult result = run(*scenario, options);
  EXPECT_EQ(result.failure, "");
  EXPECT_GT(result.converged_after, milliseconds(13'000));
  auto without = *scenario;
  without.network.links[0].stays = false;
  EXPECT_LT(run(without, options).converged_after, milliseconds(2'000));
}

const std::string with_links = R"(nodes = ["a", "b", "c"]
duration = "5s"
[network]
regions = "far.csv"
[network.region]
a = "here"
c = "there"
[[link]]
nodes = ["a", "b"]
up = "slow.up.gz"
down = "slow.down"
stays = true
up_delay = ["1ms", "5ms"]
)";

TEST_F(RecordedScenario, finds_its_files_beside_it_plain_or_compressed) {
  write("slow.down", "10\n50\n");
  write("far.csv", "from,here,there\nhere,0,90\nthere,90,0\n");
  gzFile out = gzopen((folder_ / "slow.up.gz").c_str(), "wb");
  gzputs(out, "15\n40\n");
  gzclose(out);
  const auto scenario = read(with_links);
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  ASSERT_EQ(scenario->network.links.size(), 1u);
  EXPECT_EQ(scenario->network.links[0].up.content->at(1), milliseconds(40));
  EXPECT_EQ(scenario->network.links[0].down.content->at(1), milliseconds(50));
  const auto again = Scenario::from_toml(scenario->to_toml(), scenario->source);
  ASSERT_TRUE(again.ok()) << again.error().to_string() << '\n' << scenario->to_toml();
  EXPECT_TRUE(*again == *scenario) << scenario->to_toml();
  RunOptions options;
  options.seed = 1;
  EXPECT_EQ(run(*scenario, options).failure, "");
}

TEST_F(RecordedScenario, says_what_is_missing_where_it_was_named_and_what_was_looked_for) {
  const auto error =
      read("nodes = [\"a\", \"b\"]\n[[link]]\nnodes = [\"a\", \"b\"]\nup = \"no.up\"\n")
          .error()
          .to_string();
  for (const std::string& part : {std::string("x.toml:4"), std::string("link.up"),
                                  (folder_ / "no.up").string(), std::string("REJOIN_DATA")}) {
    EXPECT_NE(error.find(part), std::string::npos) << error << " lacks " << part;
  }
}

TEST_F(RecordedScenario, names_nodes_and_regions_that_exist) {
  write("far.csv", "from,here\nhere,0\n");
  const auto error_of = [&](const std::string& toml) {
    const auto scenario = read("nodes = [\"a\", \"b\"]\n" + toml);
    return scenario.ok() ? "no error" : scenario.error().to_string();
  };
  EXPECT_NE(error_of("[[link]]\nnodes = [\"a\", \"z\"]\n").find("no node \"z\""),
            std::string::npos);
  EXPECT_NE(error_of("[[link]]\nnodes = [\"a\"]\n").find("two nodes"), std::string::npos);
  EXPECT_NE(error_of("[network.region]\na = \"here\"\n").find("network.regions"),
            std::string::npos);
  EXPECT_NE(error_of("[network]\nregions = \"far.csv\"\n[network.region]\na = \"mars\"\n")
                .find("expected one of here"),
            std::string::npos);
  EXPECT_NE(error_of("[network]\nregions = \"far.csv\"\n[network.region]\nz = \"here\"\n")
                .find("network.region.z"),
            std::string::npos);
}

TEST_F(RecordedScenario, runs_over_recorded_mobile_links_and_between_regions) {
  REJOIN_SKIP_WITHOUT(recorded_data("network-traces"));
  REJOIN_SKIP_WITHOUT(recorded_data("region-latency.csv"));
  const auto scenario = read(R"(nodes = ["car", "van", "server"]
duration = "10s"
[network]
regions = "region-latency.csv"
[network.region]
van = "london"
server = "tokyo"
[[link]]
nodes = ["car", "server"]
up = "network-traces/TMobile-UMTS-driving.up.gz"
down = "network-traces/TMobile-UMTS-driving.down.gz"
)");
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  RunOptions options;
  options.seed = 1;
  EXPECT_EQ(run(*scenario, options).failure, "");
}

}  // namespace
}  // namespace rejoin::simulation
