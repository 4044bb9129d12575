#include "kafka/publisher.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

namespace rejoin::command {
namespace {

using std::chrono::steady_clock;

constexpr int poll_ms = 100;

// What order and completeness rest on: one request under way, repeated until it is answered, which
// brokers recognise when it comes twice; and nothing after one that failed for good.
constexpr std::array<std::pair<const char*, const char*>, 4> guarantees = {{
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"max.in.flight.requests.per.connection", "1"},
    {"message.timeout.ms", "0"},  // never: confirm_within decides
}};

void log_line(const rd_kafka_t*, int, const char*, const char* text) {
  std::fprintf(stderr, "rejoin: kafka: %s\n", text);
}

class Configuration {
 public:
  Configuration() : conf_(rd_kafka_conf_new()) {}
  Configuration(const Configuration&) = delete;
  ~Configuration() {
    if (conf_ != nullptr) rd_kafka_conf_destroy(conf_);
  }
  rd_kafka_conf_t* get() { return conf_; }
  void release() { conf_ = nullptr; }

  Status set(const std::string& key, const std::string& value, const std::string& where) {
    char why[512];
    if (rd_kafka_conf_set(conf_, key.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) {
      return {};
    }
    return make_error(ErrorCode::invalid_argument, why, where);
  }

  Status set_own(const std::string& setting) {
    const std::size_t equals = setting.find('=');
    const std::string where = "--kafka-option " + setting;
    if (equals == std::string::npos) {
      return make_error(ErrorCode::invalid_argument, "expected KEY=VALUE", where);
    }
    const std::string key = setting.substr(0, equals);
    if (std::ranges::any_of(guarantees, [&](const auto& fixed) { return key == fixed.first; })) {
      return make_error(ErrorCode::invalid_argument,
                        "the order of events rests on this setting; leave it out", where);
    }
    return set(key, setting.substr(equals + 1), where);
  }

 private:
  rd_kafka_conf_t* conf_;
};

class LibrdkafkaPublisher final : public KafkaPublisher {
 public:
  explicit LibrdkafkaPublisher(const KafkaOptions& options) : options_(options) {}
  ~LibrdkafkaPublisher() override {
    if (handle_ == nullptr) return;
    rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(handle_);
  }

  Status start() {
    Configuration conf;
    Status set = conf.set("bootstrap.servers", options_.brokers, "--kafka");
    if (set) set = conf.set("log_level", "3", "");  // errors
    for (const auto& [key, value] : guarantees) {
      if (set) set = conf.set(key, value, "");
    }
    for (const std::string& setting : options_.settings) {
      if (set) set = conf.set_own(setting);
    }
    if (!set) return set;
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_log_cb(conf.get(), log_line);
    rd_kafka_conf_set_dr_msg_cb(conf.get(),
                                [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                  static_cast<LibrdkafkaPublisher*>(self)->report(*message);
                                });
    rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int, const char* reason, void* self) {
      static_cast<LibrdkafkaPublisher*>(self)->last_trouble_ = reason;
    });
    char why[512];
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why, sizeof why);
    if (handle_ == nullptr) return make_error(ErrorCode::invalid_argument, why, "--kafka");
    conf.release();
    return {};
  }

  Status publish(const std::vector<KafkaMessage>& messages, std::size_t& confirmed) override {
    confirmed_ = 0;
    last_progress_ = steady_clock::now();
    std::size_t produced = 0;
    while (produced < messages.size() && !failure_) {
      const rd_kafka_resp_err_t error = produce(messages[produced]);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++produced;
      } else if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        wait();
      } else {
        wait_for(produced);
        fail(error, messages[produced].key);
      }
    }
    wait_for(produced);
    confirmed = confirmed_;
    return failure_ ? Status(*failure_) : Status();
  }

 private:
  rd_kafka_resp_err_t produce(const KafkaMessage& message) {
    return rd_kafka_producev(
        handle_, RD_KAFKA_V_TOPIC(options_.topic.c_str()), RD_KAFKA_V_PARTITION(options_.partition),
        RD_KAFKA_V_KEY(message.key.data(), message.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(message.value.data()), message.value.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  }

  // A moment, in which reports come.
  void wait() {
    rd_kafka_poll(handle_, poll_ms);
    if (failure_ || steady_clock::now() - last_progress_ < options_.confirm_within) return;
    fail(make_error(ErrorCode::timeout,
                    "nothing was confirmed for " + std::to_string(options_.confirm_within.count()) +
                        " s" + (last_trouble_.empty() ? "" : "; " + last_trouble_),
                    options_.brokers));
  }

  // Until so many of this call's messages are confirmed, or it has failed.
  void wait_for(std::size_t count) {
    while (confirmed_ < count && !failure_) wait();
  }

  // Reports come in the order of the messages.
  void report(const rd_kafka_message_t& message) {
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return fail(message.err, {static_cast<const char*>(message.key), message.key_len});
    }
    if (failure_) return;
    ++confirmed_;
    last_progress_ = steady_clock::now();
  }

  void fail(rd_kafka_resp_err_t error, std::string key) {
    const bool too_large = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    std::string what = rd_kafka_err2str(error);
    if (too_large) {
      what += "; raise message.max.bytes with --kafka-option, and what the topic takes";
    }
    fail(make_error(too_large ? ErrorCode::limit_exceeded : ErrorCode::io, std::move(what),
                    options_.topic + ", " + std::move(key)));
  }
  void fail(Error error) {  // the first counts
    if (!failure_) failure_ = std::move(error);
  }

  const KafkaOptions options_;
  rd_kafka_t* handle_ = nullptr;
  std::size_t confirmed_ = 0;  // of the call under way
  std::optional<Error> failure_;
  std::string last_trouble_;
  steady_clock::time_point last_progress_;
};

}  // namespace

Result<std::unique_ptr<KafkaPublisher>> KafkaPublisher::open(const KafkaOptions& options) {
  auto publisher = std::make_unique<LibrdkafkaPublisher>(options);
  if (auto started = publisher->start(); !started) return started.error();
  return std::unique_ptr<KafkaPublisher>(std::move(publisher));
}

}  // namespace rejoin::command
