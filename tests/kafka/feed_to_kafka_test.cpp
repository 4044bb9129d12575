// `rejoin feed --kafka` beside a mock of a Kafka cluster: every event is in the topic at least
// once, never before what it depends on, whatever happens to the process and the brokers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "../command/node_process.h"
#include "../command/process.h"
#include "../node/temp_directory.h"

namespace rejoin {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr const char* topic = "sessions";
constexpr std::int16_t produce_request = 0;  // Kafka's number of it

struct Message {
  std::string key;
  std::string value;
  friend bool operator==(const Message&, const Message&) = default;
};

rd_kafka_t* make_handle(rd_kafka_type_t type, const std::map<std::string, std::string>& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
  char why[512];
  for (const auto& [key, value] : settings) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
      throw std::runtime_error(why);
    }
  }
  rd_kafka_t* handle = rd_kafka_new(type, conf, why, sizeof why);
  if (handle == nullptr) throw std::runtime_error(why);
  return handle;
}

// A broker with a topic of one partition, and all that is in it.
class MockKafka {
 public:
  MockKafka() : handle_(make_handle(RD_KAFKA_PRODUCER, {})) {
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    rd_kafka_mock_topic_create(cluster_, topic, 1, 1);
    reader_ = make_handle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers()},
                                              {"group.id", "reader"},
                                              {"fetch.wait.max.ms", "10"},
                                              {"fetch.error.backoff.ms", "10"},
                                              {"reconnect.backoff.ms", "10"},
                                              {"reconnect.backoff.max.ms", "50"}});
    rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(all, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader_, all);
    rd_kafka_topic_partition_list_destroy(all);
  }
  ~MockKafka() {
    rd_kafka_destroy(reader_);
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }

  std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void answer_produce_with(const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, produce_request, errors.size(),
                                            errors.data());
  }
  void confirm_again() { rd_kafka_mock_clear_request_errors(cluster_, produce_request); }

  const std::vector<Message>& messages() const { return messages_; }
  std::set<std::string> keys() const {
    std::set<std::string> keys;
    for (const Message& message : messages_) keys.insert(message.key);
    return keys;
  }
  // Reads until so many different keys were seen.
  void read_keys(std::size_t count) {
    const auto deadline = steady_clock::now() + Process::patience;
    while (keys().size() < count) {
      if (steady_clock::now() > deadline) {
        throw std::runtime_error(std::to_string(keys().size()) + " keys came");
      }
      read_one();
    }
  }
  // Reads all that is there.
  void read_all() {
    const auto deadline = steady_clock::now() + Process::patience;
    std::int64_t first = 0, end = -1;
    while (end < 0 || static_cast<std::int64_t>(messages_.size()) < end) {
      if (steady_clock::now() > deadline) throw std::runtime_error("not all can be read");
      if (rd_kafka_query_watermark_offsets(reader_, topic, 0, &first, &end, 1000) !=
          RD_KAFKA_RESP_ERR_NO_ERROR) {
        end = -1;
        continue;
      }
      if (static_cast<std::int64_t>(messages_.size()) < end) read_one();
    }
  }

 private:
  void read_one() {
    rd_kafka_message_t* got = rd_kafka_consumer_poll(reader_, 100);
    if (got == nullptr) return;
    if (got->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      messages_.push_back({{static_cast<const char*>(got->key), got->key_len},
                           {static_cast<const char*>(got->payload), got->len}});
    }
    rd_kafka_message_destroy(got);
  }

  rd_kafka_t* handle_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  rd_kafka_t* reader_ = nullptr;
  std::vector<Message> messages_;
};

// Two nodes that write to one space and keep its history, of which one is published.
class FeedToKafka : public testing::Test {
 protected:
  FeedToKafka() {
    for (NodeProcess* node : {&a, &b}) node->start();
    a.connect(b);
    b.connect(a);
    // Who has just met is told a state, and not its events.
    b.wait_token(a.set("/met", 1)["token"]);
    a.wait_token(b.set("/met", 2)["token"]);
  }

