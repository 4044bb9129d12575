// Messages to one partition of a Kafka topic, in order and at least once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rejoin/crdt/result.h"

namespace rejoin::command {

struct KafkaOptions {
  std::string brokers;  // host:port, with commas between several
  std::string topic;
  std::int32_t partition = 0;
  std::vector<std::string> settings;  // of librdkafka, each KEY=VALUE
  // Given up when no message was confirmed for so long.
  std::chrono::seconds confirm_within{60};
};

struct KafkaMessage {
  std::string key;
  std::string value;
};

// One thread at a time.
class KafkaPublisher {
 public:
  // Talks to nobody yet. `invalid_argument` for a setting that does not exist, or that would undo
  // the order, and where this program was built without librdkafka.
  static Result<std::unique_ptr<KafkaPublisher>> open(const KafkaOptions& options);
  virtual ~KafkaPublisher() = default;

  // Returns when the brokers have confirmed all of these: every one stands behind the one before
  // it, and behind those of earlier calls. On an error the first `confirmed` of them do, some that
  // follow may, without a gap, and this publisher is of no more use. `limit_exceeded` for a message
  // that is too large, `timeout` when nothing is confirmed any more, `io` for all else that the
  // brokers refuse. Holds copies of all that it was given.
  virtual Status publish(const std::vector<KafkaMessage>& messages, std::size_t& confirmed) = 0;
};

}  // namespace rejoin::command
