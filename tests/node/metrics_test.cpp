// What a node tells Prometheus.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "counters.h"
#include "full_disk.h"
#include "nodes.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr SpaceOptions in_memory{.durable = false};

// Of each sample ("name" or "name{labels}") its value.
std::map<std::string, double> samples(const Node& node) {
  std::map<std::string, double> all;
  std::istringstream text(node.metrics());
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("#")) continue;
    const std::size_t space = line.rfind(' ');
    all[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return all;
}

double sample(const Node& node, const std::string& name) {
  const auto all = samples(node);
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("no " + name + " in\n" + node.metrics());
  return found->second;
}

bool comes_to(const Node& node, const std::string& name, double value) {
  return eventually([&] { return sample(node, name) == value; });
}

Node open(NodeOptions options) { return must(Node::open(std::move(options))); }

TEST(Metrics, are_those_of_the_documentation) {
  std::set<std::string> documented;
  std::ifstream page("docs/operating.md");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `rejoin_")) documented.insert(line);
  }
  std::set<std::string> told;
  std::istringstream text(open(quick_options("a")).metrics());
  std::map<std::string, std::string> meanings;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string hash, what, name, rest;
    words >> hash >> what >> name;
    std::getline(words >> std::ws, rest);
    if (what == "HELP") meanings[name] = rest;
    if (what == "TYPE") {
      EXPECT_EQ(name.ends_with("_total"), rest == "counter") << name;
      told.insert("| `" + name + "` | " + rest + " | " + meanings.at(name) + " |");
    }
  }
  for (const std::string& line : told) EXPECT_TRUE(documented.erase(line)) << "not there: " << line;
  EXPECT_THAT(documented, ::testing::IsEmpty());
}

TEST(Metrics, each_counter_is_told_once_and_under_its_own_name) {
  for (const auto& field : core_counter_fields) {
    EXPECT_EQ(field.metric, "rejoin_" + std::string(field.name) + "_total");
    CoreCounters counters;
    counters.*field.value = 7;
    const auto told = std::ranges::count_if(
        core_counter_fields, [&](const auto& other) { return counters.*other.value == 7; });
    EXPECT_EQ(told, 1) << field.name;
  }
}

TEST(Metrics, count_commits_where_they_were_made_and_where_they_went) {
  Node a = open(quick_options("a")), b = open(quick_options("b"));
  Space at_a = must(a.open_space("s", in_memory)), at_b = must(b.open_space("s", in_memory));
  connect_all({&a, &b});
  for (int i = 0; i < 3; ++i) must(set(at_a, "k", i));
  must(at_b.wait_for(at_a.token(), patience));

  EXPECT_EQ(sample(a, "rejoin_events_committed_total"), 3);
  EXPECT_EQ(sample(b, "rejoin_events_committed_total"), 0);
  EXPECT_EQ(sample(b, "rejoin_space_writes{space=\"s\"}"), 3);
  EXPECT_EQ(sample(b, "rejoin_space_cells{space=\"s\"}"), 1);
  EXPECT_EQ(sample(b, "rejoin_space_replicas{space=\"s\"}"), 1);
  EXPECT_TRUE(comes_to(a, "rejoin_peer_lag_writes{space=\"s\",peer=\"b\"}", 0));
  EXPECT_EQ(sample(a, "rejoin_divergences_total"), 0);

  const auto of_a = samples(a);
  const auto sum_of = [&](const char* family) {
    double sum = 0;
    for (const auto& [name, value] : of_a) sum += name.starts_with(family) ? value : 0;
    return sum;
  };
  EXPECT_GT(of_a.at("rejoin_sent_bytes_total{kind=\"summary\"}"), 0);
  // What the network was handed, and what it dropped because nobody was there yet.
  EXPECT_GE(sum_of("rejoin_sent_bytes_total{"), of_a.at("rejoin_network_sent_bytes_total"));
  // That b has it all was heard from b.
  EXPECT_GT(sum_of("rejoin_received_messages_total{"), 0);
  EXPECT_GT(sum_of("rejoin_received_bytes_total{"), sum_of("rejoin_received_messages_total{"));
}

TEST(Metrics, tell_who_is_silent_and_how_far_behind) {
  Node a = open(quick_options("a")), b = open(quick_options("b"));
  Space at_a = must(a.open_space("s", in_memory)), at_b = must(b.open_space("s", in_memory));
  connect_all({&a, &b});
  ASSERT_TRUE(comes_to(a, "rejoin_peer_up{peer=\"b\"}", 1));
  a.set_link("b", false);
  must(set(at_a, "k", 1));
  must(set(at_a, "k", 2));
  EXPECT_TRUE(comes_to(a, "rejoin_peer_up{peer=\"b\"}", 0));
  EXPECT_EQ(sample(a, "rejoin_links_cut"), 1);
  EXPECT_EQ(sample(a, "rejoin_peer_lag_writes{space=\"s\",peer=\"b\"}"), 2);
  EXPECT_GE(sample(a, "rejoin_peer_silent_seconds{peer=\"b\"}"), 0.3);  // quick_options' time-out
  a.set_link("b", true);
  EXPECT_TRUE(comes_to(a, "rejoin_peer_up{peer=\"b\"}", 1));
  EXPECT_TRUE(comes_to(a, "rejoin_peer_lag_writes{space=\"s\",peer=\"b\"}", 0));
}

TEST(Metrics, know_no_silence_of_a_peer_that_never_spoke) {
  NodeOptions options = quick_options("a");
  options.peers = {{"b", "tcp://127.0.0.1:1"}};
  Node a = open(options);
  must(a.open_space("s", in_memory));
  EXPECT_EQ(sample(a, "rejoin_peer_up{peer=\"b\"}"), 0);
  EXPECT_FALSE(samples(a).contains("rejoin_peer_silent_seconds{peer=\"b\"}"));
}

TEST(Metrics, tell_of_a_disk_that_is_full) {
  TempDirectory directory;
  FullDisk disk;
  Node a = open(quick_options("a", directory.path()));
  Space space = must(a.open_space("s"));
  must(must(set(space, "k", 1)).wait_durable(patience));
  EXPECT_EQ(sample(a, "rejoin_storage_write_error"), 0);
  EXPECT_TRUE(comes_to(a, "rejoin_storage_unwritten_seconds", 0));
  const auto before = samples(a);
  EXPECT_GT(before.at("rejoin_storage_file_bytes"), 0);

  disk.set_full(true);
  auto receipt = must(set(space, "k", std::string(1000, 'x')));
  EXPECT_TRUE(comes_to(a, "rejoin_storage_write_error", 1));
  EXPECT_GT(sample(a, "rejoin_storage_unwritten_seconds"), 0);
  EXPECT_EQ(sample(a, "rejoin_space_unwritten_writes{space=\"s\"}"), 1);
  EXPECT_GT(sample(a, "rejoin_storage_failures_total"), 0);

  disk.set_full(false);
  must(receipt.wait_durable(patience));
  EXPECT_TRUE(comes_to(a, "rejoin_storage_write_error", 0));
  EXPECT_EQ(sample(a, "rejoin_space_unwritten_writes{space=\"s\"}"), 0);
  const auto after = samples(a);
  EXPECT_GT(after.at("rejoin_storage_commits_total"), before.at("rejoin_storage_commits_total"));
  EXPECT_GE(after.at("rejoin_storage_written_bytes_total"),
            before.at("rejoin_storage_written_bytes_total") + 1000);
  EXPECT_GT(after.at("rejoin_storage_write_seconds_total"), 0);
}

TEST(Metrics, count_members_where_there_is_an_overlay) {
  NodeOptions options = quick_options("a");
  options.overlay.emplace();
  Node a = open(options);
  EXPECT_TRUE(comes_to(a, "rejoin_members{life=\"alive\"}", 1));
  EXPECT_EQ(sample(a, "rejoin_members{life=\"dead\"}"), 0);
  EXPECT_FALSE(samples(open(quick_options("b"))).contains("rejoin_members{life=\"alive\"}"));
}

TEST(Metrics, a_name_that_quotes_stays_one_label) {
  Node a = open(quick_options("a"));
  must(a.open_space("the \"s\"", in_memory));
  EXPECT_EQ(sample(a, "rejoin_space_cells{space=\"the \\\"s\\\"\"}"), 0);
}

// ---- Over HTTP ----

std::string http_get(const std::string& address, const std::string& path) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    ::close(socket);
    return "nobody listens";
  }
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  ::send(socket, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, n);
  ::close(socket);
  return answer;
}

TEST(MetricsServer, serves_the_same_over_http) {
  NodeOptions options = quick_options("a");
  options.metrics_listen = "127.0.0.1:0";
  Node a = open(options);
  must(a.open_space("s", in_memory));
  const std::string answer = http_get(a.metrics_address(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("\nrejoin_space_cells{space=\"s\"} 0\n"));
  EXPECT_THAT(http_get(a.metrics_address(), "/secrets"), HasSubstr(" 404 Not Found"));
  const std::string address = a.metrics_address();
  a.stop();
  EXPECT_EQ(http_get(address, "/metrics"), "nobody listens");
}

TEST(MetricsServer, is_not_there_unless_it_is_asked_for) {
  EXPECT_EQ(open(quick_options("a")).metrics_address(), "");
}

TEST(MetricsServer, a_port_in_use_is_named) {
  NodeOptions options = quick_options("a");
  options.metrics_listen = "127.0.0.1:0";
  Node a = open(options);
  options.name = "b";
  options.metrics_listen = a.metrics_address();
  auto second = Node::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_EQ(second.error().where, a.metrics_address());
}

}  // namespace
}  // namespace rejoin::node