  // Of one event, by `node`, that depends on all before it, or on what its node happens to know.
  void write(NodeProcess& node, bool after_all, const std::string& value = "v") {
    json request{{"command", "apply"},
                 {"space", "h"},
                 {"author", node.name()},
                 {"ops", {{{"op", "push"}, {"path", "/list:turns"}, {"value", value}}}},
                 {"wait", {{"durable", true}}},
                 {"timeout_ms", 50'000}};
    if (after_all && !tokens.empty()) {
      for (const auto& [name, token] : tokens) node.wait_token(token);
    }
    const json answer = node.call(request);
    tokens[node.name()] = answer["token"];
    const json dot = answer["dot"];
    keys.push_back("h/" + dot["replica"].get<std::string>() + ":" +
                   std::to_string(dot["sequence"].get<std::int64_t>()));
    // Its direct dependencies that are known for certain.
    if (after_all) {
      depends_on[keys.back()] = {keys.begin(), keys.end() - 1};
    } else if (last_of.contains(node.name())) {
      depends_on[keys.back()] = {last_of[node.name()]};
    }
    last_of[node.name()] = keys.back();
  }
  void write_many(int count) {
    for (int i = 0; i < count; ++i) write(i % 2 == 0 ? a : b, i % 5 == 0);
    write(a, true);  // so that a has, and keeps, everything before
  }

  std::vector<std::string> publishing(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"feed",
                                       "--socket",
                                       a.socket(),
                                       "--space",
                                       "h",
                                       "--topic",
                                       topic,
                                       "--kafka",
                                       kafka.brokers(),
                                       "--cursor-file",
                                       cursor,
                                       "--kafka-option",
                                       "reconnect.backoff.ms=10",
                                       "--kafka-option",
                                       "reconnect.backoff.max.ms=50"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void publish_all() {
    const Finished done = run(publishing());
    ASSERT_EQ(done.exit_code, 0) << done.err;
    ASSERT_EQ(done.out, "");
    kafka.read_all();
  }

  // Everything is there, and nothing came for the first time before what it depends on.
  void expect_all_in_causal_order() {
    std::map<std::string, std::size_t> first_at;
    std::map<std::string, std::string> values;
    for (const Message& message : kafka.messages()) {
      first_at.emplace(message.key, first_at.size());
      EXPECT_EQ(values.emplace(message.key, message.value).first->second, message.value);
      const json line = json::parse(message.value);
      EXPECT_EQ(message.key, "h/" + line["event"].get<std::string>());
    }
    for (const std::string& key : keys) {
      ASSERT_TRUE(first_at.contains(key)) << key << " is missing";
      for (const std::string& cause : depends_on[key]) {
        EXPECT_LT(first_at[cause], first_at[key]) << key << " came before " << cause;
      }
    }
    EXPECT_EQ(first_at.size(), keys.size());
  }

  TempDirectory directory;
  const std::string cursor = directory.file("cursor");
  const std::string history = "[[spaces]]\nname = \"h\"\nhistory = \"full\"\n";
  NodeProcess a{"a", history}, b{"b", history};
  MockKafka kafka;
  std::map<std::string, json> tokens;  // of the last write of each node
  std::map<std::string, std::string> last_of;
  std::vector<std::string> keys;  // of all events, in the order of their commits
  std::map<std::string, std::vector<std::string>> depends_on;
};

TEST_F(FeedToKafka,
       every_event_is_there_in_causal_order_although_the_process_is_killed_again_and_again) {
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = keys.size();
    write_many(30);
    // Some are confirmed, and then nothing is.
    std::vector<rd_kafka_resp_err_t> answers(4, RD_KAFKA_RESP_ERR_NO_ERROR);
    answers.insert(answers.end(), 1000, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    kafka.answer_produce_with(answers);
    Process publisher(publishing({"--follow", "--kafka-option", "batch.num.messages=3"}));
    kafka.read_keys(before + 1);
    publisher.signal(SIGKILL);
    EXPECT_EQ(publisher.wait(), 128 + SIGKILL);
    kafka.read_all();
    EXPECT_LE(kafka.keys().size(), before + 12);
    kafka.confirm_again();
    publish_all();
  }
  EXPECT_GE(kafka.messages().size(), keys.size() + 3) << "what was confirmed came again";
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, what_comes_again_has_the_same_key_and_the_same_text) {
  write_many(10);
  publish_all();
  EXPECT_EQ(kafka.messages().size(), keys.size());
  publish_all();
  EXPECT_EQ(kafka.messages().size(), keys.size()) << "the cursor was kept";
  std::filesystem::remove(cursor);
  publish_all();
  EXPECT_EQ(kafka.messages().size(), 2 * keys.size());
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, the_cursor_waits_for_the_brokers) {
  write_many(10);
  kafka.answer_produce_with(std::vector(1000, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS));
  const Finished refused = run(publishing({"--confirm-within", "1"}));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("timeout"));
  EXPECT_THAT(refused.err, HasSubstr("nothing was confirmed for 1 s"));
  EXPECT_FALSE(std::filesystem::exists(cursor));
  kafka.confirm_again();
  publish_all();
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, it_follows_and_survives_brokers_that_go_and_refuse) {
  Process publisher(publishing({"--follow", "--kafka-option", "retry.backoff.ms=10"}));
  write_many(10);
  kafka.read_keys(keys.size());
  kafka.answer_produce_with(
      {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
       RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR__TRANSPORT});  // hangs up
  write_many(10);
  kafka.read_keys(keys.size());
  publisher.signal(SIGKILL);
  publisher.wait();
  kafka.read_all();
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, an_event_that_kafka_does_not_take_stops_it_behind_those_before) {
  write(a, true);
  write(a, true, std::string(5000, 'x'));
  const std::string large = keys.back();
  write(a, true);
  const Finished refused = run(publishing({"--kafka-option", "message.max.bytes=2000"}));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("limit_exceeded"));
  EXPECT_THAT(refused.err, HasSubstr(large));
  EXPECT_THAT(refused.err, HasSubstr("raise message.max.bytes"));
  kafka.read_all();
  EXPECT_EQ(kafka.messages().size(), 1u);
  publish_all();
  EXPECT_EQ(kafka.messages().size(), 3u) << "the cursor was kept";
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, what_the_brokers_refuse_for_good_leaves_no_gap) {
  write_many(10);
  kafka.answer_produce_with({RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const Finished refused = run(publishing({"--kafka-option", "batch.num.messages=2"}));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("io at sessions, h/"));
  publish_all();
  expect_all_in_causal_order();
}

TEST_F(FeedToKafka, settings_that_are_none_or_would_undo_the_order_are_refused) {
  const auto refusal = [&](const std::string& setting) {
    const Finished refused = run(publishing({"--kafka-option", setting}));
    EXPECT_EQ(refused.exit_code, 1);
    return refused.err;
  };
  EXPECT_THAT(refusal("no.such=1"), HasSubstr("invalid_argument at --kafka-option no.such=1"));
  EXPECT_THAT(refusal("acks"), HasSubstr("expected KEY=VALUE"));
  EXPECT_THAT(refusal("enable.idempotence=false"), HasSubstr("the order of events rests on this"));
  EXPECT_THAT(refusal("acks=1"), HasSubstr("acks"));
  EXPECT_EQ(run({"feed", "--socket", a.socket(), "--kafka", "x:1"}).exit_code, 2);
  EXPECT_EQ(run({"feed", "--socket", a.socket(), "--topic", "x"}).exit_code, 2);
}

}  // namespace
}  // namespace rejoin
